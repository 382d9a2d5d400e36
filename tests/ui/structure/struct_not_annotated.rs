//! Both the struct and the impl are annotated.
use ivon_runtime::{layers::Linear, prelude::*};

pub struct Model {
    up: Linear,
}

#[variational]
impl Model {
    pub fn forward<B>(&self, x: Tensor<B, 8>) -> Tensor<B, 8> {
        self.up.forward(x)
    }
}

fn main() {}
