//! Neither returns.
use ivon_runtime::{layers::*, ops::*, prelude::*};

#[variational]
pub fn first<B>(x: Tensor<B, 4>) -> Tensor<B, 4> {
    second(softmax(x))
}

#[variational]
pub fn second<B>(x: Tensor<B, 4>) -> Tensor<B, 4> {
    first(log_softmax(x))
}

fn main() {}
