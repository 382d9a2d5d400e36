//! Both the struct and the impl are annotated.
use ivon_runtime::{layers::Linear, prelude::*};

#[variational]
pub struct Inner<const WIDTH: usize> {
    up: Linear<WIDTH, WIDTH>,
}

#[variational]
pub struct Model<const WIDTH: usize> {
    inner: Inner<WIDTH>,
}

#[variational]
impl<const WIDTH: usize> Model<WIDTH> {
    pub fn forward<B>(&self, x: Tensor<B, WIDTH>) -> Tensor<B, WIDTH> {
        self.inner.forward(x)
    }
}

fn main() {}
