//! The runtime of variational models: the functions that generated code calls, and the items that users import.
//!
//! Start with [`prelude`]: `use ivon_runtime::prelude::*`, then layers and ops by name.

extern crate self as ivon_runtime;

#[cfg(feature = "theory")]
pub mod blr;
mod context;
mod core;
mod device;
mod inspect;
pub mod layers;
pub mod memory;
pub mod ops;
pub mod optimizers;
mod posterior;
mod private;
mod study;
mod tensor;
mod training;

pub use context::adjoint::Adjoint;
pub use context::cache::Cache;
#[doc(hidden)]
pub use context::collected::{Adjoints, Collected, Either, layer_of};
pub use context::flat::{Entry, Flat, Layout, Values, ValuesMut};
pub use context::{Compute, ComputeWeighted, Context, Pass, Stream, Weighted};
pub use core::checksum::crc32c;
pub use core::dtype::{DType, Element};
pub use core::error::{Error, Result};
pub use core::shape::{MAX_RANK, Shape};
pub use device::cpu::real::Real;
pub use device::cpu::{matmul, simd};
pub use device::{Device, environment as variables};
pub use inspect::{graph, profile};
pub use ivon_macros::{__Configured, __erased, __finish, __has_impl, __with_struct, signature, variational};
pub use memory::StepKey;
pub use ops::gradcheck;
pub use optimizers::state::{State, running_statistics};
pub use posterior::{LogAverage, Posterior};
pub use private::{
    Extent, NoModel, Probe, bind, count, difference, divides, is_built_in, is_built_in_type, is_whole, left_open, minus, over,
    plus, quotient, solve, times,
};
#[doc(hidden)]
pub use private::{built_in, names};
#[cfg(feature = "run")]
pub use study::figure;
pub use study::uncertainty;
pub use tensor::parameter::{
    Buffer, Builder, Differentiable, Init, LayerOptions, Model, Options, Parameter, Saved, contains, method,
};
pub use tensor::{Tensor, noise};
pub use training::schedule::{Decay, Schedule};
#[cfg(feature = "run")]
pub use training::{checkpoint, run};
pub use training::{disk, trainer};

/// The imports for a file with a model. Layers and ops are imported by name: `use ivon_runtime::layers::Linear`.
pub mod prelude {
    pub use crate::optimizers::{AdamW, AdamWConfig, Ivon, IvonConfig, Optimizer, Plan, Settings, Sgd, SgdConfig};
    pub use crate::trainer::Trainer;
    #[cfg(feature = "run")]
    pub use crate::training::run::Run;
    pub use crate::{
        Adjoint, Buffer, Context, DType, Device, Error, Init, Model, Parameter, Result, Schedule, Shape, Tensor, variational,
    };
    // The methods of `Model`, even if the user's own `Model` hides the name.
    pub use crate::Model as _;
}

/// Kernels for NVIDIA GPUs: sources, launches and their arguments.
pub mod cuda {
    pub use crate::context::cuda::*;
    pub use crate::device::cuda::*;

    /// The sources of all hand-written kernels, for tests that compile them. Those of pointwise expressions are made from the
    /// [`Kernel`](crate::ops::pointwise::Kernel)s of generated code: see
    /// [`ops::pointwise::source`](crate::ops::pointwise::source).
    #[doc(hidden)]
    pub fn sources() -> Vec<&'static Text> {
        let others = [
            &crate::context::elementwise::cuda::KERNELS,
            &crate::optimizers::gpu::KERNELS,
            &crate::inspect::profile::peaks::gpu::KERNELS,
        ];
        crate::ops::sources().into_iter().chain(others).map(Source::text).collect()
    }
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
