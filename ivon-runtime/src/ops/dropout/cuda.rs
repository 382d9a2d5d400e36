//! Dropout on a GPU: the same words of the stream as on the CPU.

use super::Mask;
use crate::args;
use crate::context::Context;
use crate::core::error::Result;
use crate::device::cuda::{Grid, Source};
use crate::tensor::Tensor;
use crate::tensor::noise::GROUP;

// SAFETY: launched in this file alone, with the sizes of the tensors, which every index is compared with.
pub(crate) static KERNELS: Source =
    unsafe { Source::new("dropout", concat!(include_str!("../../device/cuda/kernels/noise.cuh"), include_str!("kernel.cu"))) };

/// y = mask · x, or += it.
pub(super) fn apply(cx: &Context, mask: Mask, x: &Tensor, y: &mut Tensor, add: bool) -> Result<()> {
    let elements = x.shape().elements();
    let [key_low, key_high] = mask.noise.key;
    let grid = Grid::over(elements.div_ceil(GROUP) * (GROUP / 4));
    let args = &mut args![x, y, elements, key_low, key_high, cx.counters()?, mask.threshold, mask.scale as f32, add];
    KERNELS.launch(cx, "dropout", grid, args)
}
