//! It does not return.
use ivon_runtime::{layers::*, ops::*, prelude::*};

#[variational]
pub fn halved<Rest: Dims>(x: Tensor<Rest>) -> Tensor<Rest> {
    halved(x) * 0.5
}

fn main() {}
