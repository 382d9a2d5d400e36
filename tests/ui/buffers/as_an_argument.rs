//! Methods take no buffers.
use ivon_runtime::{ops::batch_norm, prelude::*};

#[variational]
pub struct Model<const C: usize> {
    gain: Parameter<C>,
    running_mean: Buffer<C>,
    #[buffer(init = ones)]
    running_variance: Buffer<C>,
}

#[variational]
impl<const C: usize> Model<C> {
    pub fn forward<B>(&self, x: Tensor<B, C>, running_mean: Buffer<C>) -> Tensor<B, C> {
        batch_norm(x, self.gain, None, running_mean, self.running_variance, 0.1, 1e-5)
    }
}

fn main() {}
