use crate::ops::{batch_norm, batch_norm_relu};
use crate::tensor::parameter::{Buffer, Parameter};
use crate::variational;

/// Batch norm of images, channels last (Ioffe and Szegedy 2015): y = gain · (x - mean) / sqrt(variance + eps) + bias, each channel over
/// all images and places, as PyTorch's `BatchNorm2d`.
///
/// In training mean and variance are those of the batch, and the running ones follow them; outside of training the running ones
/// are used. `gain` starts at one, `bias` at zero, `running_mean` at zero, `running_variance` at one. See [`batch_norm`](mod@crate::ops::batch_norm)
/// for any other rank.
#[variational]
#[derive(Clone, Debug)]
pub struct BatchNorm2d<const C: usize> {
    #[parameter(init = ones)]
    gain: Parameter<C>,
    bias: Parameter<C>,
    #[buffer(init = zeros)]
    running_mean: Buffer<C>,
    #[buffer(init = ones)]
    running_variance: Buffer<C>,
    /// Weight of a new batch in the running statistics, 0.1.
    #[setting(0.1)]
    pub momentum: f64,
    /// Added to the variance, 1e-5.
    #[setting(1e-5)]
    pub eps: f64,
}

#[variational]
impl<const C: usize> BatchNorm2d<C> {
    /// `[B, H, W, C]` to the same shape.
    pub fn forward<B, H, W>(&self, x: Tensor<B, H, W, C>) -> Tensor<B, H, W, C> {
        batch_norm(x, self.gain, self.bias, self.running_mean, self.running_variance, self.momentum, self.eps)
    }

    /// The norm, then `relu`, in one pass over memory.
    #[replaces(relu(self.forward(x)))]
    pub fn activated<B, H, W>(&self, x: Tensor<B, H, W, C>) -> Tensor<B, H, W, C> {
        batch_norm_relu(x, None, self.gain, self.bias, self.running_mean, self.running_variance, self.momentum, self.eps)
    }

    /// The norm plus a residual, then `relu`, in one pass over memory.
    #[replaces(relu(self.forward(x) + residual))]
    pub fn activated_sum<B, H, W>(&self, x: Tensor<B, H, W, C>, residual: Tensor<B, H, W, C>) -> Tensor<B, H, W, C> {
        batch_norm_relu(x, residual, self.gain, self.bias, self.running_mean, self.running_variance, self.momentum, self.eps)
    }
}
