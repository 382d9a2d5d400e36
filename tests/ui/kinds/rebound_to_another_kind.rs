//! A variable keeps its type.
use ivon_runtime::layers::Linear;
use ivon_runtime::prelude::*;

#[variational]
pub struct Model {
    blocks: [Linear<4, 4>; 2],
}

#[variational]
impl Model {
    pub fn forward<B>(&self, x: Tensor<B, 4>, ids: Ids<B>) -> Tensor<B, 4> {
        let mut y = x;
        let mut z = x;
        for block in &self.blocks {
            z = y + block.forward(z);
            y = 2.0;
            y = ids;
        }
        z
    }
}

fn main() {}
