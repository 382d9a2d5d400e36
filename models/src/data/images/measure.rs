//! Mean and standard deviation of the channels of a set.

use super::Normalisation;
use super::pictures::Pictures;
use ivon_runtime::Result;

/// Pictures that are looked at: enough for three digits.
const LOOKED_AT: usize = 10_000;

impl Normalisation {
    /// Measures the pixels of up to 10,000 images, spread evenly over these, in 8-bit values divided by 255.
    ///
    /// # Errors
    /// If an image is damaged and the images are strict, or none can be read.
    pub fn measured(pictures: &Pictures) -> Result<Normalisation> {
        let channels = pictures.channels();
        let count = LOOKED_AT.min(pictures.len());
        // Exact sums of integers: no order of adding matters.
        let (mut sums, mut squares, mut pixels) = (vec![0u64; channels], vec![0u64; channels], 0u64);
        for i in 0..count {
            let (picture, _) = pictures.good(i * pictures.len() / count)?;
            for pixel in picture.pixels().chunks_exact(channels) {
                for (channel, value) in pixel.iter().enumerate() {
                    sums[channel] += u64::from(*value);
                    squares[channel] += u64::from(*value).pow(2);
                }
            }
            pixels += (picture.height() * picture.width()) as u64;
        }
        let mean = |sum: u64| sum as f64 / pixels.max(1) as f64;
        let deviation = |(sum, square): (&u64, &u64)| {
            let variance = mean(*square) - mean(*sum).powi(2);
            // Pictures of one colour: leave the values where they are.
            if variance > 0.0 { variance.sqrt() / 255.0 } else { 1.0 }
        };
        Ok(Normalisation {
            mean: sums.iter().map(|sum| mean(*sum) / 255.0).collect(),
            deviation: sums.iter().zip(&squares).map(deviation).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::images::{Figure, Generated, Stored};

    #[test]
    fn mean_and_deviation_are_those_of_the_pixels() {
        let pixels = vec![0, 10, 100, 30, 20, 100, 60, 30, 100, 90, 40, 100];
        let stored = Stored { origin: String::new(), size: [1, 2, 3], pixels };
        let Normalisation { mean, deviation } = Normalisation::measured(&Pictures::new(stored, vec![0, 0], 3)).unwrap();
        assert!(mean.iter().zip([45.0, 25.0, 100.0]).all(|(m, expected)| (m * 255.0 - expected).abs() < 1e-9), "{mean:?}");
        assert!((deviation[0] * 255.0 - 1125f64.sqrt()).abs() < 1e-9 && (deviation[1] * 255.0 - 125f64.sqrt()).abs() < 1e-9);
        assert_eq!(deviation[2], 1.0); // one value everywhere
    }

    #[test]
    fn pictures_that_are_normalised_so_have_mean_0_and_deviation_1() {
        let set = Generated { size: 16, training: 300, ..Generated::new(Figure::Shapes) }.set().unwrap();
        let normalisation = Normalisation::measured(&set.parts.training).unwrap();
        assert!(normalisation.mean.iter().all(|m| (0.4..0.6).contains(m)), "{normalisation:?}");
        assert!(normalisation.deviation.iter().all(|d| (0.15..0.35).contains(d)), "{normalisation:?}");
    }
}
