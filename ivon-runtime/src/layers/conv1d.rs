use crate::ops::conv1d;
use crate::tensor::parameter::Parameter;
use crate::variational;

/// A convolution over sequences, channels last: `[B, T, IN]` to `[B, T', OUT]`, with
/// T' = floor((T + BEFORE + AFTER - DILATION (KERNEL - 1) - 1) / STRIDE) + 1. See [`conv1d`].
///
/// `BEFORE` and `AFTER` are zeros at the ends: `Conv1d<IN, OUT, 3, 1, 1, 1>` keeps the length; `Conv1d<IN, OUT, 2, 1, 4, 0, 4>` keeps it
/// and is causal, with a dilation of 4.
///
/// `weight` is `[OUT, KERNEL, IN / GROUPS]` and starts as PyTorch's `Conv1d`, uniform on ±1 / sqrt(KERNEL IN / GROUPS); `bias` is
/// `[OUT]`, is there if `BIAS` is true, and starts at zero.
#[variational]
#[derive(Clone, Debug)]
pub struct Conv1d<
    const IN: usize,
    const OUT: usize,
    const KERNEL: usize,
    const STRIDE: usize = 1,
    const BEFORE: usize = 0,
    const AFTER: usize = 0,
    const DILATION: usize = 1,
    const GROUPS: usize = 1,
    const BIAS: bool = true,
> {
    weight: Parameter<OUT, KERNEL, { IN / GROUPS }>,
    #[parameter(when = BIAS)]
    bias: Option<Parameter<OUT>>,
}

#[variational]
impl<
    const IN: usize,
    const OUT: usize,
    const KERNEL: usize,
    const STRIDE: usize = 1,
    const BEFORE: usize = 0,
    const AFTER: usize = 0,
    const DILATION: usize = 1,
    const GROUPS: usize = 1,
    const BIAS: bool = true,
> Conv1d<IN, OUT, KERNEL, STRIDE, BEFORE, AFTER, DILATION, GROUPS, BIAS>
{
    /// The convolution.
    pub fn forward<B, T>(
        &self,
        x: Tensor<B, T, IN>,
    ) -> Tensor<B, { floor((T + BEFORE + AFTER - DILATION * (KERNEL - 1) - 1) / STRIDE) + 1 }, OUT> {
        conv1d::<KERNEL, STRIDE, BEFORE, AFTER, DILATION, GROUPS>(x, self.weight, self.bias)
    }
}
