//! A fused elementwise kernel with broadcasting, own functions, and a setting.

use ivon_runtime::prelude::*;

/// x sigmoid(beta x) (Ramachandran, Zoph and Le 2017).
#[variational]
pub fn swish<Rest: Dims>(x: Tensor<Rest>, beta: f64) -> Tensor<Rest> {
    x * sigmoid(beta * x)
}

#[variational]
pub struct Gate<const WIDTH: usize> {
    #[parameter(init = ones)]
    scale: Parameter<WIDTH>,
    shift: Parameter<WIDTH>,
    /// The slope of the gate.
    #[setting(1.702)]
    pub beta: f64,
}

#[variational]
impl<const WIDTH: usize> Gate<WIDTH> {
    pub fn forward<B, T>(&self, x: Tensor<B, T, WIDTH>, mask: Tensor<T, WIDTH>) -> Tensor<B, T, WIDTH> {
        let y = x * self.scale + self.shift;
        max(swish(y, self.beta), -0.1) * mask / sqrt(2.0 + x * x)
    }
}
