//! Nothing is changed in place.
use ivon_runtime::layers::Linear;
use ivon_runtime::prelude::*;

#[variational]
pub struct Model {
    up: Linear<4, 4>,
    blocks: [Linear<4, 4>; 2],
}

#[variational]
impl Model {
    pub fn forward<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut y = self.up.forward(&mut x);
        for block in &mut self.blocks {
            y = block.forward(&y);
        }
        y
    }
}

fn main() {}
