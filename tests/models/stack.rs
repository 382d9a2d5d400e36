//! A stack of any layer that keeps the shape: a type parameter, and the trait that says what it does.

use ivon_runtime::layers::{LayerNorm, Linear};
use ivon_runtime::prelude::*;

/// A layer that keeps the shape.
#[variational]
pub trait Keeps<const WIDTH: usize> {
    /// `[.., WIDTH]` to the same shape.
    fn forward<Rest: Dims>(&self, x: Tensor<Rest, WIDTH>) -> Tensor<Rest, WIDTH>;
}

#[variational]
impl<const WIDTH: usize> Keeps<WIDTH> for LayerNorm<WIDTH> {}

#[variational]
impl<const WIDTH: usize> Keeps<WIDTH> for Linear<WIDTH, WIDTH> {}

/// The layer and its copy.
#[variational]
pub struct Around<L: Keeps, const WIDTH: usize> {
    inner: L<WIDTH>,
}

#[variational]
impl<L: Keeps, const WIDTH: usize> Around<L, WIDTH> {
    /// x + L(x).
    pub fn forward<Rest: Dims>(&self, x: Tensor<Rest, WIDTH>) -> Tensor<Rest, WIDTH> {
        x + self.inner.forward(x)
    }
}

#[variational]
impl<L: Keeps, const W: usize> Keeps<W> for Around<L, W> {}

/// Several of them, one after the other.
#[variational]
pub struct Stack<L: Keeps, const WIDTH: usize, const LAYERS: usize = 2> {
    layers: [Around<L, WIDTH>; LAYERS],
    scale: Parameter<WIDTH>,
}

#[variational]
impl<L: Keeps, const WIDTH: usize, const LAYERS: usize = 2> Stack<L, WIDTH, LAYERS> {
    /// All layers.
    pub fn forward<B>(&self, x: Tensor<B, WIDTH>) -> Tensor<B, WIDTH> {
        let mut x = x * self.scale;
        for layer in &self.layers {
            x = layer.forward(tanh(x));
        }
        x
    }

    /// How large the result is.
    pub fn loss<B>(&self, x: Tensor<B, WIDTH>) -> Tensor {
        let y = self.forward(x);
        (y * y * y).mean()
    }
}

/// Two stacks of different layers.
#[variational]
pub struct Both<const WIDTH: usize> {
    norms: Stack<LayerNorm, WIDTH>,
    products: Stack<Around<Linear>, WIDTH, 1>,
}

#[variational]
impl<const WIDTH: usize> Both<WIDTH> {
    /// How large the sum is.
    pub fn loss<B>(&self, x: Tensor<B, WIDTH>) -> Tensor {
        let y = self.norms.forward(x) + self.products.forward(x);
        (y * y * y).mean()
    }
}
