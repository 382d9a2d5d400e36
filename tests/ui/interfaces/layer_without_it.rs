//! What stands for a type parameter has its trait.
use ivon_runtime::{layers::LayerNorm, prelude::*};

#[variational]
pub trait Keeps<const WIDTH: usize> {
    fn forward<B>(&self, x: Tensor<B, WIDTH>) -> Tensor<B, WIDTH>;
}

#[variational]
pub struct Around<L: Keeps, const WIDTH: usize> {
    inner: L<WIDTH>,
}

#[variational]
impl<L: Keeps, const WIDTH: usize> Around<L, WIDTH> {
    pub fn forward<B>(&self, x: Tensor<B, WIDTH>) -> Tensor<B, WIDTH> {
        x + self.inner.forward(x)
    }
}

fn main() {
    let _: Option<Around<LayerNorm>> = None;
}
