//! Files of every kind and damage against the pixels of Pillow: `fixtures/corpus/make.py` writes them.
//!
//! A few hundred are in the repository. `IVON_IMAGE_CORPUS=PATH cargo test -p ivon-cli --lib corpus -- --nocapture` goes through all that
//! `make.py whole PATH` wrote, and prints what became of them.

use super::*;
use std::collections::BTreeMap;
use std::io::Read;

/// The largest and the mean difference of a JPEG image from Pillow's.
const JPEG: (u8, f64) = (5, 0.3);

/// A file of the corpus.
struct Record {
    name: String,
    file: Vec<u8>,
    must_decode: bool,
    /// Height, width, channels; zeros for a file that must be refused.
    size: [usize; 3],
    pixels: Vec<u8>,
}

/// The records of a corpus, one after the other.
struct Records<'a>(&'a [u8]);

impl Records<'_> {
    fn take(&mut self, n: usize) -> Vec<u8> {
        let (taken, rest) = self.0.split_at(n);
        self.0 = rest;
        taken.to_vec()
    }

    fn number(&mut self) -> usize {
        u32::from_le_bytes(self.take(4).try_into().unwrap()) as usize
    }
}

impl Iterator for Records<'_> {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        if self.0.is_empty() {
            return None;
        }
        let length = self.number();
        let name = String::from_utf8(self.take(length)).unwrap();
        let length = self.number();
        let (file, must_decode) = (self.take(length), self.take(1) == [1]);
        let size = [self.number(), self.number(), self.number()];
        let pixels = self.take(size.iter().product());
        Some(Record { name, file, must_decode, size, pixels })
    }
}

/// The colours of an image, without its opacity.
fn colours(picture: Picture) -> Picture {
    let channels = picture.channels();
    let kept = if channels < 3 { 1 } else { 3 };
    let pixels = picture.pixels().chunks_exact(channels).flat_map(|p| p[..kept].to_vec()).collect();
    Picture::new([picture.height(), picture.width(), kept], pixels)
}

#[test]
fn corpus() {
    let whole = std::env::var_os("IVON_IMAGE_CORPUS");
    let bytes = match &whole {
        Some(path) => fs::read(path).unwrap(),
        None => {
            let mut bytes = vec![];
            let packed = include_bytes!("../fixtures/corpus/small.gz");
            flate2::read::GzDecoder::new(&packed[..]).read_to_end(&mut bytes).unwrap();
            bytes
        }
    };
    let (mut equal, mut exact, mut reasons) = (0, 0, BTreeMap::<String, usize>::new());
    let (mut different, mut refused) = (vec![], vec![]);
    for Record { name, file, must_decode, size, pixels } in Records(&bytes) {
        match decode(&file).map(colours) {
            Ok(picture) => {
                let found = [picture.height(), picture.width(), picture.channels()];
                let differences = || picture.pixels().iter().zip(&pixels).map(|(a, b)| a.abs_diff(*b));
                let most = differences().max().unwrap_or(0);
                let mean = differences().map(f64::from).sum::<f64>() / pixels.len().max(1) as f64;
                let (allowed, allowed_mean) = if name.ends_with(".png") { (0, 0.0) } else { JPEG };
                match found == size && most <= allowed && mean <= allowed_mean {
                    true => equal += 1,
                    false => different.push(format!("{name}: {found:?} for {size:?}, {most} at most, {mean:.3} in the mean")),
                }
                exact += usize::from(found == size && most == 0);
            }
            Err(message) => {
                if must_decode {
                    refused.push(format!("{name}: {message}"));
                }
                let kind: String = message.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
                *reasons.entry(kind).or_default() += 1;
            }
        }
    }
    let all = equal + different.len() + reasons.values().sum::<usize>();
    println!("{all} files: {equal} with Pillow's pixels ({exact} of them bit for bit), {} different, refused:", different.len());
    reasons.iter().for_each(|(reason, count)| println!("{count:>6} {reason}"));
    assert!(different.is_empty(), "{} of {all} files are silently different:\n{}", different.len(), different.join("\n"));
    assert!(refused.is_empty(), "{} of {all} files are refused that must not be:\n{}", refused.len(), refused.join("\n"));
    assert!(equal > all / 4, "{equal} of {all} files decode");
}
