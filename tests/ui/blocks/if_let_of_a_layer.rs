//! A layer that is always there is not asked for.
use ivon_runtime::{layers::Linear, prelude::*};

#[variational]
pub struct Model<const W: usize> {
    norm: Linear<W, W>,
}

#[variational]
impl<const W: usize> Model<W> {
    pub fn forward<B, T>(&self, x: Tensor<B, T, W>) -> Tensor<B, T, W> {
        let mut y = x;
        if let Some(norm) = &self.norm {
            y = norm.forward(y);
        }
        y
    }
}

fn main() {}
