//! One source that is two models: a file as two modules, a `macro_rules!` that is called twice, one name in two modules.
use ivon_runtime::prelude::*;

#[path = "one_file.rs"]
pub mod one;
#[path = "one_file.rs"]
pub mod two;

macro_rules! model {
    ($module:ident, $width:literal) => {
        pub mod $module {
            use ivon_runtime::{layers::Linear, prelude::*};

            #[variational]
            pub struct Net {
                up: Linear<$width, $width>,
            }

            #[variational]
            impl Net {
                pub fn forward<B>(&self, x: Tensor<B, $width>) -> Tensor<B, $width> {
                    twofold(self.up.forward(x))
                }
            }

            #[variational]
            pub fn twofold<Rest: Dims>(x: Tensor<Rest>) -> Tensor<Rest> {
                2.0 * x
            }
        }
    };
}
model!(a, 4);
model!(b, 3);

#[variational]
pub struct All {
    one: one::Mlp<4>,
    two: two::Mlp<4>,
    a: a::Net,
}

#[variational]
impl All {
    pub fn forward<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
        self.a.forward(self.two.forward(self.one.forward(x)))
    }
}

#[test]
fn all_are_there() {
    assert_eq!(All::new().parameters().len(), 10);
    assert_eq!(b::Net::new().parameters()[0].shape().elements(), 9);
}
