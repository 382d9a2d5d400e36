//! A setting is not learned.
use ivon_runtime::{prelude::*};

#[variational]
pub struct Model<const WIDTH: usize> {
    scale: Parameter<WIDTH>,
    #[setting(0.1)]
    #[parameter(frozen)]
    rate: f64,
}

#[variational]
impl<const WIDTH: usize> Model<WIDTH> {
    pub fn forward<B, T>(&self, x: Tensor<B, T, WIDTH>) -> Tensor<B, T, WIDTH> {
        self.rate * x * self.scale
    }
}

fn main() {}
