//! How a photograph was held, as EXIF tells it, and turning it upright.

use serde::{Deserialize, Serialize};

/// The treatment of the orientation that a file records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exif {
    /// The image is rotated upright, as `ImageOps.exif_transpose` of Pillow does.
    Apply,
    /// The pixels stay as they are stored, as torchvision reads them.
    #[default]
    Ignore,
}

impl Exif {
    /// True if images stay as they are stored.
    pub fn is_ignore(&self) -> bool {
        *self == Exif::Ignore
    }
}

/// The eight orientations: the numbers of EXIF.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Orientation {
    /// Stored upright.
    #[default]
    Upright = 1,
    /// Stored mirrored, left to right.
    Mirrored = 2,
    /// Stored upside down.
    Reversed = 3,
    /// Stored mirrored, top to bottom.
    Flipped = 4,
    /// Rows are columns.
    Transposed = 5,
    /// Stored turned to the left: it is turned to the right.
    Right = 6,
    /// Rows are columns, upside down.
    Transverse = 7,
    /// Stored turned to the right: it is turned to the left.
    Left = 8,
}

/// The tag of the orientation.
const TAG: u16 = 0x112;

impl Orientation {
    const ALL: [Orientation; 8] = [
        Orientation::Upright,
        Orientation::Mirrored,
        Orientation::Reversed,
        Orientation::Flipped,
        Orientation::Transposed,
        Orientation::Right,
        Orientation::Transverse,
        Orientation::Left,
    ];

    fn of_number(number: u64) -> Option<Orientation> {
        Orientation::ALL.into_iter().find(|o| *o as u64 == number)
    }

    /// The orientation in TIFF data of EXIF, or in the text of XMP if EXIF does not have one. Data that do not make sense are upright.
    pub fn of_metadata(exif: &[u8], xmp: &[u8]) -> Orientation {
        let number = of_tiff(exif).or_else(|| of_xmp(xmp));
        number.and_then(Orientation::of_number).unwrap_or_default()
    }

    /// True if rows become columns.
    pub fn transposes(self) -> bool {
        self as u8 >= Orientation::Transposed as u8
    }

    /// Turns pixels `[height, width, channels]` upright. Returns them with their height and width.
    pub fn upright(self, pixels: &[u8], [height, width, channels]: [usize; 3]) -> (Vec<u8>, [usize; 2]) {
        let size = if self.transposes() { [width, height] } else { [height, width] };
        let mut out = Vec::with_capacity(pixels.len());
        for y in 0..size[0] {
            for x in 0..size[1] {
                let (row, column) = match self {
                    Orientation::Upright => (y, x),
                    Orientation::Mirrored => (y, width - 1 - x),
                    Orientation::Reversed => (height - 1 - y, width - 1 - x),
                    Orientation::Flipped => (height - 1 - y, x),
                    Orientation::Transposed => (x, y),
                    Orientation::Right => (height - 1 - x, y),
                    Orientation::Transverse => (height - 1 - x, width - 1 - y),
                    Orientation::Left => (x, width - 1 - y),
                };
                let start = (row * width + column) * channels;
                out.extend_from_slice(&pixels[start..start + channels]);
            }
        }
        (out, size)
    }
}

/// The number in the first directory of TIFF data.
fn of_tiff(tiff: &[u8]) -> Option<u64> {
    let little = match tiff.get(..2)? {
        b"II" => true,
        b"MM" => false,
        _ => return None,
    };
    let short = |at: usize| {
        let bytes = tiff.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    };
    let long = |at: usize| {
        let bytes = tiff.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(if little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    };
    if short(2)? != 42 {
        return None;
    }
    let directory = long(4)? as usize;
    let entries = (0..usize::from(short(directory)?)).map(|i| directory + 2 + 12 * i);
    let entry = entries.take_while(|at| short(*at).is_some()).find(|at| short(*at) == Some(TAG))?;
    // One number of 8, 16 or 32 bits.
    match (short(entry + 2)?, long(entry + 4)?) {
        (1, 1) => tiff.get(entry + 8).map(|n| u64::from(*n)),
        (3, 1) => short(entry + 8).map(u64::from),
        (4, 1) => long(entry + 8).map(u64::from),
        _ => None,
    }
}

/// The digit of `tiff:Orientation`, written as an attribute or as an element.
fn of_xmp(xmp: &[u8]) -> Option<u64> {
    const NAME: &[u8] = b"tiff:Orientation";
    let place = xmp.windows(NAME.len()).position(|w| w == NAME)?;
    match &xmp[place + NAME.len()..] {
        [b'=', b'"', digit @ b'0'..=b'9', ..] | [b'>', digit @ b'0'..=b'9', ..] => Some(u64::from(digit - b'0')),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tiff(order: &[u8], tag: u16, kind: u16, value: u16) -> Vec<u8> {
        let little = order == b"II";
        let short = |v: u16| if little { v.to_le_bytes() } else { v.to_be_bytes() };
        let long = |v: u32| if little { v.to_le_bytes() } else { v.to_be_bytes() };
        let mut out = [order, &short(42), &long(8), &short(2)].concat();
        out.extend([&short(0x10f)[..], &short(3), &long(1), &short(7), &short(0)].concat());
        let number = if kind == 4 { long(u32::from(value)).to_vec() } else { [short(value), short(0)].concat() };
        out.extend([&short(tag)[..], &short(kind), &long(1), &number].concat());
        out.extend(long(0));
        out
    }

    #[test]
    fn the_number_is_found_in_either_byte_order() {
        for order in [b"II", b"MM"] {
            for number in 1..=8 {
                let expected = Orientation::of_number(u64::from(number)).unwrap();
                assert_eq!(Orientation::of_metadata(&tiff(order, TAG, 3, number), b""), expected);
                assert_eq!(Orientation::of_metadata(&tiff(order, TAG, 4, number), b""), expected);
            }
        }
        assert_eq!(Orientation::of_metadata(b"", b"<x tiff:Orientation=\"6\"/>"), Orientation::Right);
        assert_eq!(Orientation::of_metadata(b"", b"<tiff:Orientation>8</tiff:Orientation>"), Orientation::Left);
    }

    #[test]
    fn data_that_do_not_make_sense_are_upright() {
        let good = tiff(b"II", TAG, 3, 6);
        for length in 0..good.len() - 8 {
            assert_eq!(Orientation::of_metadata(&good[..length], b""), Orientation::Upright, "{length} bytes");
        }
        for bad in [tiff(b"II", TAG, 3, 0), tiff(b"II", TAG, 3, 9), tiff(b"MM", TAG, 2, 6), tiff(b"II", 0x113, 3, 6)] {
            assert_eq!(Orientation::of_metadata(&bad, b"tiff:Orientation=\"x"), Orientation::Upright);
        }
        // A directory beyond the data, and one at the end of the address space.
        assert_eq!(Orientation::of_metadata(b"II*\0\xff\xff\0\0", b""), Orientation::Upright);
        assert_eq!(Orientation::of_metadata(b"II*\0\xff\xff\xff\xff", b""), Orientation::Upright);
    }

    #[test]
    fn pixels_go_where_the_specification_says() {
        // 1 2 3
        // 4 5 6
        let upright = |number| Orientation::of_number(number).unwrap().upright(&[1, 2, 3, 4, 5, 6], [2, 3, 1]);
        assert_eq!(upright(1), (vec![1, 2, 3, 4, 5, 6], [2, 3]));
        assert_eq!(upright(2), (vec![3, 2, 1, 6, 5, 4], [2, 3]));
        assert_eq!(upright(3), (vec![6, 5, 4, 3, 2, 1], [2, 3]));
        assert_eq!(upright(4), (vec![4, 5, 6, 1, 2, 3], [2, 3]));
        assert_eq!(upright(5), (vec![1, 4, 2, 5, 3, 6], [3, 2]));
        assert_eq!(upright(6), (vec![4, 1, 5, 2, 6, 3], [3, 2]));
        assert_eq!(upright(7), (vec![6, 3, 5, 2, 4, 1], [3, 2]));
        assert_eq!(upright(8), (vec![3, 6, 2, 5, 1, 4], [3, 2]));
    }
}
