//! The segments of a file, between its image data.

use super::assemble::Colours;
use super::frame::Frame;
use super::huffman::Table;
use super::{CUT, damaged};

/// A result of [`Reader::next`].
pub enum Event<'a> {
    /// A frame header of this marker.
    Frame(u8, &'a [u8]),
    /// A scan header; image data follow.
    Scan(&'a [u8]),
    /// The end of the image.
    End,
}

/// Tables that hold until others take their places.
#[derive(Default)]
pub struct Tables {
    /// Steps of quantisation, in zigzag order.
    pub quantisation: [Option<[u16; 64]>; 4],
    /// Codes of the differences of the first coefficients.
    pub dc: [Option<Table>; 4],
    /// Codes of the others.
    pub ac: [Option<Table>; 4],
    /// MCUs between restart markers; 0 for none.
    pub restart: usize,
}

/// Goes through the segments.
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    pub tables: Tables,
    /// The TIFF data of EXIF segments.
    pub exif: Vec<u8>,
    /// The text of XMP segments.
    pub xmp: Vec<u8>,
    jfif: bool,
    /// The colour transform that an Adobe segment names.
    adobe: Option<u8>,
}

impl<'a> Reader<'a> {
    /// # Errors
    /// If these bytes are not a JPEG file.
    pub fn new(bytes: &'a [u8]) -> Result<Reader<'a>, String> {
        match bytes {
            [0xff, 0xd8, ..] => {
                Ok(Reader { bytes, at: 2, tables: Tables::default(), exif: vec![], xmp: vec![], jfif: false, adobe: None })
            }
            _ => Err(damaged("it does not begin with a JPEG marker")),
        }
    }

    /// The bytes that were not read.
    pub fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    /// Leaves out `n` bytes.
    pub fn skip(&mut self, n: usize) {
        self.at += n;
    }

    /// Leaves out the bytes before the next marker. Returns how many of them are not zero.
    pub fn junk(&mut self) -> usize {
        let rest = self.rest();
        // 0xff 0 is a stuffed byte of image data, and 0xff 0xff fills up.
        let marker = rest.windows(2).position(|w| w[0] == 0xff && w[1] != 0 && w[1] != 0xff).unwrap_or(rest.len());
        self.at += marker;
        rest[..marker].iter().filter(|byte| ![0, 0xff].contains(*byte)).count()
    }

    /// Reads up to the next frame header, scan header or end, and keeps the tables on the way. Bytes between segments are passed over.
    ///
    /// # Errors
    /// If a segment is cut short, does not make sense, or is of a kind that changes how the image is decoded and is not supported.
    pub fn next(&mut self) -> Result<Event<'a>, String> {
        loop {
            self.junk();
            let marker = *self.bytes.get(self.at + 1).ok_or(CUT)?;
            self.at += 2;
            match marker {
                0xd9 => return Ok(Event::End),
                0xd0..=0xd7 => continue, // restart markers stand alone
                0x01 => return Err(damaged("it has a marker that only encoders use between them (0xff01)")),
                0xd8 => return Err(damaged("a second image begins before the first one ends")),
                _ => {}
            }
            let segment = self.segment()?;
            match marker {
                0xc4 => self.huffman_tables(segment)?,
                0xdb => self.quantisation_tables(segment)?,
                0xdd => match segment {
                    [high, low] => self.tables.restart = usize::from(u16::from_be_bytes([*high, *low])),
                    _ => return Err(damaged("its restart interval is not a number of two bytes")),
                },
                0xcc => {} // conditioning of arithmetic codes
                0xc8 => return Err(damaged("its frame header is of a reserved kind")),
                0xc0..=0xcf => return Ok(Event::Frame(marker, segment)),
                0xda => return Ok(Event::Scan(segment)),
                0xe0..=0xef => self.application(marker, segment),
                0xdc | 0xfe => {} // the number of lines, which the frame header has too; a comment
                0xde | 0xdf => return Err("is a hierarchical JPEG file, which is not supported: convert it".into()),
                other => return Err(damaged(format!("marker 0xff{other:02x} is unknown"))),
            }
        }
    }

    /// The bytes of the segment that begins here with its length.
    fn segment(&mut self) -> Result<&'a [u8], String> {
        let &[high, low, ..] = self.rest() else { return Err(CUT.into()) };
        let length = usize::from(u16::from_be_bytes([high, low]));
        if length < 2 {
            return Err(damaged("a segment is shorter than its own length"));
        }
        let segment = self.rest().get(2..length).ok_or(CUT)?;
        self.at += length;
        Ok(segment)
    }

    fn huffman_tables(&mut self, mut segment: &[u8]) -> Result<(), String> {
        while let Some((&place, rest)) = segment.split_first() {
            let short = || damaged("a Huffman table is shorter than it says");
            let counts = rest.get(..16).ok_or_else(short)?;
            let count: usize = counts.iter().map(|n| usize::from(*n)).sum();
            let symbols = rest.get(16..16 + count).ok_or_else(short)?;
            segment = &rest[16 + count..];
            let tables = if place & 0x10 == 0 { &mut self.tables.dc } else { &mut self.tables.ac };
            if place & 0x10 == 0 && symbols.iter().any(|size| *size > 15) {
                return Err(damaged("a Huffman table has sizes beyond 15 bits"));
            }
            *tables.get_mut(usize::from(place & !0x10)).ok_or_else(|| damaged("it has more than four Huffman tables"))? =
                Some(Table::new(counts, symbols)?);
        }
        Ok(())
    }

    fn quantisation_tables(&mut self, mut segment: &[u8]) -> Result<(), String> {
        while let Some((&place, rest)) = segment.split_first() {
            let wide = place >> 4 != 0;
            let length = if wide { 128 } else { 64 };
            let values = rest.get(..length).ok_or_else(|| damaged("a quantisation table is shorter than it says"))?;
            segment = &rest[length..];
            let mut steps = [0; 64];
            for (k, step) in steps.iter_mut().enumerate() {
                *step = if wide { u16::from_be_bytes([values[2 * k], values[2 * k + 1]]) } else { u16::from(values[k]) };
            }
            *self
                .tables
                .quantisation
                .get_mut(usize::from(place & 15))
                .ok_or_else(|| damaged("it has more than four quantisation tables"))? = Some(steps);
        }
        Ok(())
    }

    fn application(&mut self, marker: u8, segment: &[u8]) {
        match (marker, segment) {
            (0xe0, [b'J', b'F', b'I', b'F', 0, rest @ ..]) if rest.len() >= 9 => self.jfif = true,
            (0xee, [b'A', b'd', b'o', b'b', b'e', rest @ ..]) if rest.len() >= 7 => self.adobe = Some(rest[6]),
            (0xe1, [b'E', b'x', b'i', b'f', 0, 0, tiff @ ..]) => self.exif.extend_from_slice(tiff),
            (0xe1, segment) => {
                if let Some(text) = segment.strip_prefix(b"http://ns.adobe.com/xap/1.0/\0") {
                    self.xmp.extend_from_slice(text);
                }
            }
            _ => {}
        }
    }

    /// The meaning of the components, by the rules of libjpeg.
    ///
    /// # Errors
    /// If the number of components is not 1, 3 or 4.
    pub fn colours(&self, frame: &Frame) -> Result<Colours, String> {
        let ids: Vec<u8> = frame.components.iter().map(|c| c.id).collect();
        Ok(match (&ids[..], self.jfif, self.adobe) {
            ([_], ..) => Colours::Grey,
            ([_, _, _], true, _) => Colours::YCbCr,
            ([_, _, _], false, Some(0)) => Colours::Rgb,
            ([_, _, _], false, None) if ids == *b"RGB" => Colours::Rgb,
            ([_, _, _], ..) => Colours::YCbCr,
            ([_, _, _, _], _, Some(2)) => Colours::Ycck,
            ([_, _, _, _], _, Some(0) | None) => Colours::Cmyk,
            // libjpeg takes an unknown transform of four components for YCCK.
            ([_, _, _, _], ..) => Colours::Ycck,
            _ => return Err(format!("has {} components: images have 1 (grey), 3 (colour) or 4 (CMYK)", ids.len())),
        })
    }
}
