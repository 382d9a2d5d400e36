//! Linear on a GPU, by cuBLASLt: the bias is added, and its gradient summed, along with the products.

use crate::context::Context;
use crate::context::cuda::{Along, Operand, knows, multiply};
use crate::context::elementwise;
use crate::core::error::Result;
use crate::device::cuda::blas::{Kind, Sizes};
use crate::tensor::Tensor;

/// y = x Wᵀ + b.
pub(super) fn forward(cx: &Context, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>, y: &mut Tensor) -> Result<()> {
    let sizes = Sizes { batch: 1, m: x.shape().rows(), n: weight.dim(0), k: weight.dim(1) };
    product_and_bias(cx, sizes, Operand::new(x), Operand::transposed(weight), bias, y)
}

/// y = a b + bias in every row: in one, or, where the library knows no way to, one after the other.
pub(crate) fn product_and_bias(
    cx: &Context,
    sizes: Sizes,
    a: Operand,
    b: Operand,
    bias: Option<&Tensor>,
    y: &mut Tensor,
) -> Result<()> {
    let Some(bias) = bias else { return multiply(cx, sizes, a, b, Along::Nothing, y, false) };
    if knows(cx, sizes, a, b, Kind::Bias, y.dtype(), false)? {
        return multiply(cx, sizes, a, b, Along::Bias(bias), y, false);
    }
    multiply(cx, sizes, a, b, Along::Nothing, y, false)?;
    elementwise::cuda::add_bias(cx, bias, y)
}

/// d_weight (+)= d_yᵀ x. The sum of the rows of d_y, too, where it is wanted and comes along.
pub(super) fn weight(
    cx: &Context,
    d_y: &Tensor,
    x: &Tensor,
    d_weight: &mut Tensor,
    add: bool,
    sums: bool,
) -> Result<Option<Tensor>> {
    let sizes = Sizes { batch: 1, m: d_weight.dim(0), n: d_weight.dim(1), k: x.shape().rows() };
    let (a, b) = (Operand::transposed(d_y), Operand::new(x));
    if sums && knows(cx, sizes, a, b, Kind::RowSums, d_weight.dtype(), add)? {
        let mut sums = cx.empty([sizes.m])?;
        multiply(cx, sizes, a, b, Along::RowSums(&mut sums), d_weight, add)?;
        return Ok(Some(sums));
    }
    multiply(cx, sizes, a, b, Along::Nothing, d_weight, add)?;
    Ok(None)
}

/// d_x (+)= d_y W.
pub(super) fn input(cx: &Context, d_y: &Tensor, weight: &Tensor, d_x: &mut Tensor, add: bool) -> Result<()> {
    multiply(cx, sizes(d_y, weight), Operand::new(d_y), Operand::new(weight), Along::Nothing, d_x, add)
}

/// True if this product is multiplied by the slope of GELU along; always on the CPU.
pub(super) fn multiplies_along(cx: &Context, d_y: &Tensor, weight: &Tensor) -> Result<bool> {
    let (a, b) = (Operand::new(d_y), Operand::new(weight));
    Ok(cx.cuda().is_none() || knows(cx, sizes(d_y, weight), a, b, Kind::GeluSlope, d_y.dtype(), false)?)
}

/// d_h = (d_y W) gelu'(h).
pub(super) fn input_of_gelu(cx: &Context, d_y: &Tensor, weight: &Tensor, h: &Tensor, d_h: &mut Tensor) -> Result<()> {
    multiply(cx, sizes(d_y, weight), Operand::new(d_y), Operand::new(weight), Along::GeluSlope(h), d_h, false)
}

/// The sizes of the product d_y W.
fn sizes(d_y: &Tensor, weight: &Tensor) -> Sizes {
    Sizes { batch: 1, m: d_y.shape().rows(), n: weight.dim(1), k: weight.dim(0) }
}
