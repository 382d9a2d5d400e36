//! A layer has every method of the trait.
use ivon_runtime::{layers::LayerNorm, prelude::*};

#[variational]
pub trait Keeps<const WIDTH: usize> {
    fn forward<B>(&self, x: Tensor<B, WIDTH>) -> Tensor<B, WIDTH>;
    fn scale<B>(&self, x: Tensor<B, WIDTH>) -> Tensor<B, WIDTH>;
}

#[variational]
impl<const WIDTH: usize> Keeps<WIDTH> for LayerNorm<WIDTH> {}

fn main() {}
