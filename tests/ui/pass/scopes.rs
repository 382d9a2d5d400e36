//! Where models may stand: functions, nested modules, under other names, two of one name, struct and impl apart.
use ivon_runtime::layers::Linear as Dense;
use ivon_runtime::prelude::*;

mod first {
    use ivon_runtime::{layers::Linear, prelude::*};

    #[variational]
    pub(crate) struct Block<const WIDTH: usize> {
        up: Linear<WIDTH, WIDTH>,
    }

    #[variational]
    impl<const W: usize> Block<W> {
        pub(crate) fn forward<B>(&self, x: Tensor<B, W>) -> Tensor<B, W> {
            self.up.forward(x)
        }
    }

    pub mod deeper {
        use ivon_runtime::prelude::*;

        // The impl may come first.
        #[variational]
        impl<const WIDTH: usize> Block<WIDTH> {
            pub(super) fn forward<B>(&self, x: Tensor<B, WIDTH>) -> Tensor<B, WIDTH> {
                x * self.scale
            }
        }

        #[variational]
        pub struct Block<const WIDTH: usize> {
            scale: Parameter<WIDTH>,
        }
    }

    #[variational]
    pub struct Both<const WIDTH: usize> {
        one: Block<WIDTH>,
        two: deeper::Block<WIDTH>,
    }

    #[variational]
    impl<const WIDTH: usize> Both<WIDTH> {
        pub fn forward<B>(&self, x: Tensor<B, WIDTH>) -> Tensor<B, WIDTH> {
            self.two.forward(self.one.forward(x))
        }
    }
}

mod apart {
    use ivon_runtime::prelude::*;

    #[variational]
    pub struct Split<const WIDTH: usize> {
        scale: Parameter<WIDTH>,
    }

    mod forward {
        use ivon_runtime::prelude::*;

        #[variational]
        impl<const WIDTH: usize> super::Split<WIDTH> {
            pub fn forward<B>(&self, x: Tensor<B, WIDTH>) -> Tensor<B, WIDTH> {
                x + self.scale
            }
        }
    }
    pub use forward::Split;
}

use apart::Split;
use first::Both as Pair;

#[variational]
struct User<const WIDTH: usize> {
    pair: Pair<WIDTH>,
    split: Split<WIDTH>,
    dense: Dense<WIDTH, 2>,
    crate_path: crate::scopes::first::Both<WIDTH>,
}

#[variational]
impl<const WIDTH: usize> User<WIDTH> {
    fn loss<B>(&self, x: Tensor<B, WIDTH>) -> Tensor {
        self.dense.forward(self.crate_path.forward(self.split.forward(self.pair.forward(x)))).mean()
    }
}

#[test]
fn every_parameter_has_its_name() {
    let model = User::<3>::new();
    let names: Vec<_> = model.parameters().iter().map(|p| p.name().to_string()).collect();
    assert_eq!(
        names,
        [
            "pair.one.up.weight",
            "pair.one.up.bias",
            "pair.two.scale",
            "split.scale",
            "dense.weight",
            "dense.bias",
            "crate_path.one.up.weight",
            "crate_path.one.up.bias",
            "crate_path.two.scale",
        ]
    );
}

#[test]
fn a_model_in_a_function() {
    #[variational]
    struct Local {
        up: Dense<4, 2>,
    }

    #[variational]
    impl Local {
        fn forward<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 2> {
            self.up.forward(x)
        }
    }
    assert_eq!(Local::new().parameters().len(), 2);
}

#[test]
fn a_field_is_called_as_a_function_of_generated_code() {
    #[variational]
    struct Local {
        drop: Dense<4, 4>,
        head: Dense<4, 2>,
    }

    #[variational]
    impl Local {
        fn loss<B>(&self, x: Tensor<B, 4>) -> Tensor {
            let drop = relu(self.drop.forward(x));
            (self.head.forward(relu(drop)) * self.head.forward(drop)).mean()
        }
    }
    assert_eq!(Local::new().parameters()[0].name(), "drop.weight");
}
