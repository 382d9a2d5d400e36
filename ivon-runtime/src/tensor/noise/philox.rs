//! Philox4x32-10, the counter-based generator of Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3" (SC 2011).

#![allow(clippy::needless_range_loop)] // a lane is an index into several arrays at once

pub(super) const ROUNDS: usize = 10;
pub(super) const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
pub(super) const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

/// Blocks that [`philox_16`] computes at once.
pub const LANES: usize = 16;

/// Returns the four random words of one block.
pub fn philox(key: [u32; 2], counter: [u32; 4]) -> [u32; 4] {
    let ([mut k0, mut k1], mut c) = (key, counter);
    for _ in 0..ROUNDS {
        let p0 = MULTIPLIERS[0] as u64 * c[0] as u64;
        let p1 = MULTIPLIERS[1] as u64 * c[2] as u64;
        c = [(p1 >> 32) as u32 ^ c[1] ^ k0, p1 as u32, (p0 >> 32) as u32 ^ c[3] ^ k1, p0 as u32];
        k0 = k0.wrapping_add(WEYL[0]);
        k1 = k1.wrapping_add(WEYL[1]);
    }
    c
}

/// Returns the blocks `16 group .. 16 group + 16` of a stream: `[w][l]` is word `w` of block `16 group + l`.
#[inline(always)]
pub fn philox_16(key: [u32; 2], upper: [u32; 2], group: u64) -> [[u32; LANES]; 4] {
    // Words are stored in 64-bit lanes, so that the products vectorise as multiplications 32 × 32 → 64 bits.
    let mut c = [[0u64; LANES]; 4];
    for l in 0..LANES {
        let block = group.wrapping_mul(LANES as u64).wrapping_add(l as u64);
        c[0][l] = block & 0xffff_ffff;
        c[1][l] = block >> 32;
        c[2][l] = upper[0] as u64;
        c[3][l] = upper[1] as u64;
    }
    let [mut k0, mut k1] = key;
    for _ in 0..ROUNDS {
        for l in 0..LANES {
            // The upper halves are undefined; `low` removes them (and selects the 32-bit multiplication).
            let low = |x: u64| x & 0xffff_ffff;
            let p0 = low(c[0][l]) * MULTIPLIERS[0] as u64;
            let p1 = low(c[2][l]) * MULTIPLIERS[1] as u64;
            c[0][l] = (p1 >> 32) ^ c[1][l] ^ k0 as u64;
            c[1][l] = p1;
            c[2][l] = (p0 >> 32) ^ c[3][l] ^ k1 as u64;
            c[3][l] = p0;
        }
        k0 = k0.wrapping_add(WEYL[0]);
        k1 = k1.wrapping_add(WEYL[1]);
    }
    // Not `map`: its call would not be compiled for the instruction set of the caller.
    let mut words = [[0; LANES]; 4];
    for w in 0..4 {
        for l in 0..LANES {
            words[w][l] = c[w][l] as u32;
        }
    }
    words
}
