//! A parameter that may be absent is given to an op that always needs it.
use ivon_runtime::{ops::rms_norm, prelude::*};

#[variational]
pub struct Model<const WIDTH: usize, const GAIN: bool> {
    #[parameter(when = GAIN)]
    gain: Option<Parameter<WIDTH>>,
}

#[variational]
impl<const WIDTH: usize, const GAIN: bool> Model<WIDTH, GAIN> {
    pub fn forward<B, T>(&self, x: Tensor<B, T, WIDTH>) -> Tensor<B, T, WIDTH> {
        rms_norm(x, self.gain, 1e-5)
    }
}

fn main() {}
