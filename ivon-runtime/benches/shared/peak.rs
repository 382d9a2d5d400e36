//! Multiply-adds that touch no memory: what the machine could do.

#[cfg(target_arch = "x86_64")]
use std::{hint::black_box, time::Instant};

#[cfg(target_arch = "x86_64")]
pub fn gflops(bf16: bool) -> f64 {
    const STEPS: usize = 4_000_000;
    if !is_x86_feature_detected!("avx512f") || bf16 && !is_x86_feature_detected!("avx512bf16") {
        return f64::NAN;
    }
    let best = (0..5)
        .map(|_| {
            let start = Instant::now();
            // SAFETY: the features were detected.
            rayon::broadcast(|_| unsafe { black_box(if bf16 { burn_bf16(STEPS) } else { burn_f32(STEPS) }) });
            start.elapsed().as_secs_f64()
        })
        .fold(f64::INFINITY, f64::min);
    let flops = STEPS * ACCUMULATORS * 16 * if bf16 { 4 } else { 2 };
    (flops * rayon::current_num_threads()) as f64 / best / 1e9
}

#[cfg(not(target_arch = "x86_64"))]
pub fn gflops(_bf16: bool) -> f64 {
    f64::NAN
}

/// Enough to hide the latency, few enough for the compiler to keep them in registers.
#[cfg(target_arch = "x86_64")]
const ACCUMULATORS: usize = 12;

#[cfg(target_arch = "x86_64")]
macro_rules! burn {
    ($name:ident, $features:literal, |$sum:ident, $x:ident, $y:ident| $multiply_add:expr) => {
        #[target_feature(enable = $features)]
        fn $name(steps: usize) -> f32 {
            use std::arch::x86_64::*;
            let ($x, $y) = (black_box(_mm512_set1_ps(1e-9)), black_box(_mm512_set1_ps(0.5)));
            let mut sums = [$x; ACCUMULATORS];
            for _ in 0..steps {
                for sum in &mut sums {
                    let $sum = *sum;
                    *sum = $multiply_add;
                }
            }
            sums.iter().map(|&sum| _mm512_reduce_add_ps(sum)).sum()
        }
    };
}
#[cfg(target_arch = "x86_64")]
burn!(burn_f32, "avx512f", |sum, x, y| _mm512_fmadd_ps(x, y, sum));
#[cfg(target_arch = "x86_64")]
burn!(burn_bf16, "avx512f,avx512bf16", |sum, x, y| {
    // SAFETY: 512 bits without invalid values.
    let (x, y) = unsafe { (std::mem::transmute::<__m512, __m512bh>(x), std::mem::transmute::<__m512, __m512bh>(y)) };
    _mm512_dpbf16_ps(sum, x, y)
});
