//! A trained model to look at, and what its run was told.

use crate::classifier::{self, StoredClassifier};
use crate::command::transfer::Model;
use crate::gpt2::Stored;
use ivon_runtime::checkpoint::{Checkpoint, Which};
use ivon_runtime::{Error, Result, disk, run};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// A model, and what is known of where it comes from.
pub struct Opened<M> {
    /// The model with its posterior.
    pub stored: M,
    /// The flags of its run; empty for a weights file.
    pub told: Map<String, Value>,
    /// Seed of the run; 0 for a weights file.
    pub seed: u64,
    /// Updates done.
    pub step: Option<u32>,
}

/// Opens a run (its last checkpoint, or the best), one of its checkpoints, or whatever else `ivon import` takes.
///
/// # Errors
/// If the model is not found, or it is damaged.
pub fn open(path: &Path, best: bool) -> Result<Opened<Model>> {
    let is_run = run::holds_a_run(path);
    if best && !is_run {
        tell!("note: --best has no effect on {}, which is not the directory of a run", path.display());
    }
    if !is_run && !Checkpoint::is_at(path) {
        return Ok(Opened { stored: Model::open(path, None)?, told: told_of_merged(path)?, seed: 0, step: None });
    }
    let checkpoint = run::checkpoint(path, if best { Which::Best } else { Which::Latest })?;
    let stored = match classifier::architecture(&checkpoint) {
        Some(_) => Model::Pictures(Box::new(StoredClassifier::of_run(&checkpoint)?)),
        None => Model::Text(Box::new(Stored::of_run(&checkpoint, None)?)),
    };
    let manifest = checkpoint.manifest();
    Ok(Opened { stored, told: manifest.notes.config.clone(), seed: manifest.seed, step: Some(manifest.step) })
}

/// The flags that describe a run's data.
pub const DATA: [&str; 11] = [
    "data",
    "validation-data",
    "train-examples",
    "batch",
    "micro-batches",
    "seq",
    "eval-tokens",
    "eval-examples",
    "exif",
    "text",
    "pictures",
];

/// The flags on data that the record of a merged model holds; empty for other weights.
fn told_of_merged(path: &Path) -> Result<Map<String, Value>> {
    let file = match path.is_dir() {
        true => path.join("merge.json"),
        false if path.file_name().is_some_and(|name| name == "model.safetensors") => path.with_file_name("merge.json"),
        false => return Ok(Map::new()),
    };
    let text = match std::fs::read_to_string(&file) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Map::new()),
        other => other.map_err(|e| disk::unreadable(&file, &e))?,
    };
    let mut about: Map<String, Value> = serde_json::from_str(&text).map_err(|e| Error::file(&file, e))?;
    match about.remove("config") {
        Some(Value::Object(config)) => Ok(config),
        _ => Ok(Map::new()),
    }
}

/// Refuses a directory to write to that is a run's, or in one of its checkpoints.
///
/// # Errors
/// If it is.
pub fn outside_of_runs(out: &Path) -> Result<()> {
    let place = disk::resolved(out);
    let of_a_run = run::holds_a_run(&place) || place.ancestors().any(Checkpoint::is_at);
    let of_its_checkpoints = place.ends_with("checkpoints") && place.parent().is_some_and(run::holds_a_run);
    match of_a_run || of_its_checkpoints {
        true => Err(Error::file(out, "is the directory of a run, which keeps its own files there: give another directory")),
        false => Ok(()),
    }
}

/// Refuses a run, or whatever else holds a model, that is given twice, by whatever name: a run stands for its last checkpoint, or its best.
///
/// # Errors
/// If there is one.
pub fn each_once(paths: &[PathBuf], best: bool) -> Result<()> {
    let which = if best { Which::Best } else { Which::Latest };
    let place = |path: &PathBuf| match run::holds_a_run(path) {
        // What is wrong with the run is said where it is opened.
        true => run::checkpoint(path, which).map_or_else(|_| disk::resolved(path), |found| disk::resolved(found.path())),
        false => disk::resolved(path),
    };
    let places: Vec<PathBuf> = paths.iter().map(place).collect();
    let twice = (1..paths.len()).find_map(|i| Some((i, places[..i].iter().position(|before| *before == places[i])?)));
    match twice {
        Some((i, before)) if disk::resolved(&paths[before]) == disk::resolved(&paths[i]) => {
            Err(Error::file(&paths[i], "is given twice: give every run once"))
        }
        Some((i, before)) => {
            let (checkpoint, before) = (places[i].display(), paths[before].display());
            Err(Error::file(
                &paths[i],
                format!("is given twice, the first time as {before}, which stands for {checkpoint}: give every run once"),
            ))
        }
        None => Ok(()),
    }
}

impl<M> Opened<M> {
    /// A number that the run was told.
    pub fn number(&self, key: &str) -> Option<usize> {
        self.told.get(key).and_then(Value::as_u64).map(|n| n as usize)
    }

    /// Paths that the run was told: a list, or one alone.
    pub fn paths(&self, key: &str) -> Vec<PathBuf> {
        match self.told.get(key) {
            Some(Value::Array(all)) => all.iter().filter_map(|p| Some(p.as_str()?.into())).collect(),
            Some(Value::String(path)) => vec![path.into()],
            _ => vec![],
        }
    }
}
