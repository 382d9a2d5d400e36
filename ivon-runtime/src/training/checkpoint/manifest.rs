//! `manifest.json`: what a checkpoint holds, for people and programs.

use crate::context::flat::Layout;
use crate::core::checksum::Crc32c;
use crate::core::error::{Error, Result};
use crate::optimizers::watch::Watch;
use crate::training::disk::unreadable;
use crate::training::trainer::Smooth;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::fmt::Write;
use std::path::Path;

/// The file's name.
pub(super) const NAME: &str = "manifest.json";
/// The name of the format.
const FORMAT: &str = "ivon-checkpoint";
/// The version written. Version 1, of models without buffers, is read too.
pub const VERSION: u32 = 2;
/// The versions read.
const READ: std::ops::RangeInclusive<u64> = 1..=VERSION as u64;

/// The contents of a checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    format: String,
    version: u32,
    /// Name of the model's type.
    pub model: String,
    /// Name of the optimizer.
    pub optimizer: String,
    /// The optimizer's hyper-parameters and settings by name.
    pub hyperparameters: Map<String, Value>,
    /// Seed of the run.
    pub seed: u64,
    /// Updates done.
    pub step: u32,
    /// The notes of the run beside the state.
    pub notes: Notes,
    /// Every parameter, in declaration order.
    pub parameters: Vec<ParameterEntry>,
    /// Every buffer, in declaration order; since version 2.
    #[serde(default)]
    pub buffers: Vec<BufferEntry>,
    /// The memory of the signs that the run goes wrong; since steps look for them.
    #[serde(default)]
    pub(crate) watch: Watch,
    /// Every file beside the manifest.
    pub files: Vec<FileEntry>,
}

/// The notes of a run beside the optimizer's state.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notes {
    /// The configuration of the run, by its own names.
    pub config: Map<String, Value>,
    /// The schedule and the size of a batch.
    pub trainer: Map<String, Value>,
    /// Loss at the mean on the validation data, in nats, where this state was evaluated.
    pub validation_loss: Option<f64>,
    /// Seconds spent on updates.
    pub seconds: f64,
    /// The average of the training loss.
    pub average: Smooth,
}

/// A parameter in a manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParameterEntry {
    /// Its path in the model.
    pub name: String,
    /// Its dimensions.
    pub shape: Vec<usize>,
    /// Its weight decay (delta), where the optimizer has a posterior.
    pub weight_decay: Option<f64>,
    /// True if it is not trained.
    pub frozen: bool,
}

/// A buffer in a manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BufferEntry {
    /// Its path in the model.
    pub name: String,
    /// Its dimensions.
    pub shape: Vec<usize>,
}

/// A file in a manifest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileEntry {
    /// Its name in the checkpoint's folder.
    pub name: String,
    /// The state buffer that it holds.
    pub buffer: String,
    /// Its length.
    pub bytes: u64,
    /// CRC-32C of its content.
    #[serde(with = "hexadecimal")]
    pub crc32c: u32,
}

impl Manifest {
    pub(super) fn of(optimizer: &dyn crate::optimizers::Optimizer, notes: Notes, files: Vec<FileEntry>) -> Manifest {
        let (state, posterior) = (optimizer.state(), optimizer.posterior());
        Manifest {
            format: FORMAT.into(),
            version: VERSION,
            model: state.layout().model().into(),
            optimizer: optimizer.name().into(),
            hyperparameters: optimizer.hyperparameters(),
            seed: state.seed(),
            step: state.step(),
            notes,
            parameters: parameters(state.layout(), posterior.weight_decays()),
            buffers: buffers(state.running_layout()),
            watch: state.watch.clone(),
            files,
        }
    }

    /// Weight decay of each parameter; `None` of an optimizer without a posterior.
    pub(super) fn decays(&self) -> Option<Vec<f64>> {
        self.parameters.iter().map(|p| p.weight_decay).collect()
    }

    /// JSON with one parameter a line, and the checksum of all that stands above it at its end.
    pub(super) fn to_text(&self) -> serde_json::Result<String> {
        let mut text = String::from("{\n");
        let Value::Object(fields) = serde_json::to_value(self)? else { return Ok(text) };
        // The order of the struct, not of the alphabet.
        let order = [
            "format",
            "version",
            "model",
            "optimizer",
            "hyperparameters",
            "seed",
            "step",
            "notes",
            "parameters",
            "buffers",
            "watch",
            "files",
        ];
        for key in order {
            let value = &fields[key];
            text += &format!("  \"{key}\": ");
            match value {
                Value::Array(items) if !items.is_empty() => {
                    let lines = items.iter().map(serde_json::to_string).collect::<serde_json::Result<Vec<_>>>()?;
                    text += &format!("[\n    {}\n  ],\n", lines.join(",\n    "));
                }
                _ => text += &format!("{},\n", serde_json::to_string_pretty(value)?.replace('\n', "\n  ")),
            }
        }
        let crc = Crc32c::of(text.as_bytes());
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}{crc:08x}{}", TRAILER.0, TRAILER.1);
        Ok(text)
    }

    /// Reads and checks the manifest of a checkpoint.
    pub(super) fn read(folder: &Path) -> Result<Manifest> {
        let path = folder.join(NAME);
        let bytes = std::fs::read(&path).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound if !folder.is_dir() => Error::file(folder, "is not there"),
            std::io::ErrorKind::NotFound => Error::file(folder, format!("is not a whole checkpoint: it has no `{NAME}`")),
            _ => unreadable(&path, &e),
        })?;
        let damaged = |what: &str| Error::file(folder, format!("the checkpoint is damaged: `{NAME}`: {what}"));
        let text = str::from_utf8(&bytes).map_err(|_| damaged("it is not text"))?;
        let (above, crc) = split(text).ok_or_else(|| damaged("its last line is not a checksum: it was cut short or altered"))?;
        let found = format!("{:08x}", Crc32c::of(above.as_bytes()));
        if found != crc {
            return Err(damaged(&format!("its checksum is {found} where {crc} is expected: its content was altered")));
        }
        // Without the trailer the object ends in a comma.
        let object = format!("{}}}", above.trim_end().trim_end_matches(','));
        let value: Value = serde_json::from_str(&object).map_err(|e| damaged(&e.to_string()))?;
        if value["format"] != FORMAT {
            return Err(damaged(&format!("it is a `{}`, not a `{FORMAT}`", value["format"])));
        }
        if !value["version"].as_u64().is_some_and(|v| READ.contains(&v)) {
            let message = format!(
                "the checkpoint has version {} of its format; this program reads versions {} to {}: use the program that wrote it, or one \
                 that knows both",
                value["version"],
                READ.start(),
                READ.end()
            );
            return Err(Error::file(folder, message));
        }
        serde_json::from_value(value).map_err(|e| damaged(&e.to_string()))
    }

    /// Refuses a checkpoint of another model: every parameter and buffer that differs, by name.
    pub(super) fn check_model(&self, folder: &Path, layout: &Layout, running: &Layout) -> Result<()> {
        let parameters = parameters(layout, &[]).into_iter().map(|p| BufferEntry { name: p.name, shape: p.shape });
        let (parameters, buffers) = (parameters.collect::<Vec<_>>(), buffers(running));
        let saved = self.parameters.iter().map(|p| BufferEntry { name: p.name.clone(), shape: p.shape.clone() });
        let saved: Vec<_> = saved.collect();
        if saved == parameters && self.buffers == buffers {
            return Ok(());
        }
        let (ours, theirs) = ([parameters, buffers].concat(), [saved, self.buffers.clone()].concat());
        let shape = |p: &BufferEntry| format!("`{}` {:?}", p.name, p.shape);
        let find = |all: &[BufferEntry], name: &str| all.iter().find(|p| p.name == name).cloned();
        let missing = ours.iter().filter(|p| find(&theirs, &p.name).is_none()).map(shape).collect();
        let unexpected = theirs.iter().filter(|p| find(&ours, &p.name).is_none()).map(shape).collect();
        let differ = |p: &BufferEntry| {
            let theirs = find(&theirs, &p.name).filter(|t| t.shape != p.shape)?;
            Some(format!("`{}` is {:?} in the checkpoint and {:?} in the model", p.name, theirs.shape, p.shape))
        };
        let reshaped: Vec<String> = ours.iter().filter_map(differ).collect();
        let lists = [("only in the model: ", missing), ("only in the checkpoint: ", unexpected), ("other shapes: ", reshaped)];
        let mut parts: Vec<String> =
            lists.iter().filter(|(_, l)| !l.is_empty()).map(|(what, l)| format!("{what}{}", list(l))).collect();
        if parts.is_empty() {
            parts.push("the same parameters in another order".into());
        }
        let message = format!(
            "the checkpoint is of another model (`{}`, this one is `{}`): {}. Build the model with the dimensions of the run",
            self.model,
            layout.model(),
            parts.join("; ")
        );
        Err(Error::file(folder, message))
    }

    /// The file of a buffer.
    pub(super) fn file(&self, folder: &Path, buffer: &str) -> Result<&FileEntry> {
        let found = self.files.iter().find(|f| f.buffer == buffer);
        found.ok_or_else(|| {
            Error::file(folder, format!("the checkpoint has no buffer `{buffer}`; its optimizer is {}", self.optimizer))
        })
    }
}

/// The text before and after the checksum in the last lines.
const TRAILER: (&str, &str) = ("  \"crc32c\": \"", "\"\n}");

/// The text above the trailer, and the checksum in it.
fn split(text: &str) -> Option<(&str, &str)> {
    let inner = text.strip_suffix('\n')?.strip_suffix(TRAILER.1)?;
    let (above, crc) = inner.split_at_checked(inner.len().checked_sub(8)?)?;
    Some((above.strip_suffix(TRAILER.0)?, crc))
}

fn parameters(layout: &Layout, decays: &[f64]) -> Vec<ParameterEntry> {
    let entry = |(i, e): (usize, &crate::context::flat::Entry)| ParameterEntry {
        name: e.parameter.name().into(),
        shape: e.parameter.shape().to_vec(),
        weight_decay: decays.get(i).copied(),
        frozen: e.parameter.frozen(),
    };
    layout.entries().iter().enumerate().map(entry).collect()
}

fn buffers(layout: &Layout) -> Vec<BufferEntry> {
    let entry =
        |e: &crate::context::flat::Entry| BufferEntry { name: e.parameter.name().into(), shape: e.parameter.shape().to_vec() };
    layout.entries().iter().map(entry).collect()
}

/// All of a list, or its beginning.
fn list(items: &[String]) -> String {
    const SHOWN: usize = 12;
    match items.len() {
        0..=SHOWN => items.join(", "),
        n => format!("{} and {} more", items[..SHOWN].join(", "), n - SHOWN),
    }
}

/// Eight hexadecimal digits.
mod hexadecimal {
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(value: &u32, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&format!("{value:08x}"))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
        u32::from_str_radix(&String::deserialize(deserializer)?, 16).map_err(D::Error::custom)
    }
}
