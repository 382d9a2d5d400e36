//! Recognises what a path holds.

use super::pictures::Pictures;
use super::tree::Tree;
use super::{ImageSet, cifar, decode, folder, idx, layout, special};
use crate::data::packed;
use ivon_runtime::{Error, Result, disk::unreadable};
use std::path::{Path, PathBuf};

/// The images that were found.
#[derive(Debug)]
pub enum Part {
    /// A training part, a validation part, or both.
    Parts {
        /// Images to train on.
        training: Option<Pictures>,
        /// Images for validation.
        validation: Option<Pictures>,
    },
    /// Images that are not divided into parts.
    Whole(Pictures),
}

impl Part {
    /// The images of one part.
    pub fn any(&self) -> &Pictures {
        match self {
            Part::Whole(pictures) => pictures,
            Part::Parts { training: Some(pictures), .. } | Part::Parts { validation: Some(pictures), .. } => pictures,
            Part::Parts { training: None, validation: None } => unreachable!("a set has images"),
        }
    }
}

/// The kind of set that the caller needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Images with their classes.
    Classes,
    /// Any images.
    Images,
}

const FORMS: &str = "a directory with train/CLASS/*.jpg and val/CLASS/*.jpg (JPEG or PNG), the binary files of CIFAR-10 or CIFAR-100, or IDX files \
                     such as train-images-idx3-ubyte.gz with their labels";

/// Formats of whole sets that are not read, by extension.
const OTHER_SETS: [(&str, &str); 13] = [
    ("npy", "a NumPy array"),
    ("npz", "NumPy arrays"),
    ("mat", "a MATLAB file"),
    ("h5", "an HDF5 file"),
    ("hdf5", "an HDF5 file"),
    ("parquet", "a Parquet table"),
    ("arrow", "an Arrow table"),
    ("tfrecord", "a TFRecord file"),
    ("csv", "a table"),
    ("tsv", "a table"),
    ("json", "a JSON file"),
    ("pkl", "a Python pickle"),
    ("pt", "a PyTorch file"),
];

/// Directories of IDX or CIFAR files are searched for down to this depth.
const DEEPEST: usize = 4;

/// Finds the images at a path, or in the one directory of it that has any.
///
/// # Errors
/// If no images are found, or they cannot be used.
pub fn find(path: &Path, channels: usize, need: Need) -> Result<ImageSet<Part>> {
    let kind = path.metadata().map_err(|e| unreadable(path, &e))?.file_type();
    if kind.is_file() {
        return file(path, channels);
    }
    if !kind.is_dir() {
        return Err(special::not_a_file(path, kind));
    }
    if let Some(set) = stored(path, channels)? {
        return Ok(set);
    }
    let tree = Tree::scan(path)?;
    let found = match (folder::find(&tree, channels), need) {
        // Any arrangement is good enough where the classes do not matter.
        (Err(_), Need::Images) => folder::all(&tree, path, channels)?,
        (found, _) => found?,
    };
    if let Some(set) = found {
        return Ok(set);
    }
    let mut found = vec![];
    stored_below(&tree, channels, 0, &mut found)?;
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => Err(Error::file(path, nothing(&tree)?)),
        _ => {
            let names: Vec<&str> = found.iter().map(|set| set.origin.as_str()).collect();
            Err(Error::file(path, format!("has several sets of images: {}; give one of them", names.join(", "))))
        }
    }
}

/// The set of IDX or CIFAR files in a directory.
fn stored(directory: &Path, channels: usize) -> Result<Option<ImageSet<Part>>> {
    match idx::find(directory, channels)? {
        Some(set) => Ok(Some(set)),
        None => cifar::find(directory, channels),
    }
}

fn stored_below(tree: &Tree, channels: usize, depth: usize, found: &mut Vec<ImageSet<Part>>) -> Result<()> {
    for child in tree.dirs.iter().filter(|_| depth < DEEPEST) {
        match stored(&child.path, channels)? {
            Some(set) => found.push(set),
            None => stored_below(child, channels, depth + 1, found)?,
        }
    }
    Ok(())
}

fn file(path: &Path, channels: usize) -> Result<ImageSet<Part>> {
    if let Some(set) = idx::find(path, channels)? {
        return Ok(set);
    }
    if let Some(command) = packed::unpacking(path) {
        return Err(packed::error(path, &command));
    }
    if decode::is_picture(path) {
        return Err(Error::file(path, "is a single image; give the directory of a set"));
    }
    match other_set(path) {
        Some(what) => Err(Error::file(path, format!("is {what}, which is not read; give {FORMS}"))),
        None => Err(Error::file(path, format!("is not a set of images; give {FORMS}"))),
    }
}

fn other_set(path: &Path) -> Option<&'static str> {
    let extension = path.extension()?.to_str()?.to_lowercase();
    OTHER_SETS.iter().find(|(known, _)| *known == extension).map(|(_, what)| *what)
}

/// The message about a directory in which nothing was found.
fn nothing(tree: &Tree) -> Result<String> {
    let failed = |e: std::io::Error| unreadable(&tree.path, &e);
    let children = std::fs::read_dir(&tree.path).map_err(failed)?.map(|entry| entry.map(|entry| entry.path()));
    let mut children = children.collect::<Result<Vec<PathBuf>, _>>().map_err(failed)?;
    children.sort();
    if children.is_empty() {
        return Ok(format!("is empty; give {FORMS}"));
    }
    if let Some(command) = children.iter().find_map(|child| packed::unpacking(child)) {
        return Ok(format!("has no images, but something packed: unpack it (`{command}`) and give what comes out"));
    }
    if let Some(counts) = layout::found(tree) {
        return Ok(format!("has images of formats that are not read ({counts}): convert them to PNG or JPEG"));
    }
    if let Some((child, what)) = children.iter().find_map(|child| Some((child, other_set(child)?))) {
        return Ok(format!("has no images; {} is {what}, which is not read; give {FORMS}", child.display()));
    }
    Ok(format!("has no images; give {FORMS}"))
}

#[cfg(test)]
mod tests;
