//! Folders of pictures: one folder a class, under `train` and `val` or by themselves.

use super::decode::{is_picture, read};
use super::find::Part;
use super::picture::Picture;
use super::pictures::{Pictures, Source};
use super::{ImageSet, Style};
use ivon_runtime::{Error, Result, disk::unreadable};
use std::fs;
use std::path::{Path, PathBuf};

/// Folders to train on go by these names.
const TRAINING: [&str; 2] = ["train", "training"];
/// Those to validate with, the first one that is there.
const VALIDATION: [&str; 4] = ["val", "valid", "validation", "test"];

/// How deep the folders of a class may go.
const DEEPEST: usize = 16;

/// Files of pictures.
#[derive(Debug)]
struct Files(Vec<PathBuf>);

impl Source for Files {
    fn name(&self, index: usize) -> String {
        self.0[index].display().to_string()
    }

    fn picture(&self, index: usize) -> Result<Picture> {
        read(&self.0[index])
    }
}

/// The classes of a folder with their pictures, both in the order of their names.
struct Classes {
    folder: PathBuf,
    classes: Vec<(String, Vec<PathBuf>)>,
}

/// Looks for pictures in a folder: in `train` and `val`, in folders of classes, or directly in it. `None` if there are none.
///
/// # Errors
/// If folders cannot be read, or classes are empty or differ between the two parts.
pub fn find(folder: &Path, channels: usize) -> Result<Option<ImageSet<Part>>> {
    let child = |names: &[&str]| names.iter().map(|name| folder.join(name)).find(|path| path.is_dir());
    let (training, validation) = (child(&TRAINING), child(&VALIDATION));
    if training.is_none() && validation.is_none() {
        return whole(folder, channels);
    }
    let [training, validation] = [training, validation].map(|path| path.map(|path| classes(&path, true)).transpose());
    let (training, validation) = (training?.flatten(), validation?.flatten());
    if let (Some(training), Some(validation)) = (&training, &validation) {
        same_classes(training, validation)?;
    }
    let Some(first) = training.as_ref().or(validation.as_ref()) else { return Ok(None) };
    let names = first.classes.iter().map(|(name, _)| name.clone()).collect();
    let [training, validation] = [training, validation].map(|classes| classes.map(|classes| pictures(classes, channels)));
    Ok(Some(set(folder, names, Part::Parts { training, validation })))
}

/// A folder without `train` and `val`.
fn whole(folder: &Path, channels: usize) -> Result<Option<ImageSet<Part>>> {
    let is_set = |path: &PathBuf| TRAINING.iter().chain(&VALIDATION).any(|name| path.join(name).is_dir());
    if entries(folder)?.iter().any(is_set) {
        return Ok(None); // sets of their own, not classes
    }
    if let Some(classes) = classes(folder, false)? {
        let names = classes.classes.iter().map(|(name, _)| name.clone()).collect();
        return Ok(Some(set(folder, names, Part::Whole(pictures(classes, channels)))));
    }
    let files: Vec<PathBuf> = entries(folder)?.into_iter().filter(|path| is_picture(path)).collect();
    if files.is_empty() {
        return Ok(None);
    }
    let labels = vec![0; files.len()];
    Ok(Some(set(folder, vec![], Part::Whole(Pictures::new(Files(files), labels, channels)))))
}

fn set(folder: &Path, classes: Vec<String>, part: Part) -> ImageSet<Part> {
    let style = style(part.any());
    ImageSet { origin: folder.display().to_string(), style, classes, parts: part }
}

fn pictures(classes: Classes, channels: usize) -> Pictures {
    let labels = classes.classes.iter().enumerate().flat_map(|(label, (_, files))| vec![label as u32; files.len()]).collect();
    let files = classes.classes.into_iter().flat_map(|(_, files)| files).collect();
    Pictures::new(Files(files), labels, channels)
}

/// The folders of classes in a folder; `None` if none has a picture. Where classes are `expected`, one without pictures is an error, and so are
/// pictures that belong to none.
fn classes(folder: &Path, expected: bool) -> Result<Option<Classes>> {
    let (mut classes, mut empty) = (vec![], vec![]);
    let entries = entries(folder)?;
    for path in entries.iter().filter(|path| path.is_dir()) {
        let mut files = vec![];
        collect(path, &mut files, 0)?;
        let name = path.file_name().map_or(String::new(), |name| name.to_string_lossy().into_owned());
        match files.is_empty() {
            true => empty.push(path.clone()),
            false => classes.push((name, files)),
        }
    }
    if expected && let Some(stray) = entries.iter().find(|path| is_picture(path) && path.is_file()) {
        return Err(Error::file(stray, "lies beside the folders of the classes; put every picture into the folder of its class"));
    }
    if classes.is_empty() {
        return match expected {
            true => Err(Error::file(folder, "has no pictures (JPEG or PNG) in folders named after their classes")),
            false => Ok(None),
        };
    }
    if let Some(path) = empty.first().filter(|_| expected) {
        return Err(Error::file(path, "has no pictures (JPEG or PNG): a class has at least one; remove the folder or fill it"));
    }
    Ok(Some(Classes { folder: folder.to_path_buf(), classes }))
}

/// Files and folders of a folder by name, without hidden ones.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let failed = |e: std::io::Error| unreadable(folder, &e);
    let mut paths = vec![];
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

/// Adds the pictures in a folder and in those below it.
fn collect(folder: &Path, files: &mut Vec<PathBuf>, depth: usize) -> Result<()> {
    if depth > DEEPEST {
        return Err(Error::file(
            folder,
            format!("lies more than {DEEPEST} folders below its class: is there a link in a circle?"),
        ));
    }
    for path in entries(folder)? {
        // Asking the disk about every file would double the time for millions of them.
        match is_picture(&path) {
            true => files.push(path),
            false if path.is_dir() => collect(&path, files, depth + 1)?,
            false => {}
        }
    }
    Ok(())
}

fn same_classes(training: &Classes, validation: &Classes) -> Result<()> {
    const NAMED: usize = 5;
    let only = |one: &Classes, other: &Classes| {
        let missing = |name: &&String| !other.classes.iter().any(|(n, _)| n == *name);
        let names: Vec<&String> = one.classes.iter().map(|(name, _)| name).filter(missing).collect();
        let list = names.iter().take(NAMED).map(|n| n.as_str()).collect::<Vec<_>>().join(", ");
        let more = names.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        (!names.is_empty()).then(|| format!("only {} has {list}{more}", one.folder.display()))
    };
    let differences: Vec<String> = [only(training, validation), only(validation, training)].into_iter().flatten().collect();
    match differences.is_empty() {
        true => Ok(()),
        false => Err(Error::config(format!(
            "the classes to train on are not those to validate with: {}; the folders in both must have the same names",
            differences.join("; ")
        ))),
    }
}

/// What kind of pictures these are, by a look at some of them.
fn style(pictures: &Pictures) -> Style {
    const LOOKS: usize = 16;
    /// Pictures up to this size are seen as they are.
    const SMALL: usize = 64;
    let count = LOOKS.min(pictures.len());
    let looks = (0..count).filter_map(|i| pictures.original(i * pictures.len() / count).ok());
    let mut sizes: Vec<(usize, usize, bool)> = looks.map(|p| (p.height(), p.width(), p.is_grey())).collect();
    let grey = sizes.iter().all(|(_, _, grey)| *grey);
    sizes.dedup_by_key(|(height, width, _)| (*height, *width));
    match sizes[..] {
        [(height, width, _)] if height == width && width <= SMALL => Style::Small { size: width, mirrored: !grey },
        _ => Style::Photos,
    }
}

#[cfg(test)]
mod tests;
