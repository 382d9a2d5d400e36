//! A model whose methods are private cannot be used from another module.
mod inner {
    use ivon_runtime::{layers::Linear, prelude::*};

    #[variational]
    pub struct Inner<const WIDTH: usize> {
        up: Linear<WIDTH, WIDTH>,
    }

    #[variational]
    impl<const WIDTH: usize> Inner<WIDTH> {
        fn forward<B>(&self, x: Tensor<B, WIDTH>) -> Tensor<B, WIDTH> {
            self.up.forward(x)
        }
    }
}

use inner::Inner;
use ivon_runtime::prelude::*;

#[variational]
pub struct Outer<const WIDTH: usize> {
    inner: Inner<WIDTH>,
}

#[variational]
impl<const WIDTH: usize> Outer<WIDTH> {
    pub fn forward<B>(&self, x: Tensor<B, WIDTH>) -> Tensor<B, WIDTH> {
        self.inner.forward(x)
    }
}

fn main() {}
