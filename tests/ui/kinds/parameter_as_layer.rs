//! A parameter has no methods of a layer.
use ivon_runtime::{prelude::*};

#[variational]
pub struct Model<const WIDTH: usize> {
    scale: Parameter<WIDTH>,
}

#[variational]
impl<const WIDTH: usize> Model<WIDTH> {
    pub fn forward<B, T>(&self, x: Tensor<B, T, WIDTH>) -> Tensor<B, T, WIDTH> {
        self.scale.forward(x)
    }
}

fn main() {}
