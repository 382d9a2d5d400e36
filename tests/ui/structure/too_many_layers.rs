//! More layers than there is memory.
use ivon_runtime::layers::Linear;
use ivon_runtime::prelude::*;

#[variational]
pub struct Model {
    blocks: [Linear<4, 4>; 18446744073709551],
    more: [Linear<4, 4>; 340282366920938463463374607431768211455],
}

#[variational]
impl Model {
    pub fn forward<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut y = x;
        for block in &self.blocks {
            y = block.forward(y);
        }
        y
    }
}

fn main() {}
