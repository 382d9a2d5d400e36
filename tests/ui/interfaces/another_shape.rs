//! A layer that changes the shape does not implement a trait whose layers keep it.
use ivon_runtime::{layers::Linear, prelude::*};

#[variational]
pub trait Keeps<const WIDTH: usize> {
    fn forward<B>(&self, x: Tensor<B, WIDTH>) -> Tensor<B, WIDTH>;
}

#[variational]
impl<const WIDTH: usize> Keeps<WIDTH> for Linear<WIDTH, { 4 * WIDTH }> {}

fn main() {}
