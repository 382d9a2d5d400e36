//! Hyper-parameters to start from.

use super::{Ivon, IvonConfig};
use crate::context::flat::Layout;
use crate::optimizers::state::mean_square;
use crate::tensor::parameter::Model;

/// The result of [`Ivon::suggest`].
#[derive(Clone, Debug, PartialEq)]
pub struct Suggestion {
    /// The hyper-parameters.
    pub config: IvonConfig,
    /// The highest learning rate, after warm-up over about 5% of the steps and before a decay to 0.
    pub lr: f64,
}

impl Suggestion {
    /// The same for a run of so many steps: `beta2` is at least 1 - 2 / `steps`.
    ///
    /// Then the Hessian has e^-2 of its start left at the end. In a run much longer than 1 / (1 - beta2) steps nothing of it is left: h falls
    /// towards 0 wherever the data say nothing of a weight, sigma and the step, lr (h0 + delta) / (h + delta), grow, and the run diverges.
    #[must_use]
    pub fn for_steps(mut self, steps: usize) -> Suggestion {
        self.config.beta2 = self.config.beta2.max(1.0 - 2.0 / steps.max(2) as f64);
        self
    }
}

impl Ivon {
    /// Hyper-parameters to start a search from, for a model trained from scratch on `dataset_size` examples in batches of about 50. They were fitted to
    /// short runs on small images; for a run without a search use [`Ivon::auto`], which knows the length of the run.
    ///
    /// With N examples and w the root mean square of the initial weights (of tensors with two or more dimensions):
    ///
    /// | | | why |
    /// |---|---|---|
    /// | `ess` | N | then the posterior is that of the data |
    /// | `weight_decay` | 0.04 / √N | between a hundredth (a hundred examples) and the published 5e-5 (ImageNet) |
    /// | `hess_init` | 16 / (N w²), at least 0.05 and at most 0.5 | σ starts at a quarter of the weights it is added to |
    /// | `beta2` | 1 − 0.5 / N, at least 0.999 | h is a mean over estimates whose relative variance is ess / batch (Fisher information); this leaves about half a per cent of it |
    /// | `lr` | 0.5 | with h near its start, what moves a weight is lr · gradient, as in SGD |
    ///
    /// and the defaults of [`IvonConfig::new`] for the rest. A run of more than 2,000 steps asks for [`Suggestion::for_steps`] beside it, or it may
    /// diverge. For batches of B, multiply 1 − beta2 by B / 50; large batches allow a larger lr.
    /// The rules are fits to a sweep (docs/experiments/sensitivity.md) and to the published settings for CIFAR-10 and ImageNet (Shen et al. 2024,
    /// Appendix); within a factor of four they are rarely far from the best. For GPT-2 take the published settings instead.
    ///
    /// ```
    /// use ivon_runtime::{layers::Linear, prelude::*};
    ///
    /// let model = Linear::<784, 10>::new();
    /// let suggested = Ivon::suggest(60_000, &model);
    /// assert_eq!(suggested.config.ess, 60_000.0);
    /// let ivon = Ivon::new(&model, suggested.config, Settings::default())?;
    /// # Ok::<(), ivon_runtime::Error>(())
    /// ```
    pub fn suggest(dataset_size: usize, model: &impl Model) -> Suggestion {
        let n = dataset_size.max(1) as f64;
        let layout = Layout::of(model);
        let weights = layout.entries().iter().map(|e| &e.parameter).filter(|p| p.shape().rank() >= 2 && !p.frozen());
        let (sum, count) = weights.fold((0.0, 0.0), |(sum, count), p| {
            let elements = p.shape().elements() as f64;
            (sum + elements * mean_square(p), count + elements)
        });
        // All weights at zero, or none: as narrow as it gets.
        let hess_init = if sum > 0.0 { 16.0 / (n * sum / count) } else { 0.5 };
        let config = IvonConfig {
            weight_decay: 0.04 / n.sqrt(),
            hess_init: hess_init.clamp(0.05, 0.5),
            beta2: 1.0 - (0.5 / n).clamp(1e-12, 1e-3),
            ..IvonConfig::new(n)
        };
        Suggestion { config, lr: 0.5 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::prelude::Settings;
    use crate::tensor::parameter::{Builder, Init, Options, Parameter};

    /// One matrix and one vector.
    struct Tiny([Parameter; 2]);

    impl Model for Tiny {
        const NAME: &'static str = "Tiny";
        fn visit_parameters<'a>(&'a self, visit: &mut dyn FnMut(&'a Parameter)) {
            self.0.iter().for_each(visit);
        }
    }

    fn tiny(init: Init) -> Tiny {
        let mut b = Builder::new();
        let matrix = b.parameter("weight", [4, 3], Options { init: Some(init), ..Options::default() });
        Tiny([matrix, b.parameter("gain", [3], Options { init: Some(Init::Ones), ..Options::default() })])
    }

    #[test]
    fn sigma_starts_at_a_quarter_of_the_weights() {
        for init in [Init::Normal(0.05), Init::Uniform(0.05 * 3f64.sqrt()), Init::Constant(-0.05)] {
            let config = Ivon::suggest(20_000, &tiny(init)).config;
            let sigma = (config.ess * config.hess_init).powf(-0.5);
            assert!((sigma / 0.05 - 0.25).abs() < 1e-12, "{init:?}: {sigma}");
        }
    }

    #[test]
    fn the_published_settings_are_near() {
        // CIFAR-10: h0 0.5, delta 2e-4, beta2 0.99999, and weights of a ResNet-18, N(0, 2 / (9 · 300)) on average.
        let cifar = Ivon::suggest(50_000, &tiny(Init::Normal((2.0f64 / 2700.0).sqrt()))).config;
        assert!((0.25..1.0).contains(&cifar.hess_init) && (1e-4..4e-4).contains(&cifar.weight_decay), "{cifar:?}");
        assert!((cifar.beta2 - 0.99999).abs() < 1e-12);
        // ImageNet: h0 0.05, delta 5e-5.
        let imagenet = Ivon::suggest(1_281_167, &tiny(Init::Normal((2.0f64 / 2700.0).sqrt()))).config;
        assert!(imagenet.hess_init == 0.05 && (2.5e-5..1e-4).contains(&imagenet.weight_decay), "{imagenet:?}");
    }

    #[test]
    fn every_suggestion_can_be_trained_with() {
        for n in [0, 1, 100, usize::MAX] {
            for init in [Init::Zeros, Init::Normal(1e-8), Init::Normal(1e8)] {
                let model = tiny(init);
                let suggested = Ivon::suggest(n, &model);
                assert!(suggested.lr > 0.0 && suggested.config.beta2 < 1.0, "{suggested:?}");
                assert!(Ivon::new(&model, suggested.config, Settings::default()).is_ok());
            }
        }
    }
}
