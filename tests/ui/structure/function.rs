//! A function takes tensors and returns one.
use ivon_runtime::{ops::gelu_tanh, prelude::*};

#[variational]
fn activation<Rest: Dims>(x: Tensor<Rest>, kind: String) -> Tensor<Rest> {
    gelu_tanh(x)
}

#[variational]
fn bad<B, N>(x: Tensor<B, N>) -> Tensor<N, B> {
    gelu_tanh(y)
}

fn main() {}
