//! Labelled images: found on the disk or generated, augmented, and fed to a model in batches that depend on the seed alone.
//!
//! An [`ImageSet`] has a training and a validation part ([`Pictures`]); a [`Loader`] makes random batches of the first, [`Examples`] goes through the
//! second in order; a [`Transform`] turns an image into what a model sees.

mod ahead;
mod cifar;
mod decode;
mod find;
mod folder;
mod generated;
mod idx;
mod jpeg;
mod layout;
mod loader;
mod measure;
mod orientation;
mod overlap;
mod picture;
mod pictures;
mod random;
mod resize;
mod special;
mod transform;
mod tree;

pub use decode::{MOST_PIXELS, allow_pixels, decode, read};
pub use generated::{Figure, Generated};
pub use loader::{Batch, Examples, Loader, Prefetch, Views};
pub use orientation::{Exif, Orientation};
pub use overlap::Content;
pub use picture::Picture;
pub use pictures::{Pictures, Source, Stored};
pub use resize::{Region, resize};
pub use transform::{Crop, Fit, Normalisation, PADDING, PHOTO_RATIO, Transform};

pub(crate) use layout::list;

use find::{Need, Part};
use ivon_runtime::{Error, Result};
use std::path::Path;

/// The kind of images in a set. It decides how they are cropped and augmented unless the user says otherwise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Style {
    /// All of one small size, seen as they are.
    Small {
        /// Rows and columns of what a model sees; of images that are not square the longer side.
        size: usize,
        /// [`Fit::Contain`] for images that are not square.
        fit: Fit,
        /// True if a mirrored image is of the same class; false for digits.
        mirrored: bool,
    },
    /// CIFAR-10 or CIFAR-100 themselves, whose mean and deviation are published.
    Cifar {
        /// 10 or 100.
        classes: usize,
    },
    /// Digits or letters of several sizes, by the names of their classes.
    Characters,
    /// Photographs of any size.
    Photos,
}

impl Style {
    /// The size that all images have.
    pub fn size(self) -> Option<usize> {
        match self {
            Style::Small { size, .. } => Some(size),
            Style::Cifar { .. } => Some(32),
            Style::Characters | Style::Photos => None,
        }
    }
}

/// The two parts of a set.
#[derive(Debug)]
pub struct Parts {
    /// Images to train on; may be empty.
    pub training: Pictures,
    /// Images for validation.
    pub validation: Pictures,
}

/// A set of labelled images.
#[derive(Debug)]
pub struct ImageSet<P = Parts> {
    /// The path that they come from, for messages.
    pub origin: String,
    /// The kind of images.
    pub style: Style,
    /// The names of the classes, by label.
    pub classes: Vec<String>,
    /// Remarks for the user on how the set was read, a sentence each.
    pub notes: Vec<String>,
    /// The images.
    pub parts: P,
}

impl ImageSet {
    /// The images at a path, to train on, in `channels` channels: a directory with `train/CLASS/*` and `val/CLASS/*` (JPEG and PNG; see
    /// docs/images.md for other names), the binary files of CIFAR-10 or CIFAR-100, or IDX files. Where there is nothing for validation, a tenth is held
    /// out: the same in every run.
    ///
    /// # Errors
    /// If there are no such images, their classes are not clear, a class is in the validation part alone, or no image of a class can be used.
    pub fn open(path: &Path, channels: usize) -> Result<ImageSet> {
        let ImageSet { origin, style, classes, mut notes, parts } = find::find(path, channels, Need::Classes)?;
        let noted = || notes.iter().map(|note| format!("; {note}")).collect::<String>();
        match &classes[..] {
            [] => {
                let message = format!(
                    "has images of no class; put each into a directory named after its class: train/CLASS/*, val/CLASS/*{}",
                    noted()
                );
                return Err(Error::file(path, message));
            }
            [only] => {
                let message = format!(
                    "has one class, `{only}`, in {origin}: there is nothing to tell apart; expected two classes or more, in directories of their \
                     own: train/CLASS/* and val/CLASS/*, or CLASS/*{}",
                    noted()
                );
                return Err(Error::file(path, message));
            }
            _ => {}
        }
        let (training, validation) = match parts {
            Part::Parts { training: Some(training), validation: Some(validation) } => {
                notes.extend(overlap::warning(&training, &validation));
                (training, validation)
            }
            Part::Parts { training: None, validation: Some(validation) } => (validation.select(&[]), validation),
            Part::Parts { training: Some(all), validation: None } | Part::Whole(all) => {
                let (training, validation) = all.hold_out();
                notes.push(format!("there are no images for validation: {} of {} are held out", validation.len(), all.len()));
                notes.extend(overlap::warning(&training, &validation));
                (training, validation)
            }
            Part::Parts { training: None, validation: None } => unreachable!("a set has images"),
        };
        // CIFAR's classes are fixed, and a part of it may lack some.
        if !matches!(style, Style::Cifar { .. }) {
            check_trained(path, &classes, &training, &validation)?;
        }
        Ok(ImageSet { origin, style, classes, notes, parts: Parts { training, validation } })
    }
}

/// Refuses classes that are in the validation part alone.
fn check_trained(path: &Path, classes: &[String], training: &Pictures, validation: &Pictures) -> Result<()> {
    if training.is_empty() {
        return Ok(());
    }
    let (ours, theirs) = (training.counts(classes.len()), validation.counts(classes.len()));
    let untrained = |(class, (ours, theirs)): (&String, (usize, usize))| (ours == 0 && theirs > 0).then(|| format!("`{class}`"));
    let untrained: Vec<String> = classes.iter().zip(ours.into_iter().zip(theirs)).filter_map(untrained).collect();
    match untrained.is_empty() {
        true => Ok(()),
        false => Err(Error::file(
            path,
            format!(
                "has images for validation, and none to train on, of the classes {}: add some, or remove the classes",
                layout::list(&untrained)
            ),
        )),
    }
}

impl ImageSet<Pictures> {
    /// The images at a path, to evaluate with: the validation part where there is one, otherwise all. They need not have classes; labels
    /// are 0 then.
    ///
    /// # Errors
    /// If there are no images, or they cannot be used.
    pub fn for_evaluation(path: &Path, channels: usize) -> Result<ImageSet<Pictures>> {
        ImageSet::one_part(path, channels, Need::Classes)
    }

    /// The images at a path without their classes: the validation part of an arrangement that is clear, otherwise all.
    ///
    /// # Errors
    /// If there are no images, or they cannot be used.
    pub fn without_classes(path: &Path, channels: usize) -> Result<ImageSet<Pictures>> {
        ImageSet::one_part(path, channels, Need::Images)
    }

    fn one_part(path: &Path, channels: usize, need: Need) -> Result<ImageSet<Pictures>> {
        let ImageSet { origin, style, mut classes, notes, parts } = find::find(path, channels, need)?;
        let mut parts = match parts {
            Part::Parts { validation: Some(pictures), .. } | Part::Parts { training: Some(pictures), .. } => pictures,
            Part::Whole(pictures) => pictures,
            Part::Parts { training: None, validation: None } => unreachable!("a set has images"),
        };
        if need == Need::Images {
            parts = parts.relabelled(&vec![0; classes.len().max(1)]);
            classes.clear();
        }
        Ok(ImageSet { origin, style, classes, notes, parts })
    }
}
