//! Tests of refusals, of notices, and of parameters that stay as they are.

use super::*;

#[test]
fn weight_decay_acts_on_matrices_unless_a_parameter_says_otherwise() {
    let config = IvonConfig { weight_decay: 0.02, ..IvonConfig::new(1e6) };
    let ivon = Ivon::new(&Bowl::new(3), config, Settings::default()).unwrap();
    assert_eq!(ivon.weight_decays(), [0.02, 0.0, 0.0, 0.3]); // weight, bias, frozen, own
}

#[test]
fn a_frozen_parameter_never_changes_and_has_no_noise() {
    let model = Bowl::new(3);
    let check = |optimizer: &mut dyn Optimizer| {
        let start = optimizer.posterior().mean("frozen").unwrap().to_vec();
        assert!(start.iter().any(|x| *x != 0.0));
        for _ in 0..3 {
            optimizer.step_in_parts(0.1, &mut |cx, _| model.gradient(cx, 1.0)).unwrap();
            let sample = optimizer.context().sample(&model.parameters[2]).unwrap();
            assert_eq!(sample.as_slice::<f32>(), start);
        }
        assert_eq!(optimizer.posterior().mean("frozen").unwrap(), start);
        assert_eq!(optimizer.posterior().sigma("frozen").unwrap(), [0.0; 15]);
        assert!(optimizer.posterior().mean("weight").unwrap() != start);
    };
    check(&mut Ivon::new(&model, IvonConfig { samples: 2, ..IvonConfig::new(1e6) }, Settings::default()).unwrap());
    check(&mut AdamW::new(&model, AdamWConfig::default(), Settings::default()).unwrap());
    check(&mut Sgd::new(&model, SgdConfig { weight_decay: 0.1, ..SgdConfig::default() }, Settings::default()).unwrap());
}

#[test]
fn a_loss_that_is_not_finite_stops_the_run() {
    let model = Bowl::new(3);
    let mut ivon = Ivon::new(&model, IvonConfig::new(1e6), Settings::default()).unwrap();
    ivon.step(0.1, |cx| model.gradient(cx, 1.0)).unwrap();
    let message = ivon.step(0.1, |_| Ok(f64::NAN)).unwrap_err().to_string();
    for part in ["step 2", "the loss is NaN", "lower the learning rate", "hess_init", "clip_radius"] {
        assert!(message.contains(part), "{part}: {message}");
    }
}

/// The message of the first step whose gradient of `bias` is `value` at element 7.
fn stumble(value: f32, grad_clip: Option<f64>, config: IvonConfig) -> String {
    let model = Bowl::new(3);
    let mut ivon = Ivon::new(&model, config, Settings { grad_clip, ..Settings::default() }).unwrap();
    let step = ivon.step(0.1, |cx| {
        let mut adjoint = cx.gradient(&model.parameters[1])?;
        let target = adjoint.target(cx, [91])?;
        target.unwrap().0.as_mut_slice::<f32>()[7] = value;
        Ok(1.0)
    });
    step.unwrap_err().to_string()
}

#[test]
fn a_gradient_that_is_not_finite_is_named() {
    let message = stumble(f32::NAN, None, IvonConfig::new(1e6));
    assert!(message.starts_with("step 1: `bias`: the Hessian h is NaN at element 7"), "{message}");
    let message = stumble(f32::INFINITY, Some(1.0), IvonConfig::new(1e6));
    assert!(message.starts_with("step 1: the norm of the gradient is inf, `bias` has inf"), "{message}");
}

#[test]
fn a_hessian_that_explodes_is_named() {
    let config = IvonConfig { estimate: HessianEstimate::GradSq, ..IvonConfig::new(1e10) };
    let message = stumble(3e3, None, config);
    assert!(message.starts_with("step 1: `bias`: the Hessian h is"), "{message}");
    assert!(message.contains("sigma vanishes at element 7"), "{message}");
}

#[test]
fn a_configuration_that_makes_no_sense_is_refused() {
    let model = Bowl::new(3);
    let ivon = |config, settings| Ivon::new(&model, config, settings).map(|_| ()).unwrap_err().to_string();
    let standard = || IvonConfig::new(1e6);
    let cases = [
        (IvonConfig { ess: 0.0, ..standard() }, "ess is 0"),
        (IvonConfig { hess_init: -1.0, ..standard() }, "hess_init is -1"),
        (IvonConfig { beta1: 1.0, ..standard() }, "beta1 is 1"),
        (IvonConfig { beta2: f64::NAN, ..standard() }, "beta2 is NaN"),
        (IvonConfig { weight_decay: -0.1, ..standard() }, "weight_decay is -0.1"),
        (IvonConfig { clip_radius: Some(0.0), ..standard() }, "clip_radius is 0"),
        (IvonConfig { samples: 0, ..standard() }, "samples is 0"),
        (IvonConfig { samples: 3, sample_per: SamplePer::MicroBatch, ..standard() }, "samples is 3"),
    ];
    for (config, expected) in cases {
        let message = ivon(config, Settings::default());
        assert!(message.contains(expected), "{expected}: {message}");
    }
    assert!(ivon(standard(), Settings { micro_batches: 0, ..Settings::default() }).contains("micro_batches is 0"));
    assert!(ivon(standard(), Settings { grad_clip: Some(0.0), ..Settings::default() }).contains("grad_clip is 0"));
    let mut fine = Ivon::new(&model, standard(), Settings::default()).unwrap();
    assert!(fine.step(f64::NAN, |cx| model.gradient(cx, 1.0)).unwrap_err().to_string().contains("learning rate is NaN"));
}

#[test]
fn a_tensor_that_is_kept_is_an_error_and_not_a_surprise() {
    let model = Bowl::new(3);
    let mut ivon = Ivon::new(&model, IvonConfig::new(1e6), Settings::default()).unwrap();
    let kept = ivon.at_mean(|cx| cx.sample(&model.parameters[0])).unwrap();
    let message = ivon.step(0.1, |cx| model.gradient(cx, 1.0)).unwrap_err().to_string();
    assert!(message.contains("still held") && message.contains("to_f64"), "{message}");
    drop(kept);
    ivon.step(0.1, |cx| model.gradient(cx, 1.0)).unwrap();
    let kept = ivon.at_sample(0, |cx| cx.sample(&model.parameters[0]));
    assert!(kept.unwrap_err().to_string().contains("still held"));
    ivon.step(0.1, |cx| model.gradient(cx, 1.0)).unwrap();
}

#[test]
fn statistics_are_those_of_the_posterior() {
    let model = Bowl::new(700);
    let config = IvonConfig { beta2: 0.9, weight_decay: 0.01, ..IvonConfig::new(400.0) };
    let mut ivon = Ivon::new(&model, config, Settings::default()).unwrap();
    ivon.step(0.1, |cx| model.gradient(cx, 1.0)).unwrap();
    let (statistics, posterior) = (ivon.statistics().unwrap(), ivon.posterior());
    let names = ["weight", "bias", "own"];
    let sigma: Vec<f32> = names.iter().flat_map(|n| posterior.sigma(n).unwrap()).collect();
    let mean = sigma.iter().map(|s| *s as f64).sum::<f64>() / sigma.len() as f64;
    assert!((statistics.sigma_mean - mean).abs() < 1e-6 * mean);
    // bias has no weight decay: sigma² = 1 / (ess h).
    let h = 1.0 / (400.0 * (posterior.sigma("bias").unwrap()[3] as f64).powi(2));
    assert!(statistics.hessian_min <= h * 1.00001 && h * 0.99999 <= statistics.hessian_max && h != 1.0);
}

#[test]
fn ivon_holds_twenty_bytes_a_parameter_and_adamw_sixteen() {
    let model = Bowl::new(2000);
    let ivon = Ivon::new(&model, IvonConfig::new(1e6), Settings::default()).unwrap();
    let padded = ivon.state().layout().padded();
    assert_eq!(ivon.state().bytes(), 20 * padded);
    let adamw = AdamW::new(&model, AdamWConfig::default(), Settings::default()).unwrap();
    assert_eq!(adamw.state().bytes(), 16 * padded);
}
