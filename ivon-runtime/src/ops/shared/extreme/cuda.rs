//! The largest or smallest number along an axis, on a GPU.

use super::Extreme;
use crate::args;
use crate::context::Context;
use crate::core::error::Result;
use crate::device::cuda::{Grid, Source};
use crate::ops::shared::axes::Parts;
use crate::ops::shared::normalize::cuda::rows_grid;
use crate::tensor::Tensor;

// SAFETY: launched in this file alone, with the sizes of the tensors, which every index is compared with.
pub(crate) static KERNELS: Source = unsafe { Source::new("extreme", include_str!("kernel.cu")) };

pub(crate) fn forward(cx: &Context, x: &Tensor, y: &mut Tensor, step: Parts, extreme: Extreme) -> Result<()> {
    let (Parts { outer, axis, inner }, sign) = (step, extreme.sign() as f32);
    if inner == 1 {
        let (grid, whole_block) = rows_grid(outer, axis);
        return KERNELS.launch(cx, "extreme_rows", grid, &mut args![x, y, outer, axis, sign, whole_block]);
    }
    KERNELS.launch(cx, "extreme", Grid::over(outer * inner), &mut args![x, y, outer * inner, axis, inner, sign])
}

pub(crate) fn place(cx: &Context, x: &Tensor, y: &mut Tensor, step: Parts, extreme: Extreme) -> Result<()> {
    let Parts { outer, axis, inner } = step;
    let args = &mut args![x, y, outer * inner, axis, inner, extreme.sign() as f32];
    KERNELS.launch(cx, "extreme_place", Grid::over(outer * inner), args)
}

pub(crate) fn parts(cx: &Context, [x, y, d_y]: [&Tensor; 3], parts: &mut Tensor, step: Parts) -> Result<()> {
    let Parts { outer, axis, inner } = step;
    if inner == 1 {
        let (grid, whole_block) = rows_grid(outer, axis);
        return KERNELS.launch(cx, "extreme_parts_of_rows", grid, &mut args![x, y, d_y, parts, outer, axis, whole_block]);
    }
    let args = &mut args![x, y, d_y, parts, outer * inner, axis, inner];
    KERNELS.launch(cx, "extreme_parts", Grid::over(outer * inner), args)
}

pub(crate) fn give(cx: &Context, [x, y, parts]: [&Tensor; 3], d_x: &mut Tensor, step: Parts, add: bool) -> Result<()> {
    let Parts { axis, inner, .. } = step;
    let elements = d_x.shape().elements();
    KERNELS.launch(cx, "extreme_give", Grid::over(elements), &mut args![x, y, parts, d_x, elements, axis, inner, add])
}
