use crate::ops::layer_norm;
use crate::tensor::parameter::Parameter;
use crate::variational;

/// y = gain · (x - mean) / sqrt(variance + eps) + bias, over the innermost dimension (Ba, Kiros and Hinton 2016).
///
/// `gain` starts at one, `bias` (there unless `BIAS` is false) at zero; `eps` is a setting, 1e-5.
#[variational]
#[derive(Clone, Debug)]
pub struct LayerNorm<const WIDTH: usize, const BIAS: bool = true> {
    #[parameter(init = ones)]
    gain: Parameter<WIDTH>,
    #[parameter(when = BIAS)]
    bias: Option<Parameter<WIDTH>>,
    /// Added to the variance.
    #[setting(1e-5)]
    pub eps: f64,
}

#[variational]
impl<const WIDTH: usize, const BIAS: bool> LayerNorm<WIDTH, BIAS> {
    /// `[.., WIDTH]` to the same shape.
    pub fn forward<Rest: Dims>(&self, x: Tensor<Rest, WIDTH>) -> Tensor<Rest, WIDTH> {
        layer_norm(x, self.gain, self.bias, self.eps)
    }
}
