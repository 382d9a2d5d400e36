use ivon_runtime::{layers::Linear, prelude::*};

#[variational]
struct Model {
    up: Linear<4, 4>,
}

#[variational]
impl Model {
    fn forward<B>(&self, x: Tensor<B, 4>) -> Result<Tensor<B, 4>> {
        self.up.forward(x)
    }
}

fn main() {}
