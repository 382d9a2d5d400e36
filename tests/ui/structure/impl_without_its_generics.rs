//! The impl declares its dimensions.
use ivon_runtime::{layers::*, ops::*, prelude::*};

#[variational]
pub struct Net<const WIDTH: usize> {
    up: Linear<WIDTH, WIDTH>,
}

#[variational]
impl Net<WIDTH> {
    pub fn forward<B>(&self, x: Tensor<B, WIDTH>) -> Tensor<B, WIDTH> {
        self.up.forward(x)
    }
}

fn main() {}
