//! Depthwise convolution: each output channel sees the input channel of its number alone. The kernels are direct, and vectorised
//! over channels; with so few products for each element a matrix of patches would cost more than the sums.
//!
//! One loop serves the output and the gradient of the input: both are sums over taps of a weight and a source pixel
//! ([`Plan`](plan::Plan)). The gradient of the weights is summed over parts of the pixels, which depend on the shape alone, and
//! then over the parts.

pub(crate) mod cuda;
mod kernel;
mod plan;

use super::Geometry;
use crate::context::profile::Cost;
use crate::context::{Compute, ComputeWeighted, Context};
use crate::core::error::Result;
use crate::device::cpu::matmul::Stored;
use crate::device::cpu::parallel::pieces;
use crate::device::cpu::real::Real;
use crate::device::cuda::Product;
use crate::tensor::Tensor;
use kernel::{GROUP, Rows};
use plan::Plan;

/// Elements of `y` or `d_x` a task: with what they are computed from they fit a second-level cache.
const ELEMENTS: usize = 1 << 15;
/// Tasks of the gradient of the weights.
const TASKS: usize = 32;
/// Pixels whose products are summed in registers before other taps are.
const PIXELS: usize = 512;

/// True if these kernels compute this product: of each channel alone, unless cuDNN does.
///
/// # Errors
/// If the GPU is lost.
pub(super) fn applies(cx: &Context, g: &Geometry, product: Product) -> Result<bool> {
    let is_depthwise = g.groups > 1 && g.group_inputs() == 1 && g.group_outputs() == 1;
    Ok(is_depthwise && super::cuda::way(cx, g, product)?.is_none())
}

/// y = bias + the sum over taps of weight · x.
pub(super) struct Forward<'a> {
    pub geometry: &'a Geometry,
    pub x: &'a Tensor,
    pub weight: &'a Tensor,
    pub bias: Option<&'a Tensor>,
    pub y: &'a mut Tensor,
    /// From [`workspace`].
    pub transposed: &'a mut Tensor,
}

/// d_x (+)= the sum over taps of weight · d_y.
pub(super) struct InputGradient<'a> {
    pub geometry: &'a Geometry,
    pub weight: &'a Tensor,
    pub d_y: &'a Tensor,
    pub d_x: &'a mut Tensor,
    pub add: bool,
    /// From [`workspace`].
    pub transposed: &'a mut Tensor,
}

/// d_weight (+)= the sum over pixels of d_y · x.
pub(super) struct WeightGradient<'a> {
    pub geometry: &'a Geometry,
    pub x: &'a Tensor,
    pub d_y: &'a Tensor,
    pub d_weight: &'a mut Tensor,
    pub add: bool,
    /// From [`partial_sums`].
    pub partial: &'a mut Tensor,
}

/// Memory for the weights as \[taps, channels\].
///
/// # Errors
/// As [`Context::empty`].
pub(super) fn workspace(cx: &Context, g: &Geometry) -> Result<Tensor> {
    cx.scratch([g.sliding.taps(), g.outputs])
}

/// Memory for the sums of the tasks of [`WeightGradient`], \[parts, groups of channels, taps, GROUP\].
///
/// # Errors
/// As [`Context::empty`].
pub(super) fn partial_sums(cx: &Context, g: &Geometry) -> Result<Tensor> {
    cx.scratch([parts(g), groups(g), g.sliding.taps(), GROUP])
}

/// Groups of channels.
fn groups(g: &Geometry) -> usize {
    g.outputs.div_ceil(GROUP)
}

/// Parts of the rows of output pixels whose gradients are summed alone. They depend on the shape alone.
fn parts(g: &Geometry) -> usize {
    let rows = g.sliding.batch * g.sliding.out_height;
    TASKS.div_ceil(groups(g).max(1)).min(rows)
}

impl ComputeWeighted for Forward<'_> {
    fn weight(&self) -> &Tensor {
        self.weight
    }

    fn cost(&self, cx: &Context) -> Cost {
        self.geometry.cost(cx).reads([self.x, self.weight]).writes(self.y, false)
    }

    fn cpu<E: Real, W: Stored<E>>(self) {
        let plan = Plan::outputs(&self.geometry.sliding);
        let weight = transposed::<E, W>(self.weight, self.transposed);
        sum_taps(&plan, self.x.as_slice(), weight, self.bias.map(|bias| bias.as_slice()), self.y.as_mut_slice(), false);
    }

    fn cuda(self, cx: &Context) -> Result<()> {
        cuda::forward(cx, self.geometry, self.x, self.weight, self.bias, self.y)
    }
}

impl ComputeWeighted for InputGradient<'_> {
    fn weight(&self) -> &Tensor {
        self.weight
    }

    fn cost(&self, cx: &Context) -> Cost {
        self.geometry.cost(cx).reads([self.weight, self.d_y]).writes(self.d_x, self.add)
    }

    fn cpu<E: Real, W: Stored<E>>(self) {
        let plan = Plan::inputs(&self.geometry.sliding);
        let weight = transposed::<E, W>(self.weight, self.transposed);
        sum_taps(&plan, self.d_y.as_slice(), weight, None, self.d_x.as_mut_slice(), self.add);
    }

    fn cuda(self, cx: &Context) -> Result<()> {
        cuda::input_gradient(cx, self.geometry, self.weight, self.d_y, self.d_x, self.add)
    }
}

impl Compute for WeightGradient<'_> {
    fn cost(&self, cx: &Context) -> Cost {
        self.geometry.cost(cx).reads([self.x, self.d_y]).writes(self.d_weight, self.add)
    }

    fn cpu<E: Real>(self) {
        let (g, plan) = (self.geometry, Plan::outputs(&self.geometry.sliding));
        let (x, d_y, partial) = (self.x.as_slice::<E>(), self.d_y.as_slice::<E>(), self.partial.as_mut_slice::<E>());
        let (rows, groups, taps) = (plan.target_rows(), groups(g), plan.taps());
        let of_part = rows.div_ceil(parts(g).max(1));
        pieces(partial, taps * GROUP, |task, sums| {
            sums.fill(E::default());
            let first = (task / groups * of_part).min(rows);
            let end = (first + of_part).min(rows);
            let block = (PIXELS / plan.target[1]).max(1);
            for first in (first..end).step_by(block) {
                let rows = Rows { first, count: block.min(end - first) };
                kernel::products(&plan, rows, x, d_y, g.outputs, task % groups * GROUP, sums);
            }
        });
        let d_weight = self.d_weight.as_mut_slice::<E>();
        for (channel, d_weight) in d_weight.chunks_exact_mut(taps).enumerate() {
            for (tap, d_weight) in d_weight.iter_mut().enumerate() {
                let at = (channel / GROUP * taps + tap) * GROUP + channel % GROUP;
                let sum = partial.chunks_exact(groups * taps * GROUP).map(|part| part[at]).sum();
                *d_weight = if self.add { *d_weight + sum } else { sum };
            }
        }
    }

    fn cuda(self, cx: &Context) -> Result<()> {
        cuda::weight_gradient(cx, self.geometry, self.x, self.d_y, self.d_weight, self.add)
    }
}

/// to\[tap, channel\] = weight\[channel, tap\]
fn transposed<'a, E: Real, W: Stored<E>>(weight: &Tensor, to: &'a mut Tensor) -> &'a [E] {
    let channels = to.shape().last();
    let (weight, to) = (weight.as_slice::<W>(), to.as_mut_slice::<E>());
    let taps = to.len() / channels.max(1);
    for (tap, to) in to.chunks_exact_mut(channels.max(1)).enumerate() {
        to.iter_mut().enumerate().for_each(|(channel, to)| *to = weight[channel * taps + tap].widen());
    }
    to
}

/// y (+)= bias + the sum over taps of weight · x, on all threads.
fn sum_taps<E: Real>(plan: &Plan, x: &[E], weight: &[E], bias: Option<&[E]>, y: &mut [E], add: bool) {
    let row = plan.target[1] * weight.len() / plan.taps();
    let rows = (ELEMENTS / row.max(1)).max(1);
    pieces(y, rows * row, |i, y| kernel::rows(plan, i * rows, x, weight, bias, y, add));
}
