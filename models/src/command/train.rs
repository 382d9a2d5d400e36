//! `ivon train`: trains a model on text, and says how good it is at the mean and averaged over its posterior.

use super::flags::{
    BatchFlags, DataFlags, DeviceFlags, DropoutFlags, ModelFlags, OptimizerFlags, OptimizerName, ScheduleFlags, Setup,
    TokenizerFlags, Trained, values,
};
use super::memory::{self, BYTES_PER_PARAMETER};
use super::progress::Console;
use super::run_folder::RunFolder;
use super::trace::Trace;
use crate::data::{Corpus, training_batch, validation_batches};
use crate::gpt2::{Dimensions, Gpt2, Stored};
use clap::Args;
use ivon_runtime::optimizers::{Optimizer, Weights};
use ivon_runtime::trainer::{At, Evaluation, Summary, Trainer};
use ivon_runtime::{Context, Error, Result, Schedule};
use serde_json::{Value, json};
use std::path::PathBuf;

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

/// What a run is told and leaves behind.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Run")]
struct RunFlags {
    /// Seed of everything random: the same seed gives the same bits
    #[arg(long, value_name = "N", default_value = "1")]
    seed: u64,

    /// Start from these weights instead of random ones: a weights file of ours, Hugging Face's or nanoGPT's, or a folder that Hugging
    /// Face's library saved. They say what the dimensions are. IVON's Hessian starts at --hess-init
    #[arg(long, value_name = "PATH")]
    init: Option<PathBuf>,

    /// Folder for configuration and metrics [default: runs/gpt2-<preset>-<number>]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Print the result as one line of JSON, the last of standard output
    #[arg(long)]
    json: bool,

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

impl Train {
    /// Trains from start to end.
    ///
    /// # Errors
    /// If flags, text or model do not go together, a file cannot be used, or training diverges.
    pub fn run(&self) -> Result<()> {
        let start = self.run.init.as_deref().map(|path| Stored::open(path, self.model.heads)).transpose()?;
        let dimensions = match &start {
            Some(start) => self.model.dimensions_of(&start.dimensions)?,
            None => self.model.dimensions(self.tokenizer.tokenizer)?,
        };
        let tokenizer = self.tokenizer.fitting(dimensions.vocab)?;
        let (seq, rows) = (self.batch.seq(dimensions.context)?, self.batch.rows()?);
        let dtype = self.device.training_dtype()?;
        let schedule = self.schedule.build(self.optimizer.lr())?;
        if self.run.trace.is_some() && self.optimizer.optimizer != OptimizerName::Ivon {
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
        if let (Some(path), Some(replay)) = (&self.run.trace, replay) {
            let last = self.run.trace_steps.min(self.schedule.steps);
            let trace = Trace::new(optimizer.state(), path, replay, last as u32);
            optimizer.trace(Some(Box::new(trace)));
        }

        let name = format!("{}-{}", self.model.model.name(), self.model.preset_name());
        let folder = RunFolder::create(self.run.out.as_deref(), &name)?;
        folder.write_config(&self.config(&dimensions, &corpus, &schedule, seq, config))?;
        eprintln!("{name}: {}, {} parameters", dimensions.summary(), dimensions.parameters());
        eprintln!("{} tokens to train on, {} for validation", corpus.training.len(), corpus.validation.len());
        let mut console = Console::new(folder, self.schedule.steps);

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
        let summary = trainer.run(optimizer.as_mut(), gradient, validate, &mut console)?;
        let text = self.sample(optimizer.as_mut(), &model, &corpus, dimensions.context)?;
        self.report(&dimensions, &console, &summary, trainer.examples, &text);
        Ok(())
    }

    /// Every number that the run depends on.
    fn config(&self, dimensions: &Dimensions, corpus: &Corpus, schedule: &Schedule, seq: usize, optimizer: Value) -> Value {
        json!({
            "model": self.model.model.name(), "preset": self.model.preset_name(), "dimensions": dimensions,
            "tokenizer": corpus.tokenizer, "dropout": self.dropout.dropout, "data": self.data.data,
            "validation_data": self.data.validation_data,
            "batch": self.batch.batch, "seq": seq, "micro_batches": self.batch.micro_batches,
            "optimizer": optimizer, "lr": schedule.lr, "min_lr": schedule.min_lr, "warmup": schedule.warmup, "steps": schedule.steps,
            "schedule": self.schedule.name(), "seed": self.run.seed, "init": self.run.init, "eval_every": self.evaluation.eval_every,
            "eval_samples": self.evaluation.eval_samples, "eval_tokens": self.evaluation.eval_tokens, "device": "cpu", "dtype": "f32",
        })
    }

    /// Text of the model's own, after the beginning of the validation text.
    fn sample(&self, optimizer: &mut dyn Optimizer, model: &Gpt2, corpus: &Corpus, context: usize) -> Result<String> {
        let prompt = corpus.validation.read(0..corpus.validation.len().min(context / 4).max(1));
        let mut text = vec![];
        optimizer.evaluate(Weights::Mean, &mut |cx| {
            text = model.generate(cx, &prompt, SHOWN, context, TEMPERATURE, self.run.seed)?;
            Ok(())
        })?;
        corpus.tokenizer.decode(&text)
    }

    fn report(&self, dimensions: &Dimensions, console: &Console, summary: &Summary, tokens_per_step: usize, text: &str) {
        let Evaluation { mean, posterior, samples, .. } = summary.evaluation;
        let (run, seconds) = (console.folder().path(), console.seconds());
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
