use super::*;
use crate::core::error::Error;
use crate::ops::shared::specification::{f32_context, ids, numbers, refused, specify};

#[test]
fn gradients_and_precision() {
    specify!(
        [numbers([2, 3, 4]), ids([7], 4)],
        [numbers([7, 131]), ids([53], 131)],
        1e-6, // of sums of a few numbers
        |cx, [x, ids]| forward_saving(cx, x, ids),
        |cx, saved, d_y, [d_x, _]| backward(cx, saved, d_y, d_x)
    );
}

#[test]
fn columns_may_stand_several_times_or_never() {
    let cx = f32_context();
    let x = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0], [2, 3]).unwrap();
    let ids = Tensor::from_slice(&[2u32, 0, 2], [3]).unwrap();
    let (y, saved) = forward_saving(&cx, &x, &ids).unwrap();
    assert_eq!(y.as_slice::<f32>(), [3.0, 1.0, 3.0, 6.0, 4.0, 6.0]);
    let mut d_x = Adjoint::new();
    backward(&cx, saved, y, &mut d_x).unwrap();
    assert_eq!(d_x.into_option().unwrap().as_slice::<f32>(), [1.0, 0.0, 6.0, 4.0, 0.0, 12.0]);
    let none = forward(&cx, &x, &Tensor::from_slice::<u32>(&[], [0]).unwrap()).unwrap();
    assert_eq!(&none.shape()[..], [2, 0]);
}

#[test]
fn what_does_not_fit_is_refused() {
    let cx = f32_context();
    let (x, three) = (cx.zeros([2, 3]).unwrap(), Tensor::from_slice(&[0u32, 3], [2]).unwrap());
    assert_eq!(forward(&cx, &x, &three).unwrap_err(), Error::Id { at: "index_select".into(), id: 3, position: 1, limit: 3 });
    refused(forward(&cx, &x, &cx.zeros([2]).unwrap()), &["index_select", "`ids` holds F32", "u32"]);
    refused(forward(&cx, &x, &three.reshaped([1, 2])), &["`ids` is [1, 2]", "[K]"]);
}
