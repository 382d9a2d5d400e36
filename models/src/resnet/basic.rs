//! Networks of basic blocks: two 3 × 3 convolutions and a shortcut around them (figure 5, left). `N` is their norm.

use super::Norm;
use ivon_runtime::layers::{Conv2d, Linear};
use ivon_runtime::ops::{cross_entropy, global_average_pool, max_pool2d};
use ivon_runtime::prelude::*;

/// F(x) + x.
#[variational]
pub struct Basic<N: Norm, const WIDTH: usize> {
    conv1: Conv2d<WIDTH, WIDTH, 3, 1, 1>,
    norm1: N<WIDTH, true>,
    conv2: Conv2d<WIDTH, WIDTH, 3, 1, 1>,
    norm2: N<WIDTH, false>,
}

#[variational]
impl<N: Norm, const WIDTH: usize> Basic<N, WIDTH> {
    /// The same shape.
    pub fn forward<B, H, W>(&self, x: Tensor<B, H, W, WIDTH>) -> Tensor<B, H, W, WIDTH> {
        let y = self.norm1.activated(self.conv1.forward(x));
        let y = self.norm2.forward(self.conv2.forward(y));
        relu(x + y)
    }
}

/// F(x) + P(x), with a projection P where width or size change.
#[variational]
pub struct ProjectedBasic<N: Norm, const IN: usize, const WIDTH: usize, const STRIDE: usize> {
    conv1: Conv2d<IN, WIDTH, 3, STRIDE, 1>,
    norm1: N<WIDTH, true>,
    conv2: Conv2d<WIDTH, WIDTH, 3, 1, 1>,
    norm2: N<WIDTH, false>,
    projection: Conv2d<IN, WIDTH, 1, STRIDE>,
    projection_norm: N<WIDTH, false>,
}

#[variational]
impl<N: Norm, const IN: usize, const WIDTH: usize, const STRIDE: usize> ProjectedBasic<N, IN, WIDTH, STRIDE> {
    /// A STRIDE-th of the size.
    pub fn forward<B, H, W>(
        &self,
        x: Tensor<B, H, W, IN>,
    ) -> Tensor<B, { floor((H - 1) / STRIDE) + 1 }, { floor((W - 1) / STRIDE) + 1 }, WIDTH> {
        let y = self.norm1.activated(self.conv1.forward(x));
        let y = self.norm2.forward(self.conv2.forward(y));
        relu(self.projection_norm.forward(self.projection.forward(x)) + y)
    }
}

/// Blocks of one width, the first of which halves the size.
#[variational]
pub struct BasicStage<N: Norm, const IN: usize, const WIDTH: usize, const BLOCKS: usize> {
    first: ProjectedBasic<N, IN, WIDTH, 2>,
    rest: [Basic<N, WIDTH>; { BLOCKS - 1 }],
}

#[variational]
impl<N: Norm, const IN: usize, const WIDTH: usize, const BLOCKS: usize> BasicStage<N, IN, WIDTH, BLOCKS> {
    /// Half of the size.
    pub fn forward<B, H, W>(
        &self,
        x: Tensor<B, H, W, IN>,
    ) -> Tensor<B, { floor((H - 1) / 2) + 1 }, { floor((W - 1) / 2) + 1 }, WIDTH> {
        let mut x = self.first.forward(x);
        for block in &self.rest {
            x = block.forward(x);
        }
        x
    }
}

/// ResNet-18 with 2, 2, 2, 2 blocks, ResNet-34 with 3, 4, 6, 3 (table 1).
#[variational]
pub struct ResNet18<
    N: Norm,
    const CLASSES: usize,
    const BLOCKS1: usize = 2,
    const BLOCKS2: usize = 2,
    const BLOCKS3: usize = 2,
    const BLOCKS4: usize = 2,
> {
    #[parameter(init = kaiming_normal)]
    stem: Conv2d<3, 64, 7, 2, 3>,
    norm: N<64, true>,
    #[parameter(init = kaiming_normal)]
    stage1: [Basic<N, 64>; BLOCKS1],
    #[parameter(init = kaiming_normal)]
    stage2: BasicStage<N, 64, 128, BLOCKS2>,
    #[parameter(init = kaiming_normal)]
    stage3: BasicStage<N, 128, 256, BLOCKS3>,
    #[parameter(init = kaiming_normal)]
    stage4: BasicStage<N, 256, 512, BLOCKS4>,
    head: Linear<512, CLASSES>,
}

#[variational]
impl<N: Norm, const CLASSES: usize, const BLOCKS1: usize, const BLOCKS2: usize, const BLOCKS3: usize, const BLOCKS4: usize>
    ResNet18<N, CLASSES, BLOCKS1, BLOCKS2, BLOCKS3, BLOCKS4>
{
    /// The score of every class.
    pub fn logits<B, H, W>(&self, images: Tensor<B, H, W, 3>) -> Tensor<B, CLASSES> {
        let x = self.norm.activated(self.stem.forward(images));
        let mut x = max_pool2d::<3, 2, 1>(x);
        for block in &self.stage1 {
            x = block.forward(x);
        }
        let x = self.stage4.forward(self.stage3.forward(self.stage2.forward(x)));
        self.head.forward(global_average_pool(x))
    }

    /// Mean negative log-likelihood of `labels`, in nats.
    pub fn loss<B, H, W>(&self, images: Tensor<B, H, W, 3>, labels: Ids<B>) -> Tensor {
        cross_entropy(self.logits(images), labels)
    }
}

/// The network for small images: 6 · BLOCKS + 2 layers, ResNet-20 with 3 blocks a stage.
#[variational]
pub struct ResNet20<N: Norm, const CHANNELS: usize, const CLASSES: usize, const BLOCKS: usize = 3> {
    #[parameter(init = kaiming_normal)]
    stem: Conv2d<CHANNELS, 16, 3, 1, 1>,
    norm: N<16, true>,
    #[parameter(init = kaiming_normal)]
    stage1: [Basic<N, 16>; BLOCKS],
    #[parameter(init = kaiming_normal)]
    stage2: BasicStage<N, 16, 32, BLOCKS>,
    #[parameter(init = kaiming_normal)]
    stage3: BasicStage<N, 32, 64, BLOCKS>,
    head: Linear<64, CLASSES>,
}

#[variational]
impl<N: Norm, const CHANNELS: usize, const CLASSES: usize, const BLOCKS: usize> ResNet20<N, CHANNELS, CLASSES, BLOCKS> {
    /// The score of every class.
    pub fn logits<B, H, W>(&self, images: Tensor<B, H, W, CHANNELS>) -> Tensor<B, CLASSES> {
        let mut x = self.norm.activated(self.stem.forward(images));
        for block in &self.stage1 {
            x = block.forward(x);
        }
        let x = self.stage3.forward(self.stage2.forward(x));
        self.head.forward(global_average_pool(x))
    }

    /// Mean negative log-likelihood of `labels`, in nats.
    pub fn loss<B, H, W>(&self, images: Tensor<B, H, W, CHANNELS>, labels: Ids<B>) -> Tensor {
        cross_entropy(self.logits(images), labels)
    }
}
