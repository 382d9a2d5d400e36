//! The signature of an op is made of tensors, ids and numbers.
use ivon_runtime::signature;

signature! {
    pub fn pick<B, N>(x: Tensor<B, N>, indices: Vec<u32>) -> Tensor<B>;
}

signature! {
    pub fn place(x: Tensor<B>) -> u32;
}

fn main() {}
