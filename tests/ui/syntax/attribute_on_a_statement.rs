//! Attributes that would be lost.
use ivon_runtime::layers::Linear;
use ivon_runtime::prelude::*;

#[variational]
pub struct Model {
    up: Linear<4, 4>,
}

#[variational]
impl Model {
    pub fn forward<B>(&self, #[deny(unused)] x: Tensor<B, 4>) -> Tensor<B, 4> {
        #[inline]
        let y = self.up.forward(x);
        #[warn(unused)]
        {
            y
        }
    }
}

fn main() {}
