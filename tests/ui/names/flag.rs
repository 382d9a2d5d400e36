//! A flag that does not exist.
use ivon_runtime::{ops::linear, prelude::*};

#[variational]
pub struct Model<const WIDTH: usize, const BIAS: bool> {
    #[parameter(when = BAIS)]
    bias: Option<Parameter<WIDTH>>,
    weight: Parameter<WIDTH, WIDTH>,
}

#[variational]
impl<const WIDTH: usize, const BIAS: bool> Model<WIDTH, BIAS> {
    pub fn forward<B, T>(&self, x: Tensor<B, T, WIDTH>) -> Tensor<B, T, WIDTH> {
        linear(x, self.weight, self.bias)
    }
}

fn main() {}
