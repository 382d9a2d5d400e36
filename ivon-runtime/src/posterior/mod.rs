//! The posterior as a value: mean, sigma, samples, and predictions averaged over samples.

pub(crate) mod draw;
pub(crate) mod pass;

use crate::context::Context;
use crate::context::flat::{Entry, Flat, Layout, Values};
use crate::core::dtype::DType;
use crate::core::error::{Error, Result};
use crate::device::Device;
use crate::posterior::draw::{Spread, draw};
use crate::tensor::Tensor;
use crate::tensor::noise::{EVALUATION, Noise};
use std::borrow::Cow;
use std::rc::Rc;

/// A Gaussian with diagonal covariance over the parameters of a model, N(mean, sigma²), sigma² = 1 / (ess · (h + delta)); or a point.
///
/// It borrows an optimizer's state; [`Posterior::into_owned`] makes it last longer than that.
pub struct Posterior<'a> {
    pub(crate) layout: Rc<Layout>,
    pub(crate) mean: Elements<'a>,
    pub(crate) precision: Option<Precision<'a>>,
    /// The values of the model's buffers.
    pub(crate) running: Option<Flat>,
}

pub(crate) struct Precision<'a> {
    pub(crate) hessian: Elements<'a>,
    pub(crate) ess: f64,
    /// delta of each parameter.
    pub(crate) decays: Cow<'a, [f64]>,
}

/// The elements of a flat buffer.
pub(crate) enum Elements<'a> {
    Borrowed(&'a [f32]),
    /// A slice of a state, which is not written meanwhile.
    Counted(Values<'a, f32>),
    Owned(Vec<f32>),
}

impl std::ops::Deref for Elements<'_> {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        match self {
            Elements::Borrowed(slice) => slice,
            Elements::Counted(values) => values,
            Elements::Owned(all) => all,
        }
    }
}

impl Elements<'_> {
    fn into_owned(self) -> Elements<'static> {
        Elements::Owned(match self {
            Elements::Owned(all) => all,
            other => other.to_vec(),
        })
    }
}

impl<'a> Posterior<'a> {
    /// A Gaussian posterior from flat buffers, as long as the layout with its padding; `decays` holds delta of each parameter.
    ///
    /// # Errors
    /// If a length is not that of the layout.
    pub fn gaussian(
        layout: &Rc<Layout>,
        mean: &'a [f32],
        hessian: &'a [f32],
        ess: f64,
        decays: &'a [f64],
    ) -> Result<Posterior<'a>> {
        let (padded, parameters) = (layout.padded(), layout.entries().len());
        check_length("mean", mean.len(), padded, "elements with padding")?;
        check_length("hessian", hessian.len(), padded, "elements with padding")?;
        check_length("decays", decays.len(), parameters, "parameters")?;
        let precision = Precision { hessian: Elements::Borrowed(hessian), ess, decays: decays.into() };
        Ok(Posterior { layout: layout.clone(), mean: Elements::Borrowed(mean), precision: Some(precision), running: None })
    }

    /// A point: every sigma is 0.
    ///
    /// # Errors
    /// If the length is not that of the layout with its padding.
    pub fn point(layout: &Rc<Layout>, mean: &'a [f32]) -> Result<Posterior<'a>> {
        check_length("mean", mean.len(), layout.padded(), "elements with padding")?;
        Ok(Posterior { layout: layout.clone(), mean: Elements::Borrowed(mean), precision: None, running: None })
    }

    /// That of a state: mean, and Hessian, ess and decays where there are any, whose lengths are known to be right.
    pub(crate) fn of_state(
        layout: &Rc<Layout>,
        mean: Values<'a, f32>,
        precision: Option<(Values<'a, f32>, f64, &'a [f64])>,
    ) -> Posterior<'a> {
        let precision = precision.map(|(hessian, ess, decays)| {
            let hessian = Elements::Counted(hessian);
            Precision { hessian, ess, decays: decays.into() }
        });
        Posterior { layout: layout.clone(), mean: Elements::Counted(mean), precision, running: None }
    }

    /// The same posterior of a model with buffers: with their values, which every sample shares.
    pub fn with_running_statistics(self, running: &Flat) -> Posterior<'a> {
        Posterior { running: Some(running.share()), ..self }
    }

    /// The values of the model's buffers, for [`Context::set_running_statistics`].
    pub fn running_statistics(&self) -> Option<&Flat> {
        self.running.as_ref()
    }

    /// The same posterior with buffers of its own.
    ///
    /// # Panics
    /// If the running statistics are being written meanwhile (a [`Flat::as_mut_slice`] of them is held), or there is not so much memory.
    pub fn into_owned(self) -> Posterior<'static> {
        let own = |p: Precision| Precision { hessian: p.hessian.into_owned(), ess: p.ess, decays: p.decays.into_owned().into() };
        let running = self.running.map(|running| match running.copied() {
            Ok(copy) => copy,
            Err(error) => panic!("the running statistics cannot be copied: {error}"),
        });
        Posterior { layout: self.layout, mean: self.mean.into_owned(), precision: self.precision.map(own), running }
    }

    /// The posterior at a temperature: its covariance times `temperature`, the mean as it is. 1 changes nothing, below 1 it is a cold posterior
    /// (Wenzel et al. 2020), and 0 is the point at the mean.
    ///
    /// # Errors
    /// If the temperature is negative or not finite.
    pub fn tempered(self, temperature: f64) -> Result<Posterior<'a>> {
        if !(temperature >= 0.0 && temperature.is_finite()) {
            return Err(Error::config(format!("temperature {temperature}: a finite number of at least 0 is expected")));
        }
        // sigma² T = 1 / ((ess / T) (h + delta))
        let scaled = |p: Precision<'a>| (temperature > 0.0).then(|| Precision { ess: p.ess / temperature, ..p });
        Ok(Posterior { precision: self.precision.and_then(scaled), ..self })
    }

    /// The position of each parameter in the flat buffers.
    pub fn layout(&self) -> &Rc<Layout> {
        &self.layout
    }

    /// True if it is a point.
    pub fn is_point(&self) -> bool {
        self.precision.is_none()
    }

    /// The effective sample size; `None` of a point.
    pub fn ess(&self) -> Option<f64> {
        self.precision.as_ref().map(|p| p.ess)
    }

    /// Weight decay (delta) of each parameter, in declaration order; empty for a point.
    pub fn weight_decays(&self) -> &[f64] {
        self.precision.as_ref().map_or(&[], |p| &p.decays)
    }

    /// The mean of a parameter, row-major.
    ///
    /// # Errors
    /// If there is no parameter of that name.
    pub fn mean(&self, name: &str) -> Result<&[f32]> {
        let (_, entry) = self.entry(name)?;
        Ok(&self.mean[entry.range()])
    }

    /// Sigma of a parameter, row-major; 0 where it is frozen.
    ///
    /// # Errors
    /// If there is no parameter of that name.
    pub fn sigma(&self, name: &str) -> Result<Vec<f32>> {
        let (i, entry) = self.entry(name)?;
        Ok(match &self.precision {
            Some(p) if !entry.parameter.frozen() => {
                let sigma = |h: &f32| (p.ess * (*h as f64 + p.decays[i])).sqrt().recip() as f32;
                p.hessian[entry.range()].iter().map(sigma).collect()
            }
            _ => vec![0.0; entry.range().len()],
        })
    }

    /// The Hessian h of a parameter, row-major; empty for a point.
    ///
    /// # Errors
    /// If there is no parameter of that name.
    pub fn hessian(&self, name: &str) -> Result<&[f32]> {
        let (_, entry) = self.entry(name)?;
        Ok(self.precision.as_ref().map_or(&[], |p| &p.hessian[entry.range()]))
    }

    fn entry(&self, name: &str) -> Result<(usize, &Entry)> {
        let entries = self.layout.entries();
        let found = entries.iter().enumerate().find(|(_, e)| e.parameter.name() == name);
        found.ok_or_else(|| {
            let names: Vec<_> = entries.iter().map(|e| e.parameter.name()).collect();
            Error::config(format!("the model has no parameter `{name}`: it has `{}`", names.join("`, `")))
        })
    }

    /// Writes sample `k` of the noise with this seed into `weights`; `None` writes the mean.
    ///
    /// With the seed of the run, sample `k` is the one that `Optimizer::at_sample(k)` uses.
    ///
    /// # Errors
    /// If `weights` belongs to another layout, or a tensor or a slice of it is still held.
    pub fn write(&self, sample: Option<(u64, u32)>, weights: &mut Flat) -> Result<()> {
        check_length("weights", weights.layout().padded(), self.layout.padded(), "elements with padding")?;
        if let Some((ours, theirs)) = self.layout.difference(weights.layout()) {
            return Err(Error::config(format!("the weights are of another model: {theirs} where the posterior has {ours}")));
        }
        weights.check_free("weights")?;
        match weights.dtype() {
            DType::F64 => self.write_as::<f64>(sample, &mut weights.values_mut()?),
            DType::Bf16 => self.write_as::<half::bf16>(sample, &mut weights.values_mut()?),
            _ => self.write_as::<f32>(sample, &mut weights.values_mut()?),
        }
        Ok(())
    }

    fn write_as<E: pass::Compute>(&self, sample: Option<(u64, u32)>, weights: &mut [E]) {
        let noise = sample.map(|(seed, k)| Noise::of(seed, EVALUATION, k));
        let spread = noise.zip(self.precision.as_ref()).map(|(noise, p)| Spread {
            noise,
            ess: p.ess,
            hessian: &p.hessian,
            decays: &p.decays,
        });
        draw(&self.layout, spread, &self.mean, weights);
    }

    /// A flat buffer with sample `k` of the noise with this seed.
    ///
    /// # Errors
    /// If there is not so much memory.
    pub fn sample(&self, seed: u64, k: u32) -> Result<Flat> {
        let mut weights = Flat::zeros(&self.layout, DType::F32)?;
        self.write(Some((seed, k)), &mut weights)?;
        Ok(weights)
    }

    /// Class probabilities averaged over `samples` samples: log ((1/n) Σ softmax(logits_k)), one sample in memory at a time.
    /// `logits` is called once for each sample, in a context with its weights; its last dimension is the classes.
    ///
    /// # Errors
    /// Those of `logits`, and if its shape changes from sample to sample.
    pub fn predict(&self, samples: usize, seed: u64, mut logits: impl FnMut(&Context) -> Result<Tensor>) -> Result<LogAverage> {
        let cx = Context::new(Device::Cpu, DType::F32)?;
        cx.set_running_statistics(self.running.as_ref());
        let mut weights = Flat::zeros(&self.layout, DType::F32)?;
        let mut average = LogAverage::new();
        for k in 0..samples {
            self.write(Some((seed, k as u32)), &mut weights)?;
            cx.set_weights(&weights);
            average.add_logits(&logits(&cx)?)?;
        }
        Ok(average)
    }
}

fn check_length(name: &str, found: usize, expected: usize, of: &str) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    Err(Error::shape(
        "Posterior",
        format!("`{name}` has {found} elements where {expected} are expected: the layout has so many {of}"),
    ))
}

/// The logarithm of an average of probabilities, streamed: log ((1/n) Σ_k exp(x_k)), elementwise.
#[derive(Clone, Debug, Default)]
pub struct LogAverage {
    /// log Σ exp so far.
    sum: Vec<f64>,
    count: usize,
}

impl LogAverage {
    /// An average of nothing yet.
    pub fn new() -> Self {
        LogAverage::default()
    }

    /// The number of samples added.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Adds the log-probabilities of one sample.
    ///
    /// # Errors
    /// If their number is not that of the samples before.
    pub fn add(&mut self, log_probabilities: impl ExactSizeIterator<Item = f64>) -> Result<()> {
        if self.count == 0 {
            self.sum = vec![f64::NEG_INFINITY; log_probabilities.len()];
        }
        if self.sum.len() != log_probabilities.len() {
            let message = format!(
                "sample {} has {} log-probabilities, the ones before {}",
                self.count,
                log_probabilities.len(),
                self.sum.len()
            );
            return Err(Error::shape("LogAverage::add", message));
        }
        for (sum, x) in self.sum.iter_mut().zip(log_probabilities) {
            let (high, low) = (sum.max(x), sum.min(x));
            // log(e^a + e^b) without overflow; two infinities of the same sign have no difference.
            *sum = if high == f64::NEG_INFINITY || x.is_nan() { high + x } else { high + (low - high).exp().ln_1p() };
        }
        self.count += 1;
        Ok(())
    }

    /// Adds softmax(logits) over the last dimension.
    ///
    /// # Errors
    /// As [`LogAverage::add`].
    pub fn add_logits(&mut self, logits: &Tensor) -> Result<()> {
        let mut values = logits.to_f64();
        for row in values.chunks_mut(logits.shape().last().max(1)) {
            let high = row.iter().fold(f64::NEG_INFINITY, |m, x| m.max(*x));
            let total = high + row.iter().map(|x| (x - high).exp()).sum::<f64>().ln();
            row.iter_mut().for_each(|x| *x -= total);
        }
        self.add(values.into_iter())
    }

    /// The averaged log-probabilities.
    pub fn log_probabilities(&self) -> impl ExactSizeIterator<Item = f64> + '_ {
        let n = (self.count as f64).ln();
        self.sum.iter().map(move |s| s - n)
    }

    /// Minus the mean of the averaged log-probabilities: where those of the right answers were added, the NLL.
    pub fn nll(&self) -> f64 {
        -self.log_probabilities().sum::<f64>() / self.sum.len() as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::optimizers::{Ivon, IvonConfig, Optimizer, Settings};
    use crate::tensor::parameter::{Builder, Init, Model, Options, Parameter};

    /// One matrix of 2 × 3.
    struct Tiny(Parameter);

    impl Model for Tiny {
        const NAME: &'static str = "Tiny";
        fn visit_parameters<'a>(&'a self, visit: &mut dyn FnMut(&'a Parameter)) {
            visit(&self.0);
        }
    }

    fn tiny() -> Tiny {
        Tiny(Builder::new().parameter("weight", [2, 3], Options { init: Some(Init::Normal(1.0)), ..Options::default() }))
    }

    fn config() -> IvonConfig {
        IvonConfig { hess_init: 0.5, weight_decay: 0.125, ..IvonConfig::new(10.0) }
    }

    #[test]
    fn sigma_is_the_root_of_one_over_the_precision() {
        let ivon = Ivon::new(&tiny(), config(), Settings::default()).unwrap();
        assert_eq!(ivon.posterior().sigma("weight").unwrap(), [(1.0f64 / (10.0 * 0.625)).sqrt() as f32; 6]);
        assert_eq!(ivon.posterior().hessian("weight").unwrap(), [0.5; 6]);
        let message = ivon.posterior().mean("wieght").unwrap_err().to_string();
        assert!(message.contains("no parameter `wieght`: it has `weight`"), "{message}");
    }

    #[test]
    fn buffers_of_another_layout_are_refused() {
        let layout = Layout::of(&tiny());
        let (right, wrong) = (vec![0.5; layout.padded()], vec![0.5; layout.elements()]);
        let message = |result: Result<Posterior>| result.err().unwrap().to_string();
        let found = message(Posterior::point(&layout, &wrong));
        assert!(found.contains("`mean` has 6 elements where 64 are expected"), "{found}");
        let found = message(Posterior::gaussian(&layout, &right, &wrong, 1.0, &[0.0]));
        assert!(found.contains("`hessian` has 6 elements"), "{found}");
        let found = message(Posterior::gaussian(&layout, &right, &right, 1.0, &[]));
        assert!(found.contains("`decays` has 0 elements where 1 are expected: the layout has so many parameters"), "{found}");
        assert!(Posterior::gaussian(&layout, &right, &right, 1.0, &[0.0]).is_ok());
    }

    #[test]
    fn samples_have_the_mean_and_the_sigma_of_the_posterior() {
        let ivon = Ivon::new(&tiny(), config(), Settings::default()).unwrap();
        let posterior = ivon.posterior().into_owned();
        drop(ivon);
        let n = 20_000;
        let (mut sum, mut squares) = ([0.0; 6], [0.0; 6]);
        for k in 0..n {
            let sample = posterior.sample(4, k).unwrap();
            for i in 0..6 {
                let x = (sample.as_slice::<f32>()[i] - posterior.mean("weight").unwrap()[i]) as f64;
                sum[i] += x / n as f64;
                squares[i] += x * x / n as f64;
            }
        }
        let sigma = posterior.sigma("weight").unwrap()[0] as f64;
        let root = (n as f64).sqrt();
        assert!(sum.iter().all(|m| (m / sigma * root).abs() < 4.0), "{sum:?}");
        assert!(squares.iter().all(|s| ((s / sigma / sigma - 1.0) * root / 2f64.sqrt()).abs() < 4.0), "{squares:?}");
    }

    #[test]
    fn temperature_scales_the_covariance() {
        let ivon = Ivon::new(&tiny(), config(), Settings::default()).unwrap();
        let sigma = ivon.posterior().sigma("weight").unwrap()[0];
        let hot = ivon.posterior().tempered(4.0).unwrap();
        assert!((hot.sigma("weight").unwrap()[0] / sigma - 2.0).abs() < 1e-6);
        assert_eq!(hot.mean("weight").unwrap(), ivon.posterior().mean("weight").unwrap());
        assert!(ivon.posterior().tempered(0.0).unwrap().is_point());
        for wrong in [-1.0, f64::NAN, f64::INFINITY] {
            assert!(ivon.posterior().tempered(wrong).is_err());
        }
    }

    #[test]
    fn a_sample_of_the_value_is_the_one_the_optimizer_evaluates_at() {
        let model = tiny();
        let mut ivon = Ivon::new(&model, config(), Settings { seed: 8, ..Settings::default() }).unwrap();
        let theirs = ivon.posterior().sample(8, 2).unwrap().as_slice::<f32>()[..6].to_vec();
        let ours = ivon.at_sample(2, |cx| Ok(cx.sample(&model.0)?.as_slice::<f32>().to_vec())).unwrap();
        assert_eq!(ours, theirs);
    }

    #[test]
    fn predictions_average_probabilities_and_not_logits() {
        let model = tiny();
        let ivon = Ivon::new(&model, config(), Settings::default()).unwrap();
        let posterior = ivon.posterior();
        let average = posterior.predict(5, 3, |cx| cx.sample(&model.0)).unwrap(); // the weights themselves are the logits, [2, 3]
        let mut expected = [0.0f64; 6];
        for k in 0..5 {
            let sample = posterior.sample(3, k).unwrap();
            for row in 0..2 {
                let logits = &sample.as_slice::<f32>()[3 * row..3 * row + 3];
                let total: f64 = logits.iter().map(|x| (*x as f64).exp()).sum();
                (0..3).for_each(|i| expected[3 * row + i] += (logits[i] as f64).exp() / total / 5.0);
            }
        }
        for (found, expected) in average.log_probabilities().zip(expected) {
            assert!((found.exp() - expected).abs() < 1e-12);
        }
    }

    #[test]
    fn averages_in_log_space_neither_overflow_nor_lose_impossible_events() {
        let mut average = LogAverage::new();
        average.add([-1000.0, f64::NEG_INFINITY, 0.0].into_iter()).unwrap();
        average.add([-1000.0, f64::NEG_INFINITY, f64::NEG_INFINITY].into_iter()).unwrap();
        let found: Vec<f64> = average.log_probabilities().collect();
        assert!((found[0] + 1000.0).abs() < 1e-12);
        assert_eq!(found[1], f64::NEG_INFINITY);
        assert!((found[2] + 2f64.ln()).abs() < 1e-12);
        assert!(average.add([0.0].into_iter()).is_err());
    }
}
