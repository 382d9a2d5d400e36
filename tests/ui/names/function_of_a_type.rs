//! Layers are fields.
use ivon_runtime::{layers::*, ops::*, prelude::*};

#[variational]
pub struct Net {
    up: Linear<4, 8>,
    down: Linear<8, 2>,
}

#[variational]
impl Net {
    pub fn forward<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 2> {
        let more = Linear::<2, 2>::new();
        more.forward(self.down.forward(self.up.forward(x)))
    }
}

fn main() {}
