//! A parameter is no setting.
use ivon_runtime::{prelude::*};

#[variational]
pub struct Model<const WIDTH: usize> {
    #[setting(0.1)]
    scale: Parameter<WIDTH>,
}

#[variational]
impl<const WIDTH: usize> Model<WIDTH> {
    pub fn forward<B, T>(&self, x: Tensor<B, T, WIDTH>) -> Tensor<B, T, WIDTH> {
        x * self.scale
    }
}

fn main() {}
