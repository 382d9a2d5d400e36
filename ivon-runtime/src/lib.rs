//! The runtime of variational models: what generated code calls, and what a person imports.
//!
//! Start with [`prelude`]: `use ivon_runtime::prelude::*`, then layers and ops by name.

extern crate self as ivon_runtime;

mod adjoint;
pub mod blr;
mod cache;
pub mod checkpoint;
mod checksum;
mod collected;
mod context;
pub mod device;
mod digest;
pub mod disk;
mod dtype;
mod error;
pub mod figure;
mod flat;
mod generated;
pub mod graph;
pub mod layers;
pub mod matmul;
pub mod memory;
pub mod noise;
pub mod ops;
pub mod optimizers;
mod parameter;
mod posterior;
pub mod profile;
mod real;
pub mod run;
mod schedule;
mod shape;
pub mod simd;
mod state;
mod tensor;
mod threads;
pub mod trainer;
pub mod uncertainty;
pub mod variables;

pub use adjoint::Adjoint;
pub use cache::Cache;
pub use checksum::crc32c;
#[doc(hidden)]
pub use collected::{Adjoints, Collected, Either, layer_of};
pub use context::{Context, Pass, Stream};
pub use device::Device;
pub use dtype::{DType, Element, Real};
pub use error::{Error, Result};
pub use flat::{Entry, Flat, Layout, Values, ValuesMut};
pub use generated::{
    Extent, bind, count, difference, divides, is_built_in, is_built_in_type, is_whole, left_open, minus, over, plus, quotient,
    solve, times,
};
#[doc(hidden)]
pub use generated::{built_in, names};
pub use ivon_macros::{__Configured, __erased, __finish, __with_struct, signature, variational};
pub use memory::StepKey;
pub use ops::gradcheck;
pub use parameter::{Buffer, Builder, Differentiable, Init, LayerOptions, Model, Options, Parameter, Saved, contains, method};
pub use posterior::{LogAverage, Posterior};
pub use schedule::{Decay, Schedule};
pub use shape::{MAX_RANK, Shape};
pub use state::{State, running_statistics};
pub use tensor::Tensor;

/// What a file with a model needs. Layers and ops are imported by name: `use ivon_runtime::layers::Linear`.
pub mod prelude {
    pub use crate::optimizers::{AdamW, AdamWConfig, Ivon, IvonConfig, Optimizer, Settings, Sgd, SgdConfig};
    pub use crate::run::Run;
    pub use crate::trainer::Trainer;
    pub use crate::{
        Adjoint, Buffer, Context, DType, Device, Error, Init, Model, Parameter, Result, Schedule, Shape, Tensor, variational,
    };
    // Its methods, where a person's own `Model` hides the name.
    pub use crate::Model as _;
}

/// The code of the documentation's pages, compiled as doc tests.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../../docs/model-language.md")]
    mod model_language {}
    #[doc = include_str!("../../docs/op.md")]
    mod op {}
    #[doc = include_str!("../../docs/experiments/README.md")]
    mod experiments {}
    #[doc = include_str!("../../docs/experiments/convex.md")]
    mod convex {}
    #[doc = include_str!("../../docs/experiments/image_classification.md")]
    mod image_classification {}
    #[doc = include_str!("../../docs/experiments/natural_gradient.md")]
    mod natural_gradient {}
    #[doc = include_str!("../../docs/experiments/posterior.md")]
    mod posterior_use {}
    #[doc = include_str!("../../docs/experiments/riemannian_momentum.md")]
    mod riemannian_momentum {}
    #[doc = include_str!("../../docs/experiments/sampling_cost.md")]
    mod sampling_cost {}
    #[doc = include_str!("../../docs/experiments/sensitivity.md")]
    mod sensitivity {}
}
