//! `ivon train gpt2`: a language model on text.

use super::Told;
use super::session::{Common, Session, Task};
use crate::command::flags::{BatchFlags, DataFlags, Defaults, DropoutFlags, Shape, SizeFlags, TokenizerFlags, values};
use crate::command::memory;
use crate::command::progress::{Busy, Pass};
use crate::command::transfer::say_doubt;
use crate::data::{Batch, Corpus, Tokenizer, training_batch, validation_batches};
use crate::gpt2::{Dimensions, Gpt2, Sampling, Stored};
use clap::Args;
use ivon_runtime::optimizers::{Optimizer, Weights};
use ivon_runtime::trainer::{At, Evaluation, Predictions, Summary};
use ivon_runtime::{Context, Result};
use serde_json::{Value, json};
use std::process::ExitCode;

/// Flags to train a language model.
#[derive(Args, Debug)]
#[command(allow_negative_numbers = true)] // so that they reach the check that says what is allowed
pub struct Text {
    #[command(flatten)]
    size: SizeFlags,
    #[command(flatten)]
    tokenizer: TokenizerFlags,
    #[command(flatten)]
    dropout: DropoutFlags,
    #[command(flatten)]
    data: DataFlags,
    #[command(flatten)]
    batch: BatchFlags,

    /// Updates
    #[arg(long, value_name = "N", default_value = "2000", value_parser = values::count, help_heading = "Schedule")]
    steps: usize,

    /// About how many tokens of the validation text to look at, in windows spread evenly over it
    #[arg(long, value_name = "TOKENS", default_value = "131072", value_parser = values::count, help_heading = "Evaluation")]
    eval_tokens: usize,

    #[command(flatten)]
    pub common: Common,
}

/// The name on the command line.
const NAME: &str = "gpt2";
/// Updates between two evaluations.
const EVALUATE_EVERY: usize = 250;
/// Tokens of text that a finished run shows.
const SHOWN: usize = 200;
/// Its temperature: a little below 1, where small models read best.
const TEMPERATURE: f64 = 0.8;

impl Text {
    /// Trains from start to end, or to Ctrl-C.
    ///
    /// # Errors
    /// If flags, text or model do not go together, a file cannot be used, or training diverges.
    pub fn run(&self, told: &Told) -> Result<ExitCode> {
        let common = &self.common;
        // A run that goes on has its weights in its checkpoint, and its dimensions in its configuration.
        let start = common.run.init.as_deref().filter(|_| common.run.resume.is_none());
        let start = start.map(|path| Stored::open(path, self.size.heads)).transpose()?;
        if let (Some(start), Some(path)) = (&start, &common.run.init) {
            say_doubt(path, start);
        }
        let dimensions = match &start {
            Some(start) => self.size.dimensions_of(&start.dimensions)?,
            None => self.size.dimensions(self.tokenizer_of_data()?)?,
        };
        let tokenizer = self.tokenizer.fitting(dimensions.vocab)?;
        let (seq, rows) = (self.batch.seq(dimensions.context)?, self.batch.rows()?);
        common.check(|| self.data.files())?;
        let defaults = match common.run.init {
            Some(_) => Defaults::text().fine_tuning(common.optimizer.hess_init),
            None => Defaults::text(),
        };
        let lr = common.optimizer.lr(&defaults);
        let shape = Shape { warmup: (self.steps / 10).min(100), min_lr: lr / 10.0 };
        let schedule = common.schedule.build(lr, self.steps, shape)?;
        memory::check_training(dimensions.parameters())?;
        let corpus = self.data.load(tokenizer, dimensions.vocab)?;
        corpus.check_seq(seq)?;
        let validation = validation_batches(&corpus, self.eval_tokens, rows, seq)?;

        let device = common.start()?;
        let mut model = Gpt2::of(&dimensions)?;
        model.set_dropout(self.dropout.dropout);
        let session = Session {
            model: NAME,
            common,
            told,
            defaults,
            schedule,
            evaluate_every: common.evaluation.eval_every.unwrap_or(EVALUATE_EVERY),
            micro_batches: self.batch.micro_batches,
            examples: (self.batch.batch * seq, "tokens"),
            device,
        };
        let preset = self.size.preset_name();
        let task =
            TextTask { preset, dimensions, model, corpus, validation, seed: common.run.seed, seq, rows, batch: self.batch.batch };
        session.run(&task, |optimizer| start.map_or(Ok(()), |start| start.start(optimizer)))
    }
}

impl Text {
    /// The tokenizer that is asked for or, where neither it nor a size says which ids there are, the one that wrote the token files.
    fn tokenizer_of_data(&self) -> Result<Option<Tokenizer>> {
        let open = self.size.preset.is_none() && self.size.vocab.is_none();
        match self.tokenizer.tokenizer {
            None if open => self.data.tokenizer(),
            tokenizer => Ok(tokenizer),
        }
    }
}

/// A language model and its text.
struct TextTask<'a> {
    preset: &'a str,
    dimensions: Dimensions,
    model: Gpt2,
    corpus: Corpus,
    validation: Vec<Batch>,
    seed: u64,
    seq: usize,
    /// Sequences in a micro-batch.
    rows: usize,
    /// Sequences in an update.
    batch: usize,
}

impl Task for TextTask<'_> {
    type Model = Gpt2;

    fn model(&self) -> &Gpt2 {
        &self.model
    }

    fn name(&self) -> String {
        format!("{NAME}-{}", self.preset)
    }

    fn introduction(&self) -> Vec<String> {
        let (dimensions, corpus) = (&self.dimensions, &self.corpus);
        vec![
            format!("{}: {}, {} parameters", self.name(), dimensions.summary(), dimensions.parameters()),
            format!("{} tokens to train on, {} for validation", corpus.training.len(), corpus.validation.len()),
        ]
    }

    fn found(&self) -> Vec<Value> {
        let tokenizer = self.corpus.tokenizer.name();
        vec![json!(self.dimensions), json!({"preset": self.preset, "tokenizer": tokenizer, "seq": self.seq})]
    }

    fn data(&self) -> (&'static str, Value) {
        let (training, validation) = (self.corpus.training.len(), self.corpus.validation.len());
        let checksum = self.corpus.checksum();
        ("text", json!({"training_tokens": training, "validation_tokens": validation, "checksum": checksum}))
    }

    fn gradient(&self, cx: &Context, at: At) -> Result<f64> {
        let part = at.micro_batch * self.rows..(at.micro_batch + 1) * self.rows;
        let batch = training_batch(&self.corpus, self.seed, at.step as u64, part, self.seq)?;
        self.model.loss_gradient(cx, &batch.ids, &batch.targets)
    }

    fn validate(&self, cx: &Context, pass: &Pass) -> Result<Predictions> {
        let mut all = vec![];
        for (i, batch) in self.validation.iter().enumerate() {
            all.extend(self.model.log_likelihoods(cx, batch)?);
            pass.done(i + 1, self.validation.len());
        }
        Ok(all.into())
    }

    fn report(&self, optimizer: &mut dyn Optimizer, summary: &Summary) -> Result<Value> {
        say!("\nA sample of its text:\n{}\n", self.sample(optimizer)?.trim_end())?;
        let Evaluation { mean, posterior, samples, .. } = summary.evaluation;
        say!("validation loss {mean:.4}, perplexity {:.3} at the mean", mean.exp())?;
        if samples > 0 {
            let perplexity = posterior.exp();
            say!("validation loss {posterior:.4}, perplexity {perplexity:.3} averaged over {samples} posterior samples")?;
        }
        let tokens = summary.steps as f64 * self.batch as f64 * self.seq as f64;
        Ok(json!({
            "preset": self.preset, "params": self.dimensions.parameters(),
            "tokens_per_s": tokens / summary.training.as_secs_f64().max(1e-9),
            "validation_perplexity": mean.exp(), "validation_perplexity_posterior": posterior.exp(),
        }))
    }
}

impl TextTask<'_> {
    /// Text of the model's own, after the beginning of the validation text.
    fn sample(&self, optimizer: &mut dyn Optimizer) -> Result<String> {
        let (corpus, dimensions) = (&self.corpus, &self.dimensions);
        let prompt = corpus.validation.read(0..corpus.validation.len().min(dimensions.context / 4).max(1));
        let ids = corpus.tokenizer.vocab();
        let sampling = Sampling { temperature: TEMPERATURE, top_k: None, top_p: 1.0, seed: self.seed, ids };
        let mut text = vec![];
        let _busy = Busy::with(&format!("writing {SHOWN} tokens of text"));
        optimizer.evaluate(Weights::Mean, &mut |cx| {
            text = self.model.generate(cx, &prompt, SHOWN, dimensions, &sampling)?;
            Ok(())
        })?;
        corpus.tokenizer.decode(&text)
    }
}
