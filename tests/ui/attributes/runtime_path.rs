//! The only argument of the attribute is the path of the runtime.
use ivon_runtime::prelude::*;

#[variational(frozen = true)]
pub struct Model<const WIDTH: usize> {
    scale: Parameter<WIDTH>,
}

#[variational]
impl<const WIDTH: usize> Model<WIDTH> {
    pub fn forward<B>(&self, x: Tensor<B, WIDTH>) -> Tensor<B, WIDTH> {
        x * self.scale
    }
}

fn main() {}
