//! It has no end either.
use ivon_runtime::{layers::*, ops::*, prelude::*};

#[variational]
pub struct Net {
    up: Linear<4, 4>,
    #[parameter(when = true)]
    next: Option<Net>,
}

#[variational]
impl Net {
    pub fn forward<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        let mut x = self.up.forward(x);
        if let Some(next) = &self.next {
            x = next.forward(x);
        }
        x
    }
}

fn main() {}
