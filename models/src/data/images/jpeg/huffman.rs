//! Huffman tables.

use super::bits::Bits;
use super::damaged;

/// Codes of up to this many bits are found by one look.
const LOOK: u32 = 9;

/// A table of codes, from a DHT segment.
#[derive(Clone)]
pub struct Table {
    /// By the next [`LOOK`] bits: the length of the code in the upper byte, 0 if it is longer, and the symbol.
    short: [u16; 1 << LOOK],
    /// By length: one more than the last code, in 16 bits; 0 if no code has this length.
    ends: [u32; 17],
    /// By length: what to add to a code for its place among the symbols.
    offsets: [i32; 17],
    symbols: Vec<u8>,
}

impl Table {
    /// The table of codes of which `counts` are of length 1, 2, .., 16, in the order of these symbols.
    ///
    /// # Errors
    /// If there are more codes than their lengths allow.
    pub fn new(counts: &[u8], symbols: &[u8]) -> Result<Table, String> {
        let mut table = Table { short: [0; 1 << LOOK], ends: [0; 17], offsets: [0; 17], symbols: symbols.to_vec() };
        let (mut code, mut place) = (0u32, 0usize);
        for (length, &count) in (1u32..).zip(counts) {
            table.offsets[length as usize] = place as i32 - code as i32;
            for _ in 0..count {
                if code >= 1 << length {
                    return Err(damaged("a Huffman table has more codes than their lengths allow"));
                }
                if length <= LOOK {
                    let first = (code << (LOOK - length)) as usize;
                    table.short[first..first + (1 << (LOOK - length))].fill((length << 8) as u16 | u16::from(symbols[place]));
                }
                code += 1;
                place += 1;
            }
            if count > 0 {
                table.ends[length as usize] = code << (16 - length);
            }
            code <<= 1;
        }
        Ok(table)
    }

    /// The next symbol.
    ///
    /// # Errors
    /// If no code matches the bits.
    #[inline(always)]
    pub fn symbol(&self, bits: &mut Bits) -> Result<u8, String> {
        let entry = self.short[bits.peek(LOOK)];
        if entry != 0 {
            bits.skip(u32::from(entry >> 8));
            return Ok(entry as u8);
        }
        self.long(bits)
    }

    #[cold]
    fn long(&self, bits: &mut Bits) -> Result<u8, String> {
        let next = bits.peek(16) as u32;
        let length = (LOOK + 1..=16).find(|length| next < self.ends[*length as usize]);
        let Some(length) = length else {
            bits.skip(16);
            bits.check()?;
            return Err(damaged("its image data hold a code that no Huffman table has"));
        };
        bits.skip(length);
        let place = (next >> (16 - length)) as i32 + self.offsets[length as usize];
        self.symbols.get(place as usize).copied().ok_or_else(|| damaged("its image data hold a code that no Huffman table has"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_every_length_are_found() {
        // One code of each length: 0, 10, 110, ..
        let counts = [1; 16];
        let symbols: Vec<u8> = (100..116).collect();
        let table = Table::new(&counts, &symbols).unwrap();
        for length in 1..=16usize {
            let code = if length == 1 { 0u32 } else { ((1 << (length - 1)) - 1) << 1 };
            let bytes = (code << (32 - length)).to_be_bytes();
            let stuffed: Vec<u8> = bytes.iter().flat_map(|b| if *b == 0xff { vec![0xff, 0] } else { vec![*b] }).collect();
            let mut bits = Bits::new(&stuffed);
            bits.refill();
            assert_eq!(table.symbol(&mut bits).unwrap(), 99 + length as u8);
        }
        let mut bits = Bits::new(&[0xff, 0, 0xff, 0, 0]);
        bits.refill();
        assert!(table.symbol(&mut bits).unwrap_err().contains("no Huffman table"));
        assert!(Table::new(&[3; 16], &[0; 48]).is_err());
    }
}
