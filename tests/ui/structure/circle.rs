use ivon_runtime::{layers::Linear, prelude::*};

#[variational]
struct Circle {
    layer: Linear<3, 3>,
}

#[variational]
impl Circle {
    fn first<B>(&self, x: Tensor<B, 3>) -> Tensor<B, 3> {
        self.second(self.layer.forward(x))
    }
    fn second<B>(&self, x: Tensor<B, 3>) -> Tensor<B, 3> {
        self.first(x)
    }
}

fn main() {}
