//! A run folder: everything that a run leaves behind, and everything that it needs to go on.
//!
//! ```text
//! runs/mine/
//!   config.toml               what the run was told
//!   metrics.jsonl             a line of figures now and then, each with its step
//!   events.out.tfevents...    the same for TensorBoard: `tensorboard --logdir runs`
//!   loss.svg                  the losses as an image
//!   checkpoints/              see `ivon_runtime::checkpoint`: the last few and the best
//!   summary.json              how it ended
//!   run.lock                  held while a process works on the run
//! ```
//!
//! [`Run`] is a [`Progress`]: a [`Trainer`] tells it of every step. A run that goes on where it was stopped, or starts where there was none:
//!
//! ```text
//! let mut optimizer = Ivon::new(&model, IvonConfig::new(6e4), Settings::default())?;
//! let run = Run::open("runs/mine", &mut optimizer)?;
//! trainer.run(&mut optimizer, gradient, validate, &mut (run, Lines::every(100, std::io::stderr())))?;
//! ```

mod curve;
mod lock;
mod metrics;
mod tensorboard;

use crate::core::error::{Error, Result};
use crate::optimizers::{Optimizer, Warning};
use crate::training::checkpoint::{Checkpoint, Checkpoints, Notes, Which, changes};
use crate::training::disk;
use crate::training::disk::{unreadable, unwritable};
use crate::training::trainer::{Before, Evaluation, Progress, Report, Stop, Summary, Trainer};
use curve::Curve;
use lock::Lock;
use metrics::Metrics;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tensorboard::Events;

const CONFIG: &str = "config.toml";
const CHECKPOINTS: &str = "checkpoints";
const SUMMARY: &str = "summary.json";
const CURVE: &str = "loss.svg";
/// How a line begins that says in what a run goes on differently.
const DIFFERENT: &str = "not as in the checkpoint";
/// The image is not drawn more often than this.
const REDRAW: Duration = Duration::from_secs(5);

/// A run folder that this process owns.
pub struct Run {
    /// Steps between two checkpoints; 0 for none but the best and the last. 500 by default.
    pub checkpoint_every: usize,
    /// The number of last checkpoints that stay, beside the best. 2 by default.
    pub keep: usize,
    /// Steps between two lines of metrics. 10 by default.
    pub metrics_every: usize,
    /// Ends the run after the step it is in, with a checkpoint.
    pub stop: Stop,
    path: PathBuf,
    lock: Lock,
    metrics: Metrics,
    events: Option<Events>,
    curve: Curve,
    drawn: Option<Instant>,
    config: Map<String, Value>,
    /// The new configuration of a resumed run, which holds from its next step on.
    told: Option<Map<String, Value>>,
    /// True if this process has taken a step.
    stepped: bool,
    /// Schedule and batch, steps of the run, and the name in the image; from `start`.
    trainer: Map<String, Value>,
    steps: usize,
    title: String,
    before: Before,
    /// Warnings to tell when there is a step to take.
    notes: Vec<String>,
    /// Time and loss as of the last step.
    training: Duration,
    average: crate::training::trainer::Smooth,
    /// Time that this process spent on checkpoints, and how many it saved.
    saving: (Duration, usize),
    best: Option<f64>,
    saved: Option<u32>,
    /// The last line of `metrics.jsonl` that is of an evaluation: a run that had ended is evaluated again when it goes on.
    evaluated: Map<String, Value>,
    /// Warnings of the run so far, each with its step.
    warnings: Vec<(u64, String)>,
}

impl Run {
    /// A new run in a folder, which is made where it is not there.
    ///
    /// # Errors
    /// If it holds a run already, another process works on it, or it cannot be written.
    pub fn create(path: impl Into<PathBuf>) -> Result<Run> {
        let path = path.into();
        std::fs::create_dir_all(&path).map_err(|e| unwritable(&path, &e))?;
        let lock = Lock::take(&path)?;
        if holds_a_run(&path) {
            return Err(Error::file(&path, "holds a run already: resume it, or use another folder"));
        }
        let metrics = Metrics::create(&path)?;
        Ok(Run::with(path, lock, metrics))
    }

    /// A new run in `parent/name-1`, or the first of that kind that is not there yet.
    ///
    /// # Errors
    /// If the folder cannot be made.
    pub fn numbered(parent: impl AsRef<Path>, name: &str) -> Result<Run> {
        let parent = parent.as_ref();
        std::fs::create_dir_all(parent).map_err(|e| unwritable(parent, &e))?;
        for number in 1u32.. {
            let path = parent.join(format!("{name}-{number}"));
            match std::fs::create_dir(&path) {
                Ok(()) => return Run::create(path),
                Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(e) => return Err(unwritable(&path, &e)),
            }
        }
        Err(Error::file(parent, format!("holds every number of {name} already")))
    }

    /// Goes on with a run: brings the optimizer into the state of a checkpoint. Later checkpoints are renamed to `abandoned-..`, and
    /// later metrics taken out. A run that was ended before its first checkpoint starts again.
    ///
    /// # Errors
    /// If there is no such run or checkpoint, the checkpoint is damaged (then the message names the last good one), of another model or optimizer,
    /// or another process works on the run.
    pub fn resume(path: impl Into<PathBuf>, optimizer: &mut dyn Optimizer, which: Which) -> Result<Run> {
        Run::resume_if(path, optimizer, which, |_| Ok(()))
    }

    /// As [`Run::resume`], if `check` has nothing against the checkpoint: it is asked before anything is changed.
    ///
    /// # Errors
    /// Those of [`Run::resume`] and of `check`.
    pub fn resume_if(
        path: impl Into<PathBuf>,
        optimizer: &mut dyn Optimizer,
        which: Which,
        check: impl FnOnce(&Checkpoint) -> Result<()>,
    ) -> Result<Run> {
        let path = path.into();
        if !path.is_dir() {
            return Err(Error::file(&path, "is no folder: give that of a run"));
        }
        if !holds_a_run(&path) {
            return Err(Error::file(&path, format!("holds no run: it has neither `{}` nor `{CHECKPOINTS}`", metrics::NAME)));
        }
        let lock = Lock::take(&path)?;
        let store = checkpoints(&path);
        store.clean()?;
        if which == Which::Latest && store.steps()?.is_empty() {
            let mut warnings = vec![];
            let metrics = Metrics::resume(&path, 0, |line| warnings.extend(warning_of(line)))?;
            let mut run = Run { warnings, ..Run::with(path, lock, metrics) };
            run.before.warnings.push("the run was ended before its first checkpoint: it starts again".into());
            return Ok(run);
        }
        let checkpoint = store.find(which)?;
        check(&checkpoint)?;
        let changes = checkpoint.restore(optimizer)?;
        let (step, notes) = (checkpoint.manifest().step, &checkpoint.manifest().notes);
        store.abandon_after(step)?;
        let (mut curve, mut evaluated, mut warnings) = (Curve::default(), Map::new(), vec![]);
        let metrics = Metrics::resume(&path, step.into(), |line| {
            let step = step_of(line);
            let number = |key| line.get(key).and_then(Value::as_f64);
            number("smooth").into_iter().for_each(|loss| curve.training(step, loss));
            if line.contains_key("validation_loss") {
                number("validation_loss").into_iter().for_each(|loss| curve.validation(step, loss));
                evaluated = line.clone();
            }
            warnings.extend(warning_of(line));
        })?;
        let before = Before {
            training: Duration::from_secs_f64(notes.seconds.max(0.0)),
            average: notes.average,
            warnings: changes.into_iter().map(|change| format!("{DIFFERENT}: {change}")).collect(),
            unevaluated: evaluated.is_empty() || step_of(&evaluated) < step.into(),
        };
        Ok(Run {
            curve,
            config: notes.config.clone(),
            trainer: notes.trainer.clone(),
            training: before.training,
            average: before.average,
            before,
            best: store.best_loss()?,
            saved: Some(step),
            evaluated,
            warnings,
            ..Run::with(path, lock, metrics)
        })
    }

    /// Goes on with the run in a folder from its last checkpoint, or starts one where there is none.
    ///
    /// # Errors
    /// Those of [`Run::create`] and [`Run::resume`].
    pub fn open(path: impl Into<PathBuf>, optimizer: &mut dyn Optimizer) -> Result<Run> {
        let path = path.into();
        if holds_a_run(&path) { Run::resume(path, optimizer, Which::Latest) } else { Run::create(path) }
    }

    fn with(path: PathBuf, lock: Lock, metrics: Metrics) -> Run {
        Run {
            checkpoint_every: 500,
            keep: 2,
            metrics_every: 10,
            stop: Stop::new(),
            path,
            lock,
            metrics,
            events: None,
            curve: Curve::default(),
            drawn: None,
            config: Map::new(),
            told: None,
            stepped: false,
            trainer: Map::new(),
            steps: 0,
            title: String::new(),
            before: Before::default(),
            notes: vec![],
            training: Duration::ZERO,
            average: Default::default(),
            saving: (Duration::ZERO, 0),
            best: None,
            saved: None,
            evaluated: Map::new(),
            warnings: vec![],
        }
    }

    /// The directory of the run.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The run's checkpoints.
    pub fn checkpoints(&self) -> Checkpoints {
        Checkpoints::new(self.path.join(CHECKPOINTS), self.keep)
    }

    /// Writes what the run is told to `config.toml`, and into every checkpoint. Without it, that is what the optimizer and the trainer
    /// say of themselves. Of a run that goes on it is written when there is a step to take, and every value in which it differs from
    /// that of the checkpoint is a warning.
    ///
    /// # Errors
    /// If it is no table, or cannot be written.
    pub fn set_config(&mut self, config: &impl Serialize) -> Result<()> {
        let path = self.path.join(CONFIG);
        let value = serde_json::to_value(config).map_err(|e| Error::file(&path, e))?;
        let Value::Object(table) = value else { return Err(Error::file(&path, "is to hold a table of keys and values")) };
        if self.saved.is_some() {
            self.told = Some(table);
            return Ok(());
        }
        self.config = table;
        self.write_config()
    }

    fn write_config(&self) -> Result<()> {
        let path = self.path.join(CONFIG);
        let text =
            toml::to_string_pretty(&without_nulls(Value::Object(self.config.clone()))).map_err(|e| Error::file(&path, e))?;
        disk::write_bytes(&path, text.as_bytes())
    }

    /// Adds a warning that is told when the run takes its first step.
    pub fn warn(&mut self, message: impl Into<String>) {
        self.notes.push(message.into());
    }

    /// Adds a warning for every value in which a run goes on differently, `told` and what the trainer does; once where several say the same.
    fn say_changes(&mut self, told: Option<&Map<String, Value>>, trainer: &Map<String, Value>) {
        let found = told.map_or(vec![], |told| changes(&self.config, told));
        // The configuration determines the trainer's settings, so a change of it is reported alone.
        let found = if found.is_empty() { changes(&self.trainer, trainer) } else { found };
        for change in found {
            let of_optimizer = format!("{DIFFERENT}: {} was ", change.key.replace('-', "_"));
            if !self.before.warnings.iter().any(|warning| warning.starts_with(&of_optimizer)) {
                self.before.warnings.push(format!("{DIFFERENT}: {change}"));
            }
        }
    }

    /// The warnings so far, as `summary.json` has them.
    fn told_warnings(&self) -> Value {
        self.warnings.iter().map(|(step, warning)| json!({"step": step, "warning": warning})).collect()
    }

    /// Refuses to write where nothing would be kept: a process can write to files that were removed.
    fn check_in_place(&self) -> Result<()> {
        let lost = match (self.lock.in_place(), self.metrics.in_place()) {
            (true, true) => return Ok(()),
            (true, false) => metrics::NAME,
            (false, _) => "the run directory",
        };
        let message =
            format!("{lost} was removed, renamed or replaced while the run went on, and what it writes is no longer kept");
        Err(Error::file(&self.path, message))
    }

    /// Adds a line of figures to `metrics.jsonl` and to TensorBoard's file.
    fn log(&mut self, line: &Map<String, Value>) -> Result<()> {
        self.check_in_place()?;
        // It begins with the lines that are there: made later, it would have this one twice.
        let events = match &mut self.events {
            Some(events) => events,
            none => none.insert(Events::create(&self.path)?),
        };
        self.metrics.add(line)?;
        events.add(line)
    }

    /// Saves a checkpoint.
    fn save(&mut self, optimizer: &dyn Optimizer, validation_loss: Option<f64>) -> Result<()> {
        let begin = Instant::now();
        self.check_in_place()?;
        self.metrics.sync()?;
        self.events.as_ref().map_or(Ok(()), Events::sync)?;
        let notes = Notes {
            config: self.config.clone(),
            trainer: self.trainer.clone(),
            validation_loss,
            seconds: self.training.as_secs_f64(),
            average: self.average,
        };
        let saved = self.checkpoints().save(optimizer, notes)?;
        self.saved = Some(saved.manifest().step);
        self.saving = (self.saving.0 + begin.elapsed(), self.saving.1 + 1);
        Ok(())
    }

    /// The checkpoint from before a run diverged: the one with the best validation loss.
    fn last_good(&self) -> String {
        match self.checkpoints().find(Which::Best) {
            Ok(best) => {
                format!("; the best checkpoint is {} (step {}): start from there", best.path().display(), best.manifest().step)
            }
            Err(_) => "; no checkpoint was evaluated: the last good state is not known".into(),
        }
    }

    fn draw(&mut self) -> Result<()> {
        self.drawn = Some(Instant::now());
        let path = self.path.join(CURVE);
        let svg = self.curve.svg(&self.title, self.steps as u64);
        disk::write_bytes(&path, svg.as_bytes())
    }
}

impl Progress for Run {
    fn start(&mut self, trainer: &Trainer, optimizer: &dyn Optimizer) -> Result<Before> {
        let step = optimizer.state().step() as usize;
        let now = json!({"schedule": trainer.schedule, "examples": trainer.examples});
        let Value::Object(now) = now else { return Ok(Before::default()) };
        let told = self.told.take();
        let going_on = step < trainer.schedule.steps;
        if self.saved.is_some() && going_on {
            self.say_changes(told.as_ref(), &now);
        }
        if let Some(told) = told.filter(|_| going_on) {
            self.config = told;
            self.write_config()?;
        }
        if going_on {
            self.before.warnings.append(&mut self.notes);
        }
        self.trainer = now;
        self.steps = trainer.schedule.steps;
        self.title = format!("{}, {}", optimizer.state().layout().model(), optimizer.name());
        if !self.path.join(CONFIG).exists() {
            self.set_config(&json!({
                "model": optimizer.state().layout().model(),
                "parameters": optimizer.state().layout().elements(),
                "optimizer": optimizer.name(),
                "seed": optimizer.state().seed(),
                "hyperparameters": optimizer.hyperparameters(),
                "trainer": trainer,
                "derived": optimizer.derived(),
            }))?;
        }
        Ok(std::mem::take(&mut self.before))
    }

    fn step(&mut self, r: &Report, optimizer: &dyn Optimizer) -> Result<ControlFlow<()>> {
        (self.training, self.average) = (r.training, r.average);
        let last = r.step == r.steps;
        if r.step.is_multiple_of(self.metrics_every.max(1)) || r.step == 1 || last {
            let s = optimizer.statistics();
            let (min, max, sigma) = (s.map(|s| s.hessian_min), s.map(|s| s.hessian_max), s.map(|s| s.sigma_mean));
            let mut line = json!({
                "step": r.step, "loss": r.loss, "smooth": r.smooth, "lr": r.lr, "seconds": r.training.as_secs_f64(), "rate": r.rate,
            });
            if s.is_some() {
                (line["hessian_min"], line["hessian_max"], line["sigma_mean"]) = (json!(min), json!(max), json!(sigma));
            }
            self.log(&object(line))?;
            self.curve.training(r.step as u64, r.smooth);
            if self.drawn.is_none_or(|at| at.elapsed() >= REDRAW) {
                self.draw()?;
            }
        }
        self.stepped = true;
        let stop = self.stop.requested() && !last;
        let due = self.checkpoint_every > 0 && r.step.is_multiple_of(self.checkpoint_every);
        // If an evaluation follows, the checkpoint is saved after it, so that it holds the result.
        if stop || due && !r.evaluating {
            self.save(optimizer, None)?;
        }
        Ok(if stop { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }

    fn evaluation(&mut self, step: usize, e: &Evaluation, optimizer: &dyn Optimizer) -> Result<()> {
        let validation_loss = (e.examples > 0).then_some(e.mean);
        if let Some(loss) = validation_loss {
            let posterior = (e.samples > 0).then_some(e.posterior);
            let accuracy_posterior = e.accuracy_posterior.filter(|_| e.samples > 0);
            let mut line = json!({"step": step, "validation_loss": loss, "examples": e.examples});
            if e.accuracy.is_some() {
                line["validation_accuracy"] = json!(e.accuracy);
            }
            if posterior.is_some() {
                (line["validation_loss_posterior"], line["samples"]) = (json!(posterior), json!(e.samples));
            }
            if accuracy_posterior.is_some() {
                line["validation_accuracy_posterior"] = json!(accuracy_posterior);
            }
            let line = object(line);
            if self.evaluated != line {
                self.log(&line)?;
                self.curve.validation(step as u64, loss);
                self.evaluated = line;
            }
            self.draw()?;
        }
        let finite = validation_loss.filter(|loss| loss.is_finite());
        let better = finite.is_some_and(|loss| self.best.is_none_or(|best| loss < best));
        if better {
            self.best = finite;
        }
        let due = self.checkpoint_every > 0 && step.is_multiple_of(self.checkpoint_every);
        // The state that a run goes on from has its checkpoint; it lacks a result that the run was stopped before.
        let has = self.saved.is_some() && !self.stepped;
        let wanted = if has { better && step < self.steps } else { better || due || step == self.steps };
        if wanted {
            self.save(optimizer, validation_loss)?;
        }
        Ok(())
    }

    fn warning(&mut self, step: usize, warning: &Warning) -> Result<()> {
        let line = json!({"step": step, "warning": warning.message, "sign": warning.sign, "parameter": warning.parameter, "value": warning.value});
        let warning = (step as u64, warning.message.clone());
        // A run that was killed after a warning may come to it again.
        if self.warnings.contains(&warning) {
            return Ok(());
        }
        self.warnings.push(warning);
        self.check_in_place()?;
        let mut line = object(line);
        line.retain(|_, value| !value.is_null());
        self.metrics.add(&line)
    }

    fn finish(&mut self, summary: &Summary) -> Result<()> {
        let Evaluation { mean, posterior, accuracy, accuracy_posterior, samples, examples } = summary.evaluation;
        let checkpoint = self.saved.map(|step| self.checkpoints().path(step));
        let mut json = json!({
            "steps": summary.steps, "stopped": summary.stopped, "seconds": summary.training.as_secs_f64(), "loss": summary.loss,
            "validation_loss": mean, "validation_loss_posterior": (samples > 0).then_some(posterior), "samples": samples,
            "examples": examples, "checkpoint": checkpoint, "checkpoints_saved": self.saving.1,
            "checkpoint_seconds": self.saving.0.as_secs_f64(), "warnings": self.told_warnings(),
        });
        if accuracy.is_some() {
            json["validation_accuracy"] = json!(accuracy);
            json["validation_accuracy_posterior"] = json!(accuracy_posterior.filter(|_| samples > 0));
        }
        self.check_in_place()?;
        self.draw()?;
        disk::write_bytes(&self.path.join(SUMMARY), format!("{json:#}\n").as_bytes())
    }

    fn failure(&mut self, error: Error) -> Error {
        if self.check_in_place().is_err() {
            return error;
        }
        let advice = match self.saved {
            Some(step) => {
                format!("; the last checkpoint is {} (step {step}): resume from there", self.checkpoints().path(step).display())
            }
            None => "; there is no checkpoint yet".into(),
        };
        let error = match error {
            Error::Value { at, message } => Error::Value { at, message: message + &advice },
            Error::Diverged { step, message } => Error::Diverged { step, message: message + &self.last_good() },
            Error::File { path, message } => Error::File { path, message: message + &advice },
            other => other,
        };
        let json = json!({"error": error.to_string(), "warnings": self.told_warnings()});
        // The error that ended the run is what matters now, whether this can be written or not.
        let _ = disk::write_bytes(&self.path.join(SUMMARY), format!("{json:#}\n").as_bytes());
        error
    }
}

/// A line of `metrics.jsonl`.
fn object(line: Value) -> Map<String, Value> {
    match line {
        Value::Object(line) => line,
        _ => Map::new(),
    }
}

/// The step after which a line was written.
fn step_of(line: &Map<String, Value>) -> u64 {
    line.get("step").and_then(Value::as_u64).unwrap_or(0)
}

/// The warning of a line of `metrics.jsonl`, with its step.
fn warning_of(line: &Map<String, Value>) -> Option<(u64, String)> {
    Some((step_of(line), line.get("warning")?.as_str()?.to_string()))
}

/// The checkpoints of a run in a folder, to be read.
pub fn checkpoints(run: impl AsRef<Path>) -> Checkpoints {
    Checkpoints::new(run.as_ref().join(CHECKPOINTS), usize::MAX)
}

/// A checkpoint of a run, or the one that `path` itself is.
///
/// # Errors
/// If there is none, or it is damaged; then the message names the last good one.
pub fn checkpoint(path: impl AsRef<Path>, which: Which) -> Result<Checkpoint> {
    let path = path.as_ref();
    if Checkpoint::is_at(path) {
        return Checkpoint::open(path);
    }
    if !path.is_dir() {
        return Err(Error::file(path, "is no folder: give that of a run, or of one of its checkpoints"));
    }
    checkpoints(path).find(which)
}

/// Reads a configuration file, or the `config.toml` of a run folder.
///
/// # Errors
/// If it cannot be read, is not TOML, or has other keys than `C` has: the line, and what is expected.
pub fn read_config<C: DeserializeOwned>(path: impl AsRef<Path>) -> Result<C> {
    let path = path.as_ref();
    let file = if path.is_dir() { path.join(CONFIG) } else { path.to_path_buf() };
    let text = std::fs::read_to_string(&file).map_err(|e| unreadable(&file, &e))?;
    toml::from_str(&text).map_err(|e| Error::file(&file, e))
}

/// True if a folder is that of a run.
pub fn holds_a_run(path: impl AsRef<Path>) -> bool {
    let path = path.as_ref();
    path.join(metrics::NAME).exists() || path.join(CHECKPOINTS).exists()
}

/// TOML has no null: what is not there is not written. It has no integers above 2⁶³ either: those become text.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            Value::Object(map.into_iter().filter(|(_, v)| !v.is_null()).map(|(k, v)| (k, without_nulls(v))).collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().filter(|v| !v.is_null()).map(without_nulls).collect()),
        Value::Number(n) if n.as_u64().is_some_and(|n| i64::try_from(n).is_err()) => Value::String(n.to_string()),
        other => other,
    }
}
