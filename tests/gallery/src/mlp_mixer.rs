//! MLP-Mixer (Tolstikhin et al. 2021): one MLP over the patches of each channel, one over the channels of each patch.

use crate::{Batch, Example, ids, uniform};
use ivon_runtime::layers::{Conv2d, LayerNorm, Linear};
use ivon_runtime::ops::{cross_entropy, gelu};
use ivon_runtime::prelude::*;

#[variational]
pub struct Mlp<const WIDTH: usize, const HIDDEN: usize> {
    up: Linear<WIDTH, HIDDEN>,
    down: Linear<HIDDEN, WIDTH>,
}

#[variational]
impl<const WIDTH: usize, const HIDDEN: usize> Mlp<WIDTH, HIDDEN> {
    pub fn forward<B, N>(&self, x: Tensor<B, N, WIDTH>) -> Tensor<B, N, WIDTH> {
        self.down.forward(gelu(self.up.forward(x)))
    }
}

#[variational]
pub struct Block<const PATCHES: usize, const WIDTH: usize> {
    patch_norm: LayerNorm<WIDTH>,
    patches: Mlp<PATCHES, { 2 * PATCHES }>,
    channel_norm: LayerNorm<WIDTH>,
    channels: Mlp<WIDTH, { 4 * WIDTH }>,
}

#[variational]
impl<const PATCHES: usize, const WIDTH: usize> Block<PATCHES, WIDTH> {
    pub fn forward<B>(&self, x: Tensor<B, PATCHES, WIDTH>) -> Tensor<B, PATCHES, WIDTH> {
        let x = x + self.patches.forward(self.patch_norm.forward(x).transpose(1, 2)).transpose(1, 2);
        x + self.channels.forward(self.channel_norm.forward(x))
    }
}

#[variational]
pub struct MlpMixer<const PATCH: usize, const GRID: usize, const WIDTH: usize, const LAYERS: usize, const CLASSES: usize> {
    stem: Conv2d<3, WIDTH, PATCH, PATCH, 0, 1, 1, true>,
    blocks: [Block<{ GRID * GRID }, WIDTH>; LAYERS],
    norm: LayerNorm<WIDTH>,
    head: Linear<WIDTH, CLASSES>,
}

#[variational]
impl<const PATCH: usize, const GRID: usize, const WIDTH: usize, const LAYERS: usize, const CLASSES: usize>
    MlpMixer<PATCH, GRID, WIDTH, LAYERS, CLASSES>
{
    pub fn forward<B>(&self, images: Tensor<B, { PATCH * GRID }, { PATCH * GRID }, 3>) -> Tensor<B, CLASSES> {
        let mut x = self.stem.forward(images).reshape([B, GRID * GRID, WIDTH]);
        for block in &self.blocks {
            x = block.forward(x);
        }
        self.head.forward(self.norm.forward(x).mean(1))
    }

    pub fn loss<B>(&self, images: Tensor<B, { PATCH * GRID }, { PATCH * GRID }, 3>, labels: Ids<B>) -> Tensor {
        cross_entropy(self.forward(images), labels)
    }
}

/// Six images of 8 × 8 pixels in patches of 4 × 4.
pub fn example() -> impl Example {
    Batch::new(MlpMixer::<4, 2, 12, 2, 5>::new(), |model, cx| {
        model.loss_gradient(cx, &uniform(cx, "images", [6, 8, 8, 3])?, &ids("labels", 5, [6])?)
    })
}
