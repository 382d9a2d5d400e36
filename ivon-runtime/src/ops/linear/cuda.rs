//! Linear on a card, by cuBLASLt: the bias is added in the product.

use crate::device::cuda::{Operand, Sizes, multiply};
use crate::{Context, Result, Tensor};

/// y = x Wᵀ + b.
pub(super) fn forward(cx: &Context, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, y: &mut Tensor) -> Result<()> {
    let sizes = Sizes { batch: 1, m: x.shape().rows(), n: weight.dim(0), k: weight.dim(1) };
    multiply(cx, sizes, Operand::new(x), Operand::transposed(weight), bias, y, false)
}

/// d_weight (+)= d_yᵀ x.
pub(super) fn weight(cx: &Context, d_y: &Tensor, x: &Tensor, d_weight: &mut Tensor, add: bool) -> Result<()> {
    let sizes = Sizes { batch: 1, m: d_weight.dim(0), n: d_weight.dim(1), k: x.shape().rows() };
    multiply(cx, sizes, Operand::transposed(d_y), Operand::new(x), None, d_weight, add)
}

/// d_x (+)= d_y W.
pub(super) fn input(cx: &Context, d_y: &Tensor, weight: &Tensor, d_x: &mut Tensor, add: bool) -> Result<()> {
    let sizes = Sizes { batch: 1, m: d_y.shape().rows(), n: weight.dim(1), k: weight.dim(0) };
    multiply(cx, sizes, Operand::new(d_y), Operand::new(weight), None, d_x, add)
}
