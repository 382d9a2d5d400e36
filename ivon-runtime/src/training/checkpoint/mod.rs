//! Checkpoints: everything that a run needs to go on with the same bits, in files that other programs read.
//!
//! A checkpoint is a folder:
//!
//! ```text
//! step-00000400/
//!   manifest.json           what it is: model, parameters, optimizer, hyper-parameters, step, seed, checksums of all files
//!   mean.safetensors        one file a state buffer, every parameter by its name and shape, f32
//!   hessian.safetensors     (IVON)
//!   momentum.safetensors    (IVON, AdamW, SGD)
//!   variance.safetensors    (AdamW)
//!   running_statistics.safetensors   the model's buffers, if it has any
//! ```
//!
//! In Python, `safetensors.torch.load_file("mean.safetensors")` is the state dict of the means. Of IVON,
//! sigma = (ess · (hessian + weight_decay))^(-1/2), with `ess` from the manifest's `hyperparameters` and `weight_decay` from its
//! `parameters`.
//!
//! Noise, dropout and the order of the data follow from seed and step, and the sample in use from mean, Hessian and noise, so that none of them is
//! stored. A checkpoint appears under its name when all of it is on the disk; every bit of it is under a checksum (CRC-32C), the
//! manifest included.

mod changes;
pub(crate) mod disk;
mod manifest;
mod store;
#[cfg(test)]
mod tests;
mod values;

pub use changes::{Change, changes, same_path, words};
pub use manifest::{BufferEntry, FileEntry, Manifest, Notes, ParameterEntry, VERSION};
pub use store::{Checkpoints, Which};

use crate::context::flat::{Flat, Layout, Values};
use crate::core::dtype::DType;
use crate::core::error::{Error, Result};
use crate::optimizers::Optimizer;
use crate::posterior::Posterior;
use crate::tensor::parameter::Model;
use disk::Disk;
use std::path::{Path, PathBuf};

/// The file of the running statistics, beside those of the state's buffers.
const RUNNING: &str = "running_statistics";

/// A checkpoint whose every file has been checked.
#[derive(Clone, Debug)]
pub struct Checkpoint {
    path: PathBuf,
    manifest: Manifest,
}

impl Checkpoint {
    /// True if a folder is one of a checkpoint, whole or not.
    pub fn is_at(path: impl AsRef<Path>) -> bool {
        path.as_ref().join(manifest::NAME).exists()
    }

    /// Opens the checkpoint in a folder and checks all of it.
    ///
    /// # Errors
    /// If it is not there, not whole, altered, or of another version of the format.
    pub fn open(path: impl Into<PathBuf>) -> Result<Checkpoint> {
        let path = path.into();
        let manifest = Manifest::read(&path)?;
        manifest.files.iter().try_for_each(|file| values::verify(&path, file))?;
        Ok(Checkpoint { path, manifest })
    }

    /// The updates of the checkpoint in a directory, by its manifest; its other files are not looked at.
    ///
    /// # Errors
    /// If it is not there, or its manifest is damaged.
    pub fn step_at(path: impl AsRef<Path>) -> Result<u32> {
        Ok(Manifest::read(path.as_ref())?.step)
    }

    /// Writes the state of an optimizer into a folder, which is made for it.
    fn write(disk: &dyn Disk, path: &Path, optimizer: &dyn Optimizer, notes: Notes) -> Result<Manifest> {
        std::fs::create_dir(path).map_err(|e| crate::training::disk::unwritable(path, &e))?;
        let state = optimizer.state();
        let write = |(buffer, layout, values): (&'static str, &Layout, Values<f32>)| {
            let name = format!("{buffer}.safetensors");
            let (bytes, crc32c) = values::write(disk, &path.join(&name), layout, buffer, &values)?;
            Ok(FileEntry { name, buffer: buffer.into(), bytes, crc32c })
        };
        state.fetch()?;
        let running = (RUNNING, &**state.running_layout(), state.running_statistics());
        let running = (!running.1.entries().is_empty()).then_some(running);
        let buffers = state.buffers().map(|(name, values)| (name, &**state.layout(), values));
        let files = buffers.chain(running).map(write).collect::<Result<Vec<_>>>()?;
        let manifest = Manifest::of(optimizer, notes, files);
        disk::write(disk, &path.join(manifest::NAME), |file| std::io::Write::write_all(file, manifest.to_text()?.as_bytes()))?;
        crate::training::disk::sync_folder(path)?;
        Ok(manifest)
    }

    /// Its folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its contents.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Brings an optimizer into the state of the checkpoint: its next step has the bits that it would have had without a stop.
    ///
    /// Returns the hyper-parameters in which the optimizer differs from the one that was saved, in words: the run goes on with its own,
    /// and then not as it would have.
    ///
    /// # Errors
    /// If model or optimizer are others: what differs. The optimizer is as before then. If a file changes while it is read; the
    /// optimizer must be restored again then.
    pub fn restore(&self, optimizer: &mut dyn Optimizer) -> Result<Vec<String>> {
        let m = &self.manifest;
        if m.optimizer != optimizer.name() {
            let message = format!("the checkpoint is of optimizer {}, not {}: resume with {0}", m.optimizer, optimizer.name());
            return Err(Error::file(&self.path, message));
        }
        let layout = optimizer.state().layout().clone();
        let running = optimizer.state().running_layout().clone();
        m.check_model(&self.path, &layout, &running)?;
        let names: Vec<_> = optimizer.state().buffers().map(|(name, _)| name).collect();
        let files = names.iter().map(|name| m.file(&self.path, name)).collect::<Result<Vec<_>>>()?;
        let running_file = self.running_file(&running)?;
        let ours = optimizer.hyperparameters();
        optimizer.restore(&mut |state| {
            state.set_seed(m.seed);
            state.set_step(m.step);
            state.watch = m.watch.clone();
            if state.fitted {
                state.decays = m.decays().map_or_else(|| state.decays.clone(), Into::into);
            }
            if let Some(file) = running_file {
                values::read(&self.path, file, &running, &mut state.running_statistics_mut()?)?;
            }
            let mut read =
                |(name, file): (&&str, &&FileEntry)| values::read(&self.path, file, &layout, &mut state.buffer_mut(name)?);
            names.iter().zip(&files).try_for_each(&mut read)
        })?;
        Ok(changes(&m.hyperparameters, &ours).iter().map(Change::to_string).collect())
    }

    /// The file of the running statistics of a model that has buffers.
    fn running_file(&self, running: &Layout) -> Result<Option<&FileEntry>> {
        (!running.entries().is_empty()).then(|| self.manifest.file(&self.path, RUNNING)).transpose()
    }

    /// The posterior that was saved, with the running statistics; a point for an optimizer without one.
    ///
    /// # Errors
    /// If it is of another model: what differs. If a file changes while it is read.
    pub fn posterior(&self, model: &impl Model) -> Result<Posterior<'static>> {
        let layout = Layout::of(model);
        let mut running = Flat::zeros(&Layout::of_buffers(model), DType::F32)?;
        let running_layout = running.layout().clone();
        self.manifest.check_model(&self.path, &layout, &running_layout)?;
        if let Some(file) = self.running_file(&running_layout)? {
            values::read(&self.path, file, &running_layout, &mut running.as_mut_slice())?;
        }
        let read = |buffer: &str| {
            let mut flat = Flat::zeros(&layout, DType::F32)?;
            values::read(&self.path, self.manifest.file(&self.path, buffer)?, &layout, &mut flat.as_mut_slice())?;
            Ok(flat)
        };
        let mean = read("mean")?;
        let ess = self.manifest.hyperparameters.get("ess").and_then(|v| v.as_f64());
        let (Some(ess), Some(decays)) = (ess, self.manifest.decays()) else {
            return Ok(Posterior::point(&layout, &mean.as_slice())?.with_running_statistics(&running).into_owned());
        };
        let hessian = read("hessian")?;
        let (mean, hessian) = (mean.as_slice(), hessian.as_slice());
        let posterior = Posterior::gaussian(&layout, &mean, &hessian, ess, &decays)?;
        Ok(posterior.with_running_statistics(&running).into_owned())
    }
}
