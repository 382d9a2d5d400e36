//! `ivon merge`: one model instead of several, weighted by what each is sure of.

use super::flags::{open, values};
use super::transfer::Model;
use crate::disk;
use clap::Args;
use ivon_runtime::{Error, Posterior, Result};
use serde_json::json;
use std::path::PathBuf;

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
    /// If there are no such models, they differ, or the folder cannot be written.
    pub fn run(&self) -> Result<()> {
        let count = self.runs.len();
        let weights = if self.weights.is_empty() { vec![1.0; count] } else { self.weights.clone() };
        if self.out.join(WEIGHTS).exists() {
            return Err(Error::file(&self.out, format!("holds a {WEIGHTS} already; give another folder")));
        }
        let mut models = vec![];
        for path in &self.runs {
            let model = open(path, self.best)?.stored;
            if let Some(first) = models.first().filter(|first| what(first) != what(&model)) {
                let (a, b) = (self.runs[0].display(), path.display());
                let (one, other) = (what(first), what(&model));
                return Err(Error::config(format!("{a} is a {one}, {b} a {other}: merge runs of one model")));
            }
            models.push(model);
        }
        let posteriors: Vec<&Posterior> = models.iter().map(posterior).collect();
        let (point, merged) = (posteriors[0].is_point(), Posterior::merge(&posteriors, &weights)?);
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
        let about = format!("{:#}\n", json!({"runs": self.runs, "weights": weights, "model": summary}));
        let path = self.out.join("merge.json");
        disk::write(&path, |file| std::io::Write::write_all(file, about.as_bytes()).map_err(|e| disk::unwritable(&path, &e)))?;
        let how = if point { "their plain average: they have no posterior" } else { "averaged by their precision" };
        say!("{count} runs of a {summary}, {how}, in {}", self.out.display())?;
        Ok(())
    }
}

/// What runs to be merged have to agree on.
fn what(model: &Model) -> String {
    match model {
        Model::Text(stored) => format!("GPT-2 of {} on {} tokens", stored.dimensions.summary(), stored.tokenizer.name()),
        Model::Pictures(stored) => {
            let classes = stored.classes.as_ref().map_or(String::new(), |classes| format!(" ({})", classes.join(", ")));
            format!("{}{classes}", stored.design.summary())
        }
    }
}

fn posterior(model: &Model) -> &Posterior<'static> {
    match model {
        Model::Text(stored) => &stored.posterior,
        Model::Pictures(stored) => &stored.posterior,
    }
}
