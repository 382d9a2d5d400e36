//! Adding and copying on a GPU.

use crate::args;
use crate::context::Context;
use crate::core::error::Result;
use crate::device::cuda::{Grid, Source};
use crate::tensor::Tensor;

// SAFETY: launched only in this file, with the sizes of the tensors; the kernels compare every index with them.
pub(crate) static KERNELS: Source = unsafe { Source::new("elementwise", include_str!("kernel.cu")) };

/// A larger grid would not help: this many blocks fill any GPU, and threads continue with further elements.
const BLOCKS: usize = 4096;

pub(super) fn add_assign(cx: &Context, sum: &mut Tensor, x: &Tensor) -> Result<()> {
    let elements = x.shape().elements();
    let pieces = elements.div_ceil(16 / cx.dtype().bytes());
    KERNELS.launch(cx, "add_assign", Grid::over(pieces).at_most(BLOCKS), &mut args![x, sum, elements])
}

pub(super) fn copy(cx: &Context, x: &Tensor, y: &mut Tensor) -> Result<()> {
    if cx.planning() {
        cx.launched(|trail| {
            trail.text("copy");
            [x, y].iter().for_each(|tensor| tensor.leave(trail));
        });
        y.is_launched();
        return x.check_launched("copy");
    }
    let cuda = cx.gpu()?;
    let bytes = x.bytes();
    // SAFETY: both have this many bytes.
    unsafe { cuda.copy(x.address(cx)?, y.address_mut(cx)?, bytes) }
}

/// y \[.., width\] += bias \[width\] in every row.
pub(crate) fn add_bias(cx: &Context, bias: &Tensor, y: &mut Tensor) -> Result<()> {
    let elements = y.shape().elements();
    KERNELS.launch(cx, "add_bias", Grid::over(elements), &mut args![bias, y, elements, bias.shape().elements()])
}

/// x = 0.
pub(crate) fn zero(cx: &Context, x: &mut Tensor) -> Result<()> {
    let elements = x.shape().elements();
    KERNELS.launch(cx, "zero", Grid::over(elements).at_most(BLOCKS), &mut args![x, elements])
}

/// y = x in the type of activations.
pub(super) fn narrow(cx: &Context, x: &Tensor, y: &mut Tensor) -> Result<()> {
    let elements = x.shape().elements();
    KERNELS.launch(cx, "narrow", Grid::over(elements).at_most(BLOCKS), &mut args![x, y, elements])
}
