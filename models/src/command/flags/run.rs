//! Where a run is kept, and how it goes on.

use super::values::{count, whole};
use clap::Args;
use ivon_runtime::checkpoint::{Checkpoint, Which};
use ivon_runtime::optimizers::Optimizer;
use ivon_runtime::run::Run;
use ivon_runtime::{Error, Result};
use std::path::{Path, PathBuf};

/// What a run is told and leaves behind.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Run")]
pub struct RunFlags {
    /// Seed of everything random: the same seed gives the same bits
    #[arg(long, value_name = "N", default_value = "1", value_parser = whole::<u64>)]
    pub seed: u64,

    /// Start from these weights instead of random ones: a run, or a weights file of ours, Hugging Face's, nanoGPT's or torchvision's, or a folder that
    /// Hugging Face's library saved. They say what the dimensions of a language model are. IVON's Hessian starts at --hess-init
    #[arg(long, value_name = "PATH")]
    pub init: Option<PathBuf>,

    /// Folder for configuration, metrics and checkpoints [default: runs/<model>-<number>, runs/gpt2-<preset>-<number>]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,

    /// Updates between two checkpoints; 0 for the best and the last alone. Ctrl-C saves one too
    #[arg(long, value_name = "STEPS", default_value = "500", value_parser = whole::<usize>)]
    pub checkpoint_every: usize,

    /// How many of the last checkpoints stay, beside the best
    #[arg(long, value_name = "N", default_value = "2", value_parser = count)]
    pub keep: usize,

    /// Go on with the run in this folder from its last checkpoint, with the bits of a run that was never stopped; all flags are the run's. One of its
    /// checkpoints' folders goes on from there
    #[arg(long, value_name = "DIR", conflicts_with_all = ["out", "config"])]
    pub resume: Option<PathBuf>,

    /// Flags from a file (TOML: every flag is a key), such as the config.toml of a run; those on the command line win
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Print the result as one line of JSON, the last of standard output
    #[arg(long)]
    pub json: bool,
}

/// Where runs lie that were given no folder.
const RUNS: &str = "runs";

impl RunFlags {
    /// The configuration file to read, if any.
    ///
    /// # Errors
    /// If the run to go on with is not there.
    pub fn config_file(&self) -> Result<Option<PathBuf>> {
        match &self.resume {
            Some(path) => Ok(Some(place(path)?.0.join("config.toml"))),
            None => Ok(self.config.clone()),
        }
    }

    /// The run folder as far as it is known before there is one: where no flag names it, the folder that it will lie in.
    ///
    /// # Errors
    /// If the run to go on with is not there.
    pub fn home(&self) -> Result<PathBuf> {
        match (&self.resume, &self.out) {
            (Some(path), _) => Ok(place(path)?.0),
            (None, Some(out)) => Ok(out.clone()),
            (None, None) => Ok(RUNS.into()),
        }
    }

    /// The run folder: a new one, or that of the run that goes on, with the optimizer brought into its state.
    ///
    /// # Errors
    /// If the folder cannot be used, or the checkpoint is damaged or of something else.
    pub fn open(&self, name: &str, optimizer: &mut dyn Optimizer) -> Result<Run> {
        let mut run = match (&self.resume, &self.out) {
            (Some(path), _) => {
                let (folder, which) = place(path)?;
                Run::resume(folder, optimizer, which)?
            }
            (None, Some(out)) => Run::create(out)?,
            (None, None) => Run::numbered(RUNS, name)?,
        };
        (run.checkpoint_every, run.keep) = (self.checkpoint_every, self.keep);
        Ok(run)
    }
}

/// The run folder and the checkpoint that a path means: that of a run, or of one of its checkpoints.
fn place(path: &Path) -> Result<(PathBuf, Which)> {
    if !path.is_dir() {
        return Err(Error::file(path, "is no folder: give that of a run, runs/gpt2-micro-1"));
    }
    if !Checkpoint::is_at(path) {
        return Ok((path.to_path_buf(), Which::Latest));
    }
    let step = Checkpoint::open(path)?.manifest().step;
    let full = std::path::absolute(path).map_err(|e| Error::file(path, e))?;
    match full.ancestors().nth(2) {
        Some(run) => Ok((run.to_path_buf(), Which::Step(step))),
        None => Err(Error::file(path, "is a checkpoint outside of a run folder: `--resume` needs the run's config.toml too")),
    }
}
