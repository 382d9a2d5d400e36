//! DenseNet (Huang et al. 2017): every layer reads all that came before it.

use crate::{Batch, Example, ids, uniform};
use ivon_runtime::layers::{BatchNorm2d, Conv2d, Linear};
use ivon_runtime::ops::{avg_pool2d, cross_entropy, global_average_pool};
use ivon_runtime::prelude::*;

/// A bottleneck layer, which adds `GROWTH` channels.
#[variational]
pub struct Layer<const IN: usize, const GROWTH: usize> {
    norm: BatchNorm2d<IN>,
    squeeze: Conv2d<IN, { 4 * GROWTH }, 1>,
    squeezed_norm: BatchNorm2d<{ 4 * GROWTH }>,
    grow: Conv2d<{ 4 * GROWTH }, GROWTH, 3, 1, 1>,
}

#[variational]
impl<const IN: usize, const GROWTH: usize> Layer<IN, GROWTH> {
    pub fn forward<B, H, W>(&self, x: Tensor<B, H, W, IN>) -> Tensor<B, H, W, { IN + GROWTH }> {
        let h = self.squeeze.forward(relu(self.norm.forward(x)));
        concat([x, self.grow.forward(relu(self.squeezed_norm.forward(h)))], 3)
    }
}

#[variational]
pub struct DenseBlock<const IN: usize, const GROWTH: usize> {
    first: Layer<IN, GROWTH>,
    second: Layer<{ IN + GROWTH }, GROWTH>,
    third: Layer<{ IN + 2 * GROWTH }, GROWTH>,
}

#[variational]
impl<const IN: usize, const GROWTH: usize> DenseBlock<IN, GROWTH> {
    pub fn forward<B, H, W>(&self, x: Tensor<B, H, W, IN>) -> Tensor<B, H, W, { IN + 3 * GROWTH }> {
        self.third.forward(self.second.forward(self.first.forward(x)))
    }
}

#[variational]
pub struct DenseNet<const GROWTH: usize, const CLASSES: usize> {
    stem: Conv2d<3, { 2 * GROWTH }, 3, 1, 1>,
    first: DenseBlock<{ 2 * GROWTH }, GROWTH>,
    transition_norm: BatchNorm2d<{ 5 * GROWTH }>,
    transition: Conv2d<{ 5 * GROWTH }, { 2 * GROWTH }, 1>,
    second: DenseBlock<{ 2 * GROWTH }, GROWTH>,
    norm: BatchNorm2d<{ 5 * GROWTH }>,
    head: Linear<{ 5 * GROWTH }, CLASSES>,
}

#[variational]
impl<const GROWTH: usize, const CLASSES: usize> DenseNet<GROWTH, CLASSES> {
    pub fn forward<B, H, W>(&self, images: Tensor<B, H, W, 3>) -> Tensor<B, CLASSES> {
        let x = self.first.forward(self.stem.forward(images));
        let x = avg_pool2d::<2, 2, 0>(self.transition.forward(relu(self.transition_norm.forward(x))));
        let x = relu(self.norm.forward(self.second.forward(x)));
        self.head.forward(global_average_pool(x))
    }

    pub fn loss<B, H, W>(&self, images: Tensor<B, H, W, 3>, labels: Ids<B>) -> Tensor {
        cross_entropy(self.forward(images), labels)
    }
}

/// Six images of 8 × 8 pixels.
pub fn example() -> impl Example {
    Batch::new(DenseNet::<4, 5>::new(), |model, cx| {
        model.loss_gradient(cx, &uniform(cx, "images", [6, 8, 8, 3])?, &ids("labels", 5, [6])?)
    })
}
