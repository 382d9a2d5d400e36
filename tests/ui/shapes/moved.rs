//! Squeeze, permute, expand and open reshapes that do not fit.
use ivon_runtime::layers::Linear;
use ivon_runtime::prelude::*;

#[variational]
pub struct Net {
    up: Linear<4, 4>,
}

#[variational]
impl Net {
    pub fn forward<B, T>(&self, x: Tensor<B, T, 4>) -> Tensor<B, T, 4> {
        let y = self.up.forward(x);
        let a = y.squeeze(2);
        let b = y.permute([0, 2]);
        let c = y.permute([0, 1, 1]);
        let d = y.expand([B, T, 8]);
        let e = y.expand([T, 4]);
        let f = y.reshape([_, T, _]);
        let g = y.slice(1, 0..1).reshape([B, 3, _]);
        y.unsqueeze(4)
    }
}

fn main() {}
