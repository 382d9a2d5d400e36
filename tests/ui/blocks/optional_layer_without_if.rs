//! A layer that may be absent is asked for.
use ivon_runtime::{layers::Linear, prelude::*};

#[variational]
pub struct Model<const W: usize, const DEEP: bool> {
    #[parameter(when = DEEP)]
    norm: Option<Linear<W, W>>,
}

#[variational]
impl<const W: usize, const DEEP: bool> Model<W, DEEP> {
    pub fn forward<B, T>(&self, x: Tensor<B, T, W>) -> Tensor<B, T, W> {
        self.norm.forward(x)
    }
}

fn main() {}
