//! Measures the peaks of a GPU. Sizes grow until a measurement takes long enough to be reliable.

use super::Peaks;
use crate::args;
use crate::context::Context;
use crate::context::cuda::{Along, Operand, multiply};
use crate::core::dtype::DType;
use crate::core::error::Result;
use crate::device::cuda::blas::Sizes;
use crate::device::cuda::{Cuda, Grid, Source};
use crate::ops;

// SAFETY: this file alone launches the kernel, with the sizes of the tensors, and the kernel compares every index with them.
pub(crate) static KERNELS: Source = unsafe { Source::new("peaks", include_str!("kernel.cu")) };

/// The operations of one thread of the kernel in one round: 8 multiply-adds, 64 times.
const FLOPS: usize = 2 * 8 * 64;
/// The seconds that one measurement should take at least.
const ENOUGH: f64 = 2e-3;

pub(super) fn measure(cx: &Context) -> Result<Peaks> {
    let Some(cuda) = cx.cuda() else { return Err(crate::core::error::Error::config("these are the peaks of a GPU")) };
    // A training step may have left little free memory.
    let (free, _) = cuda.memory()?;
    let threads = 8 * 256 * cuda.multiprocessors()?;
    let fma = grow(cx, cuda, 1, 1 << 12, |rounds| {
        let mut sum = cx.empty_of(DType::F32, [threads])?;
        Ok(move || {
            KERNELS.launch(cx, "multiply_add", Grid::over(threads), &mut args![&mut sum, 0.999f32, rounds as u32])?;
            Ok((threads * rounds * FLOPS) as f64)
        })
    })?;
    // Two buffers, each a quarter of the free memory at most.
    let copy = grow(cx, cuda, 1 << 16, (free / 16).min(1 << 28), |elements| {
        let from = cx.empty_of(DType::F32, [elements])?;
        Ok(move || Ok((from.bytes() + ops::copy(cx, &from)?.bytes()) as f64))
    })?;
    // Three matrices, together half of the free memory at most.
    let gemm = grow(cx, cuda, 256, (free / 24).isqrt().min(8192), |size| {
        let [mut a, mut b, mut c] = [cx.empty([size, size])?, cx.empty([size, size])?, cx.empty([size, size])?];
        for x in [&mut a, &mut b] {
            KERNELS.launch(cx, "scramble", Grid::over(size * size), &mut args![x, size * size])?;
        }
        Ok(move || {
            let sizes = Sizes { batch: 1, m: size, n: size, k: size };
            multiply(cx, sizes, Operand::new(&a), Operand::new(&b), Along::Nothing, &mut c, false)?;
            Ok(2.0 * (size as f64).powi(3))
        })
    })?;
    // A context multiplies in one type.
    let (gemm, gemm_bf16) = if cx.dtype() == DType::Bf16 { (fma, Some(gemm)) } else { (gemm, None) };
    Ok(Peaks { fma, fma_bf16: None, gemm, gemm_bf16, copy })
}

/// The best rate at the first size that takes long enough. `prepare` returns the work for a size and the amount of it.
fn grow<W>(cx: &Context, cuda: &Cuda, first: usize, last: usize, prepare: impl Fn(usize) -> Result<W>) -> Result<f64>
where
    W: FnMut() -> Result<f64>,
{
    let mut size = first;
    loop {
        let mut work = prepare(size)?;
        work()?; // kernels are compiled, memory is found
        let mut best = f64::INFINITY;
        let mut amount = 0.0;
        for _ in 0..3 {
            let from = cuda.moment()?;
            amount = work()?;
            best = from.seconds_to(&cuda.moment()?)?.min(best);
        }
        drop(work);
        cx.trim();
        if best >= ENOUGH || 2 * size > last {
            return Ok(amount / best);
        }
        size *= 2;
    }
}
