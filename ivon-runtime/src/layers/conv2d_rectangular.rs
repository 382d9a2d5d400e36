use crate::ops::conv2d_rectangular;
use crate::tensor::parameter::Parameter;
use crate::variational;

/// A convolution with a window of `HIGH` × `WIDE` pixels, channels last: `[B, H, W, IN]` to `[B, H', W', OUT]`, with
/// H' = floor((H + TOP + BOTTOM - HIGH) / ROW_STRIDE) + 1 and W' = floor((W + LEFT + RIGHT - WIDE) / COLUMN_STRIDE) + 1. The sides are
/// padded with `TOP`, `BOTTOM`, `LEFT` and `RIGHT` zeros. See [`conv2d_rectangular`], which dilates, too.
///
/// `weight` is `[OUT, HIGH, WIDE, IN / GROUPS]` and starts as PyTorch's `Conv2d`, uniform on ±1 / sqrt(HIGH WIDE IN / GROUPS); `bias`
/// is `[OUT]`, is there if `BIAS` is true (a convolution before a norm has none), and starts at zero.
#[variational]
#[derive(Clone, Debug)]
pub struct Conv2dRectangular<
    const IN: usize,
    const OUT: usize,
    const HIGH: usize,
    const WIDE: usize,
    const ROW_STRIDE: usize = 1,
    const COLUMN_STRIDE: usize = 1,
    const TOP: usize = 0,
    const BOTTOM: usize = 0,
    const LEFT: usize = 0,
    const RIGHT: usize = 0,
    const GROUPS: usize = 1,
    const BIAS: bool = false,
> {
    weight: Parameter<OUT, HIGH, WIDE, { IN / GROUPS }>,
    #[parameter(when = BIAS)]
    bias: Option<Parameter<OUT>>,
}

#[variational]
impl<
    const IN: usize,
    const OUT: usize,
    const HIGH: usize,
    const WIDE: usize,
    const ROW_STRIDE: usize = 1,
    const COLUMN_STRIDE: usize = 1,
    const TOP: usize = 0,
    const BOTTOM: usize = 0,
    const LEFT: usize = 0,
    const RIGHT: usize = 0,
    const GROUPS: usize = 1,
    const BIAS: bool = false,
> Conv2dRectangular<IN, OUT, HIGH, WIDE, ROW_STRIDE, COLUMN_STRIDE, TOP, BOTTOM, LEFT, RIGHT, GROUPS, BIAS>
{
    /// The convolution.
    pub fn forward<B, H, W>(
        &self,
        x: Tensor<B, H, W, IN>,
    ) -> Tensor<
        B,
        { floor((H + TOP + BOTTOM - HIGH) / ROW_STRIDE) + 1 },
        { floor((W + LEFT + RIGHT - WIDE) / COLUMN_STRIDE) + 1 },
        OUT,
    > {
        conv2d_rectangular::<HIGH, WIDE, ROW_STRIDE, COLUMN_STRIDE, TOP, BOTTOM, LEFT, RIGHT, 1, 1, GROUPS>(
            x,
            self.weight,
            self.bias,
        )
    }
}
