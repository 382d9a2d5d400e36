//! `ivon train resnet20` and the like: a classifier on images.

use super::Told;
use super::session::{Common, Session, Task};
use crate::classifier::{Architecture, Classifier, Design, Norm, StoredClassifier, Visitor};
use crate::command::flags::{Defaults, PictureData, PictureFlags, Shape, rows, values};
use crate::command::memory;
use crate::command::progress::Pass;
use crate::command::transfer::Model;
use crate::data::images::{Examples, Exif, Loader, Prefetch, Transform};
use clap::Args;
use ivon_runtime::optimizers::Optimizer;
use ivon_runtime::trainer::{At, Evaluation, Predictions, Summary};
use ivon_runtime::{Context, Entry, Error, Layout, Result, run};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

/// Flags to train a classifier.
#[derive(Args, Debug)]
#[command(allow_negative_numbers = true)] // so that they reach the check that says what is allowed
pub struct Pictures {
    /// How activations are normalised
    #[arg(long, value_enum, default_value = "batch", help_heading = "Model")]
    norm: Norm,

    /// Start the last norm of every residual block at a gain of 0, so that each begins as its shortcut (resnet18 to resnet50, batch norm)
    #[arg(long, help_heading = "Model")]
    zero_init: bool,

    #[command(flatten)]
    data: PictureFlags,

    /// Pictures per update [default: 50, resnet18 to resnet50 32]
    #[arg(long, value_name = "N", value_parser = values::count, help_heading = "Data")]
    batch: Option<usize>,

    /// Parts that a batch is worked through in, to save memory; they divide the batch
    #[arg(long, value_name = "N", default_value = "1", value_parser = values::count, help_heading = "Data")]
    micro_batches: usize,

    /// Passes over the training images [default: 10]
    #[arg(long, value_name = "N", value_parser = values::count, help_heading = "Schedule")]
    epochs: Option<usize>,

    /// Updates, instead of --epochs
    #[arg(long, value_name = "N", value_parser = values::count, help_heading = "Schedule")]
    steps: Option<usize>,

    #[command(flatten)]
    pub common: Common,
}

/// Passes over the training images where neither flag says how long a run is.
const EPOCHS: usize = 10;
/// The share of the steps over which the learning rate rises.
const WARMUP: usize = 20;

impl Pictures {
    /// Trains from start to end, or to Ctrl-C.
    ///
    /// # Errors
    /// If flags, images or model do not go together, a file cannot be used, or training diverges.
    pub fn run(&self, architecture: Architecture, told: &Told) -> Result<ExitCode> {
        self.common.check(|| Ok(self.data.data.iter().cloned().collect()))?;
        let batch = self.batch.unwrap_or(if architecture.is_small() { 50 } else { 32 });
        rows(batch, self.micro_batches, "images")?;
        // Checks that need no images.
        let size = self.data.size.unwrap_or(architecture.usual_size());
        Design { architecture, norm: self.norm, channels: 3, size, classes: 1 }.check()?;
        let mut data = self.data.load(architecture, self.common.run.resume.is_some(), self.transform_of_run(told)?.as_ref())?;
        data.notes.extend(larger_than_set(batch, data.training.len()));
        let design = Design {
            architecture,
            norm: self.norm,
            channels: data.transform.channels(),
            size: data.transform.size,
            classes: data.classes.len(),
        };
        // A run that goes on has its weights in its checkpoint.
        let start = self.common.run.init.as_deref().filter(|_| self.common.run.resume.is_none());
        let start = start.map(|path| Self::weights(path, &design)).transpose()?;
        if let (Some(start), Some(path)) = (&start, &self.common.run.init) {
            data.start_from(start, path);
        }
        design.build(Train { flags: self, told, design, data, batch, start })
    }
}

impl Pictures {
    /// Updates of the run, on so many images in batches of so many.
    ///
    /// # Errors
    /// If the passes are more than a run can have.
    fn updates(&self, images: usize, batch: usize) -> Result<usize> {
        const MOST: usize = u32::MAX as usize;
        let epochs = match (self.steps, self.epochs) {
            (Some(steps), _) => return Ok(steps),
            (None, epochs) => epochs.unwrap_or(EPOCHS),
        };
        let updates = epochs.checked_mul(images).map(|examples| examples.div_ceil(batch)).filter(|updates| *updates <= MOST);
        updates.ok_or_else(|| {
            let most = (MOST as f64 * batch as f64 / images.max(1) as f64).floor();
            Error::config(format!(
                "--epochs {epochs} of {images} images in batches of {batch} are more than {MOST} updates, the most that a run has; give at most \
                 {most}"
            ))
        })
    }

    /// The transform of the run that goes on, unless it goes on with other data.
    fn transform_of_run(&self, told: &Told) -> Result<Option<Transform>> {
        if self.common.run.resume.is_none() || told.named("data") {
            return Ok(None);
        }
        let config: Value = run::read_config(&self.common.run.home()?)?;
        Ok(serde_json::from_value(config["pictures"]["transform"].clone()).ok())
    }

    /// The weights to start from.
    fn weights(path: &Path, design: &Design) -> Result<StoredClassifier> {
        let stored = match Model::open(path, None)? {
            Model::Pictures(stored) => *stored,
            Model::Text(_) => return Err(Error::file(path, "holds a language model, which sees no images")),
        };
        // The network is the same for images of any size, but for LeNet's first product.
        let resized = if design.architecture == Architecture::Lenet { stored.design.size } else { design.size };
        match (Design { size: resized, ..stored.design }) == *design {
            true => Ok(stored),
            false => {
                Err(Error::file(path, format!("is of a {}, and this run trains a {}", stored.design.summary(), design.summary())))
            }
        }
    }
}

/// The note on a batch that takes images more than once.
fn larger_than_set(batch: usize, images: usize) -> Option<String> {
    (batch > images)
        .then(|| format!("a batch of {batch} is larger than the {images} images to train on: it takes some more than once"))
}

/// Trains whatever model it is.
struct Train<'a> {
    flags: &'a Pictures,
    told: &'a Told,
    design: Design,
    data: PictureData,
    batch: usize,
    start: Option<StoredClassifier>,
}

impl Visitor for Train<'_> {
    type Output = ExitCode;

    fn visit<M: Classifier + 'static>(self, model: M) -> Result<ExitCode> {
        let Train { flags, told, design, data, batch, start } = self;
        let common = &flags.common;
        let rows = batch / flags.micro_batches;
        memory::check_pictures(rows, design.size, design.channels)?;
        design.trains_on(rows)?;
        let loader = Loader::new(data.training.clone(), data.transform.clone(), batch, common.run.seed)?;
        let epoch = loader.steps_per_epoch();
        let steps = flags.updates(data.training.len(), batch)?;
        let defaults = Defaults::pictures(design.architecture, data.training.len(), steps);
        let defaults = if common.run.init.is_some() { defaults.fine_tuning_pictures() } else { defaults };
        let lr = common.optimizer.lr(&defaults);
        let schedule = common.schedule.build(lr, steps, Shape { warmup: steps / WARMUP, min_lr: 0.0 })?;
        let device = common.start()?;
        let session = Session {
            model: design.architecture.name(),
            common,
            told,
            defaults,
            schedule,
            evaluate_every: common.evaluation.eval_every.unwrap_or(epoch),
            micro_batches: flags.micro_batches,
            examples: (batch, "images"),
            device,
        };
        let batches = RefCell::new(Arc::new(loader).prefetch(flags.micro_batches)?);
        let zeroed = last_gains(&Layout::of(&model)).count() > 0;
        let useless = match (flags.zero_init, start.is_some(), zeroed) {
            (true, true, _) => Some("--zero-init has no effect beside --init, whose weights the run starts from".to_string()),
            (true, false, false) => {
                Some(format!("--zero-init has no effect on {}: it has no residual blocks", design.architecture.name()))
            }
            _ => None,
        };
        let task = PictureTask { model, design, data, batch, rows, batches, useless };
        session.run(&task, |optimizer| match start {
            Some(start) => start.start(optimizer),
            None if flags.zero_init => zero_last_gains(optimizer),
            None => Ok(()),
        })
    }
}

/// Sets the gain of the last norm of every residual block to 0 (Goyal et al. 2017).
fn zero_last_gains(optimizer: &mut dyn Optimizer) -> Result<()> {
    optimizer.restore(&mut |state| {
        let layout = state.layout().clone();
        let mut mean = state.buffer_mut("mean")?;
        last_gains(&layout).for_each(|e| mean[e.range()].fill(0.0));
        Ok(())
    })
}

/// The gains of the last norm of every residual block: the third of a bottleneck, the second of a basic block.
fn last_gains(layout: &Layout) -> impl Iterator<Item = &Entry> {
    let has = |name: &str| layout.entries().iter().any(|e| e.parameter.name() == name);
    let last = move |name: &str| match name.strip_suffix("norm2.gain") {
        Some(block) => !has(&format!("{block}norm3.gain")),
        None => name.ends_with("norm3.gain"),
    };
    layout.entries().iter().filter(move |e| last(e.parameter.name()))
}

/// A classifier and its images.
struct PictureTask<M> {
    model: M,
    design: Design,
    data: PictureData,
    /// Pictures in an update.
    batch: usize,
    /// Pictures in a micro-batch.
    rows: usize,
    batches: RefCell<Prefetch>,
    /// A flag that has no effect: why.
    useless: Option<String>,
}

impl<M: Classifier> Task for PictureTask<M> {
    type Model = M;

    fn model(&self) -> &M {
        &self.model
    }

    fn name(&self) -> String {
        self.design.architecture.name().into()
    }

    fn introduction(&self) -> Vec<String> {
        let mut lines = vec![format!("{}, {} parameters", self.design.summary(), Layout::of(&self.model).elements())];
        lines.extend(self.data.introduction());
        lines.extend([&self.data.training, &self.data.validation].into_iter().filter_map(|part| part.remark()));
        lines
    }

    fn found(&self) -> Vec<Value> {
        let mut found = json!({"batch": self.batch, "size": self.design.size});
        // A run that does not say takes images as they are stored.
        if self.data.transform.exif == Exif::Apply {
            found["exif"] = json!(Exif::Apply);
        }
        vec![found]
    }

    fn data(&self) -> (&'static str, Value) {
        ("pictures", self.data.describe(&self.design))
    }

    fn gradient(&self, cx: &Context, at: At) -> Result<f64> {
        let batch = self.batches.borrow_mut().batch(at.step as u64, at.micro_batch)?;
        self.model.loss_gradient(cx, &batch.images, &batch.labels)
    }

    fn without_effect(&self) -> Vec<String> {
        self.useless.iter().chain(&self.data.without_effect).cloned().collect()
    }

    fn validate(&self, cx: &Context, pass: &Pass) -> Result<Predictions> {
        let (mut log_probabilities, mut labels) = (vec![], vec![]);
        for batch in Examples::new(self.data.validation.clone(), self.data.transform.clone(), self.rows)? {
            let batch = batch?;
            log_probabilities.extend(self.model.log_probabilities(cx, &batch.images)?);
            labels.extend_from_slice(batch.labels.as_slice::<u32>());
            pass.done(labels.len(), self.data.validation.len());
        }
        Ok(Predictions::Classes { log_probabilities, labels })
    }

    fn report(&self, _: &mut dyn Optimizer, summary: &Summary) -> Result<Value> {
        let Evaluation { mean, posterior, accuracy, accuracy_posterior, samples, .. } = summary.evaluation;
        let percent = |accuracy: Option<f64>| 100.0 * accuracy.unwrap_or(f64::NAN);
        say!("validation loss {mean:.4}, accuracy {:.2} % at the mean", percent(accuracy))?;
        if samples > 0 {
            let accuracy = percent(accuracy_posterior);
            say!("validation loss {posterior:.4}, accuracy {accuracy:.2} % averaged over {samples} posterior samples")?;
        }
        for part in [&self.data.training, &self.data.validation] {
            part.damage_summary().into_iter().chain(part.remark()).for_each(|line| tell!("{line}"));
        }
        Ok(json!({
            "params": Layout::of(&self.model).elements(),
            "images_per_s": summary.steps as f64 * self.batch as f64 / summary.training.as_secs_f64().max(1e-9),
            "validation_accuracy": accuracy, "validation_accuracy_posterior": accuracy_posterior,
        }))
    }
}
