use crate::ops::conv_transpose2d;
use crate::tensor::parameter::Parameter;
use crate::variational;

/// A transposed convolution over images, channels last: `[B, H, W, IN]` to `[B, H', W', OUT]`, with
/// H' = (H - 1) STRIDE - 2 PADDING + DILATION (KERNEL - 1) + OUTPUT_PADDING + 1. See [`conv_transpose2d`].
/// `ConvTranspose2d<IN, OUT, 2, 2>` doubles height and width.
///
/// `weight` is `[IN, KERNEL, KERNEL, OUT / GROUPS]` and starts as PyTorch's `ConvTranspose2d`, uniform on
/// ±1 / sqrt(KERNEL² OUT / GROUPS); `bias` is `[OUT]`, is there if `BIAS` is true, and starts at zero.
#[variational]
#[derive(Clone, Debug)]
pub struct ConvTranspose2d<
    const IN: usize,
    const OUT: usize,
    const KERNEL: usize,
    const STRIDE: usize = 1,
    const PADDING: usize = 0,
    const OUTPUT_PADDING: usize = 0,
    const DILATION: usize = 1,
    const GROUPS: usize = 1,
    const BIAS: bool = true,
> {
    weight: Parameter<IN, KERNEL, KERNEL, { OUT / GROUPS }>,
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
    const OUTPUT_PADDING: usize = 0,
    const DILATION: usize = 1,
    const GROUPS: usize = 1,
    const BIAS: bool = true,
> ConvTranspose2d<IN, OUT, KERNEL, STRIDE, PADDING, OUTPUT_PADDING, DILATION, GROUPS, BIAS>
{
    /// The transposed convolution.
    pub fn forward<B, H, W>(
        &self,
        x: Tensor<B, H, W, IN>,
    ) -> Tensor<
        B,
        { STRIDE * (H - 1) + DILATION * (KERNEL - 1) + OUTPUT_PADDING + 1 - 2 * PADDING },
        { STRIDE * (W - 1) + DILATION * (KERNEL - 1) + OUTPUT_PADDING + 1 - 2 * PADDING },
        OUT,
    > {
        conv_transpose2d::<KERNEL, STRIDE, PADDING, OUTPUT_PADDING, DILATION, GROUPS>(x, self.weight, self.bias)
    }
}
