//! Generated images, the same on any machine: [`shapes`](Figure::Shapes) to learn, and [`glyphs`](Figure::Glyphs), which a model of the
//! shapes has never seen.
//!
//! Properties that do not matter for the class vary at random: place, size, angle, colours (light on dark as often as dark on light), a
//! background of gradient, stripes and blots, scattered marks, and noise. No single pixel tells the class, so a linear model is
//! hardly better than chance; a small convolutional net is.

mod distance;
mod figures;
mod scene;

use super::picture::Picture;
use super::pictures::{Pictures, Source};
use super::random::{Draws, Purpose};
use super::{Fit, ImageSet, Parts, Style};
use ivon_runtime::{Error, Result};

/// The kinds of generated images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figure {
    /// Ten filled shapes.
    Shapes,
    /// Ten signs drawn with a pen: other contents on the same kind of background.
    Glyphs,
}

impl Figure {
    /// The classes in the order of their labels.
    pub fn classes(self) -> [&'static str; 10] {
        match self {
            Figure::Shapes => figures::SHAPES,
            Figure::Glyphs => figures::GLYPHS,
        }
    }
}

/// Which images to generate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Generated {
    /// The figures that they show.
    pub figure: Figure,
    /// Rows and columns.
    pub size: usize,
    /// Numbers a pixel: 3, or 1 for grey.
    pub channels: usize,
    /// Images to train on.
    pub training: usize,
    /// Images for validation.
    pub validation: usize,
    /// Other images of the same kind.
    pub seed: u64,
}

impl Generated {
    /// 20,000 images of 32 x 32 to train on and 2,000 for validation.
    pub fn new(figure: Figure) -> Generated {
        Generated { figure, size: 32, channels: 3, training: 20_000, validation: 2_000, seed: 0 }
    }

    /// The set. Pictures are drawn when they are wanted; image `i` shows class `i % 10`.
    ///
    /// # Errors
    /// If the images are too small to show anything, or larger than makes sense.
    pub fn set(self) -> Result<ImageSet> {
        const SIZES: std::ops::RangeInclusive<usize> = 12..=1024;
        if !SIZES.contains(&self.size) {
            let (least, most) = SIZES.into_inner();
            return Err(Error::config(format!(
                "generated images of {0} x {0} were asked for; they can be {least} x {least} to {most} x {most}",
                self.size
            )));
        }
        let pictures = |purpose, count: usize| {
            let labels = (0..count).map(|i| (i % 10) as u32).collect();
            Pictures::new(Drawn { generated: self, purpose }, labels, self.channels)
        };
        let name = match self.figure {
            Figure::Shapes => "generated shapes",
            Figure::Glyphs => "generated glyphs",
        };
        Ok(ImageSet {
            origin: name.into(),
            style: Style::Small { size: self.size, fit: Fit::Cover, mirrored: true },
            classes: self.figure.classes().map(String::from).to_vec(),
            notes: vec![],
            parts: Parts {
                training: pictures(Purpose::TrainingPicture, self.training),
                validation: pictures(Purpose::ValidationPicture, self.validation),
            },
        })
    }
}

#[derive(Debug)]
struct Drawn {
    generated: Generated,
    purpose: Purpose,
}

impl Source for Drawn {
    fn name(&self, index: usize) -> String {
        format!("generated image {index}")
    }

    fn picture(&self, index: usize) -> Result<Picture> {
        let Generated { figure, size, channels, seed, .. } = self.generated;
        let draws = Draws::new(seed, self.purpose, figure as u32, index as u32);
        let pixels = scene::draw(&figures::figure(figure, index % 10), size, draws);
        Ok(match channels {
            1 => Picture::new([size, size, 1], pixels.chunks_exact(3).map(luminance).collect()),
            _ => Picture::new([size, size, 3], pixels),
        })
    }
}

/// How bright a pixel is (ITU-R BT.601).
fn luminance(pixel: &[u8]) -> u8 {
    let weighted = 299 * u32::from(pixel[0]) + 587 * u32::from(pixel[1]) + 114 * u32::from(pixel[2]);
    ((weighted + 500) / 1000) as u8
}

#[cfg(test)]
mod tests;
