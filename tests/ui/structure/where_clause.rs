//! An impl has no `where` clause.
use ivon_runtime::layers::Linear;
use ivon_runtime::prelude::*;

#[variational]
pub struct Model<const N: usize> {
    up: Linear<N, N>,
}

#[variational]
impl<const N: usize> Model<N>
where
    [(); N]: Sized,
{
    pub fn forward<B>(&self, x: Tensor<B, N>) -> Tensor<B, N> {
        self.up.forward(x)
    }
}

fn main() {}
