//! The place of the largest number along an axis.

use crate::context::Context;
use crate::core::error::Result;
use crate::ops::shared::axes::Axes;
use crate::ops::shared::extreme;
use crate::ops::shared::extreme::Extreme;
use crate::tensor::Tensor;

/// The place of the first largest number along an axis, or in the whole tensor (`None`), as ids; a NaN counts as the largest. PyTorch's `argmax`. It has no
/// gradient.
///
/// # Errors
/// If `x` lacks the axis, or there is nothing along it.
pub fn forward(cx: &Context, x: &Tensor, axes: impl Into<Axes>) -> Result<Tensor> {
    extreme::place("argmax", Extreme::Largest, cx, x, axes.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::argmin;
    use crate::ops::shared::specification::{f32_context, refused};

    #[test]
    fn the_first_of_equal_ones_and_nan_before_all() {
        let cx = f32_context();
        let nan = f32::NAN;
        let x = Tensor::from_slice(&[1.0, 3.0, 3.0, 0.0, nan, -1.0, f32::NEG_INFINITY, -5.0, f32::NEG_INFINITY], [3, 3]).unwrap();
        assert_eq!(forward(&cx, &x, Some(1)).unwrap().as_slice::<u32>(), [1, 1, 1]);
        assert_eq!(argmin::forward(&cx, &x, Some(1)).unwrap().as_slice::<u32>(), [0, 1, 0]);
        assert_eq!(forward(&cx, &x, Some(0)).unwrap().as_slice::<u32>(), [0, 1, 0]);
        assert_eq!(argmin::forward(&cx, &x, Some(0)).unwrap().as_slice::<u32>(), [2, 1, 2]);
        assert_eq!(forward(&cx, &x, None).unwrap().as_slice::<u32>(), [4]);
        refused(forward(&cx, &cx.zeros([2, 0]).unwrap(), Some(1)), &["argmax", "[2, 0]"]);
    }
}
