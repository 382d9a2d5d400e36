//! A classifier with its weights, from whatever they are stored in.
//!
//! The notes of a weights file of ours are `design` and, where they are known, `classes` (their names) and `transform` (how images are seen). An exported
//! file has the last two as well, so that it can be evaluated.

use super::{Architecture, Classifier, Design, Norm, Visitor};
use crate::data::images::Transform;
use crate::resnet::{self, Tensors};
use crate::stored;
use crate::weights::{self, Notes, Precision, Table};
use ivon_runtime::checkpoint::Checkpoint;
use ivon_runtime::optimizers::Optimizer;
use ivon_runtime::{Error, Layout, Posterior, Result, disk};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::path::Path;

/// The stored weights of a classifier, and its design.
pub struct StoredClassifier {
    /// The model; [`Design::build`] makes it.
    pub design: Design,
    /// The names of the classes, where they are known.
    pub classes: Option<Vec<String>>,
    /// How it sees images, where that is known.
    pub transform: Option<Transform>,
    /// Its weights, a Gaussian or a point, and its running statistics.
    pub posterior: Posterior<'static>,
    /// Updates that a run had done.
    pub step: Option<u32>,
}

/// The files of an exported directory.
const WEIGHTS: &str = "model.safetensors";
const SIGMA: &str = "sigma.safetensors";

/// True if tensors of these names are those of a residual network of torchvision's.
pub fn is_torchvision<'a>(mut names: impl Iterator<Item = &'a str>) -> bool {
    names.any(|name| name.ends_with("layer1.0.conv1.weight"))
}

/// True if notes are of a classifier's weights file.
pub fn is_ours(notes: &Notes) -> bool {
    stored::is_ours(notes) && notes.contains_key("design")
}

/// The architecture that a run trains, if it is a classifier.
pub fn architecture(checkpoint: &Checkpoint) -> Option<Architecture> {
    let model = checkpoint.manifest().notes.config.get("model")?;
    serde_json::from_value(model.clone()).ok()
}

impl StoredClassifier {
    /// Reads the posterior of a run's checkpoint.
    ///
    /// # Errors
    /// If the checkpoint belongs to another model, or does not state its design.
    pub fn of_run(checkpoint: &Checkpoint) -> Result<StoredClassifier> {
        let manifest = checkpoint.manifest();
        let config = Value::Object(manifest.notes.config.clone());
        let pictures = &config["pictures"];
        let unknown = |what: &str| Error::file(checkpoint.path(), format!("does not say {what}: it is of no classifier"));
        let architecture = architecture(checkpoint).ok_or_else(|| unknown("which network it is of"))?;
        let classes: Vec<String> = parsed(&pictures["classes"]).ok_or_else(|| unknown("what the classes are"))?;
        let transform: Transform = parsed(&pictures["transform"]).ok_or_else(|| unknown("how images are seen"))?;
        transform
            .check(transform.channels())
            .map_err(|e| Error::file(checkpoint.path(), format!("its `pictures.transform` {e}")))?;
        let norm: Norm = parsed(&config["norm"]).unwrap_or_default();
        let design = Design { architecture, norm, channels: transform.channels(), size: transform.size, classes: classes.len() };
        let posterior = design.build(Restore(checkpoint))?;
        stored::check(&posterior).map_err(|e| Error::file(checkpoint.path(), e))?;
        Ok(StoredClassifier { design, classes: Some(classes), transform: Some(transform), posterior, step: Some(manifest.step) })
    }

    /// Reads a weights file, of ours or with torchvision's names.
    ///
    /// # Errors
    /// If it is neither, or does not hold together: everything that is wrong with it.
    pub fn of_table(table: Table<f32>, notes: &Notes) -> Result<StoredClassifier> {
        let note = |name: &str| notes.get(name).map_or("", String::as_str);
        if !stored::is_ours(notes) {
            let mut design = design(&table);
            let posterior = design.build(Theirs(table))?;
            // Notes that do not fit are of the weights that these were made from.
            let classes = serde_json::from_str(note("classes")).ok().filter(|names: &Vec<String>| names.len() == design.classes);
            let transform = serde_json::from_str(note("transform")).ok().filter(|t: &Transform| t.check(design.channels).is_ok());
            design.size = transform.as_ref().map_or(design.size, |transform| transform.size);
            return Ok(StoredClassifier { design, classes, transform, posterior, step: None });
        }
        let broken = |e: serde_json::Error| Error::config(format!("its note `design` cannot be read: {e}"));
        let design: Design = serde_json::from_str(note("design")).map_err(broken)?;
        let posterior = design.build(Ours(table, notes))?;
        let classes: Option<Vec<String>> = noted(notes, "classes")?;
        let transform: Option<Transform> = noted(notes, "transform")?;
        if let Some(names) = classes.as_ref().filter(|names| names.len() != design.classes) {
            let message =
                format!("its note `classes` names {} classes, but the model tells {} apart", names.len(), design.classes);
            return Err(Error::config(message));
        }
        if let Some(name) =
            classes.as_ref().and_then(|names| (1..names.len()).find(|i| names[..*i].contains(&names[*i])).map(|i| &names[i]))
        {
            return Err(Error::config(format!("its note `classes` names `{name}` twice: images could not be matched to it")));
        }
        if let Some(other) = transform.as_ref().map(|transform| transform.size).filter(|size| *size != design.size) {
            return Err(Error::config(format!(
                "its note `transform` makes images of size {other}, but the model takes {}",
                design.size
            )));
        }
        if let Some(transform) = &transform {
            transform.check(design.channels).map_err(|e| Error::config(format!("its note `transform` {e}")))?;
        }
        Ok(StoredClassifier { design, classes, transform, posterior, step: None })
    }

    /// The same classifier with the posterior whose standard deviations lie beside its exported weights.
    ///
    /// # Errors
    /// If `path` has other tensors than the parameters of the network, or one that is not a standard deviation.
    pub fn with_sigma(self, path: &Path) -> Result<StoredClassifier> {
        let sigma = weights::read_with_notes(path)?.0;
        let posterior = self.design.build(WithSigma { posterior: &self.posterior, sigma }).map_err(|e| Error::file(path, e))?;
        Ok(StoredClassifier { posterior, ..self })
    }

    /// Writes our own weights file.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let mut about = vec![("design", json!(self.design).to_string())];
        about.extend(self.notes());
        stored::write(path, &self.posterior, &about)
    }

    /// The classes and how images are seen, where they are known.
    fn notes(&self) -> Vec<(&'static str, String)> {
        let classes = self.classes.iter().map(|classes| ("classes", json!(classes).to_string()));
        classes.chain(self.transform.iter().map(|transform| ("transform", json!(transform).to_string()))).collect()
    }

    /// Writes a directory that torchvision's networks load: `model.safetensors` with the mean and the running statistics, and, for a
    /// posterior, `sigma.safetensors`.
    ///
    /// # Errors
    /// If the directory holds a model already, cannot be written, or torchvision has no such network.
    pub fn export(&self, folder: &Path) -> Result<()> {
        if self.design.architecture == Architecture::Lenet {
            let message = "is of a lenet, a network that torchvision does not have: `ivon import RUN --out FILE` writes its weights under our names";
            return Err(Error::config(message));
        }
        std::fs::create_dir_all(folder).map_err(|e| disk::unwritable(folder, &e))?;
        if let Some(name) = [WEIGHTS, SIGMA].iter().find(|name| folder.join(name).exists()) {
            return Err(Error::file(folder, format!("holds a {name} already; give another folder")));
        }
        self.design.build(Export { stored: self, folder })
    }

    /// Puts mean and running statistics into an optimizer's state, where training then starts. Its Hessian stays at hess-init.
    ///
    /// # Errors
    /// If the optimizer's model is another one.
    pub fn start(&self, optimizer: &mut dyn Optimizer) -> Result<()> {
        stored::start(&self.posterior, optimizer)
    }
}

/// A note of a weights file, if it is there.
///
/// # Errors
/// If it is something else.
fn noted<T: DeserializeOwned>(notes: &Notes, name: &str) -> Result<Option<T>> {
    let parsed = notes.get(name).map(|text| serde_json::from_str(text)).transpose();
    parsed.map_err(|e| Error::config(format!("its note `{name}` cannot be read: {e}")))
}

fn parsed<T: DeserializeOwned>(value: &Value) -> Option<T> {
    serde_json::from_value(value.clone()).ok()
}

/// Which network a table with torchvision's names is of: one of torchvision's, or a ResNet-20, whose first convolution is 3 × 3 and has 16 channels.
fn design(table: &Table<f32>) -> Design {
    let shape = |wanted: &str| table.iter().find(|(name, _)| resnet::bare(name) == wanted).map(|(_, values)| &values.shape[..]);
    let has = |name: &str| shape(name).is_some();
    let classes = shape("fc.bias").and_then(|shape| shape.first().copied()).unwrap_or(1000);
    let (architecture, channels) = match shape("conv1.weight") {
        Some(&[16, channels, 3, 3]) if channels > 0 => (Architecture::Resnet20, channels),
        _ if has("layer1.0.conv3.weight") => (Architecture::Resnet50, 3),
        _ if has("layer3.5.conv2.weight") => (Architecture::Resnet34, 3),
        _ => (Architecture::Resnet18, 3),
    };
    let norm = match architecture {
        Architecture::Resnet20 if has("bn1.threshold") => Norm::Frn,
        Architecture::Resnet20 if !has("bn1.running_mean") => Norm::Group,
        _ => Norm::Batch,
    };
    Design { architecture, norm, channels, size: architecture.usual_size(), classes }
}

struct Restore<'a>(&'a Checkpoint);

impl Visitor for Restore<'_> {
    type Output = Posterior<'static>;
    fn visit<M: Classifier + 'static>(self, model: M) -> Result<Posterior<'static>> {
        self.0.posterior(&model)
    }
}

struct Theirs(Table<f32>);

impl Visitor for Theirs {
    type Output = Posterior<'static>;
    fn visit<M: Classifier + 'static>(self, model: M) -> Result<Posterior<'static>> {
        let Tensors { parameters, buffers } = resnet::import(&model, self.0)?;
        stored::posterior(&model, &parameters, None, &buffers)
    }
}

struct WithSigma<'a> {
    posterior: &'a Posterior<'a>,
    sigma: Table<f32>,
}

impl Visitor for WithSigma<'_> {
    type Output = Posterior<'static>;
    fn visit<M: Classifier + 'static>(self, model: M) -> Result<Posterior<'static>> {
        let names: Vec<String> = Layout::of(&model).entries().iter().map(|e| e.parameter.name().to_string()).collect();
        let means = names.iter().map(|name| Ok(self.posterior.mean(name)?.to_vec())).collect::<Result<Vec<_>>>()?;
        let running: Vec<Vec<f32>> = stored::running(self.posterior).into_iter().map(|(_, values)| values.data).collect();
        stored::posterior(&model, &means, Some(&resnet::import_parameters(&model, self.sigma)?), &running)
    }
}

struct Ours<'a>(Table<f32>, &'a Notes);

impl Visitor for Ours<'_> {
    type Output = Posterior<'static>;
    fn visit<M: Classifier + 'static>(self, model: M) -> Result<Posterior<'static>> {
        stored::read(&model, self.0, self.1)
    }
}

struct Export<'a> {
    stored: &'a StoredClassifier,
    folder: &'a Path,
}

impl Visitor for Export<'_> {
    type Output = ();
    fn visit<M: Classifier + 'static>(self, model: M) -> Result<()> {
        let posterior = &self.stored.posterior;
        let layout = Layout::of(&model);
        let each = |of: &dyn Fn(&str) -> Result<Vec<f32>>| {
            layout.entries().iter().map(|e| of(e.parameter.name())).collect::<Result<Vec<_>>>()
        };
        let write = |name: &str, tensors: Tensors<f32>| {
            // PyTorch's programs look for the format before they open a file.
            let mut notes = Notes::from([("format".into(), "pt".into())]);
            notes.extend(self.stored.notes().into_iter().map(|(key, value)| (key.into(), value)));
            weights::write(&self.folder.join(name), &resnet::export(&model, tensors)?, Precision::F32, Some(notes))
        };
        let buffers = stored::running(posterior).into_iter().map(|(_, v)| v.data).collect();
        write(WEIGHTS, Tensors { parameters: each(&|name| Ok(posterior.mean(name)?.to_vec()))?, buffers })?;
        if !posterior.is_point() {
            write(SIGMA, Tensors { parameters: each(&|name| posterior.sigma(name))?, buffers: vec![] })?;
        }
        Ok(())
    }
}
