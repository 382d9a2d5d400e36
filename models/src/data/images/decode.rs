//! JPEG and PNG files into pictures. What they are is seen from their first bytes, not from their names.
//!
//! Damage is an error, where viewers would fill in grey: a file that ends early, or whose data do not make sense. As in torchvision, EXIF
//! orientation is not applied, and CMYK becomes RGB.

use super::picture::Picture;
use ivon_runtime::{Error, Result, disk::unreadable};
use png::{ColorType, Transformations};
use std::fs;
use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use zune_core::bytestream::ZCursor;
use zune_core::colorspace::ColorSpace;
use zune_core::options::DecoderOptions;
use zune_jpeg::JpegDecoder;

/// Names of files that are taken for pictures end so, in small or capital letters.
const EXTENSIONS: [&str; 3] = ["jpg", "jpeg", "png"];

/// The most pixels of a picture: beyond, its header is taken for damaged.
const MOST_PIXELS: usize = 1 << 28;

/// Whether a file has the name of a picture.
pub fn is_picture(path: &Path) -> bool {
    let extension = path.extension().and_then(|e| e.to_str());
    extension.is_some_and(|e| EXTENSIONS.iter().any(|known| e.eq_ignore_ascii_case(known)))
}

/// Reads a JPEG or PNG file, in the channels that it has.
///
/// # Errors
/// If it cannot be read, is neither, or is damaged: how.
pub fn read(path: &Path) -> Result<Picture> {
    let bytes = fs::read(path).map_err(|e| unreadable(path, &e))?;
    decode(&bytes).map_err(|message| Error::file(path, message))
}

/// Decodes the bytes of a JPEG or PNG file, in the channels that it has.
///
/// # Errors
/// What is wrong with it.
pub fn decode(bytes: &[u8]) -> Result<Picture, String> {
    let decoder = match bytes {
        [0xff, 0xd8, 0xff, ..] => jpeg,
        [0x89, b'P', b'N', b'G', ..] => png,
        [] => return Err("is empty".into()),
        _ => return Err(format!("is not a JPEG or PNG file: it begins with \"{}\"", bytes[..bytes.len().min(4)].escape_ascii())),
    };
    // Decoders are other people's code and these are bytes from anywhere: what they did not foresee is damage too.
    catch_unwind(AssertUnwindSafe(|| decoder(bytes))).unwrap_or_else(|_| Err("is damaged: the decoder gave up".into()))
}

fn jpeg(bytes: &[u8]) -> Result<Picture, String> {
    let damaged = |what: &dyn std::fmt::Debug| format!("is damaged: {what:?}");
    // Only the marker of the end may come last: decoders do not miss the lower rows of a file that ends within them.
    let last = bytes.windows(2).rfind(|w| w[0] == 0xff && (w[1] == 0xd9 || w[1] == 0xda));
    if last.is_none_or(|marker| marker[1] == 0xda) {
        return Err("is cut short: it ends before the picture does".into());
    }
    let options = DecoderOptions::default().set_strict_mode(true);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|e| damaged(&e))?;
    let channels = match decoder.input_colorspace() {
        Some(ColorSpace::Luma) => 1,
        _ => 3,
    };
    decoder.set_options(options.jpeg_set_out_colorspace(if channels == 1 { ColorSpace::Luma } else { ColorSpace::RGB }));
    let (width, height) = decoder.info().map_or((0, 0), |info| (usize::from(info.width), usize::from(info.height)));
    check_size(height, width)?;
    let pixels = decoder.decode().map_err(|e| damaged(&e))?;
    picture([height, width, channels], pixels)
}

fn png(bytes: &[u8]) -> Result<Picture, String> {
    let damaged = |e: png::DecodingError| match e {
        png::DecodingError::IoError(_) => "is cut short: it ends before the picture does".into(),
        e => format!("is damaged: {e}"),
    };
    let mut decoder = png::Decoder::new(Cursor::new(bytes));
    decoder.set_transformations(Transformations::normalize_to_color8());
    let mut reader = decoder.read_info().map_err(damaged)?;
    let (width, height) = reader.info().size();
    let (height, width) = (height as usize, width as usize);
    check_size(height, width)?;
    let channels = match reader.output_color_type().0 {
        ColorType::Grayscale => 1,
        ColorType::GrayscaleAlpha => 2,
        ColorType::Rgb => 3,
        ColorType::Rgba => 4,
        ColorType::Indexed => return Err("is damaged: its palette is missing".into()),
    };
    let mut pixels = vec![0; height * width * channels];
    reader.next_frame(&mut pixels).map_err(damaged)?;
    reader.finish().map_err(damaged)?;
    picture([height, width, channels], pixels)
}

fn check_size(height: usize, width: usize) -> Result<(), String> {
    match height.saturating_mul(width) {
        0 => Err(format!("is damaged: it says to be {height} x {width} pixels")),
        n if n > MOST_PIXELS => Err(format!("is too large or damaged: it says to be {height} x {width} pixels")),
        _ => Ok(()),
    }
}

fn picture(size: [usize; 3], pixels: Vec<u8>) -> Result<Picture, String> {
    match pixels.len() == size.iter().product::<usize>() {
        true => Ok(Picture::new(size, pixels)),
        false => Err(format!("is damaged: {} values for {size:?}", pixels.len())),
    }
}

#[cfg(test)]
mod tests;
