//! Priors that are fitted to the posterior.

use super::*;

fn fitted(growth: f64) -> IvonConfig {
    let prior = Prior::Fitted { weights: 2.0, biases: 0.5, strength: 7.0, growth, every: 3 };
    IvonConfig { hess_init: 0.7, beta2: 0.9, prior, ..IvonConfig::new(200.0) }
}

/// Takes steps up to a number of them.
fn train(ivon: &mut Ivon, model: &Bowl, to: u32) {
    while ivon.state().step() < to {
        ivon.step(0.1, |cx| model.gradient(cx, 1.0)).unwrap();
    }
}

#[test]
fn the_variance_is_the_mean_square_of_the_posterior_with_the_first_one_as_more_elements() {
    let model = Bowl::new(3);
    let mut ivon = Ivon::new(&model, fitted(1e3), Settings::default()).unwrap();
    let first = [2.0 / 37.0, 0.5];
    assert_eq!(ivon.weight_decays(), [1.0 / (200.0 * first[0]), 1.0 / (200.0 * 0.5), 0.0, 0.3]);
    train(&mut ivon, &model, 2);
    let before = ivon.weight_decays().to_vec();
    assert_eq!(before[0], 1.0 / (200.0 * first[0]), "fitted before its time");
    train(&mut ivon, &model, 3);
    let (mean, h) = (ivon.state().unpadded("mean"), ivon.state().unpadded("hessian"));
    for (i, range) in [(0, 0..111), (1, 111..202)] {
        let square = |k: usize| (mean[k] as f64).powi(2) + 1.0 / (200.0 * (h[k] as f64 + before[i]));
        let variance = (range.clone().map(square).sum::<f64>() + 7.0 * first[i]) / (range.len() as f64 + 7.0);
        let found = 1.0 / (200.0 * ivon.weight_decays()[i]);
        assert!((found / variance - 1.0).abs() < 1e-12, "{found} where {variance} is expected");
        assert!((found / first[i] - 1.0).abs() > 0.01, "nothing was fitted");
    }
    // Frozen, and with a weight decay of its own.
    assert_eq!(ivon.weight_decays()[2..], [0.0, 0.3]);
    // The sample of the next step has the new sigma: it is the posterior's.
    let delta = ivon.weight_decays()[0];
    let sample = ivon.context().sample(&model.parameters[0]).unwrap().to_f64();
    let mut noise = vec![0.0; 111];
    crate::tensor::noise::Noise::of(0, 4, 0).fill_normals(0, &mut noise);
    for k in 0..111 {
        let expected = mean[k] as f64 + noise[k] as f64 / (200.0 * (h[k] as f64 + delta)).sqrt();
        assert!((sample[k] - expected).abs() < 1e-6, "{} where {expected} is expected", sample[k]);
    }
}

#[test]
fn the_variance_grows_up_to_its_limit() {
    let model = Bowl::new(3);
    let mut ivon = Ivon::new(&model, fitted(1.5), Settings::default()).unwrap();
    train(&mut ivon, &model, 30);
    let variance = 1.0 / (200.0 * ivon.weight_decays()[0]);
    assert!((variance / (1.5 * 2.0 / 37.0) - 1.0).abs() < 1e-12, "{variance}");
}

#[test]
fn fits_that_make_no_sense_are_refused() {
    let refused = |prior| {
        let config = IvonConfig { prior, ..IvonConfig::new(1e6) };
        Ivon::new(&Bowl::new(3), config, Settings::default()).map(|_| ()).unwrap_err().to_string()
    };
    let of = |strength, growth, every| Prior::Fitted { weights: 1.0, biases: 1.0, strength, growth, every };
    assert!(refused(of(0.0, 1.0, 1)).contains("the strength of the prior is 0"));
    assert!(refused(of(1.0, f64::INFINITY, 1)).contains("the growth of the prior variance is inf"));
    assert!(refused(of(1.0, 1.0, 0)).contains("the steps between two fits of the prior is 0"));
    let plan = Plan { examples: 0, batch: 1, steps: 1 };
    let message = Ivon::auto(&Bowl::new(3), plan, Settings::default()).map(|_| ()).unwrap_err().to_string();
    assert!(message.contains("examples of the plan is 0"), "{message}");
}
