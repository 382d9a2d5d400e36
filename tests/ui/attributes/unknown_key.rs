//! A key that `#[parameter]` does not know.
use ivon_runtime::{prelude::*};

#[variational]
pub struct Model<const WIDTH: usize> {
    #[parameter(weight_deacy = 0.0)]
    scale: Parameter<WIDTH>,
}

#[variational]
impl<const WIDTH: usize> Model<WIDTH> {
    pub fn forward<B, T>(&self, x: Tensor<B, T, WIDTH>) -> Tensor<B, T, WIDTH> {
        x * self.scale
    }
}

fn main() {}
