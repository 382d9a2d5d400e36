//! Which dimensions a layer gets is said by its impl of the trait.
use ivon_runtime::{layers::LayerNorm, prelude::*};

#[variational]
pub trait Keeps<const WIDTH: usize> {
    fn forward<B>(&self, x: Tensor<B, WIDTH>) -> Tensor<B, WIDTH>;
}

#[variational]
impl<const WIDTH: usize> Keeps<WIDTH> for LayerNorm<WIDTH> {}

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
pub struct Model<const WIDTH: usize> {
    inner: Around<LayerNorm<WIDTH>, WIDTH>,
}

#[variational]
impl<const WIDTH: usize> Model<WIDTH> {
    pub fn forward<B>(&self, x: Tensor<B, WIDTH>) -> Tensor<B, WIDTH> {
        self.inner.forward(x)
    }
}

fn main() {}
