//! The attribute stands on the impl alone.
use ivon_runtime::{layers::Linear, prelude::*};
pub struct Model<const W: usize> {
    up: Linear<W, W>,
}
#[variational]
impl<const W: usize> Model<W> {
    pub fn forward<B>(&self, x: Tensor<B, W>) -> Tensor<B, W> {
        self.up.forward(x)
    }
}
fn main() {
    let model = Model::<4>::new();
    let _ = model;
}
