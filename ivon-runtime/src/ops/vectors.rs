//! Functions of the last dimension.

use crate::variational;

/// The first half of the last dimension, times the sigmoid of the second (Dauphin et al. 2017).
#[variational]
pub fn glu<Rest: Dims, N>(x: Tensor<Rest, { 2 * N }>) -> Tensor<Rest, N> {
    x.slice(-1, 0..N) * sigmoid(x.slice(-1, N..2 * N))
}

/// x / max(|x|, eps), with the length |x| of the last dimension. PyTorch's `normalize`, which has 1e-12 as eps.
#[variational]
pub fn l2_normalize<Rest: Dims, N>(x: Tensor<Rest, N>, eps: f64) -> Tensor<Rest, N> {
    x / sqrt(max((x * x).sum_keep(-1), eps * eps))
}

/// The cosine of the angle between x and y along the last dimension; lengths below eps count as eps. PyTorch's `cosine_similarity`, which has 1e-8 as eps.
#[variational]
pub fn cosine_similarity<Rest: Dims, N>(x: Tensor<Rest, N>, y: Tensor<Rest, N>, eps: f64) -> Tensor<Rest> {
    (l2_normalize(x, eps) * l2_normalize(y, eps)).sum(-1)
}
