//! JPEG and PNG files into images. Their format is seen from their first bytes, not from their names.
//!
//! Damage is an error, where viewers would fill in grey: a file that ends early, or whose data do not make sense. What is decoded has the pixels of Pillow,
//! but for 16-bit grey, which Pillow clips: here it is divided by 257.

mod limit;
mod png;

use super::jpeg;
use super::picture::Picture;
use super::special;
use ivon_runtime::{Error, Result, disk::unreadable};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

pub use limit::{MOST_PIXELS, allow_pixels, check_size};

/// Names of files that are taken for images end so, in small or capital letters.
const EXTENSIONS: [&str; 3] = ["jpg", "jpeg", "png"];

/// True when a file has the name of an image.
pub fn is_picture(path: &Path) -> bool {
    let extension = path.extension().and_then(|e| e.to_str());
    extension.is_some_and(|e| EXTENSIONS.iter().any(|known| e.eq_ignore_ascii_case(known)))
}

/// Reads a JPEG or PNG file, in the channels that it has and the orientation in which it is stored; [`Picture::upright`] rotates it.
///
/// # Errors
/// If it cannot be read, is neither, or is damaged: how.
pub fn read(path: &Path) -> Result<Picture> {
    special::check_file(path)?;
    let bytes = fs::read(path).map_err(|e| unreadable(path, &e))?;
    decode(&bytes).map_err(|message| Error::file(path, message))
}

/// Decodes the bytes of a JPEG or PNG file, in the channels that it has and the orientation in which it is stored;
/// [`Picture::upright`] rotates it.
///
/// # Errors
/// If the bytes are not a supported image or are damaged; the message states the reason.
pub fn decode(bytes: &[u8]) -> Result<Picture, String> {
    let decoder = match bytes {
        [0xff, 0xd8, 0xff, ..] => jpeg::decode,
        [0x89, b'P', b'N', b'G', ..] => png::decode,
        [] => return Err("is empty".into()),
        _ => return Err(other(bytes)),
    };
    // A panic of a decoder counts as damage, too.
    catch_unwind(AssertUnwindSafe(|| decoder(bytes))).unwrap_or_else(|_| Err("is damaged: the decoder gave up".into()))
}

/// The error for a file that is neither JPEG nor PNG; it names the format if it is known.
fn other(bytes: &[u8]) -> String {
    let has = |at: usize, text: &[u8]| bytes.get(at..at + text.len()) == Some(text);
    let brand = |names: &[&[u8]]| has(4, b"ftyp") && names.iter().any(|name| has(8, name));
    let format = [
        (has(0, b"GIF87a") || has(0, b"GIF89a"), "GIF"),
        (has(0, b"RIFF") && has(8, b"WEBP"), "WebP"),
        (has(0, b"BM"), "BMP"),
        (has(0, b"II*\0") || has(0, b"MM\0*") || has(0, b"II+\0") || has(0, b"MM\0+"), "TIFF"),
        (brand(&[b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"]), "HEIC"),
        (brand(&[b"avif", b"avis"]), "AVIF"),
        (has(0, b"\0\0\0\x0cjP  ") || has(0, b"\xff\x4f\xff\x51"), "JPEG 2000"),
        (has(0, b"\xff\x0a") || has(0, b"\0\0\0\x0cJXL "), "JPEG XL"),
        (has(0, b"\0\0\x01\0"), "ICO"),
        (has(0, b"8BPS"), "Photoshop"),
        (has(0, b"DDS "), "DDS"),
        (has(0, b"icns"), "ICNS"),
        (has(0, b"%!PS"), "PostScript"),
        (has(0, b"\x1f\x8b"), "gzip"),
        (has(0, b"PK\x03\x04"), "zip"),
        (has(0, b"\0\x05\x16\x07"), "macOS metadata (AppleDouble)"),
        (has(0, b"%PDF"), "PDF"),
        (has(0, b"qoif"), "QOI"),
        (
            [b"P1", b"P2", b"P3", b"P4", b"P5", b"P6"].iter().any(|magic| has(0, *magic))
                && bytes.get(2).is_some_and(u8::is_ascii_whitespace),
            "PNM",
        ),
    ];
    let text = bytes.trim_ascii_start();
    let markup = text.starts_with(b"<");
    match format.iter().find(|(found, _)| *found) {
        _ if has(0, b"version https://git-lfs") => {
            "stands for a file that is kept elsewhere (Git LFS); fetch it with `git lfs pull`".into()
        }
        Some((_, name)) => {
            let article = if name.starts_with(['A', 'I']) { "an" } else { "a" };
            format!("is {article} {name} file, and not JPEG or PNG: convert it to one of these")
        }
        None if markup => "is a text file of markup (SVG, XML or a web page that was saved), and not JPEG or PNG".into(),
        None => format!("is not a JPEG or PNG file: it begins with \"{}\"", bytes[..bytes.len().min(4)].escape_ascii()),
    }
}

/// An image of pixels that a decoder returned.
fn picture(size: [usize; 3], pixels: Vec<u8>) -> Result<Picture, String> {
    match pixels.len() == size.iter().product::<usize>() {
        true => Ok(Picture::new(size, pixels)),
        false => Err(format!("is damaged: {} values for {size:?}", pixels.len())),
    }
}

#[cfg(test)]
mod corpus;
#[cfg(test)]
mod tests;
