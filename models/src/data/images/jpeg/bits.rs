//! The bits of a scan's data.

use super::{CUT, damaged};

/// Reads bits up to the next marker. A byte 0 after 0xff is stuffing.
pub struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
    /// The next bits, from the highest on; those that were not read are 0.
    buffer: u64,
    /// Bits in the buffer; negative once more were used than there are.
    count: i32,
}

impl<'a> Bits<'a> {
    /// The bits at the beginning of these bytes.
    pub fn new(bytes: &'a [u8]) -> Bits<'a> {
        Bits { bytes, at: 0, buffer: 0, count: 0 }
    }

    /// Ensures that the buffer holds 48 bits or all that are left.
    #[inline(always)]
    pub fn refill(&mut self) {
        if self.count < 48 {
            self.fill();
        }
    }

    fn fill(&mut self) {
        // Six bytes at once, if none of them is 0xff.
        if self.count <= 16
            && self.count >= 0
            && let Some(next) = self.bytes.get(self.at..self.at + 8)
        {
            let next = u64::from_be_bytes([next[0], next[1], next[2], next[3], next[4], next[5], 0, 0]);
            let inverse = !next;
            if inverse.wrapping_sub(0x0101_0101_0101_0000) & !inverse & 0x8080_8080_8080_0000 == 0 {
                self.buffer |= next >> self.count;
                self.count += 48;
                self.at += 6;
                return;
            }
        }
        while (0..=56).contains(&self.count) {
            let byte = match (self.bytes.get(self.at), self.bytes.get(self.at + 1)) {
                (Some(0xff), Some(0)) => {
                    self.at += 2;
                    0xff
                }
                (Some(0xff), _) | (None, _) => return,
                (Some(byte), _) => {
                    self.at += 1;
                    *byte
                }
            };
            self.buffer |= u64::from(byte) << (56 - self.count);
            self.count += 8;
        }
    }

    /// The next `n` bits (1 to 16) without using them; those beyond the end are 0.
    #[inline(always)]
    pub fn peek(&self, n: u32) -> usize {
        (self.buffer >> (64 - n)) as usize
    }

    /// Uses `n` bits.
    #[inline(always)]
    pub fn skip(&mut self, n: u32) {
        self.buffer <<= n;
        self.count -= n as i32;
    }

    /// Uses one bit.
    ///
    /// # Errors
    /// If no bit is left.
    #[inline(always)]
    pub fn bit(&mut self) -> Result<bool, String> {
        self.refill();
        let bit = self.peek(1) == 1;
        self.skip(1);
        self.check()?;
        Ok(bit)
    }

    /// Uses `n` bits (0 to 15) as a number.
    #[inline(always)]
    pub fn number(&mut self, n: u32) -> usize {
        if n == 0 {
            return 0;
        }
        let value = self.peek(n);
        self.skip(n);
        value
    }

    /// Uses `size` bits (0 to 15) as a signed number, T.81's EXTEND.
    #[inline(always)]
    pub fn signed(&mut self, size: u32) -> i32 {
        let value = self.number(size) as i32;
        if size > 0 && value < 1 << (size - 1) { value - (1 << size) + 1 } else { value }
    }

    /// # Errors
    /// If more bits were used than there are.
    #[inline(always)]
    pub fn check(&self) -> Result<(), String> {
        if self.count < 0 { Err(self.missing()) } else { Ok(()) }
    }

    #[cold]
    fn missing(&self) -> String {
        let marker = self.bytes[self.at.min(self.bytes.len())..].iter().find(|byte| **byte != 0xff);
        match marker {
            None | Some(0xd9) => CUT.into(),
            Some(other) => damaged(format!("marker 0xff{other:02x} stands in the middle of its image data")),
        }
    }

    /// Bytes that were used, wholly or in part.
    pub fn used(&self) -> usize {
        // Unused bytes of the buffer are given back; a 0xff among them has its stuffing.
        let mut at = self.at;
        for _ in 0..self.count.max(0) / 8 {
            at -= if at >= 2 && self.bytes[at - 1] == 0 && self.bytes[at - 2] == 0xff { 2 } else { 1 };
        }
        at
    }

    /// Goes on after restart marker `number`, which comes next.
    ///
    /// # Errors
    /// If it does not.
    pub fn restart(&mut self, number: usize) -> Result<(), String> {
        let mut at = self.used();
        if self.bytes.get(at) != Some(&0xff) {
            let what = if at >= self.bytes.len() { CUT.into() } else { damaged("a restart marker is missing in its image data") };
            return Err(what);
        }
        while self.bytes.get(at) == Some(&0xff) {
            at += 1;
        }
        let expected = 0xd0 + (number % 8) as u8;
        match self.bytes.get(at) {
            Some(found) if *found == expected => {}
            None | Some(0xd9) => return Err(CUT.into()),
            Some(found) => {
                return Err(damaged(format!("marker 0xff{found:02x} stands where restart marker 0xff{expected:02x} is due")));
            }
        }
        *self = Bits { bytes: self.bytes, at: at + 1, buffer: 0, count: 0 };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_come_in_order_without_stuffing_and_end_at_a_marker() {
        let bytes = [0b1010_0000, 0xff, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0xff, 0xd9];
        let mut bits = Bits::new(&bytes);
        let mut seen = vec![];
        for _ in 0..11 {
            bits.refill();
            seen.push(bits.number(8));
            bits.check().unwrap();
        }
        assert_eq!(seen, [0b1010_0000, 0xff, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(bits.used(), 12);
        bits.refill();
        bits.skip(1);
        assert_eq!(bits.check().unwrap_err(), CUT);
    }

    #[test]
    fn unused_bytes_are_given_back() {
        let bytes = [1, 2, 0xff, 0, 0xff, 0, 3, 4, 5, 6, 7, 8, 9, 10];
        for used in 1..=12 {
            let mut bits = Bits::new(&bytes);
            for _ in 0..used {
                bits.refill();
                bits.skip(8);
            }
            let expected = [1, 2, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14][used - 1];
            assert_eq!(bits.used(), expected, "{used} bytes");
        }
    }

    #[test]
    fn numbers_are_extended_as_in_the_specification() {
        let bytes = [0b0100_0110, 0b1100_0111];
        let mut bits = Bits::new(&bytes);
        bits.refill();
        let sizes = [1, 1, 2, 2, 2, 2, 3, 3];
        assert_eq!(sizes.map(|size| bits.signed(size)), [-1, 1, -3, -2, 2, 3, -7, 7]);
    }
}
