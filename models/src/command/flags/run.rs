//! Flags for the run directory and for resuming.

use super::values::{count, whole};
use clap::Args;
use ivon_runtime::checkpoint::{Checkpoint, Which, same_path, words};
use ivon_runtime::optimizers::Optimizer;
use ivon_runtime::run::{self, Run};
use ivon_runtime::{Error, Result};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// Flags for the inputs and outputs of a run.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Run")]
pub struct RunFlags {
    /// Seed of everything random: the same seed gives the same bits
    #[arg(long, value_name = "N", default_value = "1", value_parser = whole::<u64>)]
    pub seed: u64,

    /// Start from these weights instead of random ones: a run, or a weights file of ours, Hugging Face's, nanoGPT's or torchvision's, or a
    /// directory that Hugging Face's library saved. They set the dimensions of a language model. IVON's Hessian starts at --hess-init
    #[arg(long, value_name = "PATH")]
    pub init: Option<PathBuf>,

    /// Folder for configuration, metrics and checkpoints [default: runs/<model>-<number>, runs/gpt2-<preset>-<number>]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,

    /// Updates between two checkpoints; 0 for the best and the last alone. Ctrl-C saves one too
    #[arg(long, value_name = "STEPS", default_value = "500", value_parser = whole::<usize>)]
    pub checkpoint_every: usize,

    /// The number of latest checkpoints to keep, beside the best
    #[arg(long, value_name = "N", default_value = "2", value_parser = count)]
    pub keep: usize,

    /// Go on with the run in this directory from its last checkpoint, with the bits of a run that was never stopped; all flags are the
    /// run's. The directory of one of its checkpoints goes on from there
    #[arg(long, value_name = "DIR", conflicts_with_all = ["out", "config"])]
    pub resume: Option<PathBuf>,

    /// Flags from a file (TOML: every flag is a key), such as the config.toml of a run; those on the command line win
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Print the result as one line of JSON, the last of standard output
    #[arg(long)]
    pub json: bool,
}

/// The directory of runs for which no directory was given.
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

    /// The run directory as far as it is known before it is made: without a flag that names it, the directory that it will lie in.
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

    /// The run directory of the run that goes on and the updates that it has taken at the checkpoint; none of a new run, or of one that was ended
    /// before its first checkpoint.
    ///
    /// # Errors
    /// If the run to go on with is not there.
    pub fn taken(&self) -> Result<Option<(PathBuf, u32)>> {
        let Some(path) = &self.resume else { return Ok(None) };
        let (folder, which) = place(path)?;
        let last = match which {
            Which::Step(step) => Some(step),
            _ => run::checkpoints(&folder).steps()?.last().copied(),
        };
        Ok(last.map(|step| (folder, step)))
    }

    /// The run directory: a new one, or that of the run that goes on, with the optimizer restored to its state. `config` holds the flags of
    /// the run; `check` is called before anything is changed.
    ///
    /// # Errors
    /// If the directory cannot be used, or the checkpoint is damaged or of something else, and those of `check`.
    pub fn open(
        &self,
        name: &str,
        optimizer: &mut dyn Optimizer,
        config: &Map<String, Value>,
        check: impl Fn() -> Result<()>,
    ) -> Result<Run> {
        let mut run = match (&self.resume, &self.out) {
            (Some(path), _) => {
                let (folder, which) = place(path)?;
                if self.taken()?.is_none() {
                    check()?;
                }
                let both = |checkpoint: &Checkpoint| self.check_kept(checkpoint, config).and_then(|()| check());
                Run::resume_if(folder, optimizer, which, both)?
            }
            (None, out) => {
                check()?;
                match out {
                    Some(out) => Run::create(out)?,
                    None => Run::numbered(RUNS, name)?,
                }
            }
        };
        (run.checkpoint_every, run.keep) = (self.checkpoint_every, self.keep);
        Ok(run)
    }

    /// Refuses to go on with what would make another model of the run, or can no longer apply to it.
    fn check_kept(&self, checkpoint: &Checkpoint, config: &Map<String, Value>) -> Result<()> {
        let manifest = checkpoint.manifest();
        let of_checkpoint = |key: &str| manifest.notes.config.get(key).cloned().unwrap_or(Value::Null);
        let of_now = |key: &str| config.get(key).cloned().unwrap_or(Value::Null);
        // A key that the checkpoint does not record cannot contradict. `init` is the exception: its absence records random weights.
        let kept = KEPT.iter().map(|key| (*key, of_checkpoint(key), of_now(key)));
        let kept = kept.filter(|(key, then, _)| *key == "init" || !then.is_null());
        let seed = ("seed", manifest.seed.into(), self.seed.into());
        let Some((key, then, now)) = kept.chain([seed]).find(|(_, then, now)| !same(then, now)) else { return Ok(()) };
        let text = |value: &Value| match value {
            Value::Null => format!("no `{key}`"),
            Value::String(text) => format!("`{key} = \"{text}\"`"),
            other => format!("`{key} = {}`", words(other)),
        };
        let (then, now) = (text(&then), text(&now));
        let message = format!(
            "is of a run with {then}, which stays as it goes on, but with the command line and config.toml it would be {now}: leave --{key} out \
             (and put {then} back into config.toml, if it was changed there), or train anew"
        );
        Err(Error::file(checkpoint.path(), message))
    }
}

/// True for the same value, and for two paths to the same place.
fn same(a: &Value, b: &Value) -> bool {
    a == b || matches!((a, b), (Value::String(a), Value::String(b)) if same_path(Path::new(a), Path::new(b)))
}

/// Flags that a run keeps, besides its seed: no shape tells of the first two, and with others the same weights are another model; the last two
/// say where it began.
const KEPT: [&str; 4] = ["heads", "tokenizer", "init", "zero-init"];

/// The run directory and the checkpoint that a path refers to: a run, or one of its checkpoints.
fn place(path: &Path) -> Result<(PathBuf, Which)> {
    if !path.is_dir() {
        return Err(Error::file(path, "is no folder: give that of a run, runs/gpt2-micro-1"));
    }
    if !Checkpoint::is_at(path) {
        return Ok((path.to_path_buf(), Which::Latest));
    }
    let step = Checkpoint::step_at(path)?;
    let full = std::path::absolute(path).map_err(|e| Error::file(path, e))?;
    match full.ancestors().nth(2) {
        Some(run) => Ok((run.to_path_buf(), Which::Step(step))),
        None => Err(Error::file(path, "is a checkpoint outside of a run folder: `--resume` needs the run's config.toml too")),
    }
}
