//! Multiply-adds whose operands stay in registers, on all threads.

use super::{best, rate};
use std::hint::black_box;

/// The number of independent chains of multiply-adds. It is larger than latency times pipes on any CPU.
const CHAINS: usize = 16;
/// The multiply-adds of each chain. They take tens of microseconds, so that some measurements pass undisturbed on a busy machine.
const ROUNDS: usize = 1 << 14;

#[cfg(target_arch = "x86_64")]
pub(super) fn has_bf16() -> bool {
    crate::device::cpu::matmul::avx512::has_bf16()
}

#[cfg(not(target_arch = "x86_64"))]
pub(super) fn has_bf16() -> bool {
    false
}

/// Operations a second in f32.
pub(super) fn fma() -> f64 {
    #[cfg(target_arch = "x86_64")]
    {
        use crate::device::cpu::simd::{Level, level};
        if level() == Level::Avx512 {
            // SAFETY: `level` is this only where the machine has the features.
            return on_all_threads(16 * 2, || unsafe { x86::fma_512() });
        }
        if level() == Level::Avx2 && is_x86_feature_detected!("fma") {
            // SAFETY: the features were checked just now.
            return on_all_threads(8 * 2, || unsafe { x86::fma_256() });
        }
    }
    on_all_threads(LANES * 2, portable)
}

/// Operations a second of bf16 products with sums in f32.
pub(super) fn fma_bf16() -> f64 {
    #[cfg(target_arch = "x86_64")]
    if has_bf16() {
        // SAFETY: the feature was checked just now. An instruction multiplies and adds two pairs in each of 16 lanes.
        return on_all_threads(16 * 4, || unsafe { x86::dot_bf16() });
    }
    fma()
}

/// The sum of the best rates of all threads while all of them work. Each thread does `flops` operations in a step of a chain.
fn on_all_threads(flops: usize, work: impl Fn() -> f32 + Sync) -> f64 {
    let flops = (flops * CHAINS * ROUNDS) as f64;
    let rates = rayon::broadcast(|_| {
        best(0.15, || {
            rate(flops, || {
                black_box(work());
            })
        })
    });
    rates.into_iter().sum()
}

/// The lanes of a vector that every machine has.
const LANES: usize = 4;

/// A multiplication followed by an addition.
fn portable() -> f32 {
    let (a, b) = (black_box([0.999f32; LANES]), black_box([0.001f32; LANES]));
    let mut sums = [[0.0f32; LANES]; CHAINS];
    for _ in 0..ROUNDS {
        for sum in &mut sums {
            for lane in 0..LANES {
                sum[lane] = sum[lane] * a[lane] + b[lane];
            }
        }
    }
    sums.iter().flatten().sum()
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{CHAINS, ROUNDS, black_box};
    use std::arch::x86_64::*;

    #[target_feature(enable = "avx512f")]
    pub fn fma_512() -> f32 {
        let (a, b) = (_mm512_set1_ps(black_box(0.999)), _mm512_set1_ps(black_box(0.001)));
        let mut sums = [_mm512_setzero_ps(); CHAINS];
        for _ in 0..ROUNDS {
            for sum in &mut sums {
                *sum = _mm512_fmadd_ps(*sum, a, b);
            }
        }
        sums.iter().map(|sum| _mm512_reduce_add_ps(*sum)).sum()
    }

    #[target_feature(enable = "avx2,fma")]
    pub fn fma_256() -> f32 {
        let (a, b) = (_mm256_set1_ps(black_box(0.999)), _mm256_set1_ps(black_box(0.001)));
        // Together with a and b these occupy the 16 registers.
        let mut sums = [_mm256_setzero_ps(); 14];
        for _ in 0..ROUNDS * CHAINS / sums.len() {
            for sum in &mut sums {
                *sum = _mm256_fmadd_ps(*sum, a, b);
            }
        }
        sums.iter().map(|sum| _mm256_cvtss_f32(*sum)).sum()
    }

    #[target_feature(enable = "avx512f,avx512bf16")]
    pub fn dot_bf16() -> f32 {
        // 2^-8 in both halves of each lane: the sums grow too slowly to overflow.
        let pair = _mm512_set1_epi32(black_box(0x3b80_3b80));
        // SAFETY: both types have 512 bits, and every pattern of bits is a value of either type.
        let pair: __m512bh = unsafe { std::mem::transmute(pair) };
        let mut sums = [_mm512_setzero_ps(); CHAINS];
        for _ in 0..ROUNDS {
            for sum in &mut sums {
                *sum = _mm512_dpbf16_ps(*sum, pair, pair);
            }
        }
        sums.iter().map(|sum| _mm512_reduce_add_ps(*sum)).sum()
    }
}
