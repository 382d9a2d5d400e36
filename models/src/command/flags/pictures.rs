//! Which pictures, and how a model sees them.

use super::values::count;
use crate::classifier::{Architecture, Design};
use crate::data::images::{
    Crop, Exif, Figure, Generated, ImageSet, Normalisation, PADDING, PHOTO_RATIO, Parts, Pictures, Style, Transform, allow_pixels,
};
use clap::{Args, ValueEnum};
use ivon_runtime::{Error, Result, crc32c};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The pictures.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Data")]
pub struct PictureFlags {
    /// The pictures: a folder with train/CLASS/* and val/CLASS/* (JPEG, PNG), the binary files of CIFAR-10 or CIFAR-100, or IDX files [default: generated
    /// shapes]
    #[arg(long, value_name = "PATH")]
    pub data: Option<PathBuf>,

    /// Train on so many of the pictures, drawn at random but the same in every run
    #[arg(long, value_name = "N", value_parser = count)]
    pub train_examples: Option<usize>,

    /// Validate with so many of the pictures, always the same, at most
    #[arg(long, value_name = "N", default_value = "10000", value_parser = count)]
    pub eval_examples: usize,

    /// Rows and columns that the model sees [default: those of small pictures; of photographs 224, for lenet 28, for resnet20 32]
    #[arg(long, value_name = "PIXELS", value_parser = count)]
    pub size: Option<usize>,

    /// Numbers a pixel, 1 or 3 [default: 1 for IDX files and lenet or resnet20, else 3]
    #[arg(long, value_name = "N", value_parser = count)]
    pub channels: Option<usize>,

    /// How pictures to train on are cropped [default: padded for small pictures, resized for photographs]
    #[arg(long, value_enum)]
    pub crop: Option<CropName>,

    /// Do not mirror half of the pictures to train on
    #[arg(long)]
    pub no_flip: bool,

    /// Take the first damaged picture for an error, instead of leaving it out
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
    /// A random place of the picture with black pixels around it
    Padded,
    /// A random part of 8 to 100 % of the area, resized
    Resized,
}

/// Pictures ready for a model.
#[derive(Clone, Debug)]
pub struct PictureData {
    /// Where they come from.
    pub origin: String,
    /// The names of the classes.
    pub classes: Vec<String>,
    /// To train on.
    pub training: Arc<Pictures>,
    /// For validation.
    pub validation: Arc<Pictures>,
    /// How the model sees them.
    pub transform: Transform,
}

/// Seed of the choice of validation pictures, which every run makes alike.
const VALIDATION: u64 = 0;
/// Pictures that a checksum looks into.
const LOOKED_INTO: usize = 64;

impl PictureFlags {
    /// Finds the images, and decides how the model sees them. `resumed`: for a run that goes on.
    ///
    /// # Errors
    /// If there are none, or they cannot be used.
    pub fn load(&self, architecture: Architecture, resumed: bool) -> Result<PictureData> {
        self.bound.set(None);
        if let Some(channels) = self.channels.filter(|n| ![1, 3].contains(n)) {
            return Err(Error::config(format!("--channels {channels}: pictures have 1 channel (grey) or 3 (red, green, blue)")));
        }
        let set = match &self.data {
            Some(path) => self.open(path, architecture)?,
            None => Generated { channels: self.channels.unwrap_or(3), ..Generated::new(Figure::Shapes) }.set()?,
        };
        let ImageSet { origin, style, classes, parts: Parts { training, validation } } = set;
        let chosen = |pictures: Pictures, count: Option<usize>, seed: u64| match count {
            Some(count) => pictures.subset(count, seed),
            None => Ok(pictures),
        };
        let training = chosen(training.strict(self.strict), self.train_examples, VALIDATION)?;
        let fewer = Some(self.eval_examples).filter(|n| *n < validation.len());
        let validation = chosen(validation.strict(self.strict), fewer, VALIDATION)?;
        let transform = Transform { exif: self.exif(resumed), ..self.transform(architecture, style, &training)? };
        Ok(PictureData { origin, classes, training: Arc::new(training), validation: Arc::new(validation), transform })
    }

    /// Runs from before there was a choice were trained on images as they are stored.
    fn exif(&self, resumed: bool) -> Exif {
        match self.exif {
            Some(ExifName::Apply) => Exif::Apply,
            Some(ExifName::Ignore) => Exif::Ignore,
            None if resumed => Exif::Ignore,
            None => Exif::Apply,
        }
    }

    /// Digits are grey, and a small network takes them as they are; all else is in colour.
    fn open(&self, path: &Path, architecture: Architecture) -> Result<ImageSet> {
        let set = ImageSet::open(path, self.channels.unwrap_or(3))?;
        match set.style {
            Style::Small { mirrored: false, .. } if self.channels.is_none() && architecture.is_small() => ImageSet::open(path, 1),
            _ => Ok(set),
        }
    }

    fn transform(&self, architecture: Architecture, style: Style, training: &Pictures) -> Result<Transform> {
        let (size, crop, flip, ratio) = match style {
            Style::Small { size, mirrored } => (size, Crop::Padded, mirrored, 1.0),
            Style::Cifar { .. } => (32, Crop::Padded, true, 1.0),
            Style::Photos if architecture.is_small() => (architecture.usual_size(), Crop::Resized, true, 1.0),
            Style::Photos => (architecture.usual_size(), Crop::Resized, true, PHOTO_RATIO),
        };
        let crop = match self.crop {
            None => crop,
            Some(CropName::None) => Crop::None,
            Some(CropName::Padded) => Crop::Padded,
            Some(CropName::Resized) => Crop::Resized,
        };
        let size = self.size.unwrap_or(size);
        if crop == Crop::Padded && size <= PADDING {
            return Err(Error::config(format!(
                "--crop padded puts {PADDING} black pixels on every side, and a crop of {size} x {size} can show nothing else: use --crop \
                 none, or --size {} or more",
                PADDING + 1
            )));
        }
        let normalisation = match style {
            Style::Photos if training.channels() == 3 => Normalisation::imagenet(),
            Style::Cifar { classes: 10 } => Normalisation::cifar10(),
            Style::Cifar { .. } => Normalisation::cifar100(),
            Style::Small { .. } | Style::Photos => Normalisation::measured(training)?,
        };
        Ok(Transform { size, crop, flip: flip && !self.no_flip, ratio, normalisation, exif: Exif::Ignore })
    }
}

impl PictureData {
    /// What a run keeps of its pictures: enough to look at others in the same way.
    pub fn describe(&self, design: &Design) -> Value {
        json!({
            "origin": self.origin, "classes": self.classes, "training": self.training.len(), "validation": self.validation.len(),
            "channels": design.channels, "transform": self.transform, "checksum": self.checksum(),
        })
    }

    /// A number that tells sets apart: of labels, and of some of the pictures.
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
