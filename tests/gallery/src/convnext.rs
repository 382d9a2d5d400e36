//! ConvNeXt (Liu et al. 2022): depthwise 7 × 7 convolutions, layer norm, an inverted bottleneck with GELU, layer scale.

use crate::{Batch, Example, ids, uniform};
use ivon_runtime::layers::{Conv2d, LayerNorm, Linear};
use ivon_runtime::ops::{cross_entropy, gelu, global_average_pool};
use ivon_runtime::prelude::*;

#[variational]
pub struct Block<const WIDTH: usize> {
    depthwise: Conv2d<WIDTH, WIDTH, 7, 1, 3, 1, WIDTH, true>,
    norm: LayerNorm<WIDTH>,
    up: Linear<WIDTH, { 4 * WIDTH }>,
    down: Linear<{ 4 * WIDTH }, WIDTH>,
    #[parameter(init = constant(1e-6))]
    scale: Parameter<WIDTH>,
}

#[variational]
impl<const WIDTH: usize> Block<WIDTH> {
    pub fn forward<B, H, W>(&self, x: Tensor<B, H, W, WIDTH>) -> Tensor<B, H, W, WIDTH> {
        let h = self.norm.forward(self.depthwise.forward(x));
        x + self.scale * self.down.forward(gelu(self.up.forward(h)))
    }
}

#[variational]
pub struct ConvNext<const WIDTH: usize, const LAYERS: usize, const CLASSES: usize> {
    stem: Conv2d<3, WIDTH, 4, 4, 0, 1, 1, true>,
    stem_norm: LayerNorm<WIDTH>,
    blocks: [Block<WIDTH>; LAYERS],
    down_norm: LayerNorm<WIDTH>,
    down: Conv2d<WIDTH, { 2 * WIDTH }, 2, 2, 0, 1, 1, true>,
    last_blocks: [Block<{ 2 * WIDTH }>; LAYERS],
    norm: LayerNorm<{ 2 * WIDTH }>,
    head: Linear<{ 2 * WIDTH }, CLASSES>,
}

#[variational]
impl<const WIDTH: usize, const LAYERS: usize, const CLASSES: usize> ConvNext<WIDTH, LAYERS, CLASSES> {
    pub fn forward<B, H, W>(&self, images: Tensor<B, H, W, 3>) -> Tensor<B, CLASSES> {
        let mut x = self.stem_norm.forward(self.stem.forward(images));
        for block in &self.blocks {
            x = block.forward(x);
        }
        let mut x = self.down.forward(self.down_norm.forward(x));
        for block in &self.last_blocks {
            x = block.forward(x);
        }
        self.head.forward(self.norm.forward(global_average_pool(x)))
    }

    pub fn loss<B, H, W>(&self, images: Tensor<B, H, W, 3>, labels: Ids<B>) -> Tensor {
        cross_entropy(self.forward(images), labels)
    }
}

/// Four images of 16 × 16 pixels.
pub fn example() -> impl Example {
    Batch::new(ConvNext::<8, 1, 5>::new(), |model, cx| {
        model.loss_gradient(cx, &uniform(cx, "images", [4, 16, 16, 3])?, &ids("labels", 5, [4])?)
    })
}
