//! LeNet-5 (LeCun, Bottou, Bengio and Haffner, "Gradient-Based Learning Applied to Document Recognition", 1998) with rectified linear units and max pooling.

use ivon_runtime::layers::{Conv2d, Linear};
use ivon_runtime::ops::{cross_entropy, max_pool2d};
use ivon_runtime::prelude::*;

/// For images of SIZE × SIZE pixels, at least 12: 28 for digits, whose edge the first convolution pads.
#[variational]
pub struct LeNet<const CHANNELS: usize, const SIZE: usize, const CLASSES: usize> {
    conv1: Conv2d<CHANNELS, 6, 5, 1, 2, 1, 1, true>,
    conv2: Conv2d<6, 16, 5, 1, 0, 1, 1, true>,
    hidden1: Linear<{ 16 * (floor(floor(SIZE / 2) / 2) - 2) * (floor(floor(SIZE / 2) / 2) - 2) }, 120>,
    hidden2: Linear<120, 84>,
    head: Linear<84, CLASSES>,
}

#[variational]
impl<const CHANNELS: usize, const SIZE: usize, const CLASSES: usize> LeNet<CHANNELS, SIZE, CLASSES> {
    /// The score of every class.
    pub fn logits<B>(&self, images: Tensor<B, SIZE, SIZE, CHANNELS>) -> Tensor<B, CLASSES> {
        let x = max_pool2d::<2, 2, 0>(relu(self.conv1.forward(images)));
        let x = max_pool2d::<2, 2, 0>(relu(self.conv2.forward(x)));
        let x = x.reshape([B, 16 * (floor(floor(SIZE / 2) / 2) - 2) * (floor(floor(SIZE / 2) / 2) - 2)]);
        let x = relu(self.hidden2.forward(relu(self.hidden1.forward(x))));
        self.head.forward(x)
    }

    /// Mean negative log-likelihood of `labels`, in nats.
    pub fn loss<B>(&self, images: Tensor<B, SIZE, SIZE, CHANNELS>, labels: Ids<B>) -> Tensor {
        cross_entropy(self.logits(images), labels)
    }
}
