//! Signs in the tensors of IVON's state that a run goes wrong.

use super::{Ivon, IvonConfig, Prior};
use crate::context::flat::Entry;
use crate::optimizers::Optimizer;
use crate::optimizers::state::mean_square;
use crate::optimizers::watch::{Sign, Warning};

/// Steps between two looks. A look is one pass over the state.
pub(super) const EVERY: u32 = 100;
/// Steps between two looks at a state on a GPU, which has to wait for it.
pub(super) const EVERY_ON_GPU: u32 = 500;
/// Looks in a row with steps at their bound, where the length of the run is not known.
const LONG: u32 = 20;

/// The statistics of one parameter.
struct Tensor {
    name: String,
    rank: usize,
    /// The root of the mean square that elements start with.
    start: f64,
    delta: f64,
    hessian: f64,
    hessian_max: f64,
    /// The mean of sigma.
    sigma: f64,
    /// The root of the mean square of the mean.
    size: f64,
    /// The share of elements whose step is cut.
    at_bound: f64,
}

impl Ivon {
    /// Leaves a warning for each sign that the state shows and that was not given yet.
    pub(super) fn look_for_signs(&mut self, lr: f64) {
        let step = self.driver.state.step();
        let on_gpu = self.driver.state.gpu.is_some();
        if !step.is_multiple_of(if on_gpu { EVERY_ON_GPU } else { EVERY }) {
            return;
        }
        if on_gpu && !self.is_suspicious() {
            return;
        }
        let tensors = self.tensors(lr);
        let mut found: Vec<Warning> = vec![];
        // The tensor that is furthest out speaks for all.
        let worst = |measure: &dyn Fn(&Tensor) -> f64| {
            let measured = tensors.iter().map(|t| (t, measure(t))).filter(|(_, x)| *x > 1.0);
            measured.max_by(|a, b| a.1.total_cmp(&b.1)).map(|(t, _)| t)
        };
        let c = &self.config;
        let bounded = worst(&|t| if c.step_bound.is_some() { 2.0 * t.at_bound } else { 0.0 });
        found.extend(worst(&|t| t.hessian_max / (HUGE * (c.hess_init + t.delta))).map(huge));
        found.extend(worst(&|t| collapse(c, t)).map(|t| collapsed(c, t)));
        found.extend(worst(&|t| t.sigma / (1.05 * prior_sigma(c, t))).map(|t| above_prior(c, t)));
        found.extend(worst(&|t| t.sigma / above_weights_limit(t)).map(above_weights));
        let watch = &mut self.driver.state.watch;
        watch.at_bound = if bounded.is_some() { watch.at_bound + 1 } else { 0 };
        let long = c.plan.map_or(LONG, |plan| (plan.steps as u32 / (5 * EVERY)).max(2));
        found.extend(bounded.filter(|_| watch.at_bound >= long).map(|t| at_bound(t, watch.at_bound)));
        let fresh = watch.fresh(found);
        self.driver.warn(fresh);
    }

    /// True where the totals alone show that a copy of the state is worth its time.
    fn is_suspicious(&self) -> bool {
        let c = &self.config;
        let start = 1.0 / (c.ess * c.hess_init).sqrt();
        self.statistics().is_some_and(|s| s.hessian_max > HUGE * c.hess_init || s.sigma_mean > 10.0 * start)
    }

    fn tensors(&self, lr: f64) -> Vec<Tensor> {
        let (state, c) = (&self.driver.state, &self.config);
        let (mean, hessian, momentum) = (state.mean(), state.buffer("hessian"), state.buffer("momentum"));
        let debias = if c.debias { 1.0 / (1.0 - c.beta1.powf(f64::from(state.step()))) } else { 1.0 };
        let free = state.layout().entries().iter().zip(state.decays()).filter(|(e, _)| !e.parameter.frozen());
        let of = |(entry, delta): (&Entry, &f64)| {
            let n = entry.range().len().max(1) as f64;
            let rate = if c.rescale_lr { lr * (c.hess_init + delta) } else { lr };
            let (mut h_sum, mut h_max, mut sigma, mut square, mut cut) = (0.0, f64::NEG_INFINITY, 0.0, 0.0, 0usize);
            for i in entry.range() {
                let (m, h, v) = (f64::from(mean[i]), f64::from(hessian[i]), f64::from(momentum[i]));
                let own = 1.0 / (c.ess * (h + delta)).sqrt();
                let longest = c.step_bound.unwrap_or(f64::INFINITY) * own;
                cut += usize::from((rate * (v * debias + delta * m) / (h + delta)).abs() >= longest);
                (h_sum, h_max, sigma, square) = (h_sum + h, h_max.max(h), sigma + own, square + m * m);
            }
            Tensor {
                name: entry.parameter.name().into(),
                rank: entry.parameter.shape().rank(),
                start: mean_square(&entry.parameter).sqrt(),
                delta: *delta,
                hessian: h_sum / n,
                hessian_max: h_max,
                sigma: sigma / n,
                size: (square / n).sqrt(),
                at_bound: cut as f64 / n,
            }
        };
        free.map(of).collect()
    }
}

/// h in units of its start at which a weight no longer moves.
const HUGE: f64 = 1e6;

fn huge(t: &Tensor) -> Warning {
    let name = &t.name;
    let message = format!(
        "the Hessian of `{name}` is up to {:.3e}, so large that weights no longer move: a gradient was far out of the ordinary. Set hessian_bound (5), \
         lower the learning rate, or set grad_clip",
        t.hessian_max
    );
    Warning::new(Sign::HessianHuge, message).of(t.hessian_max).in_parameter(name.as_str())
}

/// How far a Hessian has collapsed; above 1 is too far. A prior variance bounds what follows from it.
fn collapse(c: &IvonConfig, t: &Tensor) -> f64 {
    if c.prior == Prior::WeightDecay {
        0.01 * (c.hess_init + t.delta) / (t.hessian + t.delta).max(f64::MIN_POSITIVE)
    } else {
        0.0
    }
}

fn collapsed(c: &IvonConfig, t: &Tensor) -> Warning {
    let name = &t.name;
    let message = format!(
        "the Hessian of `{name}` has fallen from {:e} to {:.3e} on average: steps and sigma grow as it falls, up to divergence. Bring beta2 to at \
         least 1 - 2 / steps, or give every parameter a prior variance",
        c.hess_init, t.hessian
    );
    Warning::new(Sign::HessianCollapsed, message).of(t.hessian).in_parameter(name.as_str())
}

/// Sigma of the prior; infinite without one.
fn prior_sigma(c: &IvonConfig, t: &Tensor) -> f64 {
    1.0 / (c.ess * t.delta).sqrt()
}

fn above_prior(c: &IvonConfig, t: &Tensor) -> Warning {
    let (name, prior) = (&t.name, prior_sigma(c, t));
    let message = format!(
        "sigma of `{name}` is {:.3e} on average, above that of its prior, {prior:.3e}: its Hessian is negative. Raise hess_init or the prior precision, \
         or average over more gradients (a larger beta2, more samples)",
        t.sigma
    );
    Warning::new(Sign::SigmaAbovePrior, message).of(t.sigma).in_parameter(name.as_str())
}

/// The largest sigma that is no sign. Vectors may start at 0, and a prior bounds their sigma.
fn above_weights_limit(t: &Tensor) -> f64 {
    let size = t.size.max(t.start);
    match t.rank {
        0 | 1 if t.delta > 0.0 => f64::INFINITY,
        0 | 1 => 3.0 * size.max(1.0),
        _ => 3.0 * size,
    }
}

fn above_weights(t: &Tensor) -> Warning {
    let name = &t.name;
    let message = format!(
        "sigma of `{name}` is {:.3e} on average, its mean {:.3e}: a sample is mostly noise. Raise ess, hess_init, or the prior precision",
        t.sigma, t.size
    );
    Warning::new(Sign::SigmaAboveWeights, message).of(t.sigma).in_parameter(name.as_str())
}

fn at_bound(t: &Tensor, looks: u32) -> Warning {
    let (name, share) = (&t.name, t.at_bound);
    let message = format!(
        "{:.0} % of the steps of `{name}` are cut at step_bound, for {looks} looks in a row: it is far from where the loss wants it. Train longer, \
         or scale inputs and targets to mean 0 and standard deviation 1",
        100.0 * share
    );
    Warning::new(Sign::StepsAtBound, message).of(share).in_parameter(name.as_str())
}
