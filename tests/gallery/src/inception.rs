//! GoogLeNet's Inception module (Szegedy et al. 2015): four branches over one input, side by side in the channels.

use crate::{Batch, Example, ids, uniform};
use ivon_runtime::layers::{Conv2d, Linear};
use ivon_runtime::ops::{cross_entropy, global_average_pool, max_pool2d};
use ivon_runtime::prelude::*;

#[variational]
pub struct Inception<const IN: usize, const OUT: usize> {
    one: Conv2d<IN, OUT, 1, 1, 0, 1, 1, true>,
    three_squeeze: Conv2d<IN, OUT, 1, 1, 0, 1, 1, true>,
    three: Conv2d<OUT, { 2 * OUT }, 3, 1, 1, 1, 1, true>,
    five_squeeze: Conv2d<IN, OUT, 1, 1, 0, 1, 1, true>,
    five: Conv2d<OUT, OUT, 5, 1, 2, 1, 1, true>,
    pool: Conv2d<IN, OUT, 1, 1, 0, 1, 1, true>,
}

#[variational]
impl<const IN: usize, const OUT: usize> Inception<IN, OUT> {
    pub fn forward<B, H, W>(&self, x: Tensor<B, H, W, IN>) -> Tensor<B, H, W, { 5 * OUT }> {
        let one = relu(self.one.forward(x));
        let three = relu(self.three.forward(relu(self.three_squeeze.forward(x))));
        let five = relu(self.five.forward(relu(self.five_squeeze.forward(x))));
        let pool = relu(self.pool.forward(max_pool2d::<3, 1, 1>(x)));
        concat([one, three, five, pool], 3)
    }
}

#[variational]
pub struct GoogLeNet<const WIDTH: usize, const CLASSES: usize> {
    stem: Conv2d<3, WIDTH, 3, 2, 1, 1, 1, true>,
    first: Inception<WIDTH, WIDTH>,
    second: Inception<{ 5 * WIDTH }, WIDTH>,
    head: Linear<{ 5 * WIDTH }, CLASSES>,
}

#[variational]
impl<const WIDTH: usize, const CLASSES: usize> GoogLeNet<WIDTH, CLASSES> {
    pub fn forward<B, H, W>(&self, images: Tensor<B, H, W, 3>) -> Tensor<B, CLASSES> {
        let x = self.second.forward(self.first.forward(relu(self.stem.forward(images))));
        self.head.forward(global_average_pool(x))
    }

    pub fn loss<B, H, W>(&self, images: Tensor<B, H, W, 3>, labels: Ids<B>) -> Tensor {
        cross_entropy(self.forward(images), labels)
    }
}

/// Six images of 8 × 8 pixels.
pub fn example() -> impl Example {
    Batch::new(GoogLeNet::<4, 5>::new(), |model, cx| {
        model.loss_gradient(cx, &uniform(cx, "images", [6, 8, 8, 3])?, &ids("labels", 5, [6])?)
    })
}
