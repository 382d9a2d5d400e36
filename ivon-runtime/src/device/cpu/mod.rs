//! Computation on the CPU: instruction sets, arithmetic, threads, matrix products.

pub mod matmul;
pub(crate) mod parallel;
pub(crate) mod real;
pub mod simd;
pub(crate) mod threads;
