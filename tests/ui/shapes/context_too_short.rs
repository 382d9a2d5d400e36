//! A table of positions is too short for what is read of it.
use ivon_runtime::{prelude::*};

#[variational]
pub struct Model<const WIDTH: usize> {
    positions: Parameter<64, WIDTH>,
}

#[variational]
impl<const WIDTH: usize> Model<WIDTH> {
    pub fn forward<B>(&self, x: Tensor<B, 128, WIDTH>) -> Tensor<B, 128, WIDTH> {
        x + self.positions.slice(0, 0..128)
    }
}

fn main() {}
