//! The shortcut of a residual block strides as its main path does.
use ivon_runtime::{layers::Conv2d, prelude::*};

#[variational]
pub struct Block<const IN: usize, const OUT: usize, const STRIDE: usize> {
    first: Conv2d<IN, OUT, 3, STRIDE, 1>,
    second: Conv2d<OUT, OUT, 3, 1, 1>,
    shortcut: Conv2d<IN, OUT, 1>,
}

#[variational]
impl<const IN: usize, const OUT: usize, const STRIDE: usize> Block<IN, OUT, STRIDE> {
    pub fn forward<B, H, W>(
        &self,
        x: Tensor<B, H, W, IN>,
    ) -> Tensor<B, { floor((H - 1) / STRIDE) + 1 }, { floor((W - 1) / STRIDE) + 1 }, OUT> {
        let y = self.second.forward(relu(self.first.forward(x)));
        relu(y + self.shortcut.forward(x))
    }
}

fn main() {}
