//! `ivon train`: trains a model on text, and says how good it is at the mean and averaged over its posterior.

use super::config;
use super::flags::{
    BatchFlags, DataFlags, DeviceFlags, DropoutFlags, ModelFlags, OptimizerFlags, OptimizerName, RunFlags, ScheduleFlags, Setup,
    TokenizerFlags, Trained, values,
};
use super::memory::{self, BYTES_PER_PARAMETER};
use super::progress::Console;
use super::trace::Trace;
use crate::data::{Corpus, training_batch, validation_batches};
use crate::gpt2::{Dimensions, Gpt2, Sampling, Stored};
use clap::Args;
use ivon_runtime::optimizers::{Optimizer, Weights};
use ivon_runtime::run::{self, Run};
use ivon_runtime::trainer::{At, Evaluation, Stop, Summary, Trainer};
use ivon_runtime::{Context, Error, Result, Schedule};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Train a model on text
#[derive(Args, Debug)]
#[command(allow_negative_numbers = true)] // so that they reach the check that says what is allowed
pub struct Train {
    #[command(flatten)]
    model: ModelFlags,
    #[command(flatten)]
    tokenizer: TokenizerFlags,
    #[command(flatten)]
    dropout: DropoutFlags,
    #[command(flatten)]
    data: DataFlags,
    #[command(flatten)]
    batch: BatchFlags,
    #[command(flatten)]
    optimizer: OptimizerFlags,
    #[command(flatten)]
    schedule: ScheduleFlags,
    #[command(flatten)]
    evaluation: EvaluationFlags,
    #[command(flatten)]
    run: RunFlags,
    #[command(flatten)]
    device: DeviceFlags,
    #[command(flatten)]
    trace: TraceFlags,
    /// Every flag that has a value, given or by default.
    #[arg(skip)]
    pub told: Map<String, Value>,
    /// Whether the text was named on the command line.
    #[arg(skip)]
    pub given_text: bool,
}

/// How often and how well to validate.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Evaluation")]
struct EvaluationFlags {
    /// Updates between two evaluations at the mean; 0 for the end alone
    #[arg(long, value_name = "STEPS", default_value = "250")]
    eval_every: usize,

    /// Posterior samples that the final prediction averages over; 0 for the mean alone
    #[arg(long, value_name = "N", default_value = "8")]
    eval_samples: usize,

    /// About how many tokens of the validation text to look at, in windows spread evenly over it
    #[arg(long, value_name = "TOKENS", default_value = "131072", value_parser = values::count)]
    eval_tokens: usize,
}

/// What a run shows of its first updates.
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

/// Tokens of text that a finished run shows.
const SHOWN: usize = 200;
/// Its temperature: a little below 1, where small models read best.
const TEMPERATURE: f64 = 0.8;

/// What the shell knows as the end by Ctrl-C.
const INTERRUPTED: u8 = 130;

impl Train {
    /// The configuration file to read before anything else, if any.
    ///
    /// # Errors
    /// If the run to go on with is not there.
    pub fn config_file(&self) -> Result<Option<PathBuf>> {
        self.run.config_file()
    }

    /// Trains from start to end, or to Ctrl-C.
    ///
    /// # Errors
    /// If flags, text or model do not go together, a file cannot be used, or training diverges.
    pub fn run(&self) -> Result<ExitCode> {
        // A run that goes on has its weights in its checkpoint, and its dimensions in its configuration.
        let start = self.run.init.as_deref().filter(|_| self.run.resume.is_none());
        let start = start.map(|path| Stored::open(path, self.model.heads)).transpose()?;
        let dimensions = match &start {
            Some(start) => self.model.dimensions_of(&start.dimensions)?,
            None => self.model.dimensions(self.tokenizer.tokenizer)?,
        };
        let tokenizer = self.tokenizer.fitting(dimensions.vocab)?;
        let (seq, rows) = (self.batch.seq(dimensions.context)?, self.batch.rows()?);
        let dtype = self.device.training_dtype()?;
        let schedule = self.schedule.build(self.optimizer.lr())?;
        if self.trace.trace.is_some() && self.optimizer.optimizer != OptimizerName::Ivon {
            return Err(Error::config("--trace shows the updates of ivon: use --optimizer ivon"));
        }
        memory::check(&dimensions, BYTES_PER_PARAMETER)?;
        let corpus = self.data.load(tokenizer, dimensions.vocab)?;
        corpus.check_seq(seq)?;
        let validation = validation_batches(&corpus, self.evaluation.eval_tokens, rows, seq)?;

        let device = self.device.start()?;
        let mut model = Gpt2::of(&dimensions)?;
        model.set_dropout(self.dropout.dropout);
        let setup = Setup { device, dtype, seed: self.run.seed, micro_batches: self.batch.micro_batches };
        let Trained { mut optimizer, config, replay } = self.optimizer.build(&model, setup)?;
        if let Some(start) = start {
            start.start(optimizer.as_mut())?;
        }
        if let (Some(path), Some(replay)) = (&self.trace.trace, replay) {
            let last = self.trace.trace_steps.min(self.schedule.steps);
            let trace = Trace::new(optimizer.state(), path, replay, last as u32);
            optimizer.trace(Some(Box::new(trace)));
        }

        let name = format!("{}-{}", self.model.model.name(), self.model.preset_name());
        let mut run = self.run.open(&name, optimizer.as_mut())?;
        let first = optimizer.state().step() as usize;
        self.check_text(&run, &corpus)?;
        run.set_config(&self.config(&dimensions, &corpus, &schedule, seq, config))?;
        stop_on_interrupt(run.stop.clone())?;
        let path = run.path().to_path_buf();
        eprintln!("{name}: {}, {} parameters", dimensions.summary(), dimensions.parameters());
        eprintln!("{} tokens to train on, {} for validation", corpus.training.len(), corpus.validation.len());
        if first > 0 {
            eprintln!("going on after step {first} of {}", schedule.steps);
        }
        let mut progress = (run, Console::new(schedule.steps));

        let steps = schedule.steps;
        let trainer = Trainer {
            schedule,
            evaluate_every: self.evaluation.eval_every,
            samples: self.evaluation.eval_samples,
            examples: self.batch.batch * seq,
        };
        let gradient = |cx: &Context, at: At| {
            let part = at.micro_batch * rows..(at.micro_batch + 1) * rows;
            let batch = training_batch(&corpus, self.run.seed, at.step as u64, part, seq)?;
            model.loss_gradient(cx, &batch.ids, &batch.targets)
        };
        let validate = |cx: &Context| {
            let each = validation.iter().map(|batch| model.log_likelihoods(cx, batch));
            Ok(each.collect::<Result<Vec<_>>>()?.concat())
        };
        let summary = trainer.run(optimizer.as_mut(), gradient, validate, &mut progress)?;
        let seconds = progress.1.seconds();
        if summary.stopped {
            let model = self.model.model.name();
            eprintln!(
                "stopped after step {} of {steps}; go on with: ivon train {model} --resume {}",
                summary.steps,
                path.display()
            );
            return Ok(ExitCode::from(INTERRUPTED));
        }
        let text = self.sample(optimizer.as_mut(), &model, &corpus, &dimensions)?;
        self.report(&dimensions, &path, seconds, &summary, trainer.examples, &text);
        Ok(ExitCode::SUCCESS)
    }

    /// Refuses to go on with another text than the run began with, unless it was given by name.
    fn check_text(&self, run: &Run, corpus: &Corpus) -> Result<()> {
        let Some(resumed) = &self.run.resume else { return Ok(()) };
        let then: Value = run::read_config(run.path())?;
        let (then, now) = (&then["text"]["checksum"], corpus.checksum());
        if then.is_null() || *then == now || self.given_text {
            return Ok(());
        }
        Err(Error::file(
            resumed,
            "the text is not the one that the run was trained on so far: restore it, or say with --data which text to go on with (the run will \
             then not be the one that it would have been)",
        ))
    }

    /// Every flag with its value, given, by default or worked out; and what was found, as tables.
    fn config(
        &self,
        dimensions: &Dimensions,
        corpus: &Corpus,
        schedule: &Schedule,
        seq: usize,
        optimizer: Value,
    ) -> Map<String, Value> {
        let mut config = self.told.clone();
        for found in [
            json!(dimensions),
            json!({"preset": self.model.preset_name(), "tokenizer": corpus.tokenizer.name(), "seq": seq}),
            json!({"lr": schedule.lr, "min_lr": schedule.min_lr, "warmup": schedule.warmup}),
            optimizer,
        ] {
            config::resolve(&mut config, &found);
        }
        config.insert("model".into(), self.model.model.name().into());
        let text = json!({
            "training_tokens": corpus.training.len(), "validation_tokens": corpus.validation.len(), "checksum": corpus.checksum(),
        });
        config.insert("text".into(), text);
        config
    }

    /// Text of the model's own, after the beginning of the validation text.
    fn sample(&self, optimizer: &mut dyn Optimizer, model: &Gpt2, corpus: &Corpus, dimensions: &Dimensions) -> Result<String> {
        let prompt = corpus.validation.read(0..corpus.validation.len().min(dimensions.context / 4).max(1));
        let sampling = Sampling { temperature: TEMPERATURE, top_k: None, top_p: 1.0, seed: self.run.seed };
        let mut text = vec![];
        optimizer.evaluate(Weights::Mean, &mut |cx| {
            text = model.generate(cx, &prompt, SHOWN, dimensions, &sampling)?;
            Ok(())
        })?;
        corpus.tokenizer.decode(&text)
    }

    fn report(&self, dimensions: &Dimensions, run: &Path, seconds: f64, summary: &Summary, tokens_per_step: usize, text: &str) {
        let Evaluation { mean, posterior, samples, .. } = summary.evaluation;
        println!("\nA sample of its text:\n{}\n", text.trim_end());
        println!("validation loss {mean:.4}, perplexity {:.3} at the mean", mean.exp());
        if samples > 0 {
            println!(
                "validation loss {posterior:.4}, perplexity {:.3} averaged over {samples} posterior samples",
                posterior.exp()
            );
        }
        println!("run folder {}", run.display());
        if self.run.json {
            let tokens = summary.steps * tokens_per_step;
            let result = json!({
                "model": self.model.model.name(), "preset": self.model.preset_name(), "params": dimensions.parameters(),
                "optimizer": self.optimizer.optimizer.name(), "steps": summary.steps, "seconds": seconds,
                "tokens_per_s": tokens as f64 / summary.training.as_secs_f64().max(1e-9), "training_loss": summary.loss,
                "validation_loss": mean, "validation_perplexity": mean.exp(), "validation_loss_posterior": posterior,
                "validation_perplexity_posterior": posterior.exp(), "samples": samples, "run": run,
            });
            println!("{result}");
        }
    }
}

/// The first Ctrl-C, or the end that a cluster announces, asks for a checkpoint and an orderly end; the second one ends at once.
fn stop_on_interrupt(stop: Stop) -> Result<()> {
    let handler = move || {
        if stop.request() {
            std::process::exit(i32::from(INTERRUPTED));
        }
        eprintln!("\nsaving a checkpoint after this step; once more ends at once");
    };
    ctrlc::set_handler(handler).map_err(|e| Error::config(format!("Ctrl-C cannot be watched for: {e}")))
}
