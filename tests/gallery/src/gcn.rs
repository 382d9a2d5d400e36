//! A graph convolutional network (Kipf and Welling 2017): semi-supervised classification of the nodes of one graph.

use crate::{Batch, Example, ids, uniform};
use ivon_runtime::layers::Linear;
use ivon_runtime::ops::{cross_entropy, eye, matmul};
use ivon_runtime::prelude::*;

#[variational]
pub struct Gcn<const FEATURES: usize, const HIDDEN: usize, const CLASSES: usize> {
    hidden: Linear<FEATURES, HIDDEN, false>,
    out: Linear<HIDDEN, CLASSES, false>,
}

#[variational]
impl<const FEATURES: usize, const HIDDEN: usize, const CLASSES: usize> Gcn<FEATURES, HIDDEN, CLASSES> {
    /// Logits of every node. `edges` is a symmetric matrix of weights without self-loops.
    pub fn forward<N>(&self, edges: Tensor<N, N>, x: Tensor<N, FEATURES>) -> Tensor<N, CLASSES> {
        let adjacency = edges + eye::<N>();
        let degree = adjacency.sum_keep(1);
        let normalized = adjacency / sqrt(degree * degree.transpose(0, 1));
        let h = relu(matmul(normalized, self.hidden.forward(x)));
        matmul(normalized, self.out.forward(h))
    }

    pub fn loss<N>(&self, edges: Tensor<N, N>, x: Tensor<N, FEATURES>, labels: Ids<N>) -> Tensor {
        cross_entropy(self.forward(edges, x), labels)
    }
}

/// A ring of nine nodes.
pub fn example() -> impl Example {
    const NODES: usize = 9;
    Batch::new(Gcn::<6, 8, 3>::new(), |model, cx| {
        let edge = |i: usize, j: usize| i.abs_diff(j) == 1 || i.abs_diff(j) == NODES - 1;
        let edges: Vec<f32> = (0..NODES * NODES).map(|k| f32::from(u8::from(edge(k / NODES, k % NODES)))).collect();
        let edges = crate::tensor(cx, &edges, [NODES, NODES])?;
        model.loss_gradient(cx, &edges, &uniform(cx, "features", [NODES, 6])?, &ids("labels", 3, [NODES])?)
    })
}
