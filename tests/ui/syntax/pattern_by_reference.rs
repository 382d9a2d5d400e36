//! A pattern is a name, `_`, or a tuple of them.
use ivon_runtime::layers::Linear;
use ivon_runtime::prelude::*;

#[variational]
pub struct Model {
    up: Linear<4, 4>,
}

#[variational]
impl Model {
    pub fn forward<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let (ref a, b @ _) = (self.up.forward(x), x);
        a + b
    }
}

fn main() {}
