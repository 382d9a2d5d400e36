//! A parameter that the layer does not have.
use ivon_runtime::{layers::LayerNorm, prelude::*};

#[variational]
pub struct Model<const C: usize> {
    #[parameter(gian.init = zeros)]
    norm: LayerNorm<C>,
}

#[variational]
impl<const C: usize> Model<C> {
    pub fn forward<B>(&self, x: Tensor<B, C>) -> Tensor<B, C> {
        self.norm.forward(x)
    }
}

fn main() {}
