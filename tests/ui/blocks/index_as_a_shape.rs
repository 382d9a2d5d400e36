//! The shape of what a loop carries does not change with the iteration.
use ivon_runtime::{layers::Linear, prelude::*};

#[variational]
pub struct Model<const W: usize> {
    layers: [Linear<W, W>; 3],
}

#[variational]
impl<const W: usize> Model<W> {
    pub fn forward<B, T>(&self, x: Tensor<B, T, W>) -> Tensor<B, T, W> {
        let mut all = Vec::new();
        for i in 0..3 {
            all.push(self.layers[i].forward(x.slice(1, 0..i)));
        }
        stack(all, 0).sum(0)
    }
}

fn main() {}
