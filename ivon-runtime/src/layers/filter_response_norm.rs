use crate::ops::filter_response_norm;
use crate::tensor::parameter::Parameter;
use crate::variational;

/// y = max(gain · x / sqrt(nu² + eps) + bias, threshold), nu² the mean of x² over the places of one channel of one image: a normalisation and its
/// activation, which know nothing of the rest of the batch (Singh and Krishnan 2020).
///
/// `gain` starts at one, `bias` and `threshold` (there unless `THRESHOLD` is false; without it there is no activation) at zero. `eps` is a setting, 1e-6.
#[variational]
#[derive(Clone, Debug)]
pub struct FilterResponseNorm<const C: usize, const THRESHOLD: bool = true> {
    #[parameter(init = ones)]
    gain: Parameter<C>,
    bias: Parameter<C>,
    #[parameter(when = THRESHOLD)]
    threshold: Option<Parameter<C>>,
    /// Added to the mean square.
    #[setting(1e-6)]
    pub eps: f64,
}

#[variational]
impl<const C: usize, const THRESHOLD: bool> FilterResponseNorm<C, THRESHOLD> {
    /// `[B, H, W, C]` to the same shape.
    pub fn forward<B, H, W>(&self, x: Tensor<B, H, W, C>) -> Tensor<B, H, W, C> {
        filter_response_norm(x, self.gain, self.bias, self.threshold, self.eps)
    }

    /// The same: its threshold, where there is one, is its activation.
    pub fn activated<B, H, W>(&self, x: Tensor<B, H, W, C>) -> Tensor<B, H, W, C> {
        filter_response_norm(x, self.gain, self.bias, self.threshold, self.eps)
    }

    /// The norm plus a residual, then `relu`.
    pub fn activated_sum<B, H, W>(&self, x: Tensor<B, H, W, C>, residual: Tensor<B, H, W, C>) -> Tensor<B, H, W, C> {
        relu(self.forward(x) + residual)
    }
}
