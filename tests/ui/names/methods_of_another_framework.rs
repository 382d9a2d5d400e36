//! How they are written here.
use ivon_runtime::{layers::*, ops::*, prelude::*};

#[variational]
pub struct Net {
    up: Linear<4, 8>,
    down: Linear<8, 2>,
}

#[variational]
impl Net {
    pub fn forward<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 2> {
        let y = self.up.forward(x.clone()).gelu();
        let z = self.down.forward(y.clamp(0.0, 6.0)).view([B, 2]);
        z.t().t().softmax().pow(2)
    }
}

fn main() {}
