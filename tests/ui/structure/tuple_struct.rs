//! The fields of a model have names.
use ivon_runtime::{layers::Linear, prelude::*};

#[variational]
pub struct Model<const WIDTH: usize>(Linear<WIDTH, WIDTH>);

#[variational]
impl<const WIDTH: usize> Model<WIDTH> {
    pub fn forward<B>(&self, x: Tensor<B, WIDTH>) -> Tensor<B, WIDTH> {
        self.0.forward(x)
    }
}

fn main() {}
