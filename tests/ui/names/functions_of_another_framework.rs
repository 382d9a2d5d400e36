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
        let y = clamp(self.up.forward(x), 0.0, 6.0);
        Ok(swish(self.down.forward(y)))
    }
}

fn main() {}
