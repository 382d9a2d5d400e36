//! An impl in another module names the struct by a path; the struct must be annotated there.
mod model {
    pub struct Model {}
}

mod forward {
    use ivon_runtime::prelude::*;

    #[variational]
    impl super::model::Model {
        pub fn forward<B>(&self, x: Tensor<B, 8>) -> Tensor<B, 8> {
            exp(x)
        }
    }
}

fn main() {}
