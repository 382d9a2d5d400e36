//! CRC-32C (Castagnoli; RFC 3720, appendix B.4), which protects checkpoints and TensorBoard's records. It detects every error
//! within 32 neighbouring bits.

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
        Crc32c(0)
    }

    /// Computes the checksum of `bytes`.
    pub fn of(bytes: &[u8]) -> u32 {
        let mut crc = Crc32c::new();
        crc.add(bytes);
        crc.value()
    }

    /// Appends bytes.
    pub fn add(&mut self, bytes: &[u8]) {
        self.0 = ::crc32c::crc32c_append(self.0, bytes);
    }

    /// The checksum so far.
    pub fn value(self) -> u32 {
        self.0
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
