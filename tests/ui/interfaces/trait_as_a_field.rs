//! A trait is no layer.
use ivon_runtime::prelude::*;

#[variational]
pub trait Keeps<const WIDTH: usize> {
    fn forward<B>(&self, x: Tensor<B, WIDTH>) -> Tensor<B, WIDTH>;
}

#[variational]
pub struct Model<const WIDTH: usize> {
    inner: Keeps<WIDTH>,
}

#[variational]
impl<const WIDTH: usize> Model<WIDTH> {
    pub fn forward<B>(&self, x: Tensor<B, WIDTH>) -> Tensor<B, WIDTH> {
        self.inner.forward(x)
    }
}

fn main() {}
