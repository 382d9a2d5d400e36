//! PNG files.

use super::{check_size, picture};
use crate::data::images::orientation::Orientation;
use crate::data::images::picture::Picture;
use png::{BitDepth, ColorType, DecodeOptions, DecodingError, Limits, Transformations};
use std::io::Cursor;

/// Bytes that a decoder may take for what is not pixels: profiles, texts.
const ASIDE: usize = 16 << 20;
/// The most bytes that one byte of deflated data can stand for.
const INFLATION: usize = 1032;

/// Decodes a file, in the channels that it has.
///
/// # Errors
/// If it is cut short or damaged: how.
pub fn decode(bytes: &[u8]) -> Result<Picture, String> {
    let mut options = DecodeOptions::default();
    options.set_ignore_checksums(false);
    options.set_skip_ancillary_crc_failures(false);
    options.set_ignore_text_chunk(true);
    options.set_ignore_iccp_chunk(true);
    let mut decoder = png::Decoder::new_with_options(Cursor::new(bytes), options);
    decoder.set_limits(Limits { bytes: ASIDE });
    let header = decoder.read_header_info().map_err(damaged)?;
    let (height, width) = (header.height as usize, header.width as usize);
    check_size(height, width)?;
    let (indexed, grey) = (header.color_type == ColorType::Indexed, header.color_type == ColorType::Grayscale);
    let row = header.raw_row_length();
    if row.saturating_mul(height) / INFLATION > bytes.len() {
        return Err("is cut short: it ends before the image does".into());
    }
    // Rows count, too.
    decoder.set_limits(Limits { bytes: ASIDE + 4 * row });
    // Palettes are looked up below: a decoder gives an index beyond the palette a colour.
    decoder.set_transformations(if indexed { Transformations::IDENTITY } else { Transformations::EXPAND });
    let mut reader = decoder.read_info().map_err(damaged)?;
    let (colour, depth) = reader.output_color_type();
    let size = reader.output_buffer_size().ok_or("is too large for the memory of this machine")?;
    // Pillow takes neither from behind the image data.
    let (palette, opacity) = (reader.info().palette.clone(), reader.info().trns.clone());
    if indexed && palette.is_none() {
        return Err("is damaged: its palette is missing".into());
    }
    let mut pixels = vec![0; size];
    reader.next_frame(&mut pixels).map_err(damaged)?;
    reader.finish().map_err(damaged)?;
    let exif = reader.info().exif_metadata.as_deref().unwrap_or_default();
    let orientation = Orientation::of_metadata(exif, b"");
    let mut remark = None;
    let (channels, pixels) = match colour {
        ColorType::Indexed => {
            let palette = Palette { colours: palette.as_deref().unwrap_or_default(), opacity: opacity.as_deref() };
            palette.pixels(&pixels, depth, [height, width])?
        }
        colour => {
            if depth == BitDepth::Sixteen {
                remark = if colour == ColorType::Grayscale { unused_bits(&pixels) } else { None };
                pixels = halved(&pixels, grey);
            }
            (colour.samples(), pixels)
        }
    };
    Ok(picture([height, width, channels], pixels)?.stored_as(orientation).with_remark(remark))
}

fn damaged(error: DecodingError) -> String {
    match error {
        DecodingError::IoError(_) => "is cut short: it ends before the image does".into(),
        DecodingError::LimitsExceeded => {
            format!("has more than {ASIDE} bytes beside its pixels (a profile or text): save it without them")
        }
        error => format!("is damaged: {}", plain(&error.to_string())),
    }
}

/// A message of the decoder with the mere names of chunks, which it writes as a structure of Rust's.
fn plain(message: &str) -> String {
    if let Some((_, chunk)) = message.strip_prefix("CRC error").and_then(|m| m.split_once("while decoding ")) {
        return format!("the checksum of its {} is wrong", plain(chunk));
    }
    let mut parts = message.split("ChunkType { type: ");
    let mut out = parts.next().unwrap_or_default().to_string();
    for part in parts {
        let (chunk, rest) = part.split_once('}').unwrap_or((part, ""));
        out.push_str(chunk.split(", critical").next().unwrap_or_default());
        out.push_str(rest);
    }
    out.trim_end_matches('.').to_string()
}

/// 16-bit values into 8 bits: grey divided by 257 and rounded, so that 0xffff is 0xff; of all else the upper byte, as Pillow.
fn halved(values: &[u8], grey: bool) -> Vec<u8> {
    let value = |pair: &[u8]| match grey {
        true => ((u32::from(pair[0]) << 8 | u32::from(pair[1])) + 128) / 257,
        false => u32::from(pair[0]),
    };
    values.chunks_exact(2).map(|pair| value(pair) as u8).collect()
}

/// The error for 16-bit values that leave their upper bits empty, as those of many cameras and scanners do.
fn unused_bits(values: &[u8]) -> Option<String> {
    let most = values.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).max().unwrap_or(0);
    (1..=0x0fff).contains(&most).then(|| {
        format!(
            "is 16-bit grey that uses only its lower 12 bits or fewer (its largest value is {most}): divided by 257 it is almost black; \
             multiply its values by {} first",
            0x10000 / (usize::from(most) + 1).next_power_of_two()
        )
    })
}

/// The colours of an indexed image.
struct Palette<'a> {
    /// Red, green, blue.
    colours: &'a [u8],
    /// Opacities of the first colours; the others are opaque.
    opacity: Option<&'a [u8]>,
}

impl Palette<'_> {
    /// Channels and pixels of an image of these indices, whose rows begin at whole bytes.
    fn pixels(&self, packed: &[u8], depth: BitDepth, [height, width]: [usize; 2]) -> Result<(usize, Vec<u8>), String> {
        let bits = depth as usize;
        let row = (width * bits).div_ceil(8);
        let channels = if self.opacity.is_some() { 4 } else { 3 };
        let mut pixels = Vec::with_capacity(height * width * channels);
        for packed in packed.chunks_exact(row).take(height) {
            for x in 0..width {
                let shift = 8 - bits - x * bits % 8;
                let index = usize::from(packed[x * bits / 8] >> shift) & ((1 << bits) - 1);
                let colour = self.colours.get(3 * index..3 * index + 3).ok_or_else(|| {
                    format!("is damaged: a pixel has colour {index}, and its palette has only {}", self.colours.len() / 3)
                })?;
                pixels.extend_from_slice(colour);
                if let Some(opacity) = self.opacity {
                    pixels.push(opacity.get(index).copied().unwrap_or(u8::MAX));
                }
            }
        }
        Ok((channels, pixels))
    }
}
