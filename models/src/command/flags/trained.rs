//! A trained model to look at, and what its run was told.

use crate::gpt2::Stored;
use clap::Args;
use ivon_runtime::checkpoint::{Checkpoint, Which};
use ivon_runtime::{Result, run};
use serde_json::{Map, Value};
use std::path::PathBuf;

/// Which model.
#[derive(Args, Clone, Debug)]
pub struct TrainedFlags {
    /// The folder of a run or of one of its checkpoints, or whatever else `ivon import` takes
    #[arg(value_name = "RUN")]
    path: PathBuf,

    /// The checkpoint with the lowest validation loss, instead of the last one of the run
    #[arg(long)]
    best: bool,
}

/// A model, and what is known of where it comes from.
pub struct Opened {
    /// The model with its posterior.
    pub stored: Stored,
    /// What its run was told; nothing of a weights file.
    pub told: Map<String, Value>,
    /// Seed of the run; 0 of a weights file.
    pub seed: u64,
    /// Updates done.
    pub step: Option<u32>,
}

impl TrainedFlags {
    /// Opens it.
    ///
    /// # Errors
    /// If there is no such model, or it is damaged.
    pub fn open(&self) -> Result<Opened> {
        if !run::holds_a_run(&self.path) && !Checkpoint::is_at(&self.path) {
            return Ok(Opened { stored: Stored::open(&self.path, None)?, told: Map::new(), seed: 0, step: None });
        }
        let checkpoint = run::checkpoint(&self.path, if self.best { Which::Best } else { Which::Latest })?;
        let manifest = checkpoint.manifest();
        let (told, seed, step) = (manifest.notes.config.clone(), manifest.seed, Some(manifest.step));
        Ok(Opened { stored: Stored::of_run(&checkpoint, None)?, told, seed, step })
    }
}

impl Opened {
    /// A number that the run was told.
    pub fn number(&self, key: &str) -> Option<usize> {
        self.told.get(key).and_then(Value::as_u64).map(|n| n as usize)
    }

    /// Paths that the run was told.
    pub fn paths(&self, key: &str) -> Vec<PathBuf> {
        let all = self.told.get(key).and_then(Value::as_array);
        all.into_iter().flatten().filter_map(|p| Some(p.as_str()?.into())).collect()
    }
}
