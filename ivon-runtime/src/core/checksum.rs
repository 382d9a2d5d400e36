//! CRC-32C (Castagnoli; RFC 3720, appendix B.4), which protects checkpoints and TensorBoard's records. It detects every error
//! within 32 neighbouring bits.

/// The polynomial 1EDC6F41, reflected.
const POLYNOMIAL: u32 = 0x82F6_3B78;

/// `TABLES[k][b]` is the checksum of byte `b` followed by `k` zero bytes. Eight bytes then need eight independent look-ups
/// instead of a chain of eight steps.
const TABLES: [[u32; 256]; 8] = tables();

const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let (mut crc, mut bit) = (byte as u32, 0);
        while bit < 8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ POLYNOMIAL } else { crc >> 1 };
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut k = 1;
    while k < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[k - 1][byte];
            tables[k][byte] = before >> 8 ^ tables[0][(before & 0xFF) as usize];
            byte += 1;
        }
        k += 1;
    }
    tables
}

/// Computes the checksum of `bytes`.
pub fn crc32c(bytes: &[u8]) -> u32 {
    Crc32c::of(bytes)
}

/// A checksum that is computed over several pieces.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Crc32c(u32);

impl Crc32c {
    /// Creates the checksum of an empty sequence.
    pub fn new() -> Crc32c {
        Crc32c(!0)
    }

    /// Computes the checksum of `bytes`.
    pub fn of(bytes: &[u8]) -> u32 {
        let mut crc = Crc32c::new();
        crc.add(bytes);
        crc.value()
    }

    /// Appends bytes.
    pub fn add(&mut self, bytes: &[u8]) {
        let mut crc = self.0;
        let (eights, rest) = bytes.as_chunks::<8>();
        for eight in eights {
            let low = crc ^ u32::from_le_bytes([eight[0], eight[1], eight[2], eight[3]]);
            crc = TABLES[7][(low & 0xFF) as usize]
                ^ TABLES[6][(low >> 8 & 0xFF) as usize]
                ^ TABLES[5][(low >> 16 & 0xFF) as usize]
                ^ TABLES[4][(low >> 24) as usize]
                ^ TABLES[3][eight[4] as usize]
                ^ TABLES[2][eight[5] as usize]
                ^ TABLES[1][eight[6] as usize]
                ^ TABLES[0][eight[7] as usize];
        }
        for byte in rest {
            crc = crc >> 8 ^ TABLES[0][(crc as u8 ^ byte) as usize];
        }
        self.0 = crc;
    }

    /// The checksum so far.
    pub fn value(self) -> u32 {
        !self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_answers() {
        // RFC 3720, appendix B.4, and the check value of the catalogue of CRC algorithms.
        let counting: Vec<u8> = (0..32).collect();
        assert_eq!(Crc32c::of(b"123456789"), 0xE306_9283);
        assert_eq!(Crc32c::of(&[0; 32]), 0x8A91_36AA);
        assert_eq!(Crc32c::of(&[0xFF; 32]), 0x62A8_AB43);
        assert_eq!(Crc32c::of(&counting), 0x46DD_794E);
        assert_eq!(Crc32c::of(b""), 0);
    }

    #[test]
    fn pieces_of_any_length_give_the_same() {
        let bytes: Vec<u8> = (0..100u32).map(|i| (i * i * 37) as u8).collect();
        for cut in 0..100 {
            let mut crc = Crc32c::new();
            crc.add(&bytes[..cut]);
            crc.add(&bytes[cut..]);
            assert_eq!(crc.value(), Crc32c::of(&bytes), "{cut}");
        }
    }
}
