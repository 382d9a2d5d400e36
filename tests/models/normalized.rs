//! A layer with running statistics of its own, and a stack of blocks with batch norm.

use ivon_runtime::layers::{BatchNorm2d, Linear};
use ivon_runtime::ops::batch_norm;
use ivon_runtime::prelude::*;

/// Batch norm of vectors, without a gain of its own.
#[variational]
pub struct Standardise<const N: usize> {
    #[parameter(frozen, init = ones)]
    one: Parameter<N>,
    running_mean: Buffer<N>,
    #[buffer(init = constant(0.5))]
    running_variance: Buffer<N>,
}

#[variational]
impl<const N: usize> Standardise<N> {
    /// [B, N] to the same shape.
    pub fn forward<B>(&self, x: Tensor<B, N>) -> Tensor<B, N> {
        batch_norm(x, self.one, None, self.running_mean, self.running_variance, 0.01, 1e-5)
    }
}

#[variational]
pub struct Block<const N: usize> {
    up: Linear<N, N, false>,
    #[parameter(gain.init = zeros, weight_decay = 0.0)]
    norm: BatchNorm2d<N>,
}

#[variational]
impl<const N: usize> Block<N> {
    /// [B, H, W, N] to the same shape.
    pub fn forward<B, H, W>(&self, x: Tensor<B, H, W, N>) -> Tensor<B, H, W, N> {
        relu(x + self.norm.forward(self.up.forward(x)))
    }
}

#[variational]
pub struct Normalized<const N: usize> {
    input: Standardise<N>,
    blocks: [Block<N>; 2],
}

#[variational]
impl<const N: usize> Normalized<N> {
    /// The mean square of the last block's output.
    pub fn loss<B>(&self, x: Tensor<B, N>) -> Tensor {
        let mut y = self.input.forward(x).reshape([B, 1, 1, N]);
        for block in &self.blocks {
            y = block.forward(y);
        }
        (y * y).mean()
    }
}
