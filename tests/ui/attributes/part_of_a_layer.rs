//! What an attribute says of one parameter of a layer.
use ivon_runtime::{layers::LayerNorm, prelude::*};

#[variational]
pub struct Model<const C: usize> {
    #[parameter(gain.init = zeroes)]
    first: LayerNorm<C>,
    #[parameter(gain.when = true)]
    second: LayerNorm<C>,
    #[parameter(scale.init = ones)]
    scale: Parameter<C>,
}

#[variational]
impl<const C: usize> Model<C> {
    pub fn forward<B>(&self, x: Tensor<B, C>) -> Tensor<B, C> {
        self.first.forward(self.second.forward(x)) * self.scale
    }
}

fn main() {}
