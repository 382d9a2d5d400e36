//! An impl of a trait of layers is empty, over const generics of its own.
use ivon_runtime::{
    layers::{LayerNorm, Linear},
    prelude::*,
};

#[variational]
pub trait Keeps<const WIDTH: usize> {
    fn forward<B>(&self, x: Tensor<B, WIDTH>) -> Tensor<B, WIDTH>;
}

#[variational]
impl<const WIDTH: usize> Keeps<WIDTH> for LayerNorm<WIDTH> {
    fn forward<B>(&self, x: Tensor<B, WIDTH>) -> Tensor<B, WIDTH> {
        x
    }
}

#[variational]
impl<const IN: usize, const OUT: usize> Keeps<IN> for Linear<IN, OUT> {}

#[variational]
impl Keeps<4> for Linear<4, 4> {}

fn main() {}
