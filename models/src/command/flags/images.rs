//! Pictures to train on, and how they are seen.

use super::values::count;
use crate::data::images::{Crop, Figure, Generated, ImageSet, Normalisation, PHOTO_RATIO, Parts, Pictures, Style, Transform};
use clap::{Args, ValueEnum};
use ivon_runtime::{Error, Result};
use std::path::PathBuf;
use std::sync::Arc;

/// The pictures.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Data")]
pub struct ImageFlags {
    /// Pictures: a folder with train/CLASS/* and val/CLASS/* (JPEG, PNG), with the binary files of CIFAR-10 or CIFAR-100, or with IDX
    /// files (MNIST) [default: generated shapes]
    #[arg(long, value_name = "PATH")]
    pub data: Option<PathBuf>,

    /// Rows and columns that the model sees [default: those of the pictures if they are small and all the same, else the model's own]
    #[arg(long, value_name = "PIXELS", value_parser = count)]
    pub image_size: Option<usize>,

    /// Train on N of the pictures, drawn at random by --seed [default: all]
    #[arg(long, value_name = "N", value_parser = count)]
    pub train_examples: Option<usize>,

    /// How training pictures are varied
    #[arg(long, value_enum, default_value = "auto")]
    pub augment: AugmentName,

    /// Stop at the first damaged picture instead of skipping it
    #[arg(long)]
    pub strict: bool,
}

/// The augmentations that have a name on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum AugmentName {
    /// By the kind of pictures: none for grey ones of one small size (digits), crop for other small ones, resized-crop for photographs
    Auto,
    /// Pad by 4 pixels, crop at random, mirror half of them
    Crop,
    /// Crop a random part of 8 to 100 % of the area, resize, mirror half of them
    ResizedCrop,
    /// Nothing random
    None,
}

/// Pictures to train on and to validate with, and how a model sees them.
#[derive(Debug)]
pub struct Images {
    /// Where they come from.
    pub origin: String,
    /// The names of the classes, by label.
    pub classes: Vec<String>,
    /// To train on; never empty.
    pub training: Arc<Pictures>,
    /// For validation; never empty.
    pub validation: Arc<Pictures>,
    /// How the model sees them; to be kept with the run.
    pub transform: Transform,
}

/// The most rows and columns that a model is shown.
const MOST_PIXELS: usize = 4096;

impl ImageFlags {
    /// Finds or generates the pictures for a model of `channels` channels that sees photographs at `model_size`; `seed` is the run's.
    ///
    /// # Errors
    /// If there are no pictures to train on, or they cannot be used: what is wrong with which file or folder.
    pub fn load(&self, channels: usize, model_size: usize, seed: u64) -> Result<Images> {
        if let Some(size) = self.image_size.filter(|size| *size > MOST_PIXELS) {
            return Err(Error::config(format!("--image-size {size} is more than any model sees; {MOST_PIXELS} at most")));
        }
        let set = match &self.data {
            Some(path) => ImageSet::open(path, channels)?,
            None => {
                let generated = Generated::new(Figure::Shapes);
                Generated { size: self.image_size.unwrap_or(generated.size), channels, ..generated }.set()?
            }
        };
        let ImageSet { origin, style, classes, parts: Parts { training, validation } } = set;
        if training.is_empty() {
            return Err(Error::config(format!("{origin} has pictures for validation, and none to train on")));
        }
        let training = training.strict(self.strict);
        let training = match self.train_examples {
            Some(count) => training.subset(count, seed)?,
            None => training,
        };
        let transform = self.transform(style, model_size, &training)?;
        let validation = validation.strict(self.strict);
        Ok(Images { origin, classes, training: Arc::new(training), validation: Arc::new(validation), transform })
    }

    fn transform(&self, style: Style, model_size: usize, training: &Pictures) -> Result<Transform> {
        let small = style.size().filter(|size| self.image_size.is_none_or(|wanted| wanted == *size));
        let size = self.image_size.or(style.size()).unwrap_or(model_size);
        let mirrored = !matches!(style, Style::Small { mirrored: false, .. });
        let crop = match self.augment {
            AugmentName::None => Crop::None,
            AugmentName::Crop => Crop::Padded,
            AugmentName::ResizedCrop => Crop::Resized,
            AugmentName::Auto if !mirrored => Crop::None,
            AugmentName::Auto if small.is_some() => Crop::Padded,
            AugmentName::Auto => Crop::Resized,
        };
        let normalisation = match style {
            Style::Cifar { classes: 10 } => Normalisation::cifar10(),
            Style::Cifar { .. } => Normalisation::cifar100(),
            Style::Photos if training.channels() == 3 => Normalisation::imagenet(),
            _ => Normalisation::measured(training)?,
        };
        let ratio = if style == Style::Photos { PHOTO_RATIO } else { 1.0 };
        Ok(Transform {
            size,
            crop,
            flip: mirrored && self.augment != AugmentName::None && crop != Crop::None,
            ratio,
            normalisation,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags() -> ImageFlags {
        ImageFlags { data: None, image_size: None, train_examples: Some(50), augment: AugmentName::Auto, strict: false }
    }

    #[test]
    fn without_a_path_shapes_are_generated() {
        let images = flags().load(3, 224, 1).unwrap();
        assert_eq!((images.origin.as_str(), images.classes.len()), ("generated shapes", 10));
        assert_eq!((images.training.len(), images.validation.len()), (50, 2000));
        let Transform { size, crop, flip, ratio, .. } = images.transform;
        assert_eq!((size, crop, flip, ratio), (32, Crop::Padded, true, 1.0));
        let larger = ImageFlags { image_size: Some(48), ..flags() }.load(3, 224, 1).unwrap();
        assert_eq!((larger.training.picture(0).unwrap().height(), larger.transform.size), (48, 48));
    }

    #[test]
    fn pictures_are_seen_by_their_kind_unless_it_is_said_otherwise() {
        let training = flags().load(3, 224, 1).unwrap().training;
        let digits = Style::Small { size: 28, mirrored: false };
        let of = |augment, image_size, style| {
            let transform = ImageFlags { augment, image_size, ..flags() }.transform(style, 224, &training).unwrap();
            (transform.size, transform.crop, transform.flip, transform.ratio > 1.0)
        };
        let auto = AugmentName::Auto;
        assert_eq!(of(auto, None, digits), (28, Crop::None, false, false));
        assert_eq!(of(auto, None, Style::Cifar { classes: 10 }), (32, Crop::Padded, true, false));
        assert_eq!(of(auto, Some(64), Style::Cifar { classes: 10 }), (64, Crop::Resized, true, false));
        assert_eq!(of(auto, None, Style::Photos), (224, Crop::Resized, true, true));
        assert_eq!(of(AugmentName::Crop, None, digits), (28, Crop::Padded, false, false));
        assert_eq!(of(AugmentName::None, Some(96), Style::Photos), (96, Crop::None, false, true));
        let mean = |style| ImageFlags { ..flags() }.transform(style, 224, &training).unwrap().normalisation.mean;
        assert_eq!(mean(Style::Photos), Normalisation::imagenet().mean);
        assert_eq!(mean(Style::Cifar { classes: 100 }), Normalisation::cifar100().mean);
        assert_eq!(mean(digits), Normalisation::measured(&training).unwrap().mean);
    }

    #[test]
    fn flags_that_make_no_sense_are_refused() {
        let refused = |flags: ImageFlags| flags.load(3, 224, 1).unwrap_err().to_string();
        assert!(refused(ImageFlags { image_size: Some(5000), ..flags() }).contains("4096 at most"));
        assert!(refused(ImageFlags { train_examples: Some(20_001), ..flags() }).contains("there are 20000 pictures"));
        assert!(refused(ImageFlags { data: Some("nowhere".into()), ..flags() }).contains("nowhere: does not exist"));
    }
}
