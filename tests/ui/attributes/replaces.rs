//! What a method takes in is one call of another method and arithmetic around it; the adjoint that it hands on is made by what it returns.
use ivon_runtime::ops::{linear, linear_gelu};
use ivon_runtime::prelude::*;

#[variational]
pub struct Scaled<const IN: usize, const OUT: usize> {
    weight: Parameter<OUT, IN>,
}

#[variational]
impl<const IN: usize, const OUT: usize> Scaled<IN, OUT> {
    pub fn forward<Rest: Dims>(&self, x: Tensor<Rest, IN>) -> Tensor<Rest, OUT> {
        linear(x, self.weight, None)
    }

    #[replaces(relu(x))]
    pub fn no_call<Rest: Dims>(&self, x: Tensor<Rest, IN>) -> Tensor<Rest, OUT> {
        linear(x, self.weight, None)
    }

    #[replaces(self.forward(x) * self.forward(x))]
    pub fn two_calls<Rest: Dims>(&self, x: Tensor<Rest, IN>) -> Tensor<Rest, OUT> {
        linear(x, self.weight, None)
    }

    #[replaces({ let h = self.forward(x); h * sigmoid(g) })]
    pub fn unknown_name<Rest: Dims>(&self, x: Tensor<Rest, IN>) -> Tensor<Rest, OUT> {
        linear(x, self.weight, None)
    }

    #[replaces({ let h = self.forward(x); h += 1.0; h })]
    pub fn a_statement<Rest: Dims>(&self, x: Tensor<Rest, IN>) -> Tensor<Rest, OUT> {
        linear(x, self.weight, None)
    }

    #[replaces(relu(self.backward(x)))]
    pub fn unknown_method<Rest: Dims>(&self, x: Tensor<Rest, IN>) -> Tensor<Rest, OUT> {
        linear(x, self.weight, None)
    }

    #[adjoint]
    pub fn made_by_nobody<Rest: Dims>(&self, x: Tensor<Rest, IN>) -> Tensor<Rest, OUT> {
        relu(linear_gelu(x, self.weight, None))
    }
}

fn main() {}
