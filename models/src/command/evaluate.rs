//! `ivon evaluate`: how good a trained model is at the mean, and over growing numbers of posterior samples.

use super::flags::{DataFlags, DeviceFlags, TrainedFlags, values};
use crate::data::validation_batches;
use clap::Args;
use ivon_runtime::{Context, Error, Flat, LogAverage, Result};
use serde_json::json;

/// Loss and perplexity of a trained model, at the mean and averaged over posterior samples
#[derive(Args, Debug)]
pub struct Evaluate {
    #[command(flatten)]
    trained: TrainedFlags,

    /// Posterior samples to average over; the losses of 1, 2, 4, ... of them are shown on the way
    #[arg(long, value_name = "N", default_value = "16")]
    samples: usize,

    #[command(flatten)]
    data: DataFlags,

    /// Sequences at a time [default: the run's]
    #[arg(long, value_name = "N", value_parser = values::count)]
    batch: Option<usize>,

    /// Tokens per sequence [default: the run's, or the model's context]
    #[arg(long, value_name = "TOKENS", value_parser = values::count)]
    seq: Option<usize>,

    /// About how many tokens of the validation text to look at [default: the run's, or 131072]
    #[arg(long, value_name = "TOKENS", value_parser = values::count)]
    eval_tokens: Option<usize>,

    /// Print the result as one line of JSON, the last of standard output
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    device: DeviceFlags,
}

/// Where neither flags nor the run say something.
const BATCH: usize = 12;
const TOKENS: usize = 131_072;

impl Evaluate {
    /// Evaluates and prints.
    ///
    /// # Errors
    /// If there is no such model, or text and model do not go together.
    pub fn run(&self) -> Result<()> {
        let dtype = self.device.training_dtype()?;
        let opened = self.trained.open()?;
        let (stored, dimensions) = (&opened.stored, opened.stored.dimensions);
        let seq = self.seq.or(opened.number("seq")).unwrap_or(dimensions.context);
        if seq > dimensions.context {
            let context = dimensions.context;
            return Err(Error::config(format!("--seq {seq} is longer than the model's context of {context}: shorten it")));
        }
        // Of the rows that a run works on at a time, so that sums are taken in its order.
        let rows = opened.number("batch").map(|b| b / opened.number("micro-batches").unwrap_or(1).max(1));
        let batch = self.batch.or(rows).unwrap_or(BATCH);
        let tokens = self.eval_tokens.or(opened.number("eval-tokens")).unwrap_or(TOKENS);
        let data = match self.data.data.is_empty() {
            true => DataFlags { data: opened.paths("data"), validation_data: opened.paths("validation-data") },
            false => self.data.clone(),
        };
        let corpus = data.load(stored.tokenizer, dimensions.vocab)?;
        corpus.check_seq(seq)?;
        let validation = validation_batches(&corpus, tokens, batch, seq)?;

        let cx = Context::new(self.device.start()?, dtype)?;
        let mut weights = Flat::zeros(stored.posterior.layout(), dtype);
        let mut at = |sample: Option<u32>| -> Result<Vec<f64>> {
            stored.posterior.write(sample.map(|k| (opened.seed, k)), &mut weights)?;
            cx.set_weights(&weights);
            let each = validation.iter().map(|batch| stored.model.log_likelihoods(&cx, batch));
            Ok(each.collect::<Result<Vec<_>>>()?.concat())
        };
        let step = opened.step.map_or(String::new(), |step| format!(" after {step} updates"));
        say!("a GPT-2 of {}{step}", dimensions.summary())?;
        let mut mean = LogAverage::new();
        mean.add(at(None)?.into_iter())?;
        say!("{} validation tokens\n\n  samples      loss  perplexity", mean.log_probabilities().len())?;
        let row = |what: &str, loss: f64| say!("{what:>9}  {loss:8.4}  {:10.3}", loss.exp());
        row("mean", mean.nll())?;
        let samples = if stored.posterior.is_point() { 0 } else { self.samples };
        let (mut average, mut steps) = (LogAverage::new(), vec![]);
        for k in 0..samples {
            average.add(at(Some(k as u32))?.into_iter())?;
            let count = k + 1;
            if count.is_power_of_two() || count == samples {
                row(&count.to_string(), average.nll())?;
                steps.push(json!({"samples": count, "loss": average.nll(), "perplexity": average.nll().exp()}));
            }
        }
        if stored.posterior.is_point() {
            say!("the weights are a point: there are no samples")?;
        }
        if self.json {
            let posterior = steps.last().map_or(mean.nll(), |s| s["loss"].as_f64().unwrap_or(f64::NAN));
            let result = json!({
                "step": opened.step, "tokens": mean.log_probabilities().len(), "loss": mean.nll(), "perplexity": mean.nll().exp(),
                "loss_posterior": posterior, "perplexity_posterior": posterior.exp(), "samples": samples, "growing": steps,
            });
            say!("{result}")?;
        }
        Ok(())
    }
}
