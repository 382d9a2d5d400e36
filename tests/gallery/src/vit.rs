//! ViT (Dosovitskiy et al. 2021): an image as a sequence of patches, a class token, a pre-norm encoder.

use crate::{Batch, Example, ids, uniform};
use ivon_runtime::layers::{Conv2d, LayerNorm, Linear};
use ivon_runtime::ops::{attention, cross_entropy, gelu};
use ivon_runtime::prelude::*;

#[variational]
pub struct Block<const WIDTH: usize, const HEADS: usize> {
    attention_norm: LayerNorm<WIDTH>,
    qkv: Linear<WIDTH, { 3 * WIDTH }>,
    out: Linear<WIDTH, WIDTH>,
    mlp_norm: LayerNorm<WIDTH>,
    up: Linear<WIDTH, { 4 * WIDTH }>,
    down: Linear<{ 4 * WIDTH }, WIDTH>,
}

#[variational]
impl<const WIDTH: usize, const HEADS: usize> Block<WIDTH, HEADS> {
    pub fn forward<B, T>(&self, x: Tensor<B, T, WIDTH>) -> Tensor<B, T, WIDTH> {
        let x = x + self.out.forward(attention::<HEADS>(self.qkv.forward(self.attention_norm.forward(x))));
        x + self.down.forward(gelu(self.up.forward(self.mlp_norm.forward(x))))
    }
}

/// Images of `GRID` × `GRID` patches of `PATCH` × `PATCH` pixels.
#[variational]
pub struct Vit<
    const PATCH: usize,
    const GRID: usize,
    const WIDTH: usize,
    const HEADS: usize,
    const LAYERS: usize,
    const CLASSES: usize,
> {
    patches: Conv2d<3, WIDTH, PATCH, PATCH, 0, 1, 1, true>,
    #[parameter(init = normal(0.02))]
    start: Parameter<WIDTH>,
    #[parameter(init = normal(0.02))]
    positions: Parameter<{ GRID * GRID + 1 }, WIDTH>,
    blocks: [Block<WIDTH, HEADS>; LAYERS],
    norm: LayerNorm<WIDTH>,
    head: Linear<WIDTH, CLASSES>,
}

#[variational]
impl<const PATCH: usize, const GRID: usize, const WIDTH: usize, const HEADS: usize, const LAYERS: usize, const CLASSES: usize>
    Vit<PATCH, GRID, WIDTH, HEADS, LAYERS, CLASSES>
{
    pub fn forward<B>(&self, images: Tensor<B, { PATCH * GRID }, { PATCH * GRID }, 3>) -> Tensor<B, CLASSES> {
        let patches = self.patches.forward(images).reshape([B, GRID * GRID, WIDTH]);
        let mut x = concat([self.start.expand([B, 1, WIDTH]), patches], 1) + self.positions;
        for block in &self.blocks {
            x = block.forward(x);
        }
        self.head.forward(self.norm.forward(x.at(1, 0)))
    }

    pub fn loss<B>(&self, images: Tensor<B, { PATCH * GRID }, { PATCH * GRID }, 3>, labels: Ids<B>) -> Tensor {
        cross_entropy(self.forward(images), labels)
    }
}

/// Six images of 8 × 8 pixels in patches of 4 × 4.
pub fn example() -> impl Example {
    Batch::new(Vit::<4, 2, 16, 2, 2, 5>::new(), |model, cx| {
        model.loss_gradient(cx, &uniform(cx, "images", [6, 8, 8, 3])?, &ids("labels", 5, [6])?)
    })
}
