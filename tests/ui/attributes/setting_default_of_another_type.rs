//! The default of a setting has its type.
use ivon_runtime::{prelude::*};

#[variational]
pub struct Model<const WIDTH: usize> {
    scale: Parameter<WIDTH>,
    #[setting(0.5)]
    rate: bool,
}

#[variational]
impl<const WIDTH: usize> Model<WIDTH> {
    pub fn forward<B, T>(&self, x: Tensor<B, T, WIDTH>) -> Tensor<B, T, WIDTH> {
        x * self.scale
    }
}

fn main() {}
