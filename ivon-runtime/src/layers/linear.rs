use crate::ops::{linear, linear_gelu};
use crate::tensor::parameter::Parameter;
use crate::variational;

/// y = x W^T + b, on the innermost dimension.
///
/// `weight` is `[OUT, IN]` and starts as PyTorch's `Linear`, uniform on ±1 / sqrt(IN); `bias` is `[OUT]`, is there unless `BIAS` is
/// false, and starts at zero.
#[variational]
#[derive(Clone, Debug)]
pub struct Linear<const IN: usize, const OUT: usize, const BIAS: bool = true> {
    weight: Parameter<OUT, IN>,
    #[parameter(when = BIAS)]
    bias: Option<Parameter<OUT>>,
}

#[variational]
impl<const IN: usize, const OUT: usize, const BIAS: bool> Linear<IN, OUT, BIAS> {
    /// `[.., IN]` to `[.., OUT]`.
    pub fn forward<Rest: Dims>(&self, x: Tensor<Rest, IN>) -> Tensor<Rest, OUT> {
        linear(x, self.weight, self.bias)
    }

    /// Then `gelu_tanh`, which is computed while the sums of the product are at hand.
    #[replaces({
        let h = self.forward(x);
        h * sigmoid(1.5957691216057308 * (h + 0.044715 * h * h * h))
    })]
    #[adjoint]
    pub fn forward_gelu<Rest: Dims>(&self, x: Tensor<Rest, IN>) -> Tensor<Rest, OUT> {
        linear_gelu(x, self.weight, self.bias)
    }
}
