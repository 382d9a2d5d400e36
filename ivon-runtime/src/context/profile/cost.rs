//! Operations and bytes of an op, counted from shapes alone.

use crate::device::cpu::matmul::Precision;
use crate::tensor::Tensor;
use std::ops::AddAssign;

/// Operations and bytes of an op.
///
/// An operation is an addition, subtraction, multiplication, division, comparison or a call of a function such as `exp`. Each
/// counts as one; a multiply-add counts as two. Integer arithmetic (random numbers) is not counted. Bytes are those that must
/// move if nothing stays in a cache: every operand is read once, and every result is written once. A result that is added to is
/// also read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    /// Operations on f32 (or f64) numbers.
    pub flops: u64,
    /// Operations in products of bf16 matrices, with sums in f32.
    pub bf16_flops: u64,
    /// Bytes read and written.
    pub bytes: u64,
}

impl Cost {
    /// This many operations, and no bytes.
    pub fn flops(flops: usize) -> Cost {
        Cost { flops: flops as u64, ..Cost::default() }
    }

    /// This many operations for each element of a tensor.
    pub fn each(tensor: &Tensor, flops: usize) -> Cost {
        Cost::flops(flops * tensor.shape().elements())
    }

    /// A product of matrices \[m, k\] and \[k, n\]: 2 m n k operations.
    pub fn product(precision: Precision, [m, n, k]: [usize; 3]) -> Cost {
        let flops = 2 * (m * n * k) as u64;
        match precision {
            Precision::F32 => Cost { flops, ..Cost::default() },
            Precision::Bf16 => Cost { bf16_flops: flops, ..Cost::default() },
        }
    }

    /// Adds this many operations for each element of a tensor.
    pub fn and_each(self, tensor: &Tensor, flops: usize) -> Cost {
        Cost { flops: self.flops + (flops * tensor.shape().elements()) as u64, ..self }
    }

    /// Adds reads of these tensors.
    pub fn reads<const N: usize>(self, tensors: [&Tensor; N]) -> Cost {
        self.moves(tensors.iter().map(|x| x.bytes()).sum())
    }

    /// Adds a write of this tensor; with `add`, also a read.
    pub fn writes(self, tensor: &Tensor, add: bool) -> Cost {
        self.moves(tensor.bytes() * if add { 2 } else { 1 })
    }

    /// Adds this many moved bytes.
    pub fn moves(self, bytes: usize) -> Cost {
        Cost { bytes: self.bytes + bytes as u64, ..self }
    }

    /// Operations of all types.
    pub fn all_flops(&self) -> u64 {
        self.flops + self.bf16_flops
    }
}

impl AddAssign for Cost {
    fn add_assign(&mut self, other: Cost) {
        self.flops += other.flops;
        self.bf16_flops += other.bf16_flops;
        self.bytes += other.bytes;
    }
}
