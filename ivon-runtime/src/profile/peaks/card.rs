//! The peaks of a card. Sizes grow until a measurement takes long enough to mean something.

use super::Peaks;
use crate::args;
use crate::context::Context;
use crate::device::cuda::{Along, Cuda, Grid, Operand, Sizes, Source, multiply};
use crate::dtype::DType;
use crate::error::Result;
use crate::ops;

pub(crate) static KERNELS: Source = Source::new("peaks", include_str!("kernel.cu"));

/// Operations of a thread of the kernel in one round: 8 multiply-adds, 64 times.
const FLOPS: usize = 2 * 8 * 64;
/// A measurement of so many seconds is enough.
const ENOUGH: f64 = 2e-3;

pub(super) fn measure(cx: &Context) -> Result<Peaks> {
    let Some(cuda) = cx.cuda() else { return Err(crate::Error::config("these are the peaks of a card")) };
    let (free, _) = cuda.memory()?;
    let threads = 8 * 256 * cuda.multiprocessors()?;
    let mut sum = cx.empty_of(DType::F32, [threads])?;
    let fma = grow(cuda, 1, 1 << 12, |rounds| {
        KERNELS.launch(cx, "multiply_add", Grid::over(threads), &mut args![&mut sum, 0.999f32, rounds as u32])?;
        Ok((threads * rounds * FLOPS) as f64)
    })?;
    drop(sum);
    // A quarter of the memory at most, twice.
    let copy = grow(cuda, 1 << 16, (free / 16).min(1 << 28), |elements| {
        let from = cx.empty_of(DType::F32, [elements])?;
        let to = ops::copy(cx, &from)?;
        Ok((from.bytes() + to.bytes()) as f64)
    })?;
    let gemm = grow(cuda, 256, 8192, |size| {
        let [a, b, mut c] = [cx.empty([size, size])?, cx.empty([size, size])?, cx.empty([size, size])?];
        let sizes = Sizes { batch: 1, m: size, n: size, k: size };
        multiply(cx, sizes, Operand::new(&a), Operand::new(&b), Along::Nothing, &mut c, false)?;
        Ok(2.0 * (size as f64).powi(3))
    })?;
    cx.trim();
    // A context multiplies in one type.
    let (gemm, gemm_bf16) = if cx.dtype() == DType::Bf16 { (fma, Some(gemm)) } else { (gemm, None) };
    Ok(Peaks { fma, fma_bf16: None, gemm, gemm_bf16, copy })
}

/// The best rate of `work`, which says how much it did, at the first size that takes long enough.
fn grow(cuda: &Cuda, first: usize, last: usize, mut work: impl FnMut(usize) -> Result<f64>) -> Result<f64> {
    let mut size = first;
    loop {
        work(size)?; // kernels are compiled, memory is found
        let mut best = f64::INFINITY;
        let mut amount = 0.0;
        for _ in 0..3 {
            let from = cuda.moment()?;
            amount = work(size)?;
            best = from.seconds_to(&cuda.moment()?)?.min(best);
        }
        if best >= ENOUGH || 2 * size > last {
            return Ok(amount / best);
        }
        size *= 2;
    }
}
