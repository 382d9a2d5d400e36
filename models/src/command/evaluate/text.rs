//! Evaluation of language models: loss and perplexity.

use super::Evaluate;
use crate::command::flags::{DataFlags, Opened, refuse};
use crate::data::{Marks, validation_batches};
use crate::gpt2::Stored;
use ivon_runtime::uncertainty::Ensemble;
use ivon_runtime::{Error, LogAverage, Result};
use serde_json::{Value, json};

/// The defaults, for values that neither flags nor the run give.
const SAMPLES: usize = 16;
const BATCH: usize = 12;
const TOKENS: usize = 131_072;

impl Evaluate {
    pub(super) fn text(&self, runs: Vec<Opened<Stored>>) -> Result<()> {
        let flags = [
            ("--ood", self.ood.is_some()),
            ("--eval-examples", self.eval_examples.is_some()),
            ("--max-pixels", self.bound.max_pixels.is_some()),
            ("--out", self.out.is_some()),
        ];
        refuse("language models", &flags)?;
        let told = |key: &str| runs[0].number(key);
        let (tokenizer, dimensions, step) = (runs[0].stored.tokenizer, runs[0].stored.dimensions, runs[0].step);
        let context = runs.iter().map(|run| run.stored.dimensions.context).min().unwrap_or(dimensions.context);
        let alike = |run: &Opened<Stored>| run.stored.tokenizer == tokenizer && run.stored.dimensions.vocab == dimensions.vocab;
        if let Some(i) = runs.iter().position(|run| !alike(run)) {
            let (first, other) = (self.runs[0].display(), self.runs[i].display());
            return Err(Error::config(format!("{first} and {other} have other tokens: evaluate runs of one tokenizer together")));
        }
        let seq = self.seq.or(told("seq")).unwrap_or(context);
        if seq > context {
            return Err(Error::config(format!("--seq {seq} is longer than the model's context of {context}: shorten it")));
        }
        // The rows that the run processed at a time, so that sums are taken in the same order.
        let rows = told("batch").map(|b| b / told("micro-batches").unwrap_or(1).max(1));
        let batch = self.batch.or(rows).unwrap_or(BATCH);
        let tokens = self.eval_tokens.or(told("eval-tokens")).unwrap_or(TOKENS);
        let special_tokens = match runs[0].told.get("special-tokens").and_then(Value::as_str) {
            Some("token") => Marks::Token,
            _ => Marks::Text,
        };
        if self.data.is_empty() && runs[0].told.is_empty() {
            let path = self.runs[0].display();
            tell!(
                "note: nothing says what {path} was trained on: it is evaluated on the text of this program's repository, others with --data"
            );
        }
        let (data, validation_data) = match self.data.is_empty() {
            true => (runs[0].paths("data"), runs[0].paths("validation-data")),
            false => (self.data.clone(), self.validation_data.clone()),
        };
        let corpus = DataFlags { data, validation_data, special_tokens }.load_to_evaluate(tokenizer, dimensions.vocab)?;
        let checksum = |run: &Opened<Stored>| Some(run.told.get("text")?.get("checksum")?.as_str()?.to_string());
        let others = runs.iter().zip(&self.runs).filter(|_| self.data.is_empty());
        for (_, path) in others.filter(|(run, _)| checksum(run).is_some_and(|checksum| checksum != corpus.checksum())) {
            tell!("note: the text is not the one that {} was trained on", path.display());
        }
        corpus.check_seq(seq)?;
        let validation = validation_batches(&corpus, tokens, batch, seq)?;

        let (mut ensemble, mut models) = (Ensemble::new(self.device.start()?, self.device.training_dtype()?), vec![]);
        let count = runs.len();
        for run in runs {
            ensemble.add(run.stored.posterior.tempered(self.temperature)?, run.seed)?;
            models.push(run.stored.model);
        }
        let point = ensemble.is_point();
        let mut add = |average: &mut LogAverage, sample: Option<u32>| {
            ensemble.visit(sample, |cx, i| {
                let each = validation.iter().map(|batch| models[i].log_likelihoods(cx, batch));
                average.add(each.collect::<Result<Vec<_>>>()?.concat().into_iter())
            })
        };
        match count {
            1 => say!("a GPT-2 of {}{}", dimensions.summary(), step.map_or(String::new(), |s| format!(" after {s} updates")))?,
            _ => say!("a mixture of {count} runs, the first a GPT-2 of {}", dimensions.summary())?,
        }
        let mut mean = LogAverage::new();
        add(&mut mean, None)?;
        say!("{} validation tokens\n\n  samples      loss  perplexity", mean.log_probabilities().len())?;
        let row = |what: &str, loss: f64| match loss.is_finite() {
            true => say!("{what:>9}  {loss:8.4}  {:10.3}", loss.exp()),
            false => Err(Error::value(
                "evaluate",
                format!("the loss ({what}) is {loss}: try a smaller --temperature, or look at the weights"),
            )),
        };
        row("mean", mean.nll())?;
        let samples = if point { 0 } else { self.samples.unwrap_or(SAMPLES) };
        let (mut average, mut steps) = (LogAverage::new(), vec![]);
        for k in 0..samples {
            add(&mut average, Some(k as u32))?;
            let count = k + 1;
            if count.is_power_of_two() || count == samples {
                row(&count.to_string(), average.nll())?;
                steps.push(json!({"samples": count, "loss": average.nll(), "perplexity": average.nll().exp()}));
            }
        }
        if point {
            say!("the weights are a point: there are no samples")?;
        }
        if self.json {
            let posterior = steps.last().map_or(mean.nll(), |s| s["loss"].as_f64().unwrap_or(f64::NAN));
            let result = json!({
                "step": step, "tokens": mean.log_probabilities().len(), "loss": mean.nll(), "perplexity": mean.nll().exp(),
                "loss_posterior": posterior, "perplexity_posterior": posterior.exp(), "samples": samples, "growing": steps,
            });
            say!("{result}")?;
        }
        Ok(())
    }
}
