//! A layer that does not keep the shape is none that does.
use ivon_runtime::{layers::Linear, prelude::*};

#[variational]
pub trait Keeps<const WIDTH: usize> {
    fn forward<B>(&self, x: Tensor<B, WIDTH>) -> Tensor<B, WIDTH>;
}

#[variational]
impl<const WIDTH: usize> Keeps<WIDTH> for Linear<WIDTH, { 4 * WIDTH }> {}

fn main() {}
