//! What the attribute of a buffer takes, and where it goes.
use ivon_runtime::{ops::batch_norm, prelude::*};

#[variational]
pub struct Model<const C: usize> {
    #[buffer(init = ones)]
    gain: Parameter<C>,
    #[parameter(init = zeros)]
    running_mean: Buffer<C>,
    #[buffer(init = normal(0.1))]
    running_variance: Buffer<C>,
    #[buffer(start = ones)]
    one: Buffer<C>,
    #[buffer(init = ones, init)]
    two: Buffer<C>,
    three: Option<Buffer<C>>,
    four: [Buffer<C>; 2],
}

#[variational]
impl<const C: usize> Model<C> {
    pub fn forward<B>(&self, x: Tensor<B, C>) -> Tensor<B, C> {
        batch_norm(x, self.gain, None, self.running_mean, self.running_variance, 0.1, 1e-5)
    }
}

fn main() {}
