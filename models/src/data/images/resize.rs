//! Bilinear resizing that averages where it makes smaller ("antialiased"), as Pillow and torchvision do it (the method is that of Pillow's
//! src/libImaging/Resample.c): the same bits where Pillow, too, takes rows first, and within 1 where it takes columns first, as recent versions
//! do for some tall or flat images.
//!
//! An output pixel is a weighted mean of the input pixels under a triangle around its centre, whose half width is one pixel of the coarser
//! of the two grids. Rows first, then columns; weights in 22 bits of fraction, and 8-bit values between the passes.

use super::picture::Picture;
use ivon_runtime::versions;
use std::ops::Range;

/// A part of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// First row.
    pub top: usize,
    /// First column.
    pub left: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl Region {
    /// The whole of an image.
    pub fn of(picture: &Picture) -> Region {
        Region { top: 0, left: 0, height: picture.height(), width: picture.width() }
    }
}

/// Bits of a weight's fraction.
const FRACTION: u32 = 32 - 8 - 2;

/// The weights of one axis.
struct Weights {
    /// For every output: its first input.
    first: Vec<usize>,
    /// `[outputs, taps]`; those beyond the last input are 0.
    weights: Vec<i32>,
    taps: usize,
}

impl Weights {
    /// Weights for the outputs `wanted`, a part of `outputs`.
    fn new(inputs: usize, outputs: usize, wanted: Range<usize>) -> Weights {
        let scale = inputs as f64 / outputs as f64;
        let support = scale.max(1.0); // half the width of the triangle
        let taps = (support.ceil() as usize * 2 + 1).min(inputs);
        let (mut first, mut weights) = (Vec::with_capacity(wanted.len()), vec![0; wanted.len() * taps]);
        for (output, weights) in wanted.zip(weights.chunks_exact_mut(taps)) {
            let centre = (output as f64 + 0.5) * scale;
            let start = (centre - support + 0.5).max(0.0) as usize;
            let end = ((centre + support + 0.5) as usize).min(inputs);
            let triangle = |input: usize| (1.0 - ((input as f64 - centre + 0.5) / support).abs()).max(0.0);
            let total: f64 = (start..end).map(triangle).sum();
            // All windows have as many taps: those that would reach beyond the last input begin earlier, with zeros in front.
            let begin = start.min(inputs - taps);
            for (weight, input) in weights[start - begin..].iter_mut().zip(start..end) {
                *weight = (triangle(input) / total * f64::from(1 << FRACTION) + 0.5) as i32;
            }
            first.push(begin);
        }
        Weights { first, weights, taps }
    }

    /// The inputs that have a weight in any output.
    fn inputs(&self) -> Range<usize> {
        let (first, last) = (self.first.first().copied(), self.first.last().copied());
        first.unwrap_or(0)..last.unwrap_or(0) + self.taps
    }

    fn window(&self, output: usize) -> (usize, &[i32]) {
        (self.first[output], &self.weights[output * self.taps..][..self.taps])
    }
}

/// The region of an image in another size, `[height, width, C]`.
///
/// # Panics
/// If the region is empty or not inside the image.
pub fn resize(picture: &Picture, region: Region, height: usize, width: usize) -> Vec<u8> {
    resize_part(picture, region, [height, width], Region { top: 0, left: 0, height, width })
}

/// The part `wanted` of what [`resize`] to `size` would give, `[wanted.height, wanted.width, C]`; nothing else is computed.
///
/// # Panics
/// If a region is empty or not inside its image.
pub fn resize_part(picture: &Picture, region: Region, [height, width]: [usize; 2], wanted: Region) -> Vec<u8> {
    let channels = picture.channels();
    let columns = Weights::new(region.height, height, wanted.top..wanted.top + wanted.height);
    let needed = if region.height == height { wanted.top..wanted.top + wanted.height } else { columns.inputs() };
    let rows = Rows {
        pixels: picture.pixels(),
        stride: picture.width() * channels,
        region: Region { top: region.top + needed.start, height: needed.len(), ..region },
        channels,
    };
    let mut narrow = vec![0; needed.len() * wanted.width * channels];
    if region.width == width {
        let cut = wanted.left * channels..(wanted.left + wanted.width) * channels;
        for (y, out) in narrow.chunks_exact_mut(cut.len()).enumerate() {
            out.copy_from_slice(&rows.row(y)[cut.clone()]);
        }
    } else {
        let weights = Weights::new(region.width, width, wanted.left..wanted.left + wanted.width);
        match channels {
            1 => resize_rows::<1>(&rows, &weights, &mut narrow),
            3 => resize_rows::<3>(&rows, &weights, &mut narrow),
            _ => panic!("an image of {channels} channels is resized"),
        }
    }
    if region.height == height {
        return narrow;
    }
    let mut out = vec![0; wanted.height * wanted.width * channels];
    resize_columns(&narrow, wanted.width * channels, needed.start, &columns, &mut out);
    out
}

/// The rows of a region.
struct Rows<'a> {
    pixels: &'a [u8],
    stride: usize,
    region: Region,
    channels: usize,
}

impl Rows<'_> {
    #[inline(always)]
    fn row(&self, y: usize) -> &[u8] {
        let start = (self.region.top + y) * self.stride + self.region.left * self.channels;
        &self.pixels[start..start + self.region.width * self.channels]
    }
}

#[inline(always)]
fn rounded(sum: i32) -> u8 {
    (sum >> FRACTION).clamp(0, 255) as u8
}

const HALF: i32 = 1 << (FRACTION - 1);

versions! {
    fn resize_rows<{ const C: usize } { C }>(source: &Rows, weights: &Weights, out: &mut [u8]) {
        let width = weights.first.len();
        for (y, out) in out.chunks_exact_mut(width * C).enumerate() {
            let row = source.row(y);
            for (x, out) in out.chunks_exact_mut(C).enumerate() {
                let (first, weights) = weights.window(x);
                let mut sums = [HALF; C];
                for (pixel, weight) in row[first * C..].chunks_exact(C).zip(weights) {
                    for c in 0..C {
                        sums[c] += i32::from(pixel[c]) * weight;
                    }
                }
                for c in 0..C {
                    out[c] = rounded(sums[c]);
                }
            }
        }
    }
}

versions! {
    fn resize_columns(input: &[u8], stride: usize, start: usize, weights: &Weights, out: &mut [u8]) {
        let mut sums = vec![0; stride];
        for (y, out) in out.chunks_exact_mut(stride).enumerate() {
            let (first, weights) = weights.window(y);
            sums.fill(HALF);
            for (row, &weight) in input[(first - start) * stride..].chunks_exact(stride).zip(weights) {
                if weight != 0 {
                    for (sum, value) in sums.iter_mut().zip(row) {
                        *sum += i32::from(*value) * weight;
                    }
                }
            }
            for (out, sum) in out.iter_mut().zip(&sums) {
                *out = rounded(*sum);
            }
        }
    }
}

#[cfg(test)]
mod tests;
