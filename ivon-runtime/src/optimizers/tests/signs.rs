//! Signs that a run goes wrong.

use super::*;

/// All warnings of `steps` steps with this learning rate and these factors of the gradient.
fn warnings(config: IvonConfig, steps: usize, lr: f64, factor: impl Fn(usize) -> f64) -> Vec<Warning> {
    let model = Bowl::new(3);
    let mut ivon = Ivon::new(&model, config, Settings::default()).unwrap();
    let mut all = vec![];
    for step in 0..steps {
        ivon.step(lr, |cx| model.gradient(cx, factor(step))).unwrap();
        all.extend(std::iter::from_fn(|| ivon.take_warning()));
    }
    all
}

fn signs(all: &[Warning]) -> Vec<Sign> {
    all.iter().map(|warning| warning.sign).collect()
}

fn calm() -> IvonConfig {
    IvonConfig { beta2: 0.99, ..IvonConfig::new(100.0) }
}

#[test]
fn a_calm_run_gives_no_warning() {
    assert_eq!(warnings(calm(), 1000, 0.1, |_| 1.0), []);
    let plan = Plan { examples: 100, batch: 10, steps: 1000 };
    assert_eq!(warnings(plan.config(), 1000, 0.1, |_| 1.0), []);
}

#[test]
fn a_hessian_that_collapses_or_explodes_is_named_with_its_tensor() {
    // Without a gradient h only decays, to 0.9^100 of its start.
    let all = warnings(IvonConfig { beta2: 0.9, ess: 1e8, ..calm() }, 100, 0.0, |_| 0.0);
    assert_eq!(signs(&all), [Sign::HessianCollapsed], "{all:?}");
    assert!(all[0].parameter.is_some() && all[0].value.unwrap() < 1e-4 && all[0].message.contains("beta2"), "{all:?}");
    let all = warnings(IvonConfig { beta2: 0.9, ..calm() }, 100, 0.0, |step| if step == 98 { 1e6 } else { 1.0 });
    assert!(signs(&all).contains(&Sign::HessianHuge), "{all:?}");
    let huge = all.iter().find(|warning| warning.sign == Sign::HessianHuge).unwrap();
    assert!(huge.value.unwrap() > 1e6 && huge.message.contains(huge.parameter.as_deref().unwrap()), "{huge}");
}

#[test]
fn sigma_above_the_weights_is_named() {
    let all = warnings(IvonConfig { ess: 0.05, ..calm() }, 100, 0.0, |_| 1.0);
    assert!(signs(&all).contains(&Sign::SigmaAboveWeights), "{all:?}");
}

#[test]
fn sigma_above_its_prior_is_named() {
    // A concave loss: h falls below 0.
    let prior = Prior::Variance { weights: 37.0, biases: 1.0 };
    let config = IvonConfig { ess: 10.0, beta2: 0.9, prior, ..calm() };
    let all = warnings(config, 100, 0.0, |_| -0.05);
    assert!(signs(&all).contains(&Sign::SigmaAbovePrior), "{all:?}");
}

#[test]
fn steps_that_stay_at_their_bound_are_named_once() {
    let all = warnings(IvonConfig { step_bound: Some(1e-6), ..calm() }, 2500, 0.1, |_| 1.0);
    assert_eq!(signs(&all), [Sign::StepsAtBound], "{all:?}");
    assert!(all[0].value.unwrap() > 0.5 && all[0].message.contains("step_bound"), "{all:?}");
}

#[test]
fn a_loss_that_rises_is_warned_of_by_every_optimizer() {
    let model = Bowl::new(3);
    let check = |optimizer: &mut dyn Optimizer| {
        let mut all = vec![];
        for step in 0..400 {
            let loss = if step < 200 { 1.0 } else { 1e6 };
            let mut gradient = |cx: &Context, _: usize| model.gradient(cx, 0.0).map(|_| loss);
            optimizer.step_in_parts(0.0, &mut gradient).unwrap();
            all.extend(std::iter::from_fn(|| optimizer.take_warning()));
        }
        let found = signs(&all);
        assert!(found.contains(&Sign::Diverged) && found.contains(&Sign::LossAboveStart), "{all:?}");
        assert_eq!(found.iter().filter(|sign| **sign == Sign::Diverged).count(), 1);
    };
    check(&mut Ivon::new(&model, calm(), Settings::default()).unwrap());
    check(&mut AdamW::new(&model, AdamWConfig::default(), Settings::default()).unwrap());
    check(&mut Sgd::new(&model, SgdConfig::default(), Settings::default()).unwrap());
}
