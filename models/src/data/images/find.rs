//! What a path holds, found by looking.

use super::pictures::Pictures;
use super::{ImageSet, cifar, decode, folder, idx};
use crate::data::packed;
use ivon_runtime::{Error, Result, disk::unreadable};
use std::path::{Path, PathBuf};

/// What was found of a set.
#[derive(Debug)]
pub enum Part {
    /// A training part, a validation part, or both.
    Parts {
        /// To train on.
        training: Option<Pictures>,
        /// For validation.
        validation: Option<Pictures>,
    },
    /// Pictures that are not parted.
    Whole(Pictures),
}

impl Part {
    /// Pictures of one part.
    pub fn any(&self) -> &Pictures {
        match self {
            Part::Whole(pictures) => pictures,
            Part::Parts { training: Some(pictures), .. } | Part::Parts { validation: Some(pictures), .. } => pictures,
            Part::Parts { training: None, validation: None } => unreachable!("a set has pictures"),
        }
    }
}

const FORMS: &str = "a folder with train/CLASS/*.jpg and val/CLASS/*.jpg (JPEG or PNG), the binary files of CIFAR-10 or CIFAR-100, or IDX files \
                     such as train-images-idx3-ubyte.gz with their labels";

/// Finds the pictures at a path, or in the one folder of it that has any.
///
/// # Errors
/// If there are none, or they cannot be used.
pub fn find(path: &Path, channels: usize) -> Result<ImageSet<Part>> {
    let metadata = path.metadata().map_err(|e| unreadable(path, &e))?;
    if metadata.is_file() {
        return file(path, channels);
    }
    if let Some(set) = in_folder(path, channels)? {
        return Ok(set);
    }
    let entries = std::fs::read_dir(path).map_err(|e| unreadable(path, &e))?;
    let mut children: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    children.sort();
    let mut found = vec![];
    for child in children.iter().filter(|child| child.is_dir()) {
        found.extend(in_folder(child, channels)?);
    }
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => Err(Error::file(path, nothing(&children))),
        _ => {
            let names: Vec<&str> = found.iter().map(|set| set.origin.as_str()).collect();
            Err(Error::file(path, format!("has several sets of pictures: {}; give one of them", names.join(", "))))
        }
    }
}

fn in_folder(folder: &Path, channels: usize) -> Result<Option<ImageSet<Part>>> {
    if let Some(set) = idx::find(folder, channels)? {
        return Ok(Some(set));
    }
    if let Some(set) = cifar::find(folder, channels)? {
        return Ok(Some(set));
    }
    folder::find(folder, channels)
}

fn file(path: &Path, channels: usize) -> Result<ImageSet<Part>> {
    if let Some(set) = idx::find(path, channels)? {
        return Ok(set);
    }
    if let Some(command) = packed::unpacking(path) {
        return Err(packed::error(path, &command));
    }
    if decode::is_picture(path) {
        return Err(Error::file(path, "is a single picture; give the folder of a set"));
    }
    Err(Error::file(path, format!("is not a set of pictures; give {FORMS}")))
}

/// What to say of a folder where nothing was found.
fn nothing(children: &[PathBuf]) -> String {
    if children.is_empty() {
        return format!("is empty; give {FORMS}");
    }
    match children.iter().find_map(|child| packed::unpacking(child)) {
        Some(command) => {
            format!("has no pictures, but something packed: unpack it (`{command}`) and give what comes out")
        }
        None => format!("has no pictures; give {FORMS}"),
    }
}

#[cfg(test)]
mod tests;
