//! The attribute stands twice on the impl.
use ivon_runtime::{layers::Linear, prelude::*};
#[variational]
pub struct Model<const W: usize> {
    up: Linear<W, W>,
}
#[variational]
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
