//! It is an argument of `concat` and `stack`.
use ivon_runtime::{layers::*, ops::*, prelude::*};

#[variational]
pub struct Net {
    up: Linear<4, 8>,
    down: Linear<8, 2>,
}

#[variational]
impl Net {
    pub fn forward<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let y = self.down.forward(self.up.forward(x));
        cat([y, y], 1)
    }
}

fn main() {}
