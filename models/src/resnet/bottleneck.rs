//! The network of bottlenecks: a 1 × 1 convolution that narrows, a 3 × 3 convolution, a 1 × 1 convolution that widens four times (figure 5, right).

use ivon_runtime::layers::{BatchNorm2d, Conv2d, Linear};
use ivon_runtime::ops::{cross_entropy, global_average_pool, max_pool2d};
use ivon_runtime::prelude::*;

/// F(x) + x.
#[variational]
pub struct Bottleneck<const WIDTH: usize> {
    conv1: Conv2d<{ 4 * WIDTH }, WIDTH, 1>,
    norm1: BatchNorm2d<WIDTH>,
    conv2: Conv2d<WIDTH, WIDTH, 3, 1, 1>,
    norm2: BatchNorm2d<WIDTH>,
    conv3: Conv2d<WIDTH, { 4 * WIDTH }, 1>,
    norm3: BatchNorm2d<{ 4 * WIDTH }>,
}

#[variational]
impl<const WIDTH: usize> Bottleneck<WIDTH> {
    /// The same shape.
    pub fn forward<B, H, W>(&self, x: Tensor<B, H, W, { 4 * WIDTH }>) -> Tensor<B, H, W, { 4 * WIDTH }> {
        let y = relu(self.norm1.forward(self.conv1.forward(x)));
        let y = relu(self.norm2.forward(self.conv2.forward(y)));
        let y = self.norm3.forward(self.conv3.forward(y));
        relu(x + y)
    }
}

/// F(x) + P(x), with a projection P where width or size change. The stride is in the 3 × 3 convolution (v1.5).
#[variational]
pub struct ProjectedBottleneck<const IN: usize, const WIDTH: usize, const STRIDE: usize> {
    conv1: Conv2d<IN, WIDTH, 1>,
    norm1: BatchNorm2d<WIDTH>,
    conv2: Conv2d<WIDTH, WIDTH, 3, STRIDE, 1>,
    norm2: BatchNorm2d<WIDTH>,
    conv3: Conv2d<WIDTH, { 4 * WIDTH }, 1>,
    norm3: BatchNorm2d<{ 4 * WIDTH }>,
    projection: Conv2d<IN, { 4 * WIDTH }, 1, STRIDE>,
    projection_norm: BatchNorm2d<{ 4 * WIDTH }>,
}

#[variational]
impl<const IN: usize, const WIDTH: usize, const STRIDE: usize> ProjectedBottleneck<IN, WIDTH, STRIDE> {
    /// A STRIDE-th of the size.
    pub fn forward<B, H, W>(
        &self,
        x: Tensor<B, H, W, IN>,
    ) -> Tensor<B, { floor((H - 1) / STRIDE) + 1 }, { floor((W - 1) / STRIDE) + 1 }, { 4 * WIDTH }> {
        let y = relu(self.norm1.forward(self.conv1.forward(x)));
        let y = relu(self.norm2.forward(self.conv2.forward(y)));
        let y = self.norm3.forward(self.conv3.forward(y));
        relu(self.projection_norm.forward(self.projection.forward(x)) + y)
    }
}

/// Blocks of one width.
#[variational]
pub struct BottleneckStage<const IN: usize, const WIDTH: usize, const STRIDE: usize, const BLOCKS: usize> {
    first: ProjectedBottleneck<IN, WIDTH, STRIDE>,
    rest: [Bottleneck<WIDTH>; { BLOCKS - 1 }],
}

#[variational]
impl<const IN: usize, const WIDTH: usize, const STRIDE: usize, const BLOCKS: usize> BottleneckStage<IN, WIDTH, STRIDE, BLOCKS> {
    /// A STRIDE-th of the size.
    pub fn forward<B, H, W>(
        &self,
        x: Tensor<B, H, W, IN>,
    ) -> Tensor<B, { floor((H - 1) / STRIDE) + 1 }, { floor((W - 1) / STRIDE) + 1 }, { 4 * WIDTH }> {
        let mut x = self.first.forward(x);
        for block in &self.rest {
            x = block.forward(x);
        }
        x
    }
}

/// ResNet-50 (table 1).
#[variational]
pub struct ResNet50<const CLASSES: usize> {
    #[parameter(init = kaiming_normal)]
    stem: Conv2d<3, 64, 7, 2, 3>,
    norm: BatchNorm2d<64>,
    #[parameter(init = kaiming_normal)]
    stage1: BottleneckStage<64, 64, 1, 3>,
    #[parameter(init = kaiming_normal)]
    stage2: BottleneckStage<256, 128, 2, 4>,
    #[parameter(init = kaiming_normal)]
    stage3: BottleneckStage<512, 256, 2, 6>,
    #[parameter(init = kaiming_normal)]
    stage4: BottleneckStage<1024, 512, 2, 3>,
    head: Linear<2048, CLASSES>,
}

#[variational]
impl<const CLASSES: usize> ResNet50<CLASSES> {
    /// The score of every class.
    pub fn logits<B, H, W>(&self, images: Tensor<B, H, W, 3>) -> Tensor<B, CLASSES> {
        let x = relu(self.norm.forward(self.stem.forward(images)));
        let x = max_pool2d::<3, 2, 1>(x);
        let x = self.stage2.forward(self.stage1.forward(x));
        let x = self.stage4.forward(self.stage3.forward(x));
        self.head.forward(global_average_pool(x))
    }

    /// Mean negative log-likelihood of `labels`, in nats.
    pub fn loss<B, H, W>(&self, images: Tensor<B, H, W, 3>, labels: Ids<B>) -> Tensor {
        cross_entropy(self.logits(images), labels)
    }
}
