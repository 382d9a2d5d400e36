use super::*;
use crate::ops::shared::specification::{numbers, specify};

#[test]
fn gradients_and_precision() {
    for axes in [Axes::from(None), Some(0).into(), Some(1).into(), [0, 2].into()] {
        specify!(
            [numbers([3, 4, 5])],
            [numbers([37, 41, 43])],
            1e-6,
            |cx, [x]| forward_saving(cx, x, axes),
            |cx, saved, d_y, [d_x]| backward(cx, saved, d_y, d_x)
        );
    }
}
