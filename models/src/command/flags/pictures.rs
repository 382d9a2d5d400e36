//! The flags for images, and for how a model sees them.

use super::values::count;
use crate::classifier::{Architecture, Design, StoredClassifier};
use crate::data::images::{
    Crop, Exif, Figure, Fit, Generated, ImageSet, Normalisation, PADDING, PHOTO_RATIO, Parts, Pictures, Style, Transform,
    allow_pixels, list,
};
use clap::{Args, ValueEnum};
use ivon_runtime::{Error, Result, crc32c};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The images.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Data")]
pub struct PictureFlags {
    /// The images: a directory with train/CLASS/* and val/CLASS/* (JPEG, PNG), the binary files of CIFAR-10 or CIFAR-100, or IDX files [default: generated
    /// shapes]
    #[arg(long, value_name = "PATH")]
    pub data: Option<PathBuf>,

    /// Train on this many of the images, drawn at random but the same in every run
    #[arg(long, value_name = "N", value_parser = count)]
    pub train_examples: Option<usize>,

    /// Validate with at most this many of the images, the same in every run
    #[arg(long, value_name = "N", default_value = "10000", value_parser = count)]
    pub eval_examples: usize,

    /// Rows and columns that the model sees [default: those of small images; of photographs 224, for lenet 28, for resnet20 32]
    #[arg(long, value_name = "PIXELS", value_parser = count)]
    pub size: Option<usize>,

    /// Numbers a pixel, 1 or 3 [default: 1 for small grey images and lenet or resnet20, else 3]
    #[arg(long, value_name = "N", value_parser = count)]
    pub channels: Option<usize>,

    /// How images to train on are cropped [default: padded for small images, resized for photographs, none for digits of several sizes]
    #[arg(long, value_enum)]
    pub crop: Option<CropName>,

    /// Do not mirror half of the images to train on
    #[arg(long)]
    pub no_flip: bool,

    /// Mirror half of the images to train on, digits, letters and small grey images too [default: others alone]
    #[arg(long, num_args = 0, default_missing_value = "true", conflicts_with = "no_flip")]
    pub flip: Option<bool>,

    /// Take the first damaged image for an error, instead of leaving it out
    #[arg(long)]
    pub strict: bool,

    /// The orientation that photographs tell by EXIF: `apply` turns them upright, `ignore` takes them as they are stored, as torchvision does
    /// [default: apply; a run that goes on and does not say: ignore]
    #[arg(long, value_enum)]
    pub exif: Option<ExifName>,

    #[command(flatten)]
    pub bound: PixelBound,
}

/// The names of [`Exif`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ExifName {
    /// Turned upright
    Apply,
    /// As stored
    Ignore,
}

/// How large an image may be.
#[derive(Args, Clone, Debug)]
pub struct PixelBound {
    /// Images of more pixels are refused, before memory is taken for them [default: 178956970, as Pillow]
    #[arg(long, value_name = "N", value_parser = count, help_heading = "Data")]
    pub max_pixels: Option<usize>,
}

impl PixelBound {
    /// Lets this process decode images of as many pixels as the flag says, or else as the run `told`.
    pub fn set(&self, told: Option<usize>) {
        self.max_pixels.or(told).into_iter().for_each(allow_pixels);
    }
}

/// The names of [`Crop`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CropName {
    /// As for validation: no augmentation
    None,
    /// A random place of the image with black pixels around it
    Padded,
    /// A random part of 8 to 100 % of the area, resized
    Resized,
}

/// Images ready for a model.
#[derive(Clone, Debug)]
pub struct PictureData {
    /// The path that they come from.
    pub origin: String,
    /// The names of the classes.
    pub classes: Vec<String>,
    /// Remarks for the user on how the set was read.
    pub notes: Vec<String>,
    /// Images to train on.
    pub training: Arc<Pictures>,
    /// Images for validation.
    pub validation: Arc<Pictures>,
    /// How the model sees them.
    pub transform: Transform,
    /// Flags that are given and have no effect on these images: why.
    pub without_effect: Vec<String>,
}

/// Seed of the choice of images for validation, the same in every run.
const VALIDATION: u64 = 0;
/// The number of images that a checksum covers.
const LOOKED_INTO: usize = 64;

impl PictureFlags {
    /// Finds the images, and determines how a model sees them: as in `before`, the transform of a run that goes on, where no flag says otherwise. `resumed`: for a run that goes on.
    ///
    /// # Errors
    /// If there are none, or they cannot be used.
    pub fn load(&self, architecture: Architecture, resumed: bool, before: Option<&Transform>) -> Result<PictureData> {
        self.bound.set(None);
        if let Some(channels) = self.channels.filter(|n| ![1, 3].contains(n)) {
            return Err(Error::config(format!("--channels {channels}: images have 1 channel (grey) or 3 (red, green, blue)")));
        }
        let set = match &self.data {
            Some(path) => self.open(path, architecture, before)?,
            None => Generated { channels: self.channels.unwrap_or(3), ..Generated::new(Figure::Shapes) }.set()?,
        };
        let ImageSet { origin, style, classes, mut notes, parts: Parts { training, validation } } = set;
        let (training, validation) = (training.strict(self.strict), validation.strict(self.strict));
        for (part, purpose) in [(&training, "to train on"), (&validation, "for validation")] {
            if part.is_empty() {
                let notes = notes.iter().map(|note| format!("; {note}")).collect::<String>();
                return Err(Error::file(
                    &origin,
                    format!("has no images {purpose}; expected train/CLASS/* and val/CLASS/*{notes}"),
                ));
            }
            part.check_classes(&classes)?;
        }
        let chosen = |pictures: Pictures, count: Option<usize>, seed: u64| match count {
            Some(count) => pictures.subset(count, seed),
            None => Ok(pictures),
        };
        let mut without_effect = self.without_effect(&origin, &training);
        let training = chosen(training, self.train_examples, VALIDATION)?;
        notes.extend(without_examples(&classes, &training));
        let fewer = Some(self.eval_examples).filter(|n| *n < validation.len());
        let validation = chosen(validation, fewer, VALIDATION)?;
        let exif = self.exif(resumed, before);
        let usual = before.cloned().map_or_else(|| usual(architecture, style, &training), Ok)?;
        if self.no_flip && !usual.flip {
            without_effect.push(format!("--no-flip has no effect on {origin}, whose images are not mirrored"));
        }
        if self.flip == Some(true) && usual.flip {
            without_effect.push(format!("--flip has no effect on {origin}, half of whose images are mirrored"));
        }
        let transform = Transform { exif, ..self.transform(usual)? };
        let (training, validation) = (Arc::new(training), Arc::new(validation));
        Ok(PictureData { origin, classes, notes, training, validation, transform, without_effect })
    }

    /// Runs from before there was a choice were trained on images as they are stored.
    fn exif(&self, resumed: bool, before: Option<&Transform>) -> Exif {
        match (self.exif, before) {
            (Some(ExifName::Apply), _) => Exif::Apply,
            (Some(ExifName::Ignore), _) => Exif::Ignore,
            (None, Some(before)) => before.exif,
            (None, None) if resumed => Exif::Ignore,
            (None, None) => Exif::Apply,
        }
    }

    /// A small network takes small grey images, such as digits, in one channel; all else is in colour.
    fn open(&self, path: &Path, architecture: Architecture, before: Option<&Transform>) -> Result<ImageSet> {
        let set = ImageSet::open(path, 3)?;
        let Parts { training, validation } = &set.parts;
        let small = architecture.is_small() && matches!(set.style, Style::Small { .. } | Style::Characters);
        let grey = || small && training.looks_grey() && validation.looks_grey();
        match self.channels.or(before.map(Transform::channels)).unwrap_or_else(|| if grey() { 1 } else { 3 }) {
            3 => Ok(set),
            channels => {
                let parts = Parts { training: training.in_channels(channels), validation: validation.in_channels(channels) };
                Ok(ImageSet { parts, ..set })
            }
        }
    }

    /// Flags that are given and have no effect on these images: why.
    fn without_effect(&self, origin: &str, training: &Pictures) -> Vec<String> {
        let mut why = vec![];
        if !training.are_files() {
            let flags =
                [("--strict", self.strict), ("--exif", self.exif.is_some()), ("--max-pixels", self.bound.max_pixels.is_some())];
            let given = flags.into_iter().filter(|(_, given)| *given);
            why.extend(given.map(|(flag, _)| format!("{flag} has no effect on {origin}, whose images are no JPEG or PNG files")));
        }
        if self.train_examples == Some(training.len()) {
            why.push(format!("--train-examples {0} has no effect on {origin}, which has {0} images to train on", training.len()));
        }
        why
    }

    /// The usual transform, changed by the flags.
    fn transform(&self, usual: Transform) -> Result<Transform> {
        let mut transform = usual;
        transform.crop = match self.crop {
            None => transform.crop,
            Some(CropName::None) => Crop::None,
            Some(CropName::Padded) => Crop::Padded,
            Some(CropName::Resized) => Crop::Resized,
        };
        transform.size = self.size.unwrap_or(transform.size);
        transform.flip = self.flip.unwrap_or(transform.flip && !self.no_flip);
        if transform.crop == Crop::Padded && transform.size <= PADDING {
            return Err(Error::config(format!(
                "--crop padded puts {PADDING} black pixels on every side, and a crop of {0} x {0} can show nothing else: use --crop \
                 none, or --size {1} or more",
                transform.size,
                PADDING + 1
            )));
        }
        Ok(transform)
    }
}

/// How images of a style are seen where no flag says otherwise.
fn usual(architecture: Architecture, style: Style, training: &Pictures) -> Result<Transform> {
    let (fit, ratio, exif) = (Fit::Cover, 1.0, Exif::Ignore);
    let size = style.size().unwrap_or(architecture.usual_size());
    let normalisation = match style {
        Style::Photos if training.channels() == 3 => Normalisation::imagenet(),
        Style::Cifar { classes: 10 } => Normalisation::cifar10(),
        Style::Cifar { .. } => Normalisation::cifar100(),
        Style::Small { .. } | Style::Characters | Style::Photos => Normalisation::measured(training)?,
    };
    Ok(match style {
        Style::Small { fit, mirrored, .. } => {
            Transform { size, crop: Crop::Padded, flip: mirrored, ratio, fit, normalisation, exif }
        }
        Style::Cifar { .. } => Transform { size, crop: Crop::Padded, flip: true, ratio, fit, normalisation, exif },
        Style::Characters => Transform { size, crop: Crop::None, flip: false, ratio, fit: Fit::Contain, normalisation, exif },
        Style::Photos => {
            let ratio = if architecture.is_small() { ratio } else { PHOTO_RATIO };
            Transform { size, crop: Crop::Resized, flip: true, ratio, fit, normalisation, exif }
        }
    })
}

/// The note on classes of which no image was chosen to train on.
fn without_examples(classes: &[String], training: &Pictures) -> Option<String> {
    let counts = training.counts(classes.len());
    let without: Vec<String> =
        classes.iter().zip(counts).filter(|(_, count)| *count == 0).map(|(class, _)| format!("`{class}`")).collect();
    let count = training.len();
    (!without.is_empty()).then(|| format!("none of the {count} images to train on is of the classes {}", without.join(", ")))
}

impl PictureData {
    /// Prepares the images for a run that starts from weights: they are normalised as the weights know them, and other classes are said.
    pub fn start_from(&mut self, start: &StoredClassifier, path: &Path) {
        let path = path.display();
        if let Some(before) = &start.transform
            && before.channels() == self.transform.channels()
            && before.normalisation != self.transform.normalisation
        {
            self.transform.normalisation = before.normalisation.clone();
            self.notes.push(format!("the channels are normalised as {path} knows them"));
        }
        if let Some(classes) = start.classes.as_ref().filter(|classes| **classes != self.classes) {
            let (theirs, ours) = (list(classes), list(&self.classes));
            self.notes.push(format!(
                "{path} tells other classes apart ({theirs}) than these ({ours}), and the run starts from its last layer"
            ));
        }
    }

    /// The first lines of a run: images and classes, what is done with them in training, and what else the user should know.
    pub fn introduction(&self) -> Vec<String> {
        let (training, validation) = (self.training.len(), self.validation.len());
        let mut lines = vec![
            format!("{}: {training} images to train on, {validation} for validation", self.origin),
            format!("{} classes: {}", self.classes.len(), list(&self.classes)),
            format!("augmentation: {}", self.augmentation()),
        ];
        lines.extend(self.notes.iter().cloned());
        lines
    }

    fn augmentation(&self) -> String {
        let Transform { size, crop, flip, fit, .. } = &self.transform;
        let crop = match crop {
            Crop::None => "no crop".to_string(),
            Crop::Padded => format!("a random crop of {size} x {size} with {PADDING} black pixels on every side"),
            Crop::Resized => format!("a random part of 8 to 100 % of the area, resized to {size} x {size}"),
        };
        let flip = if *flip { "half of the images are mirrored" } else { "no image is mirrored" };
        let fit = if *fit == Fit::Contain { "; images that are not square get black pixels on two sides" } else { "" };
        format!("{crop}; {flip}{fit}")
    }

    /// The record of the images in a run: enough to look at others in the same way.
    pub fn describe(&self, design: &Design) -> Value {
        json!({
            "origin": self.origin, "classes": self.classes, "training": self.training.len(), "validation": self.validation.len(),
            "channels": design.channels, "transform": self.transform, "checksum": self.checksum(),
        })
    }

    /// A number that differs between sets: of labels, and of some of the images.
    fn checksum(&self) -> String {
        let mut bytes: Vec<u8> = self.classes.join("\n").into_bytes();
        for part in [&self.training, &self.validation] {
            bytes.extend((part.len() as u64).to_le_bytes());
            (0..part.len()).for_each(|i| bytes.extend(part.label(i).to_le_bytes()));
            let stride = part.len().div_ceil(LOOKED_INTO).max(1);
            for picture in (0..part.len()).step_by(stride).filter_map(|i| part.picture(i).ok()) {
                bytes.extend_from_slice(picture.pixels());
            }
        }
        format!("{:08x}", crc32c(&bytes))
    }
}
