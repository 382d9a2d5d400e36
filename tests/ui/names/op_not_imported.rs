//! An op of the runtime that is not imported.
use ivon_runtime::{layers::Linear, prelude::*};
#[variational]
pub struct Model<const W: usize> {
    up: Linear<W, W>,
}
#[variational]
impl<const W: usize> Model<W> {
    pub fn forward<B>(&self, x: Tensor<B, W>) -> Tensor<B, W> {
        gelu(self.up.forward(x))
    }
}
fn main() {
    let model = Model::<4>::new();
    let _ = model;
}
