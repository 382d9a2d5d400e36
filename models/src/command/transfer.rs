//! `ivon import` and `ivon export`: weights from other programs, and for them.

use super::flags::{outside_of_runs, values};
use crate::classifier::{self, StoredClassifier};
use crate::gpt2::{Convention, Stored};
use crate::weights;
use clap::Args;
use ivon_runtime::checkpoint::{Checkpoint, Which};
use ivon_runtime::{Error, Posterior, Result, disk, run};
use std::fs;
use std::path::{Path, PathBuf};

/// Make one weights file of ours out of a stored model
#[derive(Args, Debug)]
pub struct Import {
    /// A run, one of its checkpoints, a directory that Hugging Face's library saved, or a weights file (safetensors) of Hugging Face's,
    /// nanoGPT's, torchvision's or ours
    #[arg(value_name = "PATH")]
    from: PathBuf,

    /// The weights file
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    /// Attention heads of a GPT-2, where nothing beside the weights says how many
    #[arg(long, value_name = "N", value_parser = values::count)]
    heads: Option<usize>,
}

/// Write a stored model for other programs: model.safetensors, config.json of a GPT-2, and sigma.safetensors of a posterior
#[derive(Args, Debug)]
pub struct Export {
    /// A run, a weights file, or whatever else `import` takes
    #[arg(value_name = "PATH")]
    from: PathBuf,

    /// The directory to write
    #[arg(long, value_name = "DIR")]
    out: PathBuf,

    /// Names and layouts of the tensors of a GPT-2; residual networks have torchvision's [default: hugging-face]
    #[arg(long, value_enum)]
    layout: Option<Convention>,

    /// Attention heads of a GPT-2, where nothing beside the weights says how many
    #[arg(long, value_name = "N", value_parser = values::count)]
    heads: Option<usize>,
}

/// A stored model of any kind.
pub enum Model {
    /// A language model.
    Text(Box<Stored>),
    /// One of images.
    Pictures(Box<StoredClassifier>),
}

impl Model {
    /// Opens whatever holds a model.
    ///
    /// # Errors
    /// If no model is found, or it is inconsistent: the error lists everything that is wrong with it.
    pub fn open(path: &Path, heads: Option<usize>) -> Result<Model> {
        if run::holds_a_run(path) || Checkpoint::is_at(path) {
            let checkpoint = run::checkpoint(path, Which::Latest)?;
            if classifier::architecture(&checkpoint).is_some() {
                return Ok(Model::Pictures(Box::new(StoredClassifier::of_run(&checkpoint)?)));
            }
        } else if let Some(file) = weights_of_pictures(path)? {
            let (table, notes) = weights::read_with_notes(&file)?;
            let mut stored = StoredClassifier::of_table(table, &notes).map_err(|e| Error::file(&file, e))?;
            let sigma = path.join("sigma.safetensors");
            if sigma.is_file() {
                stored = stored.with_sigma(&sigma)?;
            }
            return Ok(Model::Pictures(Box::new(stored)));
        }
        let stored = Stored::open(path, heads)?;
        say_doubt(path, &stored);
        Ok(Model::Text(Box::new(stored)))
    }

    /// Names the flags for language models that are given for a model of images.
    fn say_useless(&self, flags: &[(&str, bool)]) {
        if let Model::Pictures(stored) = self {
            let name = stored.design.architecture.name();
            flags.iter().filter(|(_, given)| *given).for_each(|(flag, _)| tell!("note: {flag} has no effect on a {name}"));
        }
    }

    fn summary(&self) -> String {
        let what = |posterior: &Posterior| if posterior.is_point() { "weights" } else { "mean and sigma" };
        match self {
            Model::Text(stored) => format!("{} of a GPT-2 of {}", what(&stored.posterior), stored.dimensions.summary()),
            Model::Pictures(stored) => format!("{} of a {}", what(&stored.posterior), stored.design.summary()),
        }
    }
}

/// The weights file of a classifier at a path, which is the file or its directory; `None` if it is not a classifier.
fn weights_of_pictures(path: &Path) -> Result<Option<PathBuf>> {
    let file = if path.is_dir() { path.join("model.safetensors") } else { path.to_path_buf() };
    if !file.is_file() {
        return Ok(None);
    }
    let (names, notes) = weights::names(&file)?;
    let of_pictures = classifier::is_ours(&notes) || classifier::is_torchvision(names.iter().map(String::as_str));
    Ok(of_pictures.then_some(file))
}

/// The files that are read for a stored model: the path itself, and the model files inside a directory of another program.
pub fn sources(path: &Path) -> Vec<PathBuf> {
    let of_model = |file: &PathBuf| {
        let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with("model") || ["config.json", "sigma.safetensors"].contains(&name)
    };
    let files = fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path()).filter(of_model);
    files.chain([path.to_path_buf()]).collect()
}

/// Says that text may not be encoded as a model learnt it, where something speaks for that.
pub fn say_doubt(path: &Path, stored: &Stored) {
    if let Some(doubt) = &stored.doubt {
        let (path, name) = (path.display(), stored.tokenizer.name());
        tell!("note: {path}: {doubt}; text is encoded and decoded with `{name}`, which may not be how the model learnt it");
    }
}

impl Import {
    /// Reads and writes.
    ///
    /// # Errors
    /// If the model is not found, or the file cannot be written.
    pub fn run(&self) -> Result<()> {
        disk::apart(&self.out, sources(&self.from).iter().map(PathBuf::as_path))?;
        let model = Model::open(&self.from, self.heads)?;
        model.say_useless(&[("--heads", self.heads.is_some())]);
        match &model {
            Model::Text(stored) => stored.write(&self.out)?,
            Model::Pictures(stored) => stored.write(&self.out)?,
        }
        say!("{} in {}", model.summary(), self.out.display())?;
        Ok(())
    }
}

impl Export {
    /// Reads and writes.
    ///
    /// # Errors
    /// If the model is not found, or the directory cannot be written.
    pub fn run(&self) -> Result<()> {
        outside_of_runs(&self.out)?;
        let model = Model::open(&self.from, self.heads)?;
        model.say_useless(&[("--heads", self.heads.is_some()), ("--layout", self.layout.is_some())]);
        match &model {
            Model::Text(stored) => stored.export(&self.out, self.layout.unwrap_or(Convention::HuggingFace))?,
            Model::Pictures(stored) => stored.export(&self.out)?,
        }
        say!("{} in {}", model.summary(), self.out.display())?;
        Ok(())
    }
}
