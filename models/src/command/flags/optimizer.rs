//! Which optimizer, and all its numbers.

use super::values::{Bound, bound, fraction, non_negative, positive, samples};
use crate::classifier::Architecture;
use clap::{Args, ValueEnum};
use ivon_runtime::optimizers::{
    AdamW, AdamWConfig, HessianEstimate, Ivon, IvonConfig, Optimizer, SamplePer, Settings, Sgd, SgdConfig,
};
use ivon_runtime::{DType, Device, Layout, Model, Result};
use serde_json::{Value, json};

/// The optimizers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum OptimizerName {
    /// Improved variational online Newton: a posterior for the price of Adam
    Ivon,
    /// Adam with decoupled weight decay
    Adamw,
    /// Stochastic gradient descent with momentum
    Sgd,
}

impl OptimizerName {
    /// As on the command line.
    pub fn name(self) -> &'static str {
        match self {
            OptimizerName::Ivon => "ivon",
            OptimizerName::Adamw => "adamw",
            OptimizerName::Sgd => "sgd",
        }
    }
}

/// When IVON draws a new sample of the weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SamplePerName {
    /// --mc-samples times an update; each sample sees the whole batch
    Update,
    /// Once for every micro-batch; --micro-batches is then also the number of samples
    MicroBatch,
}

/// How IVON estimates the Hessian.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum HessApprox {
    /// gradient · noise / sigma
    Price,
    /// ess · gradient²
    Gradsq,
}

/// The optimizer and its numbers.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Optimizer")]
pub struct OptimizerFlags {
    /// The optimizer
    #[arg(long, value_enum, default_value = "ivon")]
    pub optimizer: OptimizerName,

    /// Learning rate after warm-up; IVON's is multiplied by hess-init + weight-decay [default: on text ivon 10, adamw 0.001, sgd 0.1, with --init
    /// ivon 0.03 / hess-init, adamw 0.0001, sgd 0.01; on images
    /// ivon 0.5 (lenet 0.2, resnet18 to resnet50 2.5), adamw 0.001, sgd 0.1, with --init of ivon 0.003, of adamw 0.03 and of sgd 0.001 times that]
    #[arg(long, value_name = "RATE", value_parser = positive)]
    pub lr: Option<f64>,

    /// Decay of the momentum average of sgd [default: 0.9]
    #[arg(long, value_name = "DECAY", value_parser = fraction)]
    pub momentum: Option<f64>,

    /// Effective sample size of ivon, in training examples; larger means less noise [default: on text 1e6, on images
    /// their number, 50,000 at least]
    #[arg(long, value_name = "EXAMPLES", value_parser = positive)]
    pub ess: Option<f64>,

    /// Initial Hessian of ivon, above 0 [default: on text 0.1, on images 0.5 (resnet18 to resnet50 0.05)]
    #[arg(long, value_name = "H", value_parser = positive)]
    pub hess_init: Option<f64>,

    /// Decay of the gradient average of ivon and adamw [default: 0.9]
    #[arg(long, value_name = "DECAY", value_parser = fraction)]
    pub beta1: Option<f64>,

    /// Decay of the Hessian average of ivon, of the squared-gradient average of adamw [default: on text ivon 0.9999,
    /// adamw 0.99; on images ivon
    /// 1 - 2 / steps, from 0.999 to 0.99999 (resnet18 to resnet50 0.999995), adamw 0.999]
    #[arg(long, value_name = "DECAY", value_parser = fraction)]
    pub beta2: Option<f64>,

    /// Weight decay on tensors of two or more dimensions; ivon's is the prior precision over ess [default: on text ivon 1e-5,
    /// adamw 0.1, sgd 1e-4; on images ivon 5e-4 (lenet 2e-4, resnet18 to resnet50 5e-5), adamw 0.05, sgd 5e-4
    /// (resnet18 to resnet50 1e-4)]
    #[arg(long, value_name = "DELTA", value_parser = non_negative)]
    pub weight_decay: Option<f64>,

    /// The largest step of one weight of ivon before the learning rate, or none [default: on text 0.001, on images none]
    #[arg(long, value_name = "RADIUS", value_parser = bound)]
    pub clip_radius: Option<Bound>,

    /// Posterior samples an update of ivon; each costs a forward and a backward pass over the batch [default: 1]
    #[arg(long, value_name = "N", value_parser = samples)]
    pub mc_samples: Option<usize>,

    /// When ivon draws a new sample [default: update]
    #[arg(long, value_enum)]
    pub sample_per: Option<SamplePerName>,

    /// How ivon estimates the Hessian [default: price]
    #[arg(long, value_enum)]
    pub hess_approx: Option<HessApprox>,

    /// Do not divide the momentum of ivon by 1 - beta1^step
    #[arg(long)]
    pub no_debias: bool,

    /// Do not multiply the learning rate of ivon by hess-init + weight-decay
    #[arg(long)]
    pub no_rescale_lr: bool,

    /// The largest global norm of a gradient, or none [default: on text 1, on images none]
    #[arg(long, value_name = "NORM", value_parser = bound)]
    pub grad_clip: Option<Bound>,
}

/// An optimizer ready to step, and its configuration as text and as data.
pub struct Trained {
    /// The optimizer.
    pub optimizer: Box<dyn Optimizer>,
    /// Every number of it, in the words of the flags.
    pub config: Value,
    /// The configuration that a replay of IVON needs, in the words of the trace.
    pub replay: Option<Value>,
}

/// Everything an optimizer is set up with besides its own numbers.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    /// The device to compute on.
    pub device: Device,
    /// The type to compute in.
    pub dtype: DType,
    /// The seed of all random numbers.
    pub seed: u64,
    /// The number of parts of a batch.
    pub micro_batches: usize,
}

/// The numbers that hold where no flag says otherwise. They depend on the model and on how much data there is.
#[derive(Clone, Debug)]
pub struct Defaults {
    /// Learning rates after warm-up, of ivon, adamw and sgd.
    pub lr: [f64; 3],
    /// Configuration of ivon.
    pub ivon: IvonConfig,
    /// Configuration of adamw.
    pub adamw: AdamWConfig,
    /// Configuration of sgd.
    pub sgd: SgdConfig,
    /// The largest global norm of a gradient.
    pub grad_clip: Option<f64>,
}

impl Defaults {
    /// For language models.
    pub fn text() -> Defaults {
        Defaults {
            lr: [10.0, 1e-3, 0.1],
            ivon: IvonConfig::new(1e6).hess_init(0.1).beta1(0.9).beta2(0.9999).weight_decay(1e-5).clip_radius(Some(1e-3)),
            adamw: AdamWConfig::default().beta1(0.9).beta2(0.99).weight_decay(0.1),
            sgd: SgdConfig::default().momentum(0.9).weight_decay(1e-4),
            grad_clip: Some(1.0),
        }
    }

    /// For training that starts from weights that have learnt already, with shorter steps. While the Hessian is near its start, a step of
    /// ivon is lr · hess-init · (gradient / h), cut at lr · hess-init · clip-radius: the learning rate that keeps its length falls with hess-init.
    pub fn fine_tuning(self, hess_init: Option<f64>) -> Defaults {
        let [ivon, adamw, sgd] = self.lr;
        let same = self.ivon.hess_init / hess_init.unwrap_or(self.ivon.hess_init);
        Defaults { lr: [0.03 * ivon * same, 0.1 * adamw, 0.1 * sgd], ..self }
    }

    /// [`Defaults::fine_tuning`] for images. Weights that have learnt from them lie where steps of any length but a short one lead up: the loss of each batch
    /// pulls another way. No radius cuts a step of ivon there, so that its length does not depend on hess-init.
    pub fn fine_tuning_pictures(self) -> Defaults {
        let [ivon, adamw, sgd] = self.lr;
        Defaults { lr: [0.003 * ivon, 0.03 * adamw, 0.001 * sgd], ..self }
    }

    /// For a classifier of images, with so many to train on in so many steps: IVON's are those of the published runs on CIFAR and on ImageNet. There the
    /// Hessian is averaged over half of the steps of a run or more, and so it is over those of a shorter one, but not over fewer than 1000; and there are
    /// 50,000 images or more: with the noise of an `ess` of fewer, a short run learns less. ResNet-20's learning rate and weight decay are those of
    /// such runs (docs/results.md).
    pub fn pictures(architecture: Architecture, examples: usize, steps: usize) -> Defaults {
        let small = architecture.is_small();
        let published = if small { 0.99999 } else { 0.999995 };
        let (lr, weight_decay) = match architecture {
            Architecture::Lenet => (0.2, 2e-4),
            Architecture::Resnet20 => (0.5, 5e-4),
            _ => (2.5, 5e-5),
        };
        let ivon = IvonConfig::new(examples.max(50_000) as f64)
            .hess_init(if small { 0.5 } else { 0.05 })
            .beta1(0.9)
            .beta2((1.0 - 2.0 / steps.max(1) as f64).clamp(0.999, published))
            .weight_decay(weight_decay)
            .clip_radius(None);
        Defaults {
            lr: [lr, 1e-3, 0.1],
            ivon,
            adamw: AdamWConfig::default().beta1(0.9).beta2(0.999).weight_decay(0.05),
            sgd: SgdConfig::default().momentum(0.9).weight_decay(if small { 5e-4 } else { 1e-4 }),
            grad_clip: None,
        }
    }
}

impl OptimizerFlags {
    /// The learning rate after warm-up.
    pub fn lr(&self, defaults: &Defaults) -> f64 {
        let [ivon, adamw, sgd] = defaults.lr;
        self.lr.unwrap_or(match self.optimizer {
            OptimizerName::Ivon => ivon,
            OptimizerName::Adamw => adamw,
            OptimizerName::Sgd => sgd,
        })
    }

    /// The optimizer for a model.
    ///
    /// # Errors
    /// If the numbers do not go together.
    pub fn build(&self, model: &impl Model, defaults: &Defaults, setup: Setup) -> Result<Trained> {
        let trained = self.trained(model, defaults, setup)?;
        // The command asks for one gradient at a time.
        trained.optimizer.context().set_update_in_graph(true);
        Ok(trained)
    }

    fn trained(&self, model: &impl Model, defaults: &Defaults, setup: Setup) -> Result<Trained> {
        let Setup { device, dtype, seed, micro_batches } = setup;
        let grad_clip = self.grad_clip.map_or(defaults.grad_clip, |b| b.0);
        let settings =
            Settings::default().seed(seed).device(device).dtype(dtype).micro_batches(micro_batches).grad_clip(grad_clip);
        match self.optimizer {
            OptimizerName::Ivon => {
                let c = self.ivon(&defaults.ivon);
                let config = json!({
                    "optimizer": "ivon", "ess": c.ess, "hess_init": c.hess_init, "beta1": c.beta1, "beta2": c.beta2,
                    "weight_decay": c.weight_decay, "clip_radius": c.clip_radius, "mc_samples": c.samples,
                    "sample_per": self.sample_per_name(), "hess_approx": self.approx_name(), "debias": c.debias,
                    "rescale_lr": c.rescale_lr, "grad_clip": grad_clip,
                });
                let optimizer = Ivon::new(model, c, settings)?;
                let mut replay = config.clone();
                replay["groups"] = groups(&Layout::of(model), optimizer.weight_decays());
                Ok(Trained { optimizer: Box::new(optimizer), config, replay: Some(replay) })
            }
            OptimizerName::Adamw => {
                let base = &defaults.adamw;
                let c = base
                    .clone()
                    .beta1(self.beta1.unwrap_or(base.beta1))
                    .beta2(self.beta2.unwrap_or(base.beta2))
                    .weight_decay(self.weight_decay.unwrap_or(base.weight_decay));
                let config = json!({
                    "optimizer": "adamw", "beta1": c.beta1, "beta2": c.beta2, "weight_decay": c.weight_decay, "grad_clip": grad_clip,
                });
                Ok(Trained { optimizer: Box::new(AdamW::new(model, c, settings)?), config, replay: None })
            }
            OptimizerName::Sgd => {
                let base = &defaults.sgd;
                let c = base
                    .clone()
                    .momentum(self.momentum.unwrap_or(base.momentum))
                    .weight_decay(self.weight_decay.unwrap_or(base.weight_decay));
                let config = json!({
                    "optimizer": "sgd", "momentum": c.momentum, "weight_decay": c.weight_decay, "grad_clip": grad_clip,
                });
                Ok(Trained { optimizer: Box::new(Sgd::new(model, c, settings)?), config, replay: None })
            }
        }
    }

    fn ivon(&self, base: &IvonConfig) -> IvonConfig {
        let estimate = match self.hess_approx {
            Some(HessApprox::Gradsq) => HessianEstimate::GradSq,
            _ => HessianEstimate::Price,
        };
        let sample_per = match self.sample_per {
            Some(SamplePerName::MicroBatch) => SamplePer::MicroBatch,
            _ => SamplePer::Update,
        };
        base.clone()
            .ess(self.ess.unwrap_or(base.ess))
            .hess_init(self.hess_init.unwrap_or(base.hess_init))
            .beta1(self.beta1.unwrap_or(base.beta1))
            .beta2(self.beta2.unwrap_or(base.beta2))
            .weight_decay(self.weight_decay.unwrap_or(base.weight_decay))
            .clip_radius(self.clip_radius.map_or(base.clip_radius, |b| b.0))
            .estimate(estimate)
            .samples(self.mc_samples.unwrap_or(1))
            .sample_per(sample_per)
            .debias(!self.no_debias)
            .rescale_lr(!self.no_rescale_lr)
    }

    fn sample_per_name(&self) -> &'static str {
        if self.sample_per == Some(SamplePerName::MicroBatch) { "micro-batch" } else { "update" }
    }

    fn approx_name(&self) -> &'static str {
        if self.hess_approx == Some(HessApprox::Gradsq) { "gradsq" } else { "price" }
    }

    /// Flags that are given and have no effect: why.
    pub fn without_effect(&self, micro_batches: usize) -> Vec<String> {
        use OptimizerName::{Adamw, Ivon, Sgd};
        let given: [(&str, bool, &[OptimizerName]); 11] = [
            ("--momentum", self.momentum.is_some(), &[Sgd]),
            ("--ess", self.ess.is_some(), &[Ivon]),
            ("--hess-init", self.hess_init.is_some(), &[Ivon]),
            ("--beta1", self.beta1.is_some(), &[Ivon, Adamw]),
            ("--beta2", self.beta2.is_some(), &[Ivon, Adamw]),
            ("--clip-radius", self.clip_radius.is_some(), &[Ivon]),
            ("--mc-samples", self.mc_samples.is_some(), &[Ivon]),
            ("--sample-per", self.sample_per.is_some(), &[Ivon]),
            ("--hess-approx", self.hess_approx.is_some(), &[Ivon]),
            ("--no-debias", self.no_debias, &[Ivon]),
            ("--no-rescale-lr", self.no_rescale_lr, &[Ivon]),
        ];
        let useless = given.iter().filter(|(_, given, of)| *given && !of.contains(&self.optimizer)).map(|(flag, _, _)| *flag);
        let flags: Vec<&str> = useless.collect();
        let mut why = vec![];
        if let Some((last, rest)) = flags.split_last() {
            let flags = if rest.is_empty() { format!("{last} has") } else { format!("{} and {last} have", rest.join(", ")) };
            why.push(format!("{flags} no effect on {}", self.optimizer.name()));
        }
        let each = self.optimizer == Ivon && self.sample_per == Some(SamplePerName::MicroBatch);
        if each && micro_batches == 1 {
            why.push("--sample-per micro-batch has no effect: a batch is one micro-batch; --micro-batches makes more".into());
        }
        why
    }
}

/// Runs of neighbouring parameters with one weight decay, over the elements of all parameters in order.
fn groups(layout: &Layout, decays: &[f64]) -> Value {
    let mut groups: Vec<(usize, usize, f64)> = vec![];
    for (entry, decay) in layout.entries().iter().zip(decays) {
        let end = entry.start + entry.parameter.shape().elements();
        match groups.last_mut() {
            Some((_, last, same)) if same == decay => *last = end,
            _ => groups.push((entry.start, end, *decay)),
        }
    }
    groups.into_iter().map(|(start, end, decay)| json!({"start": start, "end": end, "weight_decay": decay})).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fine_tuning_keeps_the_length_of_steps_for_every_hess_init() {
        let lr = |hess_init| Defaults::text().fine_tuning(hess_init).lr;
        assert_eq!(lr(None), lr(Some(0.1)));
        for h in [0.01, 0.1, 0.5, 10.0] {
            assert!((lr(Some(h))[0] * h - 0.03).abs() < 1e-12, "{h}");
        }
    }
}
