//! An op takes as many arguments as its signature.
use ivon_runtime::{ops::layer_norm, prelude::*};

#[variational]
pub struct Model<const WIDTH: usize> {
    gain: Parameter<WIDTH>,
}

#[variational]
impl<const WIDTH: usize> Model<WIDTH> {
    pub fn forward<B, T>(&self, x: Tensor<B, T, WIDTH>) -> Tensor<B, T, WIDTH> {
        layer_norm(x, self.gain)
    }
}

fn main() {}
