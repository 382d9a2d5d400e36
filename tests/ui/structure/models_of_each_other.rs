//! Neither has an end.
use ivon_runtime::{layers::*, ops::*, prelude::*};

#[variational]
pub struct Inner {
    outer: [Outer; 2],
}

#[variational]
impl Inner {
    pub fn forward<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        self.outer[0].forward(x)
    }
}

#[variational]
pub struct Middle {
    inner: Inner,
}

#[variational]
impl Middle {
    pub fn forward<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        self.inner.forward(x)
    }
}

#[variational]
pub struct Outer {
    middle: Middle,
}

#[variational]
impl Outer {
    pub fn forward<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        self.middle.forward(x)
    }
}

fn main() {}
