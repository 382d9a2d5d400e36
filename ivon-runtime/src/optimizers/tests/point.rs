//! AdamW and SGD against PyTorch 2 (torch.optim, in f64): five steps on ½ Σ a (theta − target)² from fixed starting values.

use super::*;

const START: [f32; 4] = [0.5, -0.25, 1.0, 2.0];
const LR: [f64; 5] = [0.1, 0.2, 0.05, 0.1, 0.1];

/// The first four elements of `weight` after five steps from [`START`].
fn run(mut optimizer: impl Optimizer, model: &Bowl) -> [f32; 4] {
    let load = &mut |state: &mut State| {
        state.buffer_mut("mean")?[..4].copy_from_slice(&START);
        Ok(())
    };
    optimizer.restore(load).unwrap();
    for lr in LR {
        optimizer.step(lr, |cx| model.gradient(cx, 1.0)).unwrap();
    }
    optimizer.posterior().mean("weight").unwrap()[..4].try_into().unwrap()
}

fn assert_close(found: [f32; 4], expected: [f64; 4]) {
    for (a, b) in found.iter().zip(expected) {
        assert!((*a as f64 - b).abs() < 2e-6, "{found:?} where {expected:?} is expected");
    }
}

#[test]
fn adamw_is_that_of_pytorch() {
    let model = Bowl::new(3);
    let config = AdamWConfig { beta1: 0.8, beta2: 0.95, eps: 1e-6, weight_decay: 0.1 };
    let adamw = AdamW::new(&model, config, Settings::default()).unwrap();
    assert_close(run(adamw, &model), [0.967179085409845, 0.2534013737453408, 0.4141113732070021, 1.358149588859481]);
}

#[test]
fn sgd_is_that_of_pytorch() {
    let model = Bowl::new(3);
    let sgd = |momentum, nesterov, weight_decay| {
        let config = SgdConfig { momentum, nesterov, weight_decay };
        run(Sgd::new(&model, config, Settings::default()).unwrap(), &model)
    };
    assert_close(sgd(0.9, false, 0.1), [0.9540206312000001, 0.3996746051665486, -1.4958397146299527, -1.6337299482782681]);
    assert_close(sgd(0.9, true, 0.1), [0.9813593688030905, 0.3964799091300628, -1.400647994457286, -1.5379927210805595]);
    assert_close(sgd(0.0, false, 0.0), [0.7229800000000001, 0.035183064858839125, -0.11477643704055537, 0.4102836578065916]);
}

#[test]
fn a_point_is_its_own_posterior() {
    let model = Bowl::new(3);
    let mut adamw = AdamW::new(&model, AdamWConfig::default(), Settings::default()).unwrap();
    let read = |cx: &Context| Ok(cx.sample(&model.parameters[0])?.to_f64());
    assert_eq!(adamw.at_mean(read).unwrap(), adamw.at_sample(3, read).unwrap());
    assert!(adamw.posterior().is_point() && adamw.statistics().is_none());
    assert!(adamw.posterior().sigma("weight").unwrap().iter().all(|s| *s == 0.0));
}
