use crate::ops::conv2d;
use crate::tensor::parameter::Parameter;
use crate::variational;

/// A convolution over images, channels last: `[B, H, W, IN]` to `[B, H', W', OUT]`, with
/// H' = floor((H + 2 PADDING - DILATION (KERNEL - 1) - 1) / STRIDE) + 1. See [`conv2d`].
///
/// `weight` is `[OUT, KERNEL, KERNEL, IN / GROUPS]` and starts as PyTorch's `Conv2d`, uniform on ±1 / sqrt(KERNEL² IN / GROUPS); `bias` is
/// `[OUT]`, is there if `BIAS` is true (a convolution before a norm has none), and starts at zero.
#[variational]
#[derive(Clone, Debug)]
pub struct Conv2d<
    const IN: usize,
    const OUT: usize,
    const KERNEL: usize,
    const STRIDE: usize = 1,
    const PADDING: usize = 0,
    const DILATION: usize = 1,
    const GROUPS: usize = 1,
    const BIAS: bool = false,
> {
    weight: Parameter<OUT, KERNEL, KERNEL, { IN / GROUPS }>,
    #[parameter(when = BIAS)]
    bias: Option<Parameter<OUT>>,
}

#[variational]
impl<
    const IN: usize,
    const OUT: usize,
    const KERNEL: usize,
    const STRIDE: usize = 1,
    const PADDING: usize = 0,
    const DILATION: usize = 1,
    const GROUPS: usize = 1,
    const BIAS: bool = false,
> Conv2d<IN, OUT, KERNEL, STRIDE, PADDING, DILATION, GROUPS, BIAS>
{
    /// The convolution.
    pub fn forward<B, H, W>(
        &self,
        x: Tensor<B, H, W, IN>,
    ) -> Tensor<
        B,
        { floor((H + 2 * PADDING - DILATION * (KERNEL - 1) - 1) / STRIDE) + 1 },
        { floor((W + 2 * PADDING - DILATION * (KERNEL - 1) - 1) / STRIDE) + 1 },
        OUT,
    > {
        conv2d::<KERNEL, STRIDE, PADDING, DILATION, GROUPS>(x, self.weight, self.bias)
    }
}
