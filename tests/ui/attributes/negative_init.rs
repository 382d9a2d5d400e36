//! A standard deviation and a bound are not negative.
use ivon_runtime::{layers::Linear, prelude::*};
#[variational]
pub struct Model<const W: usize> {
    #[parameter(init = normal(-1.0))]
    up: Linear<W, W>,
    #[parameter(init = uniform(-0.5))]
    scale: Parameter<W>,
}
#[variational]
impl<const W: usize> Model<W> {
    pub fn forward<B>(&self, x: Tensor<B, W>) -> Tensor<B, W> {
        self.up.forward(x) * self.scale
    }
}
fn main() {
    let model = Model::<4>::new();
    let _ = model;
}
