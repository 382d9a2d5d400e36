//! Type parameters stand first.
use ivon_runtime::prelude::*;

#[variational]
pub trait Keeps<const WIDTH: usize> {
    fn forward<B>(&self, x: Tensor<B, WIDTH>) -> Tensor<B, WIDTH>;
}

#[variational]
pub struct Around<const WIDTH: usize, L: Keeps> {
    inner: L<WIDTH>,
}

#[variational]
impl<const WIDTH: usize, L: Keeps> Around<WIDTH, L> {
    pub fn forward<B>(&self, x: Tensor<B, WIDTH>) -> Tensor<B, WIDTH> {
        x + self.inner.forward(x)
    }
}

fn main() {}
