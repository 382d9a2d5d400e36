//! DLRM (Naumov et al. 2019): clicks from numbers and categories, through the products of all pairs of their vectors.

use crate::{Batch, Example, ids, uniform};
use ivon_runtime::layers::{Embedding, Linear};
use ivon_runtime::ops::{index_select, matmul};
use ivon_runtime::prelude::*;

#[variational]
pub struct Dlrm<const NUMBERS: usize, const CATEGORIES: usize, const ROWS: usize, const WIDTH: usize, const PAIRS: usize> {
    tables: [Embedding<ROWS, WIDTH>; CATEGORIES],
    bottom: Linear<NUMBERS, { 2 * WIDTH }>,
    bottom_out: Linear<{ 2 * WIDTH }, WIDTH>,
    top: Linear<{ WIDTH + PAIRS }, { 2 * WIDTH }>,
    top_out: Linear<{ 2 * WIDTH }, 1>,
}

#[variational]
impl<const NUMBERS: usize, const CATEGORIES: usize, const ROWS: usize, const WIDTH: usize, const PAIRS: usize>
    Dlrm<NUMBERS, CATEGORIES, ROWS, WIDTH, PAIRS>
{
    /// The logit of a click. `pairs` are the places below the diagonal of a matrix of all vectors by all vectors.
    pub fn forward<B>(&self, numbers: Tensor<B, NUMBERS>, categories: Ids<B, CATEGORIES>, pairs: Ids<PAIRS>) -> Tensor<B> {
        let x = relu(self.bottom_out.forward(relu(self.bottom.forward(numbers))));
        let mut looked_up = Vec::new();
        for (i, table) in self.tables.iter().enumerate() {
            looked_up.push(table.forward(categories.at(1, i)));
        }
        let vectors = concat([x.unsqueeze(1), stack(looked_up, 1)], 1);
        let products = matmul(vectors, vectors.transpose(1, 2)).reshape([B, (1 + CATEGORIES) * (1 + CATEGORIES)]);
        let both = concat([x, index_select(products, pairs)], 1);
        self.top_out.forward(relu(self.top.forward(both))).squeeze(1)
    }

    /// Binary cross-entropy, in the form that does not overflow.
    pub fn loss<B>(
        &self,
        numbers: Tensor<B, NUMBERS>,
        categories: Ids<B, CATEGORIES>,
        pairs: Ids<PAIRS>,
        clicked: Ids<B>,
    ) -> Tensor {
        let logit = self.forward(numbers, categories, pairs);
        (relu(logit) - logit * (clicked == 1) + ln(1.0 + exp(-abs(logit)))).mean()
    }
}

/// Eight users with four numbers and three categories.
pub fn example() -> impl Example {
    Batch::new(Dlrm::<4, 3, 9, 5, 6>::new(), |model, cx| {
        let pairs: Vec<u32> = (1..4).flat_map(|i| (0..i).map(move |j| 4 * i + j)).collect();
        let pairs = Tensor::from_slice(&pairs, [6])?;
        let numbers = uniform(cx, "numbers", [8, 4])?;
        model.loss_gradient(cx, &numbers, &ids("categories", 9, [8, 3])?, &pairs, &ids("clicked", 2, [8])?)
    })
}
