//! The checkpoints of one run: the last few and the best.

use super::Checkpoint;
use super::disk::{Disk, Real};
use super::manifest::{Manifest, Notes};
use crate::core::error::{Error, Result};
use crate::optimizers::Optimizer;
use crate::training::disk;
use crate::training::disk::{unreadable, unwritable};
use std::fs;
use std::path::{Path, PathBuf};

/// Which checkpoint of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Which {
    /// The last one. If it is damaged, that is an error, which names the last good one.
    #[default]
    Latest,
    /// The one with the lowest validation loss.
    Best,
    /// The one after so many updates.
    Step(u32),
    /// The last one that is not damaged.
    LastGood,
}

/// A folder of checkpoints, `step-00000100`, `step-00000200`, ...
pub struct Checkpoints {
    folder: PathBuf,
    keep: usize,
    disk: Box<dyn Disk>,
}

const PREFIX: &str = "step-";

impl Checkpoints {
    /// The checkpoints in a folder, which need not be there yet. After a save the last `keep` ones (at least one) and the best one stay.
    pub fn new(folder: impl Into<PathBuf>, keep: usize) -> Checkpoints {
        Checkpoints { folder: folder.into(), keep: keep.max(1), disk: Box::new(Real) }
    }

    #[cfg(test)]
    pub(super) fn on(disk: Box<dyn Disk>, folder: &Path, keep: usize) -> Checkpoints {
        Checkpoints { disk, ..Checkpoints::new(folder, keep) }
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The path of the checkpoint after `step` updates. The checkpoint need not exist.
    pub fn path(&self, step: u32) -> PathBuf {
        self.folder.join(format!("{PREFIX}{step:08}"))
    }

    /// The steps that there are checkpoints of, in order, damaged ones included.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn steps(&self) -> Result<Vec<u32>> {
        let entries = match fs::read_dir(&self.folder) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(vec![]),
            other => other.map_err(|e| unreadable(&self.folder, &e))?,
        };
        let mut steps = vec![];
        for entry in entries {
            let name = entry.map_err(|e| unreadable(&self.folder, &e))?.file_name();
            let digits = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
            let step = digits.and_then(|d| d.parse().ok());
            steps.extend(step.filter(|step| self.path(*step).file_name() == Some(&name)));
        }
        steps.sort();
        Ok(steps)
    }

    /// Finds a checkpoint and checks all of it.
    ///
    /// # Errors
    /// If there is none; if it is damaged: what is wrong, and which is the last good one.
    pub fn find(&self, which: Which) -> Result<Checkpoint> {
        let steps = self.steps()?;
        let none = |what: &str| Error::file(&self.folder, format!("has no checkpoint{what}"));
        let step = match which {
            Which::Latest => *steps.last().ok_or_else(|| none(""))?,
            Which::Step(step) if steps.contains(&step) => step,
            Which::Step(step) => {
                let known: Vec<_> = steps.iter().map(u32::to_string).collect();
                return Err(none(&format!(" of step {step}: it has those of steps {}", known.join(", "))));
            }
            Which::Best => {
                let read = |step: &u32| Manifest::read(&self.path(*step)).map_err(|e| self.with_advice(e));
                let manifests = steps.iter().map(read).collect::<Result<Vec<_>>>()?;
                best(&manifests).ok_or_else(|| none(" with a validation loss: the run did not evaluate"))?
            }
            Which::LastGood => return self.last_good().ok_or_else(|| none(" that is not damaged")),
        };
        let checkpoint = Checkpoint::open(self.path(step)).map_err(|e| self.with_advice(e))?;
        if checkpoint.manifest().step != step {
            let message = format!("it is of step {}: was it renamed?", checkpoint.manifest().step);
            return Err(self.with_advice(Error::file(self.path(step), message)));
        }
        Ok(checkpoint)
    }

    /// The lowest finite validation loss among the checkpoints that are not damaged.
    ///
    /// # Errors
    /// If the folder cannot be read.
    pub fn best_loss(&self) -> Result<Option<f64>> {
        let losses = self.steps()?.into_iter().filter_map(|step| Manifest::read(&self.path(step)).ok()?.notes.validation_loss);
        Ok(losses.filter(|loss| loss.is_finite()).min_by(f64::total_cmp))
    }

    fn last_good(&self) -> Option<Checkpoint> {
        let steps = self.steps().ok()?;
        steps.iter().rev().find_map(|step| Checkpoint::open(self.path(*step)).ok().filter(|c| c.manifest().step == *step))
    }

    /// Adds the checkpoints from which the run can continue.
    fn with_advice(&self, error: Error) -> Error {
        let Error::File { path, message } = error else { return error };
        let advice = match self.last_good() {
            Some(good) => format!(
                "the last good checkpoint is {} (step {}): ask for it by name to go on from there",
                good.path.display(),
                good.manifest.step
            ),
            None => "there is no good checkpoint to go on from".into(),
        };
        Error::File { path, message: format!("{message}; {advice}") }
    }

    /// Saves the state of an optimizer, then removes those that are neither the best nor among the last.
    ///
    /// # Errors
    /// If it cannot be written: why, and what to do. The ones before it are as they were.
    pub fn save(&self, optimizer: &dyn Optimizer, notes: Notes) -> Result<Checkpoint> {
        let step = optimizer.state().step();
        fs::create_dir_all(&self.folder).map_err(|e| unwritable(&self.folder, &e))?;
        let (path, beside) = (self.path(step), self.aside(step, "writing"));
        remove(&beside)?;
        let written = Checkpoint::write(self.disk.as_ref(), &beside, optimizer, notes);
        let manifest = written.inspect_err(|_| {
            // The error says what matters; what is left behind is removed by the next save at the latest.
            let _ = fs::remove_dir_all(&beside);
        })?;
        if path.exists() {
            // A folder cannot be renamed onto one that is not empty. Between these two lines the checkpoint before is the last.
            let old = self.aside(step, "replaced");
            remove(&old)?;
            disk::rename(&path, &old)?;
        }
        disk::rename(&beside, &path)?;
        self.remove_superfluous(step)?;
        Ok(Checkpoint { path, manifest })
    }

    fn aside(&self, step: u32, why: &str) -> PathBuf {
        self.folder.join(format!(".{PREFIX}{step:08}.{why}"))
    }

    fn remove_superfluous(&self, newest: u32) -> Result<()> {
        let steps: Vec<u32> = self.steps()?.into_iter().filter(|s| *s <= newest).collect();
        // A damaged one is for a person to look at.
        let whole: Vec<Manifest> = steps.iter().filter_map(|step| Manifest::read(&self.path(*step)).ok()).collect();
        let best = best(&whole);
        let old = &whole[..whole.len().saturating_sub(self.keep)];
        for manifest in old.iter().filter(|m| Some(m.step) != best) {
            // Out of sight in one step, so that a kill does not leave half of one behind.
            let (path, aside) = (self.path(manifest.step), self.aside(manifest.step, "removed"));
            remove(&aside)?;
            fs::rename(&path, &aside).map_err(|e| unwritable(&path, &e))?;
            remove(&aside)?;
        }
        remove(&self.aside(newest, "replaced"))
    }

    /// Brings what saves that were cut off have left behind in order. For the process that owns the run.
    ///
    /// # Errors
    /// If something cannot be renamed or removed.
    pub fn clean(&self) -> Result<()> {
        let Ok(entries) = fs::read_dir(&self.folder) else { return Ok(()) };
        for entry in entries.flatten() {
            let name = entry.file_name();
            let Some((step, why)) = name.to_str().and_then(|n| n.strip_prefix(&format!(".{PREFIX}"))?.split_once('.')) else {
                continue;
            };
            let Ok(step) = step.parse::<u32>() else { continue };
            match why {
                // Its successor never got the name.
                "replaced" if !self.path(step).exists() => disk::rename(&entry.path(), &self.path(step))?,
                "writing" | "replaced" | "removed" => remove(&entry.path())?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Renames the checkpoints after a step to `abandoned-..`: a run that goes on from `step` takes another way from there.
    ///
    /// # Errors
    /// If one cannot be renamed.
    pub fn abandon_after(&self, step: u32) -> Result<()> {
        for later in self.steps()?.into_iter().filter(|s| *s > step) {
            let to = self.folder.join(format!("abandoned-{later:08}"));
            remove(&to)?;
            disk::rename(&self.path(later), &to)?;
        }
        Ok(())
    }
}

/// The step of the lowest finite validation loss, the earliest of equals.
fn best(manifests: &[Manifest]) -> Option<u32> {
    let evaluated = manifests.iter().filter_map(|m| Some((m.notes.validation_loss.filter(|l| l.is_finite())?, m.step)));
    evaluated.min_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1))).map(|(_, step)| step)
}

/// Removes a folder if it is there.
fn remove(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(unwritable(path, &e)),
        _ => Ok(()),
    }
}
