//! A model has one annotated impl.
use ivon_runtime::{layers::Linear, prelude::*};
#[variational]
pub struct Model<const W: usize> {
    up: Linear<W, W>,
}
#[variational]
impl<const W: usize> Model<W> {
    pub fn forward<B>(&self, x: Tensor<B, W>) -> Tensor<B, W> {
        self.up.forward(x)
    }
}
#[variational]
impl<const W: usize> Model<W> {
    pub fn loss<B>(&self, x: Tensor<B, W>) -> Tensor {
        self.up.forward(x).mean()
    }
}
fn main() {
    let model = Model::<4>::new();
    let _ = model;
}
