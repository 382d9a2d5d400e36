//! From an image of any size to the numbers that a model sees: crop, resize, flip, normalise. As torchvision does it.

use super::decode::MOST_PIXELS;
use super::orientation::Exif;
use super::picture::Picture;
use super::random::Draws;
use super::resize::{Region, resize, resize_part};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// How images to train on are cropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Crop {
    /// As for evaluation: no augmentation.
    None,
    /// The image with [`PADDING`] black pixels on every side, and from it a random place of the size wanted.
    Padded,
    /// A random part of 8 to 100 % of the area, of an aspect ratio between 3:4 and 4:3, resized (torchvision's `RandomResizedCrop`).
    Resized,
}

/// How an image of another shape becomes a square.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fit {
    /// The shorter side is resized, and the centre is cut out: what lies beyond it on the longer side is not seen.
    #[default]
    Cover,
    /// The longer side is resized, and black pixels fill the rest: all of the image is seen.
    Contain,
}

impl Fit {
    fn is_cover(&self) -> bool {
        *self == Fit::Cover
    }
}

/// Pixels on every side of a padded image.
pub const PADDING: usize = 4;

/// The shorter side to resize to, relative to the size of the central crop, for photographs: 256 for 224.
pub const PHOTO_RATIO: f64 = 256.0 / 224.0;

/// Mean and standard deviation of every channel, of values on [0, 1].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Normalisation {
    /// Means.
    pub mean: Vec<f64>,
    /// Standard deviations.
    pub deviation: Vec<f64>,
}

impl Normalisation {
    /// The published values of the training images of ImageNet.
    pub fn imagenet() -> Normalisation {
        Normalisation { mean: vec![0.485, 0.456, 0.406], deviation: vec![0.229, 0.224, 0.225] }
    }

    /// Values of the training images of CIFAR-10.
    pub fn cifar10() -> Normalisation {
        Normalisation { mean: vec![0.4914, 0.4822, 0.4465], deviation: vec![0.2470, 0.2435, 0.2616] }
    }

    /// Values of the training images of CIFAR-100.
    pub fn cifar100() -> Normalisation {
        Normalisation { mean: vec![0.5071, 0.4865, 0.4409], deviation: vec![0.2673, 0.2564, 0.2762] }
    }

    /// Scale and shift of the 8-bit values of a channel: (v / 255 - mean) / deviation.
    fn line(&self, channel: usize) -> (f32, f32) {
        let (mean, deviation) = (self.mean[channel], self.deviation[channel]);
        ((1.0 / (255.0 * deviation)) as f32, (-mean / deviation) as f32)
    }
}

/// The transformation of an image. It is kept with a run, so that the model always sees the same kind of images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Transform {
    /// Rows and columns of the output.
    pub size: usize,
    /// How training images are cropped.
    pub crop: Crop,
    /// True if half of the training images are mirrored.
    pub flip: bool,
    /// For evaluation with [`Fit::Cover`]: the shorter side is resized to `size` times this, and the centre is cut out.
    pub ratio: f64,
    /// How images that are not square become so.
    #[serde(default, skip_serializing_if = "Fit::is_cover")]
    pub fit: Fit,
    /// Mean and deviation of the channels.
    pub normalisation: Normalisation,
    /// The treatment of the orientation that a file records. Runs without this field were trained on images as they are stored.
    #[serde(default, skip_serializing_if = "Exif::is_ignore")]
    pub exif: Exif,
}

impl Transform {
    /// Channels of the output.
    pub fn channels(&self) -> usize {
        self.normalisation.mean.len()
    }

    /// Checks values that were read from a record, for images of so many channels.
    ///
    /// # Errors
    /// Names the value that no transformation can have.
    pub fn check(&self, channels: usize) -> Result<(), String> {
        let Normalisation { mean, deviation } = &self.normalisation;
        if mean.len() != channels || deviation.len() != channels {
            return Err(format!(
                "has {} means and {} deviations; expected one of each for {channels} channels",
                mean.len(),
                deviation.len()
            ));
        }
        let finite = mean.iter().all(|x| x.is_finite()) && deviation.iter().all(|x| x.is_finite() && *x > 0.0);
        if !finite {
            return Err(format!(
                "has the means {mean:?} and deviations {deviation:?}; expected finite numbers, and deviations above 0"
            ));
        }
        if self.size.checked_mul(self.size).is_none_or(|pixels| pixels > MOST_PIXELS) {
            return Err(format!("has the size {0}; expected at most {MOST_PIXELS} pixels, not {0} x {0}", self.size));
        }
        match self.size > 0 && self.ratio.is_finite() && self.ratio >= 1.0 {
            true => Ok(()),
            false => Err(format!("has the size {} and the ratio {}; expected at least 1", self.size, self.ratio)),
        }
    }

    /// The first difference, in words, of what a model sees of an image in evaluation.
    pub fn difference(&self, other: &Transform) -> Option<String> {
        let (ours, theirs) = (&self.normalisation, &other.normalisation);
        let fields = [
            ("size", self.size.to_string(), other.size.to_string()),
            ("fit", format!("{:?}", self.fit), format!("{:?}", other.fit)),
            ("ratio", self.ratio.to_string(), other.ratio.to_string()),
            ("exif", format!("{:?}", self.exif), format!("{:?}", other.exif)),
            ("means", format!("{:?}", ours.mean), format!("{:?}", theirs.mean)),
            ("deviations", format!("{:?}", ours.deviation), format!("{:?}", theirs.deviation)),
        ];
        let (name, one, two) = fields.into_iter().find(|(_, one, two)| one != two)?;
        Some(format!("{name}: {one}, {two}").to_lowercase())
    }

    /// Numbers of one image: size · size · channels.
    pub fn numbers(&self) -> usize {
        self.size * self.size * self.channels()
    }

    /// The image as seen in training, `out` = `[size, size, C]`.
    ///
    /// # Panics
    /// If the image has other channels, or `out` another length.
    pub fn training(&self, picture: &Picture, mut draws: Draws, out: &mut [f32]) {
        let size = self.size;
        let picture = &*self.turned(picture);
        match self.crop {
            Crop::None => {
                let pixels = self.central(picture);
                self.normalise(&pixels, self.flip && draws.coin(), out);
            }
            Crop::Padded => {
                let offset = [draws.below(2 * PADDING + 1), draws.below(2 * PADDING + 1)];
                let flip = self.flip && draws.coin();
                if picture.height() == size && picture.width() == size {
                    self.normalise(&padded(picture.pixels(), size, self.channels(), offset), flip, out);
                } else {
                    self.normalise(&padded(&self.central(picture), size, self.channels(), offset), flip, out);
                }
            }
            Crop::Resized => {
                let region = random_region(picture.height(), picture.width(), &mut draws);
                let flip = self.flip && draws.coin();
                self.normalise(&resize(picture, region, size, size), flip, out);
            }
        }
    }

    /// The image as seen in evaluation, `out` = `[size, size, C]`.
    ///
    /// # Panics
    /// If the image has other channels, or `out` another length.
    pub fn evaluation(&self, picture: &Picture, out: &mut [f32]) {
        let picture = &*self.turned(picture);
        if self.ratio == 1.0 && picture.height() == self.size && picture.width() == self.size {
            return self.normalise(picture.pixels(), false, out);
        }
        self.normalise(&self.central(picture), false, out);
    }

    /// The image upright, if that is wanted.
    fn turned<'a>(&self, picture: &'a Picture) -> Cow<'a, Picture> {
        match self.exif {
            Exif::Apply => picture.upright(),
            Exif::Ignore => Cow::Borrowed(picture),
        }
    }

    /// The image as a square of `size`.
    fn central(&self, picture: &Picture) -> Vec<u8> {
        match self.fit {
            Fit::Cover => self.covered(picture),
            Fit::Contain => self.contained(picture),
        }
    }

    /// The longer side resized to `size`, in the middle of black pixels.
    fn contained(&self, picture: &Picture) -> Vec<u8> {
        let (height, width, longer) = (picture.height(), picture.width(), picture.height().max(picture.width()));
        let side = |side: usize| ((side as f64 * self.size as f64 / longer as f64).round() as usize).clamp(1, self.size);
        let (tall, wide, channels) = (side(height), side(width), self.channels());
        let pixels = match (tall, wide) == (height, width) {
            true => picture.pixels().to_vec(),
            false => resize(picture, Region::of(picture), tall, wide),
        };
        let (top, left) = ((self.size - tall) / 2, (self.size - wide) / 2);
        let mut out = vec![0; self.size * self.size * channels];
        for (row, pixels) in pixels.chunks_exact(wide * channels).enumerate() {
            let start = ((top + row) * self.size + left) * channels;
            out[start..start + pixels.len()].copy_from_slice(pixels);
        }
        out
    }

    /// The shorter side resized to `size` · `ratio`, and of that the centre.
    fn covered(&self, picture: &Picture) -> Vec<u8> {
        let (height, width) = (picture.height(), picture.width());
        let shorter = (self.size as f64 * self.ratio).round() as usize;
        let longer = |side: usize, other: usize| shorter * side / other;
        let (tall, wide) = if height <= width { (shorter, longer(width, height)) } else { (longer(height, width), shorter) };
        let start = |side: usize| ((side - self.size) as f64 / 2.0).round_ties_even() as usize;
        let centre = Region { top: start(tall), left: start(wide), height: self.size, width: self.size };
        resize_part(picture, Region::of(picture), [tall, wide], centre)
    }

    /// (v / 255 - mean) / deviation, mirrored or not.
    fn normalise(&self, pixels: &[u8], flip: bool, out: &mut [f32]) {
        match self.channels() {
            1 => self.normalise_channels::<1>(pixels, flip, out),
            3 => self.normalise_channels::<3>(pixels, flip, out),
            channels => panic!("a model of {channels} channels"),
        }
    }

    fn normalise_channels<const C: usize>(&self, pixels: &[u8], flip: bool, out: &mut [f32]) {
        assert!(pixels.len() == self.numbers() && out.len() == self.numbers(), "an image of another size");
        let lines: [(f32, f32); C] = std::array::from_fn(|c| self.normalisation.line(c));
        let row = self.size * C;
        for (out, pixels) in out.chunks_exact_mut(row).zip(pixels.chunks_exact(row)) {
            let line = |out: &mut [f32], pixel: &[u8]| {
                for c in 0..C {
                    out[c] = f32::from(pixel[c]) * lines[c].0 + lines[c].1;
                }
            };
            let pairs = out.chunks_exact_mut(C);
            match flip {
                false => pairs.zip(pixels.chunks_exact(C)).for_each(|(out, pixel)| line(out, pixel)),
                true => pairs.zip(pixels.chunks_exact(C).rev()).for_each(|(out, pixel)| line(out, pixel)),
            }
        }
    }
}

/// The window of the padded image that begins at `offset` = [row, column] of it.
fn padded(pixels: &[u8], size: usize, channels: usize, [top, left]: [usize; 2]) -> Vec<u8> {
    let mut out = vec![0; size * size * channels];
    // The columns of the image that are in the window, and where they begin in either.
    let (from, to) = (left.saturating_sub(PADDING), PADDING.saturating_sub(left));
    let length = size.saturating_sub(from.max(to)) * channels;
    // A window that lies in the border alone is black.
    if length == 0 {
        return out;
    }
    for (y, out) in out.chunks_exact_mut(size * channels).enumerate() {
        let row = (y + top).checked_sub(PADDING).filter(|row| *row < size);
        if let Some(row) = row {
            let start = (row * size + from) * channels;
            out[to * channels..][..length].copy_from_slice(&pixels[start..start + length]);
        }
    }
    out
}

/// A random part of 8 to 100 % of the area and an aspect ratio, log-uniform, between 3:4 and 4:3; after ten attempts that do not fit, the
/// largest central part of an allowed ratio.
fn random_region(height: usize, width: usize, draws: &mut Draws) -> Region {
    let area = (height * width) as f64;
    let (low, high) = (3.0 / 4.0, 4.0 / 3.0);
    for _ in 0..10 {
        let target = area * draws.uniform(0.08, 1.0);
        let ratio = libm::exp(draws.uniform(libm::log(low), libm::log(high)));
        let w = (target * ratio).sqrt().round_ties_even() as usize;
        let h = (target / ratio).sqrt().round_ties_even() as usize;
        if (1..=width).contains(&w) && (1..=height).contains(&h) {
            return Region { top: draws.below(height - h + 1), left: draws.below(width - w + 1), height: h, width: w };
        }
    }
    let ratio = width as f64 / height as f64;
    let (h, w) = if ratio < low {
        ((width as f64 / low).round_ties_even() as usize, width)
    } else if ratio > high {
        (height, (height as f64 * high).round_ties_even() as usize)
    } else {
        (height, width)
    };
    Region { top: (height - h) / 2, left: (width - w) / 2, height: h, width: w }
}

#[cfg(test)]
mod tests;
