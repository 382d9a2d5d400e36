//! Samples of the components into pixels: upsampling and colours, with the bits of libjpeg (jdsample.c, jdcolor.c).

use super::frame::{Component, Frame};
use ivon_runtime::versions;

/// The meaning of the components.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colours {
    Grey,
    Rgb,
    YCbCr,
    /// Four inks, inverted as Adobe stores them.
    Cmyk,
    /// The same, the first three as luminance and colour differences.
    Ycck,
}

impl Colours {
    /// Channels of the pixels.
    pub fn channels(self) -> usize {
        if self == Colours::Grey { 1 } else { 3 }
    }
}

/// The pixels, `[H, W, 1 or 3]`.
///
/// # Errors
/// If coefficients are beyond what 8-bit samples can have.
pub fn pixels(mut frame: Frame, colours: Colours) -> Result<Vec<u8>, String> {
    frame.components.iter_mut().try_for_each(Component::finish)?;
    let width = frame.width;
    let channels = colours.channels();
    let mut pixels = vec![0; frame.height * width * channels];
    // One row of every component; upsampling writes up to one sample more than a row has.
    let mut rows = vec![vec![0; width + frame.most[0]]; frame.components.len()];
    for (y, out) in pixels.chunks_exact_mut(width * channels).enumerate() {
        for (component, row) in frame.components.iter().zip(&mut rows) {
            upsample(component, frame.most, y, row);
        }
        match (colours, &rows[..]) {
            (Colours::Rgb, [r, g, b]) => interleave(out, r, g, b),
            (Colours::YCbCr, [y, cb, cr]) => colour(out, y, cb, cr),
            (Colours::Cmyk, [c, m, y, k]) => {
                interleave(out, c, m, y);
                ink(out, k);
            }
            (Colours::Ycck, [y, cb, cr, k]) => {
                colour(out, y, cb, cr);
                // These are the colours of the inks' absence.
                out.iter_mut().for_each(|v| *v = 255 - *v);
                ink(out, k);
            }
            (_, rows) => out.copy_from_slice(&rows[0][..width]),
        }
    }
    Ok(pixels)
}

impl Component {
    fn row(&self, y: usize) -> &[u8] {
        &self.samples[y * 8 * self.columns..][..8 * self.columns]
    }
}

/// Row `y` of the image, of this component. Twice as many samples are interpolated (3/4 of the nearer, 1/4 of the farther one), other ratios repeat.
fn upsample(component: &Component, most: [usize; 2], y: usize, out: &mut [u8]) {
    let (across, down) = (most[0] / component.horizontal, most[1] / component.vertical);
    let near = component.row(y / down);
    let n = component.width;
    // The row above or below, whichever is nearer; at the edges the row itself.
    let other = if y.is_multiple_of(2) { (y / 2).saturating_sub(1) } else { (y / 2 + 1).min(component.height - 1) };
    match (across, down) {
        (1, 1) => out[..n].copy_from_slice(&near[..n]),
        (2, 1) if n > 2 => twice_across(&near[..n], out),
        (1, 2) => twice_down(&near[..n], &component.row(other)[..n], 1 + (y % 2) as u16, out),
        (2, 2) if n > 2 => twice_both(&near[..n], &component.row(other)[..n], out),
        _ => {
            for (out, sample) in out.chunks_mut(across).zip(&near[..n]) {
                out.fill(*sample);
            }
        }
    }
}

fn twice_across(row: &[u8], out: &mut [u8]) {
    let last = row.len() - 1;
    let at = |i: usize| u16::from(row[i]);
    for (i, pair) in out.chunks_exact_mut(2).take(row.len()).enumerate() {
        pair[0] = if i == 0 { row[0] } else { ((3 * at(i) + at(i - 1) + 1) >> 2) as u8 };
        pair[1] = if i == last { row[last] } else { ((3 * at(i) + at(i + 1) + 2) >> 2) as u8 };
    }
}

fn twice_down(near: &[u8], far: &[u8], bias: u16, out: &mut [u8]) {
    for ((out, near), far) in out.iter_mut().zip(near).zip(far) {
        *out = ((3 * u16::from(*near) + u16::from(*far) + bias) >> 2) as u8;
    }
}

versions! {
    fn twice_both(near: &[u8], far: &[u8], out: &mut [u8]) {
        let last = near.len() - 1;
        let sum = |i: usize| 3 * u16::from(near[i]) + u16::from(far[i]);
        out[0] = ((4 * sum(0) + 8) >> 4) as u8;
        let inner = &mut out[1..2 * last + 1];
        let windows = near.windows(2).zip(far.windows(2));
        for (pair, (near, far)) in inner.chunks_exact_mut(2).zip(windows) {
            let (left, right) = (3 * u16::from(near[0]) + u16::from(far[0]), 3 * u16::from(near[1]) + u16::from(far[1]));
            pair[0] = ((3 * left + right + 7) >> 4) as u8;
            pair[1] = ((3 * right + left + 8) >> 4) as u8;
        }
        out[2 * last + 1] = ((4 * sum(last) + 7) >> 4) as u8;
    }
}

fn interleave(out: &mut [u8], a: &[u8], b: &[u8], c: &[u8]) {
    for (((out, a), b), c) in out.chunks_exact_mut(3).zip(a).zip(b).zip(c) {
        out.copy_from_slice(&[*a, *b, *c]);
    }
}

versions! {
    fn colour(out: &mut [u8], y: &[u8], cb: &[u8], cr: &[u8]) {
        // Constants of BT.601 in 16 bits of fraction.
        for (((out, y), cb), cr) in out.chunks_exact_mut(3).zip(y).zip(cb).zip(cr) {
            let (y, cb, cr) = (i32::from(*y), i32::from(*cb) - 128, i32::from(*cr) - 128);
            let half = 1 << 15;
            out[0] = (y + ((91881 * cr + half) >> 16)).clamp(0, 255) as u8; // 1.40200
            out[1] = (y + ((-22554 * cb - 46802 * cr + half) >> 16)).clamp(0, 255) as u8; // 0.34414, 0.71414
            out[2] = (y + ((116130 * cb + half) >> 16)).clamp(0, 255) as u8; // 1.77200
        }
    }
}

/// Colours of the absence of three inks (0 to 255), and of black (`k`), into RGB, as Pillow does it.
fn ink(out: &mut [u8], k: &[u8]) {
    for (out, k) in out.chunks_exact_mut(3).zip(k) {
        for value in out {
            // k - (255 - v) · k / 255, the product rounded.
            let product = (255 - u32::from(*value)) * u32::from(*k) + 128;
            *value = u32::from(*k).saturating_sub(((product >> 8) + product) >> 8) as u8;
        }
    }
}
