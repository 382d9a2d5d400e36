//! A module that forbids what generated code might do: it does not do it, and does not ask for an exception.
#![forbid(
    missing_docs,
    nonstandard_style,
    unused,
    unreachable_pub,
    unused_qualifications,
    unused_results,
    unused_lifetimes,
    trivial_casts,
    trivial_numeric_casts,
    elided_lifetimes_in_paths,
    explicit_outlives_requirements,
    single_use_lifetimes,
    missing_debug_implementations,
    missing_copy_implementations,
    unsafe_code,
    unused_import_braces,
    variant_size_differences,
    let_underscore_drop,
    meta_variable_misuse,
    unit_bindings,
    unused_macro_rules,
    redundant_imports,
    redundant_lifetimes,
    macro_use_extern_crate,
    keyword_idents,
    absolute_paths_not_starting_with_crate,
    rust_2018_idioms,
    refining_impl_trait
)]
// Under clippy, generated code asks for an exception from its lints.
#![cfg_attr(not(clippy), forbid(warnings))]
use ivon_runtime::{layers::Linear, ops::gelu, prelude::*};

/// What layers have in common.
#[variational]
pub trait Same<const C: usize> {
    /// Of the same shape.
    fn forward<Rest: Dims>(&self, x: Tensor<Rest, C>) -> Tensor<Rest, C>;
}

#[variational]
impl<const C: usize> Same<C> for Linear<C, C> {}

/// A function.
#[variational]
pub fn halved<Rest: Dims>(X: Tensor<Rest>, N: f64) -> Tensor<Rest> {
    let Y = X / N;
    Y * Y
}

/// One that calls an op.
#[variational]
pub fn averaged<B, T>(x: Tensor<B, T>) -> Tensor<B> {
    halved(x, 2.0).mean(1)
}

/// A model.
#[variational]
#[derive(Debug)]
pub struct Mlp<L: Same, const WIDTH: usize, const BIAS: bool = true> {
    up: Linear<WIDTH, { 4 * WIDTH }>,
    downs: [Linear<{ 4 * WIDTH }, { 4 * WIDTH }>; 2],
    same: L<WIDTH>,
    down: Linear<{ 4 * WIDTH }, WIDTH>,
    #[parameter(when = BIAS)]
    bias: Option<Parameter<WIDTH>>,
    weight: Parameter<WIDTH, WIDTH>,
    #[setting(0.5)]
    rate: f64,
}

#[variational]
impl<L: Same, const WIDTH: usize, const BIAS: bool> Mlp<L, WIDTH, BIAS> {
    /// Forward.
    pub fn forward<B>(&self, X: Tensor<B, WIDTH>, Factor: f64) -> Tensor<B, WIDTH> {
        let mut Y = gelu(self.up.forward(X));
        for down in &self.downs {
            Y = Y + down.forward(Y) * (Factor * (2.0));
        }
        let _Unused = Y;
        X + ivon_runtime::ops::linear(self.same.forward(self.down.forward(Y)) * self.rate, self.weight, self.bias)
    }
    /// Loss.
    pub fn loss<B>(&self, x: Tensor<B, WIDTH>) -> Tensor {
        averaged(self.forward(x, 1.0).reshape([(B), WIDTH])).mean()
    }
    /// Two.
    pub fn two<B>(&self, x: Tensor<B, WIDTH>) -> (Tensor<B, WIDTH>, Tensor<B, WIDTH>) {
        let y = self.forward(x, 2.0);
        (y, tanh(y))
    }
}

#[test]
fn it_is_built() {
    assert_eq!(Mlp::<Linear, 4>::new().parameters().len(), 12);
}

/// Imports for signatures are in use.
pub mod imports {
    use ivon_runtime::layers::Linear;
    use ivon_runtime::{Parameter, Tensor, variational};

    /// A model.
    #[variational]
    pub struct Net {
        up: Linear<4, 4>,
        gain: Parameter<4>,
    }

    #[variational]
    impl Net {
        /// Forward.
        pub fn forward<B>(&self, x: Tensor<B, 4>) -> Tensor<B, 4> {
            self.up.forward(x) * self.gain
        }
    }
}
