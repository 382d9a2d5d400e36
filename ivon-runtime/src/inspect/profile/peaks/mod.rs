//! The measured peaks of this machine. The shares in a profile refer to them.

pub(crate) mod gpu;
mod registers;

use crate::context::Context;
use crate::context::profile::Cost;
use crate::core::error::Result;
use crate::device::cpu::matmul::{Matrix, Precision, multiply_as};
use rayon::prelude::*;
use serde::Serialize;
use std::time::Instant;

/// The peaks of a CPU, with the threads of the current pool, or of a GPU.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Peaks {
    /// Operations a second of f32 multiply-adds whose operands stay in registers.
    pub fma: f64,
    /// The same for bf16 products with sums in f32, if the CPU has an instruction for them.
    pub fma_bf16: Option<f64>,
    /// Operations a second of a product of large f32 matrices: ours on a CPU, cuBLASLt's on a GPU.
    pub gemm: f64,
    /// The same for bf16 matrices: on a CPU that has the instruction, and on a GPU that computes in bf16.
    pub gemm_bf16: Option<f64>,
    /// Bytes a second, read and written, of a copy that is larger than the caches.
    pub copy: f64,
}

/// The resource that bounds an op.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Roof {
    /// Arithmetic.
    Compute,
    /// Memory bandwidth.
    Memory,
}

impl Peaks {
    /// Measures the peaks. This takes about a second.
    ///
    /// # Errors
    /// If the GPU is lost, or there is no memory to copy.
    pub fn measure(cx: &Context) -> Result<Peaks> {
        if cx.cuda().is_some() {
            return gpu::measure(cx);
        }
        let has_bf16 = registers::has_bf16();
        Ok(Peaks {
            fma: registers::fma(),
            fma_bf16: has_bf16.then(registers::fma_bf16),
            gemm: gemm(Precision::F32),
            gemm_bf16: has_bf16.then(|| gemm(Precision::Bf16)),
            copy: copy(),
        })
    }

    /// The least time that this work could take, and the resource that bounds it.
    pub fn least(&self, cost: &Cost) -> (f64, Roof) {
        let bf16 = self.fma_bf16.or(self.gemm_bf16).unwrap_or(self.fma);
        let compute = cost.flops as f64 / self.fma + cost.bf16_flops as f64 / bf16;
        let memory = cost.bytes as f64 / self.copy;
        if compute > memory { (compute, Roof::Compute) } else { (memory, Roof::Memory) }
    }
}

/// The largest of several measurements: the one that was disturbed least.
fn best(seconds: f64, mut measure: impl FnMut() -> f64) -> f64 {
    let start = Instant::now();
    let mut best = 0.0f64;
    for round in 0.. {
        best = best.max(measure());
        if round >= 2 && start.elapsed().as_secs_f64() > seconds {
            break;
        }
    }
    best
}

/// `amount` divided by the seconds that `work` takes.
fn rate(amount: f64, work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    amount / start.elapsed().as_secs_f64()
}

fn gemm(precision: Precision) -> f64 {
    const SIZE: usize = 1024;
    let values = |shift: usize| (0..SIZE * SIZE).map(|i| ((i + shift) % 7) as f32).collect::<Vec<f32>>();
    let (a, b, mut c) = (values(0), values(3), vec![0.0f32; SIZE * SIZE]);
    let matrix = |data| Matrix::new(data, SIZE, SIZE);
    let flops = 2.0 * (SIZE as f64).powi(3);
    best(0.25, || rate(flops, || multiply_as(precision, matrix(&a), matrix(&b), &mut c, SIZE, false)))
}

/// Every thread copies its own part.
fn copy() -> f64 {
    const BYTES: usize = 128 << 20; // several times what the caches of a socket hold
    let from = vec![1u64; BYTES / 8];
    let mut to = vec![0u64; BYTES / 8];
    let part = from.len().div_ceil(rayon::current_num_threads());
    best(0.25, || {
        rate(2.0 * BYTES as f64, || {
            to.par_chunks_mut(part).zip(from.par_chunks(part)).for_each(|(to, from)| to.copy_from_slice(from))
        })
    })
}
