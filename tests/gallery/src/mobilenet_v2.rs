//! MobileNetV2 (Sandler et al. 2018): inverted residuals around depthwise convolutions, with ReLU6.

use crate::{Batch, Example, ids, uniform};
use ivon_runtime::layers::{BatchNorm2d, Conv2d, Linear};
use ivon_runtime::ops::{cross_entropy, global_average_pool, relu6};
use ivon_runtime::prelude::*;

/// Expands, convolves each channel by itself, and projects without an activation.
#[variational]
pub struct Bottleneck<const IN: usize, const OUT: usize, const HIDDEN: usize, const STRIDE: usize = 1> {
    expand: Conv2d<IN, HIDDEN, 1>,
    expand_norm: BatchNorm2d<HIDDEN>,
    depthwise: Conv2d<HIDDEN, HIDDEN, 3, STRIDE, 1, 1, HIDDEN>,
    depthwise_norm: BatchNorm2d<HIDDEN>,
    project: Conv2d<HIDDEN, OUT, 1>,
    project_norm: BatchNorm2d<OUT>,
}

#[variational]
impl<const IN: usize, const OUT: usize, const HIDDEN: usize, const STRIDE: usize = 1> Bottleneck<IN, OUT, HIDDEN, STRIDE> {
    pub fn forward<B, H, W>(
        &self,
        x: Tensor<B, H, W, IN>,
    ) -> Tensor<B, { floor((H - 1) / STRIDE) + 1 }, { floor((W - 1) / STRIDE) + 1 }, OUT> {
        let x = relu6(self.expand_norm.forward(self.expand.forward(x)));
        let x = relu6(self.depthwise_norm.forward(self.depthwise.forward(x)));
        self.project_norm.forward(self.project.forward(x))
    }
}

#[variational]
pub struct MobileNetV2<const WIDTH: usize, const LAYERS: usize, const CLASSES: usize> {
    stem: Conv2d<3, WIDTH, 3, 2, 1>,
    stem_norm: BatchNorm2d<WIDTH>,
    down: Bottleneck<WIDTH, { 2 * WIDTH }, { 4 * WIDTH }, 2>,
    blocks: [Bottleneck<{ 2 * WIDTH }, { 2 * WIDTH }, { 8 * WIDTH }>; LAYERS],
    head: Linear<{ 2 * WIDTH }, CLASSES>,
}

#[variational]
impl<const WIDTH: usize, const LAYERS: usize, const CLASSES: usize> MobileNetV2<WIDTH, LAYERS, CLASSES> {
    pub fn forward<B, H, W>(&self, images: Tensor<B, H, W, 3>) -> Tensor<B, CLASSES> {
        let x = relu6(self.stem_norm.forward(self.stem.forward(images)));
        let mut x = self.down.forward(x);
        for block in &self.blocks {
            x = x + block.forward(x);
        }
        self.head.forward(global_average_pool(x))
    }

    pub fn loss<B, H, W>(&self, images: Tensor<B, H, W, 3>, labels: Ids<B>) -> Tensor {
        cross_entropy(self.forward(images), labels)
    }
}

/// Six images of 8 × 8 pixels.
pub fn example() -> impl Example {
    Batch::new(MobileNetV2::<4, 2, 5>::new(), |model, cx| {
        model.loss_gradient(cx, &uniform(cx, "images", [6, 8, 8, 3])?, &ids("labels", 5, [6])?)
    })
}
