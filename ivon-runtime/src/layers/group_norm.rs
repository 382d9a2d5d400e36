use crate::ops::group_norm;
use crate::tensor::parameter::Parameter;
use crate::variational;

/// y = gain · (x - mean) / sqrt(variance + eps) + bias, mean and variance over one image's places and one of `GROUPS` groups of channels
/// (Wu and He 2018).
///
/// `GROUPS` divides `C`. `gain` starts at one, `bias` at zero; `eps` is a setting, 1e-5.
#[variational]
#[derive(Clone, Debug)]
pub struct GroupNorm<const C: usize, const GROUPS: usize> {
    #[parameter(init = ones)]
    gain: Parameter<C>,
    bias: Parameter<C>,
    /// Added to the variance.
    #[setting(1e-5)]
    pub eps: f64,
}

#[variational]
impl<const C: usize, const GROUPS: usize> GroupNorm<C, GROUPS> {
    /// `[B, H, W, C]` to the same shape.
    pub fn forward<B, H, W>(&self, x: Tensor<B, H, W, C>) -> Tensor<B, H, W, C> {
        group_norm::<GROUPS>(x, self.gain, self.bias, self.eps)
    }

    /// The norm, then `relu`.
    pub fn activated<B, H, W>(&self, x: Tensor<B, H, W, C>) -> Tensor<B, H, W, C> {
        relu(self.forward(x))
    }

    /// The norm plus a residual, then `relu`.
    pub fn activated_sum<B, H, W>(&self, x: Tensor<B, H, W, C>, residual: Tensor<B, H, W, C>) -> Tensor<B, H, W, C> {
        relu(self.forward(x) + residual)
    }
}
