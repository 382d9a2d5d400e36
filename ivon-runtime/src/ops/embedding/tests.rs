use super::*;
use crate::ops::shared::specification::{f32_context, ids, numbers, refused, specify};

#[test]
fn gradients_and_precision() {
    specify!(
        [ids([2, 3], 4), numbers([4, 3])],
        [ids([7, 53], 131), numbers([131, 67])],
        1e-6, // of sums of a few numbers
        |cx, [ids, weight]| forward_saving(cx, ids, weight),
        |cx, saved, d_y, [_, d_weight]| backward(cx, saved, d_y, d_weight)
    );
}

#[test]
fn an_id_that_stands_twice_gets_both_gradients() {
    let cx = f32_context();
    let ids = Tensor::from_slice(&[2u32, 0, 2], [3]).unwrap();
    let (_, saved) = forward_saving(&cx, &ids, &cx.zeros([3, 2]).unwrap()).unwrap();
    let d_y = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 4.0, 5.0, 6.0], [3, 2]).unwrap();
    let mut d_weight = Adjoint::new();
    backward(&cx, saved, d_y, &mut d_weight).unwrap();
    assert_eq!(d_weight.into_option().unwrap().as_slice::<f32>(), [3.0, 4.0, 0.0, 0.0, 6.0, 8.0]);
}

#[test]
fn an_id_out_of_range_is_refused() {
    let cx = f32_context();
    let ids = Tensor::from_slice(&[0u32, 3, 1], [3]).unwrap();
    let error = forward(&cx, &ids, &cx.zeros([3, 2]).unwrap()).unwrap_err();
    assert_eq!(error, Error::Id { at: "embedding".into(), id: 3, position: 1, limit: 3 });
}

#[test]
fn floats_for_ids_are_refused() {
    let cx = f32_context();
    refused(forward(&cx, &cx.zeros([2]).unwrap(), &cx.zeros([3, 2]).unwrap()), &["embedding", "`ids` holds F32", "u32"]);
    let ids = Tensor::from_slice(&[0u32], [1]).unwrap();
    refused(forward(&cx, &ids, &cx.zeros([3]).unwrap()), &["`weight` is [3]", "[ROWS, WIDTH]"]);
}
