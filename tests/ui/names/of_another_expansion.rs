//! Two variables of one name, from a macro and from its argument.
use ivon_runtime::layers::Linear;
use ivon_runtime::prelude::*;

macro_rules! model {
    ($other:expr) => {
        #[variational]
        struct Model {
            up: Linear<4, 4>,
        }

        #[variational]
        impl Model {
            fn forward<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
                let t = self.up.forward(x);
                t + $other
            }
        }
    };
}
model!(2.0 * t);

fn main() {}
