//! The network for small pictures with filter response norm (Singh and Krishnan 2020), whose threshold is the activation.

use ivon_runtime::layers::{Conv2d, FilterResponseNorm, Linear};
use ivon_runtime::ops::{cross_entropy, global_average_pool};
use ivon_runtime::prelude::*;

/// F(x) + x.
#[variational]
pub struct Response<const WIDTH: usize> {
    conv1: Conv2d<WIDTH, WIDTH, 3, 1, 1>,
    norm1: FilterResponseNorm<WIDTH>,
    conv2: Conv2d<WIDTH, WIDTH, 3, 1, 1>,
    norm2: FilterResponseNorm<WIDTH, false>,
}

#[variational]
impl<const WIDTH: usize> Response<WIDTH> {
    /// The same shape.
    pub fn forward<B, H, W>(&self, x: Tensor<B, H, W, WIDTH>) -> Tensor<B, H, W, WIDTH> {
        let y = self.norm1.forward(self.conv1.forward(x));
        let y = self.norm2.forward(self.conv2.forward(y));
        relu(x + y)
    }
}

/// F(x) + P(x), with a projection P where width and size change.
#[variational]
pub struct ProjectedResponse<const IN: usize, const WIDTH: usize> {
    conv1: Conv2d<IN, WIDTH, 3, 2, 1>,
    norm1: FilterResponseNorm<WIDTH>,
    conv2: Conv2d<WIDTH, WIDTH, 3, 1, 1>,
    norm2: FilterResponseNorm<WIDTH, false>,
    projection: Conv2d<IN, WIDTH, 1, 2>,
    projection_norm: FilterResponseNorm<WIDTH, false>,
}

#[variational]
impl<const IN: usize, const WIDTH: usize> ProjectedResponse<IN, WIDTH> {
    /// Half of the size.
    pub fn forward<B, H, W>(
        &self,
        x: Tensor<B, H, W, IN>,
    ) -> Tensor<B, { floor((H - 1) / 2) + 1 }, { floor((W - 1) / 2) + 1 }, WIDTH> {
        let y = self.norm1.forward(self.conv1.forward(x));
        let y = self.norm2.forward(self.conv2.forward(y));
        relu(self.projection_norm.forward(self.projection.forward(x)) + y)
    }
}

/// Blocks of one width, the first of which halves the size.
#[variational]
pub struct ResponseStage<const IN: usize, const WIDTH: usize, const BLOCKS: usize> {
    first: ProjectedResponse<IN, WIDTH>,
    rest: [Response<WIDTH>; { BLOCKS - 1 }],
}

#[variational]
impl<const IN: usize, const WIDTH: usize, const BLOCKS: usize> ResponseStage<IN, WIDTH, BLOCKS> {
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

/// The network for small pictures: 6 · BLOCKS + 2 layers, 20 with 3 blocks a stage.
#[variational]
pub struct ResponseNet20<const CHANNELS: usize, const CLASSES: usize, const BLOCKS: usize = 3> {
    #[parameter(init = kaiming_normal)]
    stem: Conv2d<CHANNELS, 16, 3, 1, 1>,
    norm: FilterResponseNorm<16>,
    #[parameter(init = kaiming_normal)]
    stage1: [Response<16>; BLOCKS],
    #[parameter(init = kaiming_normal)]
    stage2: ResponseStage<16, 32, BLOCKS>,
    #[parameter(init = kaiming_normal)]
    stage3: ResponseStage<32, 64, BLOCKS>,
    head: Linear<64, CLASSES>,
}

#[variational]
impl<const CHANNELS: usize, const CLASSES: usize, const BLOCKS: usize> ResponseNet20<CHANNELS, CLASSES, BLOCKS> {
    /// The score of every class.
    pub fn logits<B, H, W>(&self, images: Tensor<B, H, W, CHANNELS>) -> Tensor<B, CLASSES> {
        let mut x = self.norm.forward(self.stem.forward(images));
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
