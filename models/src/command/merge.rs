//! `ivon merge`: one model instead of several, weighted by what each is sure of.

use super::flags::{DATA, Opened, each_once, open, outside_of_runs, values};
use super::transfer::Model;
use crate::classifier::StoredClassifier;
use clap::Args;
use ivon_runtime::{Error, Posterior, Result, disk};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// Merge runs of the same model into one, each weight by the precision that the runs have for it
#[derive(Args, Debug)]
pub struct Merge {
    /// Folders of runs, of checkpoints, or whatever else `import` takes; best begun from the same weights
    #[arg(value_name = "RUN", required = true, num_args = 2..)]
    runs: Vec<PathBuf>,

    /// Folder for the merged model: model.safetensors, which every command takes, and merge.json
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// How much each run counts, in their order, beside its precision [default: all the same]
    #[arg(long, value_name = "X", num_args = 1.., value_delimiter = ',', value_parser = values::non_negative)]
    weights: Vec<f64>,

    /// The checkpoint with the lowest validation loss, instead of the last one of a run
    #[arg(long)]
    best: bool,
}

const WEIGHTS: &str = "model.safetensors";

impl Merge {
    /// Merges and writes.
    ///
    /// # Errors
    /// If a model is not found, the models differ, or the directory cannot be written.
    pub fn run(&self) -> Result<()> {
        each_once(&self.runs, self.best)?;
        let count = self.runs.len();
        let weights = if self.weights.is_empty() { vec![1.0; count] } else { self.weights.clone() };
        outside_of_runs(&self.out)?;
        let out = disk::resolved(&self.out);
        if let Some(input) = self.runs.iter().find(|run| disk::resolved(run) == out) {
            return Err(Error::file(&self.out, format!("is {}, which is read: give another directory", input.display())));
        }
        if self.out.join(WEIGHTS).exists() {
            return Err(Error::file(&self.out, format!("holds a {WEIGHTS} already; give another folder")));
        }
        let (mut models, mut told) = (vec![], vec![]);
        for path in &self.runs {
            let Opened { stored: model, told: of_run, .. } = open(path, self.best)?;
            told.push(of_run);
            if let Some(first) = models.first() {
                agree((&self.runs[0], first), (path, &model))?;
            }
            models.push(model);
        }
        let posteriors: Vec<&Posterior> = models.iter().map(posterior).collect();
        let (point, merged) = (posteriors[0].is_point(), Posterior::merge(&posteriors, &weights)?);
        let averaged_statistics = merged.running_statistics().is_some_and(|running| !running.layout().entries().is_empty());
        let mut first = models.swap_remove(0);
        let summary = what(&first);
        std::fs::create_dir_all(&self.out).map_err(|e| disk::unwritable(&self.out, &e))?;
        let file = self.out.join(WEIGHTS);
        match &mut first {
            Model::Text(stored) => {
                stored.posterior = merged;
                stored.write(&file)?;
            }
            Model::Pictures(stored) => {
                stored.posterior = merged;
                stored.write(&file)?;
            }
        }
        let about = format!("{:#}\n", json!({"runs": self.runs, "weights": weights, "model": summary, "config": of_data(&told)}));
        let path = self.out.join("merge.json");
        disk::write_bytes(&path, about.as_bytes())?;
        let how = if point { "their plain average: they have no posterior" } else { "averaged by their precision" };
        say!("{count} runs of a {summary}, {how}, in {}", self.out.display())?;
        if averaged_statistics {
            tell!(
                "note: running statistics of batch norm are plain averages, not those of the merged weights: train on from them (--init) for a few steps"
            );
        }
        Ok(())
    }
}

/// The first run's flags on data, if all runs have the same data; empty if the data differ or the first run has no checksum of it.
fn of_data(told: &[Map<String, Value>]) -> Map<String, Value> {
    let checksum = |told: &Map<String, Value>| {
        let tables = ["text", "pictures"].iter().filter_map(|table| told.get(*table)?.get("checksum").cloned());
        tables.collect::<Vec<_>>()
    };
    let Some((first, rest)) = told.split_first() else { return Map::new() };
    if checksum(first).is_empty() || rest.iter().any(|other| checksum(other) != checksum(first)) {
        return Map::new();
    }
    DATA.iter().filter_map(|key| Some((key.to_string(), first.get(*key)?.clone()))).collect()
}

/// That runs to be merged are of one model, which tells the same classes apart.
fn agree((a, first): (&Path, &Model), (b, other): (&Path, &Model)) -> Result<()> {
    let (a, b) = (a.display(), b.display());
    if what(first) != what(other) {
        return Err(Error::config(format!("{a} is a {}, {b} a {}: merge runs of one model", what(first), what(other))));
    }
    let (Model::Pictures(first), Model::Pictures(other)) = (first, other) else { return Ok(()) };
    if let (Some(one), Some(two)) = (&first.transform, &other.transform)
        && let Some(difference) = one.difference(two)
    {
        tell!("note: {b} sees images in another way than {a} ({difference}); the merged model sees them as {a} does");
    }
    let classes = |stored: &StoredClassifier| stored.classes.clone().unwrap_or_default();
    match classes(first).iter().zip(&classes(other)).enumerate().find(|(_, (one, other))| one != other) {
        Some((i, (one, other))) => {
            let message =
                format!("class {i} of {a} is `{one}`, that of {b} is `{other}`: merge runs that tell the same classes apart");
            Err(Error::config(message))
        }
        None => Ok(()),
    }
}

/// The kind of a model, in one line.
fn what(model: &Model) -> String {
    match model {
        Model::Text(stored) => format!("GPT-2 of {} on {} tokens", stored.dimensions.summary(), stored.tokenizer.name()),
        Model::Pictures(stored) => stored.design.summary(),
    }
}

fn posterior(model: &Model) -> &Posterior<'static> {
    match model {
        Model::Text(stored) => &stored.posterior,
        Model::Pictures(stored) => &stored.posterior,
    }
}
