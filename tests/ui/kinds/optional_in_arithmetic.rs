//! A parameter that may be absent is no operand.
use ivon_runtime::{prelude::*};

#[variational]
pub struct Model<const WIDTH: usize, const BIAS: bool> {
    weight: Parameter<WIDTH>,
    #[parameter(when = BIAS)]
    bias: Option<Parameter<WIDTH>>,
}

#[variational]
impl<const WIDTH: usize, const BIAS: bool> Model<WIDTH, BIAS> {
    pub fn forward<B, T>(&self, x: Tensor<B, T, WIDTH>) -> Tensor<B, T, WIDTH> {
        self.weight * x + self.bias
    }
}

fn main() {}
