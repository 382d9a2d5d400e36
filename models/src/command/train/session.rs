//! The common part of all runs, for every kind of model: flags, run directory, resuming, checkpoints, the end.

use super::Told;
use crate::command::config;
use crate::command::flags::{
    Defaults, DeviceFlags, OptimizerFlags, OptimizerName, RunFlags, ScheduleFlags, Setup, Trained, values,
};
use crate::command::progress::{Console, Pass};
use crate::command::signals::{INTERRUPTED, stop_on_request};
use crate::command::trace::Trace;
use crate::command::transfer;
use clap::Args;
use ivon_runtime::optimizers::Optimizer;
use ivon_runtime::run;
use ivon_runtime::trainer::{At, Predictions, Summary, Trainer};
use ivon_runtime::{Context, DType, Device, Error, Model, Result, Schedule, disk};
use serde_json::{Map, Value, json};
use std::path::PathBuf;
use std::process::ExitCode;

/// The flags of every run.
#[derive(Args, Clone, Debug)]
pub struct Common {
    #[command(flatten)]
    pub optimizer: OptimizerFlags,
    #[command(flatten)]
    pub schedule: ScheduleFlags,
    #[command(flatten)]
    pub evaluation: EvaluationFlags,
    #[command(flatten)]
    pub run: RunFlags,
    #[command(flatten)]
    device: DeviceFlags,
    #[command(flatten)]
    trace: TraceFlags,
}

/// How often and how well to validate.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Evaluation")]
pub struct EvaluationFlags {
    /// Updates between two evaluations at the mean; 0 for the end alone [default: on text 250, on images an epoch]
    #[arg(long, value_name = "STEPS", value_parser = values::whole::<usize>)]
    pub eval_every: Option<usize>,

    /// Posterior samples that the final prediction averages over; 0 for the mean alone
    #[arg(long, value_name = "N", default_value = "8", value_parser = values::samples_or_none)]
    eval_samples: usize,
}

/// Flags of the trace of the first updates.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Run")]
struct TraceFlags {
    /// Write what enters and leaves the first updates of ivon, for a replay by another implementation (safetensors)
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,

    /// Updates in the trace
    #[arg(long, value_name = "N", default_value = "3", value_parser = values::count, requires = "trace")]
    trace_steps: usize,
}

/// The part of a run that is specific to a kind of model and its data.
pub trait Task {
    /// The model's type.
    type Model: Model;

    /// The model.
    fn model(&self) -> &Self::Model;

    /// The name of run directories, without the number: `gpt2-micro`.
    fn name(&self) -> String;

    /// The lines to print before the first step.
    fn introduction(&self) -> Vec<String>;

    /// Values that flags and data determine. The first holds the values that a flag such as `--preset` stands for.
    fn found(&self) -> Vec<Value>;

    /// The data: its name, and its properties, with a `checksum`.
    fn data(&self) -> (&'static str, Value);

    /// Adds the gradient of a micro-batch; returns its loss.
    ///
    /// # Errors
    /// If the data cannot be read.
    fn gradient(&self, cx: &Context, at: At) -> Result<f64>;

    /// The model's predictions on the validation data. `pass` is told how far it is.
    ///
    /// # Errors
    /// If the data cannot be read.
    fn validate(&self, cx: &Context, pass: &Pass) -> Result<Predictions>;

    /// Flags that are given and have no effect on this kind of model or data: why.
    fn without_effect(&self) -> Vec<String> {
        vec![]
    }

    /// Says how the run ended; the same for a program.
    ///
    /// # Errors
    /// If the model cannot be evaluated.
    fn report(&self, optimizer: &mut dyn Optimizer, summary: &Summary) -> Result<Value>;
}

/// The settings of a run, derived from flags and data.
pub struct Session<'a> {
    /// The model's name on the command line.
    pub model: &'static str,
    /// The flags of every run.
    pub common: &'a Common,
    /// The flags that were given.
    pub told: &'a Told,
    /// Values that hold where no flag sets them.
    pub defaults: Defaults,
    /// Learning rates and steps.
    pub schedule: Schedule,
    /// Updates between two evaluations.
    pub evaluate_every: usize,
    /// Parts of a batch.
    pub micro_batches: usize,
    /// The number of examples of an update, and the word for them.
    pub examples: (usize, &'static str),
    /// The device to compute on.
    pub device: Device,
}

impl Common {
    /// The configuration file to read before anything else, if any.
    ///
    /// # Errors
    /// If the run to go on with is not there.
    pub fn config_file(&self) -> Result<Option<PathBuf>> {
        self.run.config_file()
    }

    /// Checks everything that needs no look into `data`, which returns the files and directories to be read.
    ///
    /// # Errors
    /// If the flags do not go together.
    pub fn check(&self, data: impl FnOnce() -> Result<Vec<PathBuf>>) -> Result<()> {
        self.device.training_dtype()?;
        let Some(trace) = &self.trace.trace else { return Ok(()) };
        if self.optimizer.optimizer != OptimizerName::Ivon {
            return Err(Error::config("--trace shows the updates of ivon: use --optimizer ivon"));
        }
        let data = data()?;
        let start = self.run.init.iter().flat_map(|path| transfer::sources(path));
        let mut read: Vec<PathBuf> = start.chain(self.run.config_file()?).chain(data.iter().cloned()).collect();
        // A file inside a data directory counts as data.
        let place = disk::resolved(trace);
        if trace.exists() && data.iter().any(|path| place.starts_with(disk::resolved(path))) {
            read.push(trace.clone());
        }
        disk::apart(trace, read.iter().map(PathBuf::as_path))?;
        // A run writes anything into its directory, and creates it and its parents if they do not exist.
        let home = self.run.home()?;
        let run = disk::resolved(&home);
        if !place.is_dir() && (place.starts_with(&run) || run.starts_with(&place)) {
            let message = format!("is a place of the run itself, which is kept in {}; give a file elsewhere", home.display());
            return Err(Error::file(trace, message));
        }
        if let Some((folder, step)) = self.run.taken()?.filter(|(_, step)| *step > 0) {
            let message = format!(
                "--trace shows the first updates of a run, and this one has taken {step}: train a new one, with --config {}",
                folder.join("config.toml").display()
            );
            return Err(Error::file(folder, message));
        }
        disk::check_writable(trace)
    }

    /// Starts the threads.
    ///
    /// # Errors
    /// If there is no such device.
    pub fn start(&self) -> Result<Device> {
        self.device.start()
    }
}

impl Session<'_> {
    /// Trains from start to end, or to Ctrl-C. `begin` puts weights to start from into the optimizer.
    ///
    /// # Errors
    /// If the flags do not go together, a file cannot be used, or training diverges.
    pub fn run(&self, task: &impl Task, begin: impl FnOnce(&mut dyn Optimizer) -> Result<()>) -> Result<ExitCode> {
        let Common { optimizer: flags, run: run_flags, trace: trace_flags, .. } = self.common;
        let dtype: DType = self.common.device.training_dtype()?;
        let setup = Setup { device: self.device, dtype, seed: run_flags.seed, micro_batches: self.micro_batches };
        let Trained { mut optimizer, config, replay } = flags.build(task.model(), &self.defaults, setup)?;
        begin(optimizer.as_mut())?;
        if let (Some(path), Some(replay)) = (&trace_flags.trace, replay) {
            let last = trace_flags.trace_steps.min(self.schedule.steps);
            let trace = Trace::new(optimizer.state(), path, replay, last as u32);
            optimizer.trace(Some(Box::new(trace)));
        }

        let config = self.config(task, config);
        let check = || self.check_data(task).and_then(|()| self.check_steps());
        let mut run = run_flags.open(&task.name(), optimizer.as_mut(), &config, check)?;
        let first = optimizer.state().step() as usize;
        run.set_config(&config)?;
        self.without_effect(task).into_iter().for_each(|why| run.warn(why));
        stop_on_request(run.stop.clone())?;
        let path = run.path().to_path_buf();
        task.introduction().iter().for_each(|line| tell!("{line}"));
        let (steps, model) = (self.schedule.steps, self.model);
        if first >= steps {
            tell!(
                "the run has taken all of its {steps} updates: it is evaluated as it is; --steps with more than {first} trains it further"
            );
        } else if first > 0 {
            tell!("going on after step {first} of {steps}");
        }
        let console = Console::new(steps, self.examples.1);
        let pass = console.pass();
        let mut progress = (run, console);
        let trainer = Trainer::new(self.schedule)
            .evaluate_every(self.evaluate_every)
            .samples(self.common.evaluation.eval_samples)
            .examples(self.examples.0);
        let (gradient, validate) = (|cx: &Context, at| task.gradient(cx, at), |cx: &Context| task.validate(cx, &pass));
        let summary = trainer.run(optimizer.as_mut(), gradient, validate, &mut progress)?;
        let seconds = progress.1.seconds();
        if summary.stopped {
            let done = summary.steps;
            tell!("stopped after step {done} of {steps}; go on with: ivon train {model} --resume {}", path.display());
            return Ok(ExitCode::from(INTERRUPTED));
        }
        let mut result = task.report(optimizer.as_mut(), &summary)?;
        say!("run folder {}", path.display())?;
        if run_flags.json {
            let evaluation = summary.evaluation;
            let common = json!({
                "model": self.model, "optimizer": flags.optimizer.name(), "steps": summary.steps, "seconds": seconds,
                "training_loss": summary.loss, "validation_loss": evaluation.mean, "validation_loss_posterior": evaluation.posterior,
                "samples": evaluation.samples, "run": path,
            });
            if let (Value::Object(result), Value::Object(common)) = (&mut result, common) {
                result.extend(common);
            }
            say!("{result}")?;
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Refuses keys of the configuration file that are not read, and to go on with other data than the run began with, unless it was given by name.
    fn check_data(&self, task: &impl Task) -> Result<()> {
        let (name, now) = task.data();
        self.told.found.iter().try_for_each(|found| found.check(name, &now))?;
        let Some(resumed) = &self.common.run.resume else { return Ok(()) };
        let then: Value = run::read_config(self.common.run.home()?)?;
        let (then, now) = (&then[name]["checksum"], &now["checksum"]);
        if then.is_null() || then == now || self.told.named("data") {
            return Ok(());
        }
        // Files of runs call them otherwise.
        let (name, are, them) = match name {
            "pictures" => ("images", "are not those", "them"),
            _ => (name, "is not the one", "it"),
        };
        Err(Error::file(
            resumed,
            format!(
                "the {name} {are} that the run was trained on so far: restore {them}, or say with --data which {name} to go on with (the \
                 run will then not be the one that it would have been)"
            ),
        ))
    }

    /// Refuses a run of fewer updates than it has taken.
    fn check_steps(&self) -> Result<()> {
        let steps = self.schedule.steps;
        match self.common.run.taken()? {
            Some((folder, taken)) if taken as usize > steps => {
                let flags =
                    if self.told.named("epochs") { format!("--epochs makes {steps}") } else { format!("--steps is {steps}") };
                let message = format!(
                    "has taken {taken} updates, and {flags}: give more to train it further, or resume one of its earlier checkpoints in {}",
                    run::checkpoints(&folder).folder().display()
                );
                Err(Error::file(folder, message))
            }
            _ => Ok(()),
        }
    }

    /// Flags that are given and have no effect: why.
    fn without_effect(&self, task: &impl Task) -> Vec<String> {
        let common = self.common;
        let named = |flag: &str| self.told.named(flag);
        let mut why = common.optimizer.without_effect(self.micro_batches);
        why.extend(common.schedule.without_effect(&self.schedule, named));
        let optimizer = common.optimizer.optimizer;
        if optimizer != OptimizerName::Ivon && named("eval-samples") && common.evaluation.eval_samples > 0 {
            why.push(format!("--eval-samples has no effect on {}, whose weights are a point", optimizer.name()));
        }
        why.extend(task.without_effect());
        why
    }

    /// Every flag with its value, given, by default or worked out; and what was found, as tables.
    fn config(&self, task: &impl Task, optimizer: Value) -> Map<String, Value> {
        let mut config = self.told.flags.clone();
        let Schedule { lr, min_lr, warmup, steps, .. } = self.schedule;
        let schedule = json!({"lr": lr, "min_lr": min_lr, "warmup": warmup, "steps": steps, "eval_every": self.evaluate_every});
        for found in task.found().iter().chain([&schedule, &optimizer]) {
            config::resolve(&mut config, self.model, found);
        }
        config.insert("model".into(), self.model.into());
        let (name, data) = task.data();
        config.insert(name.into(), data);
        config
    }
}
