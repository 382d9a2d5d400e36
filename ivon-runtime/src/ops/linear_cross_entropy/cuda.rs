//! Rows of zeros that make products fast on a GPU.

use crate::context::Context;
use crate::context::elementwise;
use crate::context::profile::Cost;
use crate::core::error::Result;
use crate::ops::shared::strips::{Strip, cuda as strips};
use crate::tensor::Tensor;

/// The number of rows is rounded up to a multiple of this: 128 bytes of bf16.
const ALIGNED: usize = 64;
/// The alignment of rows that the library's fast kernels require, in bytes.
const NEEDED: usize = 16;

/// `weight` with rows of zeros below, where the context computes on a GPU and the logits would not be aligned.
pub(super) fn padded(cx: &Context, weight: &Tensor) -> Result<Option<Tensor>> {
    let (rows, inputs) = (weight.dim(0), weight.dim(1));
    if cx.cuda().is_none() || (rows * cx.dtype().bytes()).is_multiple_of(NEEDED) {
        return Ok(None);
    }
    let all = rows.next_multiple_of(ALIGNED);
    let mut padded = cx.empty([all, inputs])?;
    let mut zeros = cx.empty([all - rows, inputs])?;
    let _op = cx.op("pad", || Cost::default().reads([weight]).writes(&padded, false));
    elementwise::cuda::zero(cx, &mut zeros)?;
    strips::put(cx, Strip::of(padded.shape(), 0, 0, rows), weight, &mut padded, false)?;
    strips::put(cx, Strip::of(padded.shape(), 0, rows, all - rows), &zeros, &mut padded, false)?;
    Ok(Some(padded))
}

/// `d_weight` = the first rows of `longer`, or += them.
pub(super) fn first_rows(cx: &Context, longer: &Tensor, d_weight: &mut Tensor, add: bool) -> Result<()> {
    let _op = cx.op("pad", || Cost::default().reads([&*d_weight]).writes(d_weight, add));
    strips::take(cx, Strip::of(longer.shape(), 0, 0, d_weight.dim(0)), longer, d_weight, add)
}
