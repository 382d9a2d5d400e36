use ivon_runtime::{layers::Linear, ops::mse, prelude::*};

#[variational]
struct Regression {
    head: Linear<4, 3>,
}

#[variational]
impl Regression {
    fn loss<B>(&self, x: Tensor<B, 4>, y: Tensor<B, 4>) -> Tensor {
        mse(self.head.forward(x), y)
    }
}

fn main() {}
