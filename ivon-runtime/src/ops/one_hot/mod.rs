//! One-hot rows of ids.

use crate::context::Context;
use crate::core::error::{Error, Result};
use crate::ops::shared::check;
use crate::ops::shared::patterns;
use crate::ops::shared::patterns::Pattern;
use crate::tensor::Tensor;

/// y\[.., c\] is 1 where c is the id, else 0, for `classes` values of c. It has no gradient.
///
/// # Errors
/// [`Error::Id`] if an id is not below `classes`.
pub fn forward(cx: &Context, classes: usize, ids: &Tensor) -> Result<Tensor> {
    check::ids("one_hot", "ids", ids)?;
    check::ids_below("one_hot", cx, ids, classes, None)?;
    patterns::make("one_hot", cx, Some(ids), (with_last("one_hot", ids, classes)?, classes), Pattern::Column)
}

/// The shape of `ids` with one more dimension.
pub(super) fn with_last(at: &str, ids: &Tensor, last: usize) -> Result<crate::core::shape::Shape> {
    let most = crate::core::shape::MAX_RANK;
    let error = || Error::shape(at, format!("`ids` is {}: a tensor has at most {most} dimensions", ids.shape()));
    ids.shape().push(last).ok_or_else(error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::shared::specification::{f32_context, refused};
    use crate::ops::{arange, eye, length_mask};

    #[test]
    fn known_values() {
        let cx = f32_context();
        let ids = Tensor::from_slice(&[2u32, 0], [2]).unwrap();
        assert_eq!(forward(&cx, 3, &ids).unwrap().as_slice::<f32>(), [0.0, 0.0, 1.0, 1.0, 0.0, 0.0]);
        assert_eq!(length_mask::forward(&cx, 3, &ids).unwrap().as_slice::<f32>(), [1.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(arange::forward(&cx, 3).unwrap().as_slice::<f32>(), [0.0, 1.0, 2.0]);
        assert_eq!(eye::forward(&cx, 2).unwrap().as_slice::<f32>(), [1.0, 0.0, 0.0, 1.0]);
        let error = forward(&cx, 2, &ids);
        assert!(matches!(error, Err(Error::Id { id: 2, position: 0, limit: 2, .. })));
        refused(forward(&cx, 2, &cx.zeros([2]).unwrap()), &["one_hot", "ids (u32)"]);
        refused(arange::forward(&cx, 1 << 25), &["arange", "33554432"]);
    }
}
