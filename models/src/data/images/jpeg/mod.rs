//! A JPEG decoder that gives libjpeg's pixels or an error, and nothing in between.
//!
//! Decoders that are made for viewers complete what a file does not hold: grey blocks after a cut, zeros for a missing scan, a guess at the colours.
//! For training that is wrong data. This one takes every block from the file: a code that does not exist, a bit beyond the end, a marker at another
//! place, a component or a bit of a coefficient that no scan brings, and more than a few bytes that no block uses are errors. Where it returns an image, its
//! inverse transform, upsampling and colours are those of libjpeg ("islow", "fancy"), which Pillow and torchvision use.
//!
//! Baseline, extended and progressive files of 8 bits with Huffman codes, in any sampling and any order of scans; ITU T.81 is the specification.
//! Arithmetic codes, 12 bits, lossless and hierarchical files are refused by name.
//!
//! [`markers`] reads the segments, [`scan`] the blocks by [`huffman`] codes from [`bits`], [`idct`] transforms them into samples, and
//! [`assemble`] combines the samples into pixels.

mod assemble;
mod bits;
mod frame;
mod huffman;
mod idct;
mod markers;
mod scan;

use super::decode::check_size;
use super::orientation::Orientation;
use super::picture::Picture;
use assemble::Colours;
use frame::Frame;
use markers::{Event, Reader};

/// Bytes between the last block of a scan and the next marker that are taken for padding.
const PADDING: usize = 8;

const CUT: &str = "is cut short: it ends before the image does";

fn damaged(what: impl std::fmt::Display) -> String {
    format!("is damaged: {what}")
}

/// Decodes a file, into one channel (grey) or three.
///
/// # Errors
/// If it is cut short, damaged, or of a kind that is not supported: how.
pub fn decode(bytes: &[u8]) -> Result<Picture, String> {
    let mut reader = Reader::new(bytes)?;
    let mut frame: Option<Frame> = None;
    let mut colours: Option<Colours> = None;
    loop {
        match reader.next()? {
            Event::Frame(kind, segment) => {
                if frame.is_some() {
                    return Err(damaged("it has two frame headers"));
                }
                let new = Frame::new(kind, segment)?;
                check_size(new.height, new.width)?;
                new.check_room(reader.rest())?;
                frame = Some(new);
            }
            Event::Scan(segment) => {
                let frame = frame.as_mut().ok_or_else(|| damaged("its first scan comes before the size of the image"))?;
                // Markers after the first scan do not change the colours.
                if colours.is_none() {
                    colours = Some(reader.colours(frame)?);
                }
                let used = frame.scan(segment, &reader.tables, reader.rest())?;
                reader.skip(used);
                let unused = reader.junk();
                if unused > PADDING {
                    return Err(damaged(format!("{unused} bytes of image data are left after the last block")));
                }
            }
            Event::End => break,
        }
    }
    let frame = frame.ok_or_else(|| damaged("it ends before the size of an image"))?;
    frame.check_complete()?;
    let colours = colours.ok_or(CUT)?;
    let size = [frame.height, frame.width, colours.channels()];
    let orientation = Orientation::of_metadata(&reader.exif, &reader.xmp);
    Ok(Picture::new(size, assemble::pixels(frame, colours)?).stored_as(orientation))
}
