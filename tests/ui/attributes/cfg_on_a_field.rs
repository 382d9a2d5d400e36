//! A field is there whatever the configuration.
use ivon_runtime::{prelude::*};

#[variational]
pub struct Model<const WIDTH: usize> {
    scale: Parameter<WIDTH>,
    #[cfg(test)]
    more: Parameter<WIDTH>,
}

#[variational]
impl<const WIDTH: usize> Model<WIDTH> {
    pub fn forward<B, T>(&self, x: Tensor<B, T, WIDTH>) -> Tensor<B, T, WIDTH> {
        x * self.scale + self.more
    }
}

fn main() {}
