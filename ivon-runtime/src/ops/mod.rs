//! Ops: the functions that a forward pass calls. Each op has a directory.
//!
//! # The contract of an op
//!
//! `signature!` declares what the compiler knows of an op: its dimensions. The op itself is a **module** of that name with
//! three functions and a type. For
//!
//! ```text
//! signature! {
//!     pub fn attention<const HEADS: usize, B, T, SIZE>(qkv: Tensor<B, T, { 3 * HEADS * SIZE }>) -> Tensor<B, T, { HEADS * SIZE }>;
//! }
//! signature! {
//!     pub fn linear<Rest: Dims, IN, OUT>(x: Tensor<Rest, IN>, weight: Weight<OUT, IN>, bias: Option<Tensor<OUT>>) -> Tensor<Rest, OUT>;
//! }
//! ```
//!
//! they are
//!
//! ```text
//! pub mod linear {
//!     pub struct Saved { .. }   // what the backward pass reads, no more: handles on tensors, shapes, streams
//!     pub fn forward(cx: &Context, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<Tensor>;
//!     pub fn forward_saving(cx: &Context, x: &Tensor, weight: &Tensor, bias: Option<&Tensor>) -> Result<(Tensor, Saved)>;
//!     pub fn backward(cx: &Context, saved: Saved, d_y: Tensor,
//!                     d_x: &mut Adjoint, d_weight: &mut Adjoint, d_bias: &mut Adjoint) -> Result<()>;
//! }
//! ```
//!
//! * Arguments come in the order of the signature, after `cx` and the const generics (`usize`): `Tensor` is `&Tensor`, `Option<Tensor>` is
//!   `Option<&Tensor>`, `Ids` is `&Tensor` of u32, `Buffer` is `&Buffer`, `f64`, `usize` and `bool` are themselves.
//! * A `Buffer` is read with [`Context::running`](crate::context::Context::running) and written through
//!   [`Context::update_running`](crate::context::Context::update_running), which gives `None` unless a gradient pass in training asks. It has no adjoint.
//! * `Weight` is a tensor that may come in the type that weights are stored in, bf16 where the context's precision is that. Other
//!   arguments get parameters in the type of activations.
//! * Several outputs are a tuple; `backward` then takes one `d_..: Tensor` for each.
//! * `backward` takes one [`Adjoint`](crate::context::adjoint::Adjoint) for each `Tensor` and `Option<Tensor>` argument, in order. It asks `target` where to put a
//!   contribution and whether to add; an adjoint that is not `wanted` is not computed. `saved` and `d_y` are owned: a kernel may
//!   work in place where `is_unique()`, and drops them as early as it can.
//! * With `#[adjoint]` above its signature an op makes the adjoint of its result itself, `fn adjoint(saved: &Saved) -> Adjoint`, and gets it back:
//!   `backward` then takes `d_y: impl Into<Adjoint>`. See [`Adjoint::of_function`](crate::Adjoint::of_function).
//! * Shapes are checked at run time by the same rule as at compile time: `Err` names the op and both shapes.
//! * An op allocates with `cx.empty`, workspace included, and returns before touching memory when `cx.planning()`. What it
//!   allocates depends on shapes alone.
//! * An op says what it computes and moves, for profiles: `let _op = cx.op("name", || Cost::..)` lasts as long as the work does. See [`crate::profile`].
//! * Results do not depend on the number of threads: work is cut by shape.
//! * Every op has a plain implementation, generic over [`Real`](crate::device::cpu::real::Real), that serves f64 and that the fast f32 one is checked against.

use crate::signature;

mod activations;
pub mod gradcheck;
pub mod pointwise;
pub mod shared;

mod vectors;

// The compiler knows their shape rules: they take dimensions, axes and ranges rather than tensors alone.
pub mod amax;
pub mod amin;
pub mod argmax;
pub mod argmin;
pub mod at;
pub mod compare_ids;
pub mod expand;
pub mod join;
pub mod logsumexp;
pub mod mean;
pub mod permute;
pub mod reshape;
pub mod slice;
pub mod squeeze;
pub mod stack;
pub mod sum;
pub mod transpose;
pub mod unsqueeze;

pub mod arange;
signature! {
    pub fn arange<const N: usize>() -> Tensor<N>;
}
pub mod attention;
signature! {
    pub fn attention<const HEADS: usize, B, T, SIZE>(qkv: Tensor<B, T, { 3 * HEADS * SIZE }>) -> Tensor<B, T, { HEADS * SIZE }>;
}
pub mod avg_pool2d;
signature! {
    pub fn avg_pool2d<const KERNEL: usize, const STRIDE: usize, const PADDING: usize, B, H, W, C>(x: Tensor<B, H, W, C>)
        -> Tensor<B, { floor((H + 2 * PADDING - KERNEL) / STRIDE) + 1 }, { floor((W + 2 * PADDING - KERNEL) / STRIDE) + 1 }, C>;
}
pub mod batch_norm;
signature! {
    pub fn batch_norm<Rest: Dims, C>(x: Tensor<Rest, C>, gain: Tensor<C>, bias: Option<Tensor<C>>, running_mean: Buffer<C>, running_variance: Buffer<C>, momentum: f64, eps: f64) -> Tensor<Rest, C>;
}
pub mod batch_norm_relu;
signature! {
    pub fn batch_norm_relu<Rest: Dims, C>(x: Tensor<Rest, C>, residual: Option<Tensor<Rest, C>>, gain: Tensor<C>, bias: Option<Tensor<C>>, running_mean: Buffer<C>, running_variance: Buffer<C>, momentum: f64, eps: f64) -> Tensor<Rest, C>;
}
pub mod causal_attention;
signature! {
    pub fn causal_attention<const HEADS: usize, B, T, SIZE>(qkv: Tensor<B, T, { 3 * HEADS * SIZE }>) -> Tensor<B, T, { HEADS * SIZE }>;
}
pub mod conv1d;
signature! {
    pub fn conv1d<const KERNEL: usize, const STRIDE: usize, const BEFORE: usize, const AFTER: usize, const DILATION: usize, const GROUPS: usize, B, T, IN, OUT>(
        x: Tensor<B, T, { GROUPS * IN }>,
        weight: Weight<{ GROUPS * OUT }, KERNEL, IN>,
        bias: Option<Tensor<{ GROUPS * OUT }>>,
    ) -> Tensor<B, { floor((T + BEFORE + AFTER - DILATION * (KERNEL - 1) - 1) / STRIDE) + 1 }, { GROUPS * OUT }>;
}
pub mod conv2d;
signature! {
    pub fn conv2d<const KERNEL: usize, const STRIDE: usize, const PADDING: usize, const DILATION: usize, const GROUPS: usize, B, H, W, IN, OUT>(
        x: Tensor<B, H, W, { GROUPS * IN }>,
        weight: Weight<{ GROUPS * OUT }, KERNEL, KERNEL, IN>,
        bias: Option<Tensor<{ GROUPS * OUT }>>,
    ) -> Tensor<
        B,
        { floor((H + 2 * PADDING - DILATION * (KERNEL - 1) - 1) / STRIDE) + 1 },
        { floor((W + 2 * PADDING - DILATION * (KERNEL - 1) - 1) / STRIDE) + 1 },
        { GROUPS * OUT },
    >;
}
pub mod conv2d_rectangular;
signature! {
    pub fn conv2d_rectangular<
        const HIGH: usize, const WIDE: usize, const ROW_STRIDE: usize, const COLUMN_STRIDE: usize,
        const TOP: usize, const BOTTOM: usize, const LEFT: usize, const RIGHT: usize,
        const ROW_DILATION: usize, const COLUMN_DILATION: usize, const GROUPS: usize, B, H, W, IN, OUT
    >(
        x: Tensor<B, H, W, { GROUPS * IN }>,
        weight: Weight<{ GROUPS * OUT }, HIGH, WIDE, IN>,
        bias: Option<Tensor<{ GROUPS * OUT }>>,
    ) -> Tensor<
        B,
        { floor((H + TOP + BOTTOM - ROW_DILATION * (HIGH - 1) - 1) / ROW_STRIDE) + 1 },
        { floor((W + LEFT + RIGHT - COLUMN_DILATION * (WIDE - 1) - 1) / COLUMN_STRIDE) + 1 },
        { GROUPS * OUT },
    >;
}
pub mod conv_transpose2d;
signature! {
    pub fn conv_transpose2d<const KERNEL: usize, const STRIDE: usize, const PADDING: usize, const OUTPUT_PADDING: usize, const DILATION: usize, const GROUPS: usize, B, H, W, IN, OUT>(
        x: Tensor<B, H, W, { GROUPS * IN }>,
        weight: Weight<{ GROUPS * IN }, KERNEL, KERNEL, OUT>,
        bias: Option<Tensor<{ GROUPS * OUT }>>,
    ) -> Tensor<
        B,
        { STRIDE * (H - 1) + DILATION * (KERNEL - 1) + OUTPUT_PADDING + 1 - 2 * PADDING },
        { STRIDE * (W - 1) + DILATION * (KERNEL - 1) + OUTPUT_PADDING + 1 - 2 * PADDING },
        { GROUPS * OUT },
    >;
}
pub mod cross_entropy;
signature! {
    pub fn cross_entropy<Rest: Dims, CLASSES>(logits: Tensor<Rest, CLASSES>, targets: Ids<Rest>) -> Tensor<>;
}
pub mod cross_entropy_smoothed;
signature! {
    pub fn cross_entropy_smoothed<Rest: Dims, CLASSES>(logits: Tensor<Rest, CLASSES>, targets: Ids<Rest>, smoothing: f64) -> Tensor<>;
}
pub mod dropout;
signature! {
    pub fn dropout<Rest: Dims>(x: Tensor<Rest>, rate: f64) -> Tensor<Rest>;
}
pub mod embedding;
signature! {
    pub fn embedding<Rest: Dims, ROWS, WIDTH>(ids: Ids<Rest>, weight: Weight<ROWS, WIDTH>) -> Tensor<Rest, WIDTH>;
}
pub mod eye;
signature! {
    pub fn eye<const N: usize>() -> Tensor<N, N>;
}
pub mod filter_response_norm;
signature! {
    pub fn filter_response_norm<B, H, W, C>(x: Tensor<B, H, W, C>, gain: Tensor<C>, bias: Tensor<C>, threshold: Option<Tensor<C>>, eps: f64) -> Tensor<B, H, W, C>;
}
pub mod gaussian_nll;
signature! {
    pub fn gaussian_nll<Rest: Dims>(mean: Tensor<Rest>, log_variance: Tensor<Rest>, y: Tensor<Rest>) -> Tensor<>;
}
pub mod global_average_pool;
signature! {
    pub fn global_average_pool<B, H, W, C>(x: Tensor<B, H, W, C>) -> Tensor<B, C>;
}
pub mod group_norm;
signature! {
    pub fn group_norm<const GROUPS: usize, B, H, W, SIZE>(x: Tensor<B, H, W, { GROUPS * SIZE }>, gain: Tensor<{ GROUPS * SIZE }>, bias: Tensor<{ GROUPS * SIZE }>, eps: f64) -> Tensor<B, H, W, { GROUPS * SIZE }>;
}
pub mod grouped_attention;
signature! {
    pub fn grouped_attention<const HEADS: usize, const KV_HEADS: usize, B, T, S, SIZE>(
        q: Tensor<B, T, { HEADS * SIZE }>,
        k: Tensor<B, S, { KV_HEADS * SIZE }>,
        v: Tensor<B, S, { KV_HEADS * SIZE }>,
        bias: Option<Tensor<HEADS, T, S>>,
        slopes: Option<Tensor<HEADS>>,
        mask: Option<Tensor<B, S>>,
        segments: Option<Tensor<B, T>>,
        causal: bool,
        window: usize,
        rate: f64,
    ) -> Tensor<B, T, { HEADS * SIZE }>;
}
pub mod index_select;
signature! {
    pub fn index_select<Rest: Dims, N, K>(x: Tensor<Rest, N>, ids: Ids<K>) -> Tensor<Rest, K>;
}
pub mod layer_norm;
signature! {
    pub fn layer_norm<Rest: Dims, N>(x: Tensor<Rest, N>, gain: Tensor<N>, bias: Option<Tensor<N>>, eps: f64) -> Tensor<Rest, N>;
}
pub mod length_mask;
signature! {
    pub fn length_mask<const T: usize, Rest: Dims>(lengths: Ids<Rest>) -> Tensor<Rest, T>;
}
pub mod linear;
signature! {
    pub fn linear<Rest: Dims, IN, OUT>(x: Tensor<Rest, IN>, weight: Weight<OUT, IN>, bias: Option<Tensor<OUT>>) -> Tensor<Rest, OUT>;
}
pub mod linear_cross_entropy;
signature! {
    pub fn linear_cross_entropy<Rest: Dims, IN, CLASSES>(x: Tensor<Rest, IN>, weight: Weight<CLASSES, IN>, targets: Ids<Rest>) -> Tensor<>;
}
pub mod linear_gelu;
signature! {
    #[adjoint]
    pub fn linear_gelu<Rest: Dims, IN, OUT>(x: Tensor<Rest, IN>, weight: Weight<OUT, IN>, bias: Option<Tensor<OUT>>) -> Tensor<Rest, OUT>;
}
pub mod log_softmax;
signature! {
    pub fn log_softmax<Rest: Dims, N>(x: Tensor<Rest, N>) -> Tensor<Rest, N>;
}
pub mod matmul;
signature! {
    pub fn matmul<Lead: Dims, M, K, N>(a: Tensor<Lead, M, K>, b: Tensor<Lead, K, N>) -> Tensor<Lead, M, N>;
}
pub mod max_pool2d;
signature! {
    pub fn max_pool2d<const KERNEL: usize, const STRIDE: usize, const PADDING: usize, B, H, W, C>(x: Tensor<B, H, W, C>)
        -> Tensor<B, { floor((H + 2 * PADDING - KERNEL) / STRIDE) + 1 }, { floor((W + 2 * PADDING - KERNEL) / STRIDE) + 1 }, C>;
}
pub mod mse;
signature! {
    pub fn mse<Rest: Dims>(x: Tensor<Rest>, y: Tensor<Rest>) -> Tensor<>;
}
pub mod one_hot;
signature! {
    pub fn one_hot<const CLASSES: usize, Rest: Dims>(ids: Ids<Rest>) -> Tensor<Rest, CLASSES>;
}
pub mod rms_norm;
signature! {
    pub fn rms_norm<Rest: Dims, N>(x: Tensor<Rest, N>, gain: Tensor<N>, eps: f64) -> Tensor<Rest, N>;
}
pub mod rotary;
signature! {
    pub fn rotary<const HEADS: usize, B, T, HALF>(x: Tensor<B, T, { HEADS * 2 * HALF }>, base: f64) -> Tensor<B, T, { HEADS * 2 * HALF }>;
}
pub mod softmax;
signature! {
    pub fn softmax<Rest: Dims, N>(x: Tensor<Rest, N>) -> Tensor<Rest, N>;
}

pub use crate::context::elementwise::{add_assign, copy};
pub use activations::*;
pub use compare_ids::Comparison;
pub use shared::Axes;
pub use vectors::*;

/// The CUDA sources of all ops, for tests that compile them.
pub(crate) fn sources() -> Vec<&'static crate::device::cuda::Source> {
    let mut all = vec![
        &shared::along::cuda::KERNELS,
        &shared::attend::cuda::PLAIN,
        &shared::attend::cuda::CACHED,
        &batch_norm::cuda::KERNELS,
        &shared::channels::cuda::KERNELS,
        &conv2d::cuda::KERNELS,
        &conv2d::depthwise::cuda::KERNELS,
        &dropout::cuda::KERNELS,
        &embedding::cuda::KERNELS,
        &grouped_attention::cuda::KERNELS,
        &shared::entropy::cuda::KERNELS,
        &shared::extreme::cuda::KERNELS,
        &index_select::cuda::KERNELS,
        &logsumexp::cuda::KERNELS,
        &shared::normalize::cuda::KERNELS,
        &shared::patterns::cuda::KERNELS,
        &shared::pool::cuda::KERNELS,
        &shared::reduce::cuda::KERNELS,
        &rotary::cuda::KERNELS,
        &softmax::cuda::KERNELS,
        &shared::strips::cuda::KERNELS,
        &transpose::cuda::KERNELS,
    ];
    all.extend(shared::attend::cuda::FORWARD.iter().chain(&shared::attend::cuda::BACKWARD).map(|(_, source)| source));
    all.extend(shared::normalize::cuda::IN_REGISTERS.iter().map(|(_, source)| source));
    all
}
