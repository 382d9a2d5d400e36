//! U-Net (Ronneberger, Fischer and Brox 2015): a class for every pixel, from what each resolution sees on the way down.

use crate::{Batch, Example, ids, uniform};
use ivon_runtime::layers::{Conv2d, ConvTranspose2d};
use ivon_runtime::ops::{cross_entropy, max_pool2d};
use ivon_runtime::prelude::*;

/// Two convolutions at one resolution.
#[variational]
pub struct Double<const IN: usize, const OUT: usize> {
    first: Conv2d<IN, OUT, 3, 1, 1, 1, 1, true>,
    second: Conv2d<OUT, OUT, 3, 1, 1, 1, 1, true>,
}

#[variational]
impl<const IN: usize, const OUT: usize> Double<IN, OUT> {
    pub fn forward<B, H, W>(&self, x: Tensor<B, H, W, IN>) -> Tensor<B, H, W, OUT> {
        relu(self.second.forward(relu(self.first.forward(x))))
    }
}

/// Twice the resolution, joined with what had it on the way down.
#[variational]
pub struct Up<const OUT: usize> {
    up: ConvTranspose2d<{ 2 * OUT }, OUT, 2, 2>,
    convolutions: Double<{ 2 * OUT }, OUT>,
}

#[variational]
impl<const OUT: usize> Up<OUT> {
    pub fn forward<B, H, W>(
        &self,
        x: Tensor<B, H, W, { 2 * OUT }>,
        skip: Tensor<B, { 2 * H }, { 2 * W }, OUT>,
    ) -> Tensor<B, { 2 * H }, { 2 * W }, OUT> {
        self.convolutions.forward(concat([skip, self.up.forward(x)], 3))
    }
}

/// Images of any height and width that are multiples of four.
#[variational]
pub struct UNet<const IN: usize, const WIDTH: usize, const CLASSES: usize> {
    first: Double<IN, WIDTH>,
    second: Double<WIDTH, { 2 * WIDTH }>,
    bottom: Double<{ 2 * WIDTH }, { 4 * WIDTH }>,
    up_second: Up<{ 2 * WIDTH }>,
    up_first: Up<WIDTH>,
    head: Conv2d<WIDTH, CLASSES, 1, 1, 0, 1, 1, true>,
}

#[variational]
impl<const IN: usize, const WIDTH: usize, const CLASSES: usize> UNet<IN, WIDTH, CLASSES> {
    pub fn forward<B, H, W>(&self, images: Tensor<B, { 4 * H }, { 4 * W }, IN>) -> Tensor<B, { 4 * H }, { 4 * W }, CLASSES> {
        let first = self.first.forward(images);
        let second = self.second.forward(max_pool2d::<2, 2, 0>(first));
        let x = self.bottom.forward(max_pool2d::<2, 2, 0>(second));
        self.head.forward(self.up_first.forward(self.up_second.forward(x, second), first))
    }

    pub fn loss<B, H, W>(&self, images: Tensor<B, { 4 * H }, { 4 * W }, IN>, labels: Ids<B, { 4 * H }, { 4 * W }>) -> Tensor {
        cross_entropy(self.forward(images), labels)
    }
}

/// Two images of 8 × 12 pixels, with a class for each.
pub fn example() -> impl Example {
    Batch::new(UNet::<2, 4, 3>::new(), |model, cx| {
        model.loss_gradient(cx, &uniform(cx, "images", [2, 8, 12, 2])?, &ids("labels", 3, [2, 8, 12])?)
    })
    .from(3.0)
}
