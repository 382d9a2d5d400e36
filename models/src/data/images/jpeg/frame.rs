//! The frame of an image: its size and its components.

use super::idct;
use super::{CUT, damaged};

/// Coefficients of a block, in zigzag order.
pub type Block = [i16; 64];

/// How blocks are coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Every block whole, in one scan.
    Sequential,
    /// Every block bit by bit, over several scans.
    Progressive,
}

/// One plane of samples.
pub struct Component {
    pub id: u8,
    /// Blocks in an MCU, across and down.
    pub horizontal: usize,
    pub vertical: usize,
    /// Place of its quantisation table.
    pub table: usize,
    /// The steps of quantisation, once its first scan was met.
    pub steps: Option<[u16; 64]>,
    /// Samples that the image needs, across and down.
    pub width: usize,
    pub height: usize,
    /// Blocks across and down, those that only fill MCUs among them.
    pub columns: usize,
    pub rows: usize,
    /// `[8 rows, 8 columns]`.
    pub samples: Vec<u8>,
    /// Blocks of a progressive frame, `[rows, columns]`.
    pub blocks: Vec<Block>,
    /// For every coefficient, the number of lowest bits that are still missing; `None` before its first scan.
    pub missing: [Option<u8>; 64],
}

/// The image as far as it was read.
pub struct Frame {
    pub kind: Kind,
    pub height: usize,
    pub width: usize,
    pub components: Vec<Component>,
    /// The most blocks of a component in an MCU, across and down.
    pub most: [usize; 2],
}

impl Frame {
    /// Reads the frame header of a marker.
    ///
    /// # Errors
    /// If it does not make sense, or is of a kind that is not supported.
    pub fn new(marker: u8, segment: &[u8]) -> Result<Frame, String> {
        let unsupported = |what: &str| format!("is a JPEG file {what}, which is not supported: convert it");
        let kind = match marker {
            0xc0 | 0xc1 => Kind::Sequential,
            0xc2 => Kind::Progressive,
            0xc3 => return Err(unsupported("without loss")),
            0xc9 | 0xca => return Err(unsupported("with arithmetic codes")),
            0xcb => return Err(unsupported("without loss, with arithmetic codes")),
            _ => return Err(unsupported("of several resolutions (hierarchical)")),
        };
        let &[precision, h1, h0, w1, w0, count, ref rest @ ..] = segment else {
            return Err(damaged("its frame header is too short"));
        };
        if precision != 8 {
            return Err(unsupported(&format!("of {precision} bits")));
        }
        let (height, width) = (usize::from(u16::from_be_bytes([h1, h0])), usize::from(u16::from_be_bytes([w1, w0])));
        if height == 0 && width > 0 {
            return Err(unsupported("whose height comes after its image data"));
        }
        if ![1, 3, 4].contains(&count) {
            return Err(format!("has {count} components: images have 1 (grey), 3 (colour) or 4 (CMYK)"));
        }
        if rest.len() != 3 * usize::from(count) {
            return Err(damaged("its frame header has another length than its components"));
        }
        let parts = || rest.chunks_exact(3).map(|c| (c[0], usize::from(c[1] >> 4), usize::from(c[1] & 15), usize::from(c[2])));
        if parts().any(|(_, h, v, _)| ![h, v].iter().all(|n| (1..=4).contains(n))) {
            return Err(damaged("a component has a sampling other than 1 to 4"));
        }
        if parts().enumerate().any(|(i, (id, ..))| parts().take(i).any(|(other, ..)| other == id)) {
            return Err(damaged("two components have the same number"));
        }
        let most = [parts().map(|p| p.1).max().unwrap_or(1), parts().map(|p| p.2).max().unwrap_or(1)];
        if parts().any(|(_, h, v, _)| !most[0].is_multiple_of(h) || !most[1].is_multiple_of(v)) {
            return Err(unsupported("whose components are sampled in other ratios than whole numbers"));
        }
        let component = |(id, horizontal, vertical, table)| Component {
            id,
            horizontal,
            vertical,
            table,
            steps: None,
            width: (width * horizontal).div_ceil(most[0]),
            height: (height * vertical).div_ceil(most[1]),
            columns: width.div_ceil(8 * most[0]) * horizontal,
            rows: height.div_ceil(8 * most[1]) * vertical,
            samples: vec![],
            blocks: vec![],
            missing: [None; 64],
        };
        Ok(Frame { kind, height, width, components: parts().map(component).collect(), most })
    }

    /// Refuses a file that cannot hold its blocks, before memory is taken for them: a block takes two bits at least, one in each of two scans of a
    /// progressive file.
    ///
    /// # Errors
    /// If the rest of the file is too short.
    pub fn check_room(&self, rest: &[u8]) -> Result<(), String> {
        let blocks: usize = self.components.iter().map(|c| c.width.div_ceil(8) * c.height.div_ceil(8)).sum();
        let least = if self.kind == Kind::Sequential { blocks / 4 } else { blocks / 8 };
        if rest.len() < least { Err(CUT.into()) } else { Ok(()) }
    }

    /// Refuses an image of which something was not there.
    ///
    /// # Errors
    /// If scans are missing.
    pub fn check_complete(&self) -> Result<(), String> {
        match self.components.iter().all(|c| c.missing.iter().all(|bits| *bits == Some(0))) {
            true => Ok(()),
            false => Err("is cut short: a scan of its image data is missing".into()),
        }
    }
}

impl Component {
    /// Takes the memory for the samples, and for the blocks if they come in parts.
    pub fn begin(&mut self, kind: Kind) {
        let blocks = self.columns * self.rows;
        if kind == Kind::Progressive && self.blocks.is_empty() {
            self.blocks = vec![[0; 64]; blocks];
        } else if kind == Kind::Sequential && self.samples.is_empty() {
            self.samples = vec![0; 64 * blocks];
        }
    }

    /// Puts the samples of a block at its place.
    ///
    /// # Errors
    /// If its coefficients are beyond what 8-bit samples can have.
    #[inline]
    pub fn put(
        samples: &mut [u8],
        columns: usize,
        [row, column]: [usize; 2],
        block: &Block,
        steps: &[u16; 64],
    ) -> Result<(), String> {
        let stride = 8 * columns;
        let start = 8 * row * stride + 8 * column;
        match idct::block(block, steps, &mut samples[start..], stride) {
            true => Ok(()),
            false => Err(damaged("its image data hold values beyond 8 bits")),
        }
    }

    /// Computes the samples of a progressive frame.
    ///
    /// # Errors
    /// If coefficients are beyond what 8-bit samples can have.
    pub fn finish(&mut self) -> Result<(), String> {
        if self.samples.is_empty() {
            let steps = self.steps.ok_or_else(|| damaged("a quantisation table is missing"))?;
            self.samples = vec![0; 64 * self.blocks.len()];
            for (i, block) in std::mem::take(&mut self.blocks).iter().enumerate() {
                Component::put(&mut self.samples, self.columns, [i / self.columns, i % self.columns], block, &steps)?;
            }
        }
        Ok(())
    }
}
