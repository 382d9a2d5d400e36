//! A residual block of convolutions: its main path and its shortcut agree for any stride.

use ivon_runtime::layers::Conv2d;
use ivon_runtime::ops::max_pool2d;
use ivon_runtime::prelude::*;

#[variational]
pub struct Block<const IN: usize, const OUT: usize, const STRIDE: usize> {
    first: Conv2d<IN, OUT, 3, STRIDE, 1>,
    second: Conv2d<OUT, OUT, 3, 1, 1>,
    shortcut: Conv2d<IN, OUT, 1, STRIDE>,
}

#[variational]
impl<const IN: usize, const OUT: usize, const STRIDE: usize> Block<IN, OUT, STRIDE> {
    /// The image and its copy of a STRIDE-th of the size.
    pub fn forward<B, H, W>(
        &self,
        x: Tensor<B, H, W, IN>,
    ) -> Tensor<B, { floor((H - 1) / STRIDE) + 1 }, { floor((W - 1) / STRIDE) + 1 }, OUT> {
        let y = self.second.forward(relu(self.first.forward(x)));
        relu(y + self.shortcut.forward(x))
    }
}

#[variational]
pub struct Residual<const WIDTH: usize> {
    stem: Conv2d<3, WIDTH, 3, 1, 1, 1, 1, true>,
    same: Block<WIDTH, WIDTH, 1>,
    half: Block<WIDTH, { 2 * WIDTH }, 2>,
}

#[variational]
impl<const WIDTH: usize> Residual<WIDTH> {
    /// Images of 9 × 8 pixels to 2 × 2.
    pub fn forward<B>(&self, x: Tensor<B, 9, 8, 3>) -> Tensor<B, 2, 2, { 2 * WIDTH }> {
        let y = self.half.forward(self.same.forward(self.stem.forward(x)));
        max_pool2d::<2, 2, 0>(y)
    }

    /// How large the features are.
    pub fn loss<B>(&self, x: Tensor<B, 9, 8, 3>) -> Tensor {
        let y = self.forward(x);
        (y * y).mean()
    }
}
