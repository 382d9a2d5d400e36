//! Constants of one name in two modules are two constants.
use ivon_runtime::prelude::*;

mod narrow {
    use ivon_runtime::{layers::Linear, prelude::*};

    pub const WIDTH: usize = 8;

    #[variational]
    pub struct Narrow {
        up: Linear<WIDTH, WIDTH>,
    }

    #[variational]
    impl Narrow {
        pub fn forward<B>(&self, x: Tensor<B, WIDTH>) -> Tensor<B, WIDTH> {
            self.up.forward(x)
        }
    }
}

use ivon_runtime::layers::Linear;
use narrow::Narrow;

const WIDTH: usize = 16;

#[variational]
pub struct Model {
    narrow: Narrow,
    up: Linear<WIDTH, WIDTH>,
}

#[variational]
impl Model {
    pub fn forward<B>(&self, x: Tensor<B, WIDTH>) -> Tensor<B, WIDTH> {
        self.up.forward(self.narrow.forward(x))
    }
}

fn main() {}
