//! Both blocks of a branch push as often.
use ivon_runtime::{layers::Linear, prelude::*};

#[variational]
pub struct Model<const W: usize, const DEEP: bool> {
    layers: [Linear<W, W>; 3],
}

#[variational]
impl<const W: usize, const DEEP: bool> Model<W, DEEP> {
    pub fn forward<B, T>(&self, x: Tensor<B, T, W>) -> Tensor<B, T, W> {
        let mut all = Vec::new();
        for layer in &self.layers {
            if DEEP {
                all.push(layer.forward(x));
            }
        }
        stack(all, 0).sum(0)
    }
}

fn main() {}
