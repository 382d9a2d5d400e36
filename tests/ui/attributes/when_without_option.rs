//! What may be absent is an `Option`.
use ivon_runtime::{prelude::*};

#[variational]
pub struct Model<const WIDTH: usize, const BIAS: bool> {
    #[parameter(when = BIAS)]
    scale: Parameter<WIDTH>,
}

#[variational]
impl<const WIDTH: usize, const BIAS: bool> Model<WIDTH, BIAS> {
    pub fn forward<B, T>(&self, x: Tensor<B, T, WIDTH>) -> Tensor<B, T, WIDTH> {
        x * self.scale
    }
}

fn main() {}
