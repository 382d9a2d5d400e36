//! Labelled pictures: found on the disk or generated, augmented, and fed to a model in batches that depend on the seed alone.
//!
//! An [`ImageSet`] has a training and a validation part ([`Pictures`]); a [`Loader`] makes random batches of the first, [`Examples`] goes through the
//! second in order; a [`Transform`] says how a picture becomes what a model sees.

mod ahead;
mod cifar;
mod decode;
mod find;
mod folder;
mod generated;
mod idx;
mod jpeg;
mod loader;
mod measure;
mod orientation;
mod picture;
mod pictures;
mod random;
mod resize;
mod transform;

pub use decode::{MOST_PIXELS, allow_pixels, decode, read};
pub use generated::{Figure, Generated};
pub use loader::{Batch, Examples, Loader, Prefetch};
pub use orientation::{Exif, Orientation};
pub use picture::Picture;
pub use pictures::{Pictures, Source, Stored};
pub use resize::{Region, resize};
pub use transform::{Crop, Normalisation, PADDING, PHOTO_RATIO, Transform};

use find::Part;
use ivon_runtime::{Error, Result};
use std::path::Path;

/// What kind of pictures a set has; decides how they are cropped and augmented unless the person says otherwise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Style {
    /// All of one small size, seen as they are.
    Small {
        /// Rows and columns.
        size: usize,
        /// Whether a mirrored picture is of the same class: not so for digits.
        mirrored: bool,
    },
    /// CIFAR-10 or CIFAR-100 themselves, whose mean and deviation are published.
    Cifar {
        /// 10 or 100.
        classes: usize,
    },
    /// Photographs of any size.
    Photos,
}

impl Style {
    /// The size that all pictures have.
    pub fn size(self) -> Option<usize> {
        match self {
            Style::Small { size, .. } => Some(size),
            Style::Cifar { .. } => Some(32),
            Style::Photos => None,
        }
    }
}

/// The two parts of a set.
#[derive(Debug)]
pub struct Parts {
    /// To train on; empty if there are none.
    pub training: Pictures,
    /// For validation.
    pub validation: Pictures,
}

/// A set of labelled pictures.
#[derive(Debug)]
pub struct ImageSet<P = Parts> {
    /// Where they come from, to tell the person.
    pub origin: String,
    /// What kind of pictures.
    pub style: Style,
    /// The names of the classes, by label.
    pub classes: Vec<String>,
    /// The pictures.
    pub parts: P,
}

impl ImageSet {
    /// The pictures at a path, to train on, in `channels` channels: a folder with `train/CLASS/*` and `val/CLASS/*` (or `valid`, `validation`,
    /// `test`; JPEG and PNG), the binary files of CIFAR-10 or CIFAR-100, or IDX files. Where there is nothing for validation, a tenth is held out: the
    /// same in every run.
    ///
    /// # Errors
    /// If there are no such pictures, they have no classes, or they cannot be used: what is wrong with which file or folder.
    pub fn open(path: &Path, channels: usize) -> Result<ImageSet> {
        let ImageSet { origin, style, classes, parts } = find::find(path, channels)?;
        if classes.is_empty() {
            let message = "has pictures of no class; put each into a folder named after its class: train/CLASS/*, val/CLASS/*";
            return Err(Error::file(path, message));
        }
        let (training, validation) = match parts {
            Part::Parts { training: Some(training), validation: Some(validation) } => (training, validation),
            Part::Parts { training: None, validation: Some(validation) } => (validation.select(&[]), validation),
            Part::Parts { training: Some(all), validation: None } | Part::Whole(all) => all.hold_out(),
            Part::Parts { training: None, validation: None } => unreachable!("a set has pictures"),
        };
        Ok(ImageSet { origin, style, classes, parts: Parts { training, validation } })
    }
}

impl ImageSet<Pictures> {
    /// The pictures at a path, to evaluate with: the validation part where there is one, otherwise all. They need not have classes; labels
    /// are 0 then.
    ///
    /// # Errors
    /// If there are no pictures, or they cannot be used.
    pub fn for_evaluation(path: &Path, channels: usize) -> Result<ImageSet<Pictures>> {
        let ImageSet { origin, style, classes, parts } = find::find(path, channels)?;
        let parts = match parts {
            Part::Parts { validation: Some(pictures), .. } | Part::Parts { training: Some(pictures), .. } => pictures,
            Part::Whole(pictures) => pictures,
            Part::Parts { training: None, validation: None } => unreachable!("a set has pictures"),
        };
        Ok(ImageSet { origin, style, classes, parts })
    }
}
