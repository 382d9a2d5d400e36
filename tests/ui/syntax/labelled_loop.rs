//! A label is for `break` and `continue`.
use ivon_runtime::layers::Linear;
use ivon_runtime::prelude::*;

#[variational]
pub struct Model {
    blocks: [Linear<4, 4>; 2],
}

#[variational]
impl Model {
    pub fn forward<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut y = x;
        'blocks: for block in &self.blocks {
            y = block.forward(y);
        }
        y
    }
}

fn main() {}
