use crate::ops::{embedding, linear, linear_cross_entropy};
use crate::tensor::parameter::Parameter;
use crate::variational;

/// A table of vectors: ids in, one row of `weight` `[ROWS, WIDTH]` each out. Starts from N(0, 0.02²), as GPT-2.
#[variational]
#[derive(Clone, Debug)]
pub struct Embedding<const ROWS: usize, const WIDTH: usize> {
    #[parameter(init = normal(0.02))]
    weight: Parameter<ROWS, WIDTH>,
}

#[variational]
impl<const ROWS: usize, const WIDTH: usize> Embedding<ROWS, WIDTH> {
    /// The row of each id: `[..]` to `[.., WIDTH]`.
    pub fn forward<Rest: Dims>(&self, ids: Ids<Rest>) -> Tensor<Rest, WIDTH> {
        embedding(ids, self.weight)
    }

    /// x W^T, the score of each row for each vector: a head that is tied to the embedding. `[.., WIDTH]` to `[.., ROWS]`.
    pub fn attend<Rest: Dims>(&self, x: Tensor<Rest, WIDTH>) -> Tensor<Rest, ROWS> {
        linear(x, self.weight, None)
    }

    /// `cross_entropy(self.attend(x), targets)`, whose scores nobody else sees: a GPU may lay them out as it computes fastest.
    pub fn cross_entropy<Rest: Dims>(&self, x: Tensor<Rest, WIDTH>, targets: Ids<Rest>) -> Tensor {
        linear_cross_entropy(x, self.weight, targets)
    }
}
