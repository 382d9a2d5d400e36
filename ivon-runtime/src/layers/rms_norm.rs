use crate::ops::rms_norm;
use crate::tensor::parameter::Parameter;
use crate::variational;

/// y = gain · x / sqrt(mean(x²) + eps), over the innermost dimension (Zhang and Sennrich 2019).
///
/// `gain` starts at one; `eps` is a setting, 1e-6.
#[variational]
#[derive(Clone, Debug)]
pub struct RmsNorm<const WIDTH: usize> {
    #[parameter(init = ones)]
    gain: Parameter<WIDTH>,
    /// Added to the mean of squares.
    #[setting(1e-6)]
    pub eps: f64,
}

#[variational]
impl<const WIDTH: usize> RmsNorm<WIDTH> {
    /// `[.., WIDTH]` to the same shape.
    pub fn forward<Rest: Dims>(&self, x: Tensor<Rest, WIDTH>) -> Tensor<Rest, WIDTH> {
        rms_norm(x, self.gain, self.eps)
    }
}
