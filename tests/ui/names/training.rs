//! Layers know whether the model trains.
use ivon_runtime::{layers::*, ops::*, prelude::*};

#[variational]
pub struct Net {
    up: Linear<4, 8>,
    down: Linear<8, 2>,
}

#[variational]
impl Net {
    pub fn forward<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 2> {
        let y = self.up.forward(x);
        let y = if self.training { dropout(y, 0.1) } else { y };
        self.down.forward(y)
    }
}

fn main() {}
