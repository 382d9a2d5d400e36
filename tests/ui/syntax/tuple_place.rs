//! A tuple is taken apart when it is bound.
use ivon_runtime::{layers::*, ops::*, prelude::*};

#[variational]
pub struct Net {
    up: Linear<4, 8>,
    down: Linear<8, 2>,
}

#[variational]
impl Net {
    fn split<B>(&self, x: Tensor<B, 4>) -> (Tensor<B, 2>, Tensor<B, 2>) {
        let y = self.down.forward(self.up.forward(x));
        (y, y)
    }
    pub fn forward<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 2> {
        let y = self.split(x);
        y.0
    }
}

fn main() {}
