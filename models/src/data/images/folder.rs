//! Directories of images: the files of a [`Layout`] as a set.

use super::decode::read;
use super::find::Part;
use super::layout::{Arrangement, Classes, Layout, alike, layout};
use super::overlap::Content;
use super::picture::Picture;
use super::pictures::{Pictures, Source};
use super::transform::Fit;
use super::tree::Tree;
use super::{ImageSet, Style};
use ivon_runtime::Result;
use std::path::{Path, PathBuf};

/// Image files.
#[derive(Debug)]
struct Files {
    paths: Vec<PathBuf>,
    /// True when a link led to one of them.
    linked: bool,
}

impl Source for Files {
    fn name(&self, index: usize) -> String {
        self.paths[index].display().to_string()
    }

    fn are_files(&self) -> bool {
        true
    }

    fn picture(&self, index: usize) -> Result<Picture> {
        read(&self.paths[index])
    }

    fn content(&self, index: usize) -> Option<Content<'_>> {
        Some(Content::File { path: &self.paths[index], linked: self.linked })
    }
}

/// Looks for images in a directory: in parts, in directories of classes, or directly in it. `None` if it holds none.
///
/// # Errors
/// If directories cannot be read, or the arrangement is not clear.
pub fn find(tree: &Tree, channels: usize) -> Result<Option<ImageSet<Part>>> {
    let Some(Layout { directory, arrangement, mut notes }) = layout(tree)? else { return Ok(None) };
    let images = |classes: Classes| {
        let labels = classes.classes.iter().enumerate().flat_map(|(label, (_, files))| vec![label as u32; files.len()]).collect();
        let paths = classes.classes.into_iter().flat_map(|(_, files)| files).collect();
        Pictures::new(Files { paths, linked: tree.linked }, labels, channels)
    };
    let (names, parts) = match arrangement {
        Arrangement::Parts { training, validation } => {
            let names = training.as_ref().or(validation.as_ref()).map_or(vec![], Classes::names);
            (names, Part::Parts { training: training.map(images), validation: validation.map(images) })
        }
        Arrangement::Whole(classes) => (classes.names(), Part::Whole(images(classes))),
        Arrangement::Loose(paths) => (vec![], Part::Whole(loose(paths, tree.linked, channels))),
    };
    notes.extend(alike(&names));
    let style = style(parts.any(), &names);
    Ok(Some(ImageSet { origin: directory.display().to_string(), style, classes: names, notes, parts }))
}

/// All images of a directory and of those below it, without classes. `None` if there are none.
///
/// # Errors
/// If links reach a directory twice.
pub fn all(tree: &Tree, path: &Path, channels: usize) -> Result<Option<ImageSet<Part>>> {
    if tree.total == 0 {
        return Ok(None);
    }
    let images = loose(tree.collect(&mut Default::default())?, tree.linked, channels);
    let origin = path.display().to_string();
    Ok(Some(ImageSet { origin, style: style(&images, &[]), classes: vec![], notes: vec![], parts: Part::Whole(images) }))
}

fn loose(paths: Vec<PathBuf>, linked: bool, channels: usize) -> Pictures {
    let labels = vec![0; paths.len()];
    Pictures::new(Files { paths, linked }, labels, channels)
}

/// The style of images, by a look at some of them and at the names of their classes.
fn style(images: &Pictures, classes: &[String]) -> Style {
    const LOOKS: usize = 16;
    /// Images up to this size are seen as they are.
    const SMALL: usize = 64;
    let characters = !classes.is_empty() && classes.iter().all(|class| is_character(class));
    let count = LOOKS.min(images.len());
    let looks = (0..count).filter_map(|i| images.original(i * images.len() / count).ok());
    let mut sizes: Vec<(usize, usize, bool)> = looks.map(|p| (p.height(), p.width(), p.is_grey())).collect();
    let grey = sizes.iter().all(|(_, _, grey)| *grey);
    sizes.dedup_by_key(|(height, width, _)| (*height, *width));
    match sizes[..] {
        [(height, width, _)] if height.max(width) <= SMALL => {
            let fit = if height == width { Fit::Cover } else { Fit::Contain };
            Style::Small { size: height.max(width), fit, mirrored: !grey && !characters }
        }
        _ if characters => Style::Characters,
        _ => Style::Photos,
    }
}

/// True for a class whose name is one character, or the name of a digit.
fn is_character(class: &str) -> bool {
    const DIGITS: [&str; 10] = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"];
    let name = class.to_lowercase();
    let name = ["digit", "letter"].iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(&name);
    let name = name.trim_matches(|c: char| !c.is_alphanumeric());
    name.chars().count() == 1 || DIGITS.contains(&name)
}

#[cfg(test)]
mod tests;
