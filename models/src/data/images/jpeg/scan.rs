//! The image data of one scan.

use super::bits::Bits;
use super::damaged;
use super::frame::{Block, Component, Frame, Kind};
use super::huffman::Table;
use super::markers::Tables;

/// The most blocks of an MCU.
const BLOCKS_IN_MCU: usize = 10;

/// A component of a scan, with its tables.
struct Part<'t> {
    component: usize,
    dc: Option<&'t Table>,
    ac: Option<&'t Table>,
    /// The first coefficient of the block before.
    before: i32,
}

/// The coefficients that a progressive scan brings, and their bits.
struct Band {
    /// First and last coefficient.
    first: usize,
    last: usize,
    /// True if bits of the same coefficients came before.
    refines: bool,
    /// The lowest bit that it brings.
    low: u32,
    /// Blocks that have nothing in this band from here on.
    empty: usize,
}

impl Frame {
    /// Reads the scan of this header, whose data begin `data`. Returns how many bytes it used.
    ///
    /// # Errors
    /// If header or data do not make sense, or the data are cut short.
    pub fn scan(&mut self, header: &[u8], tables: &Tables, data: &[u8]) -> Result<usize, String> {
        let (mut parts, mut band) = self.header(header, tables)?;
        for part in &parts {
            let component = &mut self.components[part.component];
            component.begin(self.kind);
            // A table that changes later is of components that come later.
            if component.steps.is_none() {
                component.steps = tables.quantisation.get(component.table).copied().flatten();
            }
            if component.steps.is_none() {
                return Err(damaged("a quantisation table is missing"));
            }
        }
        let mut bits = Bits::new(data);
        let mut done = 0;
        let mut restarts = 0;
        let alone = parts.len() == 1;
        let first = &self.components[parts[0].component];
        // A component by itself comes without the blocks that only fill MCUs.
        let [rows, columns] = match alone {
            true => [first.height.div_ceil(8), first.width.div_ceil(8)],
            false => [self.height.div_ceil(8 * self.most[1]), self.width.div_ceil(8 * self.most[0])],
        };
        for row in 0..rows {
            for column in 0..columns {
                if tables.restart > 0 && done > 0 && done % tables.restart == 0 {
                    if band.empty > 0 {
                        return Err(empty_beyond());
                    }
                    bits.restart(restarts)?;
                    restarts += 1;
                    parts.iter_mut().for_each(|part| part.before = 0);
                }
                done += 1;
                for part in &mut parts {
                    let component = &mut self.components[part.component];
                    let [down, across] = if alone { [1, 1] } else { [component.vertical, component.horizontal] };
                    for place in 0..down * across {
                        let place = [row * down + place / across, column * across + place % across];
                        match self.kind {
                            Kind::Sequential => {
                                let mut block = [0; 64];
                                part.sequential(&mut bits, &mut block)?;
                                let steps = component.steps.as_ref().ok_or_else(|| damaged("a quantisation table is missing"))?;
                                Component::put(&mut component.samples, component.columns, place, &block, steps)?;
                            }
                            Kind::Progressive => {
                                let block = &mut component.blocks[place[0] * component.columns + place[1]];
                                part.progressive(&mut bits, block, &mut band)?;
                            }
                        }
                    }
                }
            }
        }
        if band.empty > 0 {
            return Err(empty_beyond());
        }
        Ok(bits.used())
    }

    /// The components of a scan and what it brings of them.
    fn header<'t>(&mut self, header: &[u8], tables: &'t Tables) -> Result<(Vec<Part<'t>>, Band), String> {
        let short = || damaged("a scan header has another length than its components");
        let (&count, rest) = header.split_first().ok_or_else(short)?;
        let (selectors, spectral) = rest.split_at_checked(2 * usize::from(count)).ok_or_else(short)?;
        let &[first, last, bits] = spectral else { return Err(short()) };
        let mut parts: Vec<Part> = vec![];
        for selector in selectors.chunks_exact(2) {
            let place = self.components.iter().position(|c| c.id == selector[0]);
            let component =
                place.ok_or_else(|| damaged(format!("a scan is of component {}, which it does not have", selector[0])))?;
            if parts.iter().any(|part| part.component == component) {
                return Err(damaged("a scan has the same component twice"));
            }
            let table = |tables: &'t [Option<Table>; 4], place: u8| tables.get(usize::from(place)).and_then(Option::as_ref);
            let (dc, ac) = (table(&tables.dc, selector[1] >> 4), table(&tables.ac, selector[1] & 15));
            parts.push(Part { component, dc, ac, before: 0 });
        }
        if parts.is_empty() {
            return Err(damaged("a scan has no components"));
        }
        let blocks = |part: &Part| self.components[part.component].horizontal * self.components[part.component].vertical;
        if parts.len() > 1 && parts.iter().map(blocks).sum::<usize>() > BLOCKS_IN_MCU {
            return Err(damaged(format!("a scan has more than {BLOCKS_IN_MCU} blocks in an MCU")));
        }
        let (high, low) = (bits >> 4, bits & 15);
        let band = match self.kind {
            // Bands in a sequential scan are ignored, as by libjpeg.
            Kind::Sequential => Band { first: 0, last: 63, refines: false, low: 0, empty: 0 },
            Kind::Progressive => {
                Band { first: usize::from(first), last: usize::from(last), refines: high != 0, low: u32::from(low), empty: 0 }
            }
        };
        let dc_alone = band.first > 0 || band.last == 0;
        let ac_alone = band.first == 0 || parts.len() == 1;
        if self.kind == Kind::Progressive
            && !(band.first <= band.last && band.last < 64 && dc_alone && ac_alone && low <= 13 && (high == 0 || low + 1 == high))
        {
            return Err(damaged(format!(
                "a scan brings coefficients {first} to {last} and bits {high} to {low}, which no scan may"
            )));
        }
        // Bits come from the highest on, each once.
        for part in &parts {
            let component = &mut self.components[part.component];
            let begun = component.missing[0].is_some();
            for missing in &mut component.missing[band.first..=band.last] {
                let expected = if band.refines { Some(high) } else { None };
                if *missing != expected || band.first > 0 && !begun {
                    return Err(damaged("its scans do not follow each other: one is missing or comes twice"));
                }
                *missing = Some(band.low as u8);
            }
        }
        let needs = |dc: bool| match self.kind {
            Kind::Sequential => true,
            Kind::Progressive if dc => band.first == 0 && !band.refines,
            Kind::Progressive => band.first > 0,
        };
        if parts.iter().any(|part| part.dc.is_none() && needs(true) || part.ac.is_none() && needs(false)) {
            return Err(damaged("a Huffman table is missing"));
        }
        Ok((parts, band))
    }
}

fn empty_beyond() -> String {
    damaged("its image data have a run of empty blocks that is longer than the image")
}

fn beyond() -> String {
    damaged("its image data have coefficients beyond the last one of a block")
}

fn no_table() -> String {
    damaged("a Huffman table is missing")
}

impl Part<'_> {
    /// The first coefficient: its difference to that of the block before.
    #[inline(always)]
    fn first(&mut self, bits: &mut Bits) -> Result<i32, String> {
        bits.refill();
        let size = self.dc.ok_or_else(no_table)?.symbol(bits)?;
        self.before += bits.signed(u32::from(size));
        if self.before.unsigned_abs() > 0x7fff {
            return Err(damaged("its image data hold values beyond 8 bits"));
        }
        Ok(self.before)
    }

    /// A whole block.
    #[inline(always)]
    fn sequential(&mut self, bits: &mut Bits, block: &mut Block) -> Result<(), String> {
        block[0] = self.first(bits)? as i16;
        let ac = self.ac.ok_or_else(no_table)?;
        let mut k = 1;
        while k < 64 {
            bits.refill();
            let symbol = ac.symbol(bits)?;
            let (run, size) = (usize::from(symbol >> 4), u32::from(symbol & 15));
            match (run, size) {
                (15, 0) => k += 16,
                (_, 0) => break,
                _ => {
                    k += run;
                    *block.get_mut(k).ok_or_else(beyond)? = bits.signed(size) as i16;
                    k += 1;
                }
            }
        }
        if k > 64 {
            return Err(beyond());
        }
        bits.check()
    }

    /// Decodes the bits of a block in a progressive scan.
    fn progressive(&mut self, bits: &mut Bits, block: &mut Block, band: &mut Band) -> Result<(), String> {
        match (band.first, band.refines) {
            (0, false) => {
                block[0] = (self.first(bits)? << band.low) as i16;
                bits.check()
            }
            (0, true) => {
                if bits.bit()? {
                    block[0] |= 1 << band.low;
                }
                Ok(())
            }
            (_, false) => band.begin(bits, block, self.ac.ok_or_else(no_table)?),
            (_, true) => band.refine(bits, block, self.ac.ok_or_else(no_table)?),
        }
    }
}

impl Band {
    /// The number of blocks of a run of empty ones, this one among them.
    fn run(bits: &mut Bits, size: usize) -> usize {
        (1 << size) + bits.number(size as u32)
    }

    /// The first bits of coefficients beyond the first.
    fn begin(&mut self, bits: &mut Bits, block: &mut Block, ac: &Table) -> Result<(), String> {
        if self.empty > 0 {
            self.empty -= 1;
            return Ok(());
        }
        let mut k = self.first;
        while k <= self.last {
            bits.refill();
            let symbol = ac.symbol(bits)?;
            let (run, size) = (usize::from(symbol >> 4), u32::from(symbol & 15));
            match (run, size) {
                (15, 0) => k += 16,
                (_, 0) => {
                    self.empty = Band::run(bits, run) - 1;
                    break;
                }
                _ => {
                    k += run;
                    if k > self.last {
                        return Err(beyond());
                    }
                    block[k] = (bits.signed(size) << self.low) as i16;
                    k += 1;
                }
            }
        }
        if k > self.last + 1 {
            return Err(beyond());
        }
        bits.check()
    }

    /// One more bit of coefficients beyond the first: of those that are not 0, and new ones between them.
    fn refine(&mut self, bits: &mut Bits, block: &mut Block, ac: &Table) -> Result<(), String> {
        let one = 1 << self.low;
        let correct = |bits: &mut Bits, value: &mut i16| -> Result<(), String> {
            if bits.bit()? && *value & one == 0 {
                *value += if *value >= 0 { one } else { -one };
            }
            Ok(())
        };
        let mut k = self.first;
        while self.empty == 0 && k <= self.last {
            bits.refill();
            let symbol = ac.symbol(bits)?;
            let (mut run, size) = (usize::from(symbol >> 4), symbol & 15);
            let new = match (run, size) {
                (15, 0) => 0,
                (_, 0) => {
                    self.empty = Band::run(bits, run);
                    break;
                }
                (_, 1) => match bits.number(1) {
                    1 => one,
                    _ => -one,
                },
                _ => return Err(damaged("its image data refine a coefficient by more than one bit")),
            };
            bits.check()?;
            // Past `run` coefficients that stay 0, to the next one that is 0.
            loop {
                if k > self.last {
                    return Err(beyond());
                }
                match &mut block[k] {
                    0 if run == 0 => {
                        block[k] = new;
                        k += 1;
                        break;
                    }
                    0 => run -= 1,
                    value => correct(bits, value)?,
                }
                k += 1;
            }
        }
        if self.empty > 0 {
            for value in block[k..=self.last].iter_mut().filter(|value| **value != 0) {
                correct(bits, value)?;
            }
            self.empty -= 1;
        }
        bits.check()
    }
}
