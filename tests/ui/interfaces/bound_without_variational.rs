//! The trait of a type parameter is annotated, and is no model.
use ivon_runtime::{layers::LayerNorm, prelude::*};

pub trait Keeps {}

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

#[variational]
pub struct Other<L: LayerNorm, const WIDTH: usize> {
    inner: L<WIDTH>,
}

#[variational]
impl<L: LayerNorm, const WIDTH: usize> Other<L, WIDTH> {
    pub fn forward<B>(&self, x: Tensor<B, WIDTH>) -> Tensor<B, WIDTH> {
        x + self.inner.forward(x)
    }
}

fn main() {}
