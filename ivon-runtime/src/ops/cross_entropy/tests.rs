use super::*;
use crate::core::error::Error;
use crate::ops::shared::specification::{Input, f32_context, ids, numbers, refused, specify};

#[test]
fn gradients_and_precision() {
    specify!(
        [numbers([2, 3, 5]), ids([2, 3], 5)],
        [numbers([7, 53, 131]), ids([7, 53], 131)],
        1e-6,
        |cx, [logits, targets]| forward_saving(cx, logits, targets),
        |cx, saved, d_loss, [d_logits, _]| backward(cx, saved, d_loss, d_logits)
    );
}

#[test]
fn ignored_targets_do_not_count() {
    specify!(
        [numbers([4, 5]), Input::Ids([4].into(), vec![1, IGNORE, 4, IGNORE])],
        [numbers([3, 40_000]), Input::Ids([3].into(), vec![IGNORE, 39_999, 0])],
        1e-6,
        |cx, [logits, targets]| forward_saving(cx, logits, targets),
        |cx, saved, d_loss, [d_logits, _]| backward(cx, saved, d_loss, d_logits)
    );
}

#[test]
fn known_values() {
    let cx = f32_context();
    // Even odds on four classes: ln 4, whatever the target.
    let targets = Tensor::from_slice(&[2u32, IGNORE], [2]).unwrap();
    let logits = Tensor::from_slice(&[7.0f32, 7.0, 7.0, 7.0, 100.0, 0.0, 0.0, 0.0], [2, 4]).unwrap();
    let loss = forward(&cx, &logits, &targets).unwrap().item().unwrap();
    assert!((loss - 4f64.ln()).abs() < 1e-6);
}

#[test]
fn the_gradient_takes_the_place_of_logits_that_nobody_else_reads() {
    let cx = f32_context();
    let gradient = |shared: bool| {
        let logits = Tensor::from_slice(&[1.0f32, 2.0, 3.0, 0.5, 0.0, -1.0], [2, 3]).unwrap();
        let address = logits.as_slice::<f32>().as_ptr();
        let targets = Tensor::from_slice(&[2u32, 0], [2]).unwrap();
        let (_, saved) = forward_saving(&cx, &logits, &targets).unwrap();
        let other = shared.then(|| logits.clone());
        drop(logits);
        let mut d_logits = Adjoint::new();
        backward(&cx, saved, Tensor::from_slice(&[2.0f32], []).unwrap(), &mut d_logits).unwrap();
        let d_logits = d_logits.into_option().unwrap();
        assert_eq!(d_logits.as_slice::<f32>().as_ptr() == address, !shared);
        if let Some(logits) = other {
            assert_eq!(logits.as_slice::<f32>()[0], 1.0, "shared logits are left alone");
        }
        d_logits.to_f64()
    };
    assert_eq!(gradient(false), gradient(true));
}

#[test]
fn wrong_targets_are_refused() {
    let cx = f32_context();
    let logits = cx.zeros([2, 3]).unwrap();
    let targets = |ids: &[u32]| Tensor::from_slice(ids, [ids.len()]).unwrap();
    let error = forward(&cx, &logits, &targets(&[0, 3])).unwrap_err();
    assert_eq!(error, Error::Id { at: "cross_entropy".into(), id: 3, position: 1, limit: 3 });
    refused(forward(&cx, &logits, &targets(&[0, 1, 2])), &["cross_entropy", "`targets` is [3]", "[2]", "`logits` is [2, 3]"]);
    refused(forward(&cx, &logits, &targets(&[IGNORE, IGNORE])), &["no target counts"]);
    refused(forward(&cx, &logits, &logits), &["`targets` holds F32"]);
}
