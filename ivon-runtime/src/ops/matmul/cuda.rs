//! Products on a GPU, by cuBLASLt.

use super::Batch;
use crate::context::Context;
use crate::context::cuda::{Along, Operand, multiply};
use crate::core::error::Result;
use crate::device::cuda::blas::Sizes;
use crate::tensor::Tensor;

/// c (+)= a b for each matrix of the batch.
pub(super) fn batched(cx: &Context, a: Batch, b: Batch, c: &mut Tensor, add: bool) -> Result<()> {
    let [m, k] = if a.2 { [a.1[1], a.1[0]] } else { a.1 };
    let n = if b.2 { b.1[0] } else { b.1[1] };
    let batch = c.shape().elements() / (m * n).max(1);
    multiply(cx, Sizes { batch, m, n, k }, operand(a), operand(b), Along::Nothing, c, add)
}

fn operand((tensor, _, transposed): Batch<'_>) -> Operand<'_> {
    if transposed { Operand::transposed(tensor) } else { Operand::new(tensor) }
}
