//! The body of a function of arithmetic is compiled where it is called.
use ivon_runtime::prelude::*;

#[variational]
fn tanh<Rest: Dims>(x: Tensor<Rest>) -> Tensor<Rest> {
    10.0 * x
}

#[variational]
fn tenfold<Rest: Dims>(x: Tensor<Rest>) -> Tensor<Rest> {
    tanh(x) + 1.0
}

fn main() {}
