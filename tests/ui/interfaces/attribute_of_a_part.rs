//! Nothing is known of the parameters of any layer.
use ivon_runtime::prelude::*;

#[variational]
pub trait Keeps<const WIDTH: usize> {
    fn forward<B>(&self, x: Tensor<B, WIDTH>) -> Tensor<B, WIDTH>;
}

#[variational]
pub struct Around<L: Keeps, const WIDTH: usize> {
    #[parameter(gain.init = zeros)]
    inner: L<WIDTH>,
}

#[variational]
impl<L: Keeps, const WIDTH: usize> Around<L, WIDTH> {
    pub fn forward<B>(&self, x: Tensor<B, WIDTH>) -> Tensor<B, WIDTH> {
        x + self.inner.forward(x)
    }
}

fn main() {}
