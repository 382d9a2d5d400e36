//! A multilayer perceptron with a residual connection, and its loss.

use ivon_runtime::layers::Linear;
use ivon_runtime::ops::{gelu_tanh, mse};
use ivon_runtime::prelude::*;

#[variational]
pub struct Mlp<const WIDTH: usize> {
    up: Linear<WIDTH, { 4 * WIDTH }>,
    down: Linear<{ 4 * WIDTH }, WIDTH>,
}

#[variational]
impl<const WIDTH: usize> Mlp<WIDTH> {
    /// [.., WIDTH] to the same shape.
    pub fn forward<Rest: Dims>(&self, x: Tensor<Rest, WIDTH>) -> Tensor<Rest, WIDTH> {
        let hidden = gelu_tanh(self.up.forward(x));
        x + self.down.forward(hidden)
    }

    /// The mean squared error.
    pub fn loss<B>(&self, x: Tensor<B, WIDTH>, y: Tensor<B, WIDTH>) -> Tensor {
        mse(self.forward(x), y)
    }
}
