//! Comparisons and masks of what they are not for.
use ivon_runtime::{layers::Linear, prelude::*};

#[variational]
pub struct Model {
    up: Linear<4, 4>,
    #[setting(true)]
    on: bool,
}

#[variational]
impl Model {
    pub fn forward<B>(&self, x: Tensor<B, 4>, ids: Ids<B, 4>, others: Ids<B>) -> Tensor<B, 4> {
        let y = self.up.forward(x);
        let a = (x > 0.0) && (y > 0.0);
        let b = !(x > 0.0);
        let c = (ids > x) + (ids == others);
        let d = select(1.0, x, y) + select(self.on, x, y) + select(x > y, y);
        let e = zeros(4) + full([B, 4]) + full([B, 4], x) + ones([B, n]);
        y * select(ids, x, y)
    }
}

fn main() {}
