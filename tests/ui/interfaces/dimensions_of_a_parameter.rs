//! A type parameter takes the dimensions of its trait; a wrong one is refused.
use ivon_runtime::prelude::*;

#[variational]
pub trait Keeps<const WIDTH: usize> {
    fn forward<B>(&self, x: Tensor<B, WIDTH>) -> Tensor<B, WIDTH>;
}

#[variational]
pub struct Around<L: Keeps, const WIDTH: usize> {
    inner: L<WIDTH, 4>,
}

#[variational]
impl<L: Keeps, const WIDTH: usize> Around<L, WIDTH> {
    pub fn forward<B>(&self, x: Tensor<B, WIDTH>) -> Tensor<B, WIDTH> {
        x + self.inner.forward(x)
    }
}

#[variational]
pub struct Wide<L: Keeps, const WIDTH: usize> {
    inner: L<{ 2 * WIDTH }>,
}

#[variational]
impl<L: Keeps, const WIDTH: usize> Wide<L, WIDTH> {
    pub fn forward<B>(&self, x: Tensor<B, WIDTH>) -> Tensor<B, WIDTH> {
        x + self.inner.forward(x)
    }
}

fn main() {}
