//! On a GPU, by an epilogue of cuBLASLt where it knows one.

use crate::context::Context;
use crate::context::cuda::{Along, Operand, knows, multiply};
use crate::core::error::Result;
use crate::device::cuda::blas::{Kind, Sizes};
use crate::tensor::Tensor;

/// True if GELU is computed along with the product; always on the CPU.
pub(super) fn activates_along(cx: &Context, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, keep: bool) -> Result<bool> {
    let kind = Kind::Gelu { bias: bias.is_some(), kept: keep };
    Ok(cx.cuda().is_none() || knows(cx, sizes(x, weight), Operand::new(x), Operand::transposed(weight), kind, x.dtype(), false)?)
}

/// y = gelu(x Wᵀ + b), and what GELU is of where that is kept.
pub(super) fn forward(
    cx: &Context,
    x: &Tensor,
    weight: &Tensor,
    bias: Option<&Tensor>,
    h: Option<&mut Tensor>,
    y: &mut Tensor,
) -> Result<()> {
    let along = Along::Gelu { bias, input: h };
    multiply(cx, sizes(x, weight), Operand::new(x), Operand::transposed(weight), along, y, false)
}

fn sizes(x: &Tensor, weight: &Tensor) -> Sizes {
    Sizes { batch: 1, m: x.shape().rows(), n: weight.dim(0), k: weight.dim(1) }
}
