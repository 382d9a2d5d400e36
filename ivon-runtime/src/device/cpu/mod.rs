//! Computing on the CPU: instruction sets, arithmetic, threads, products of matrices.

pub mod matmul;
pub(crate) mod parallel;
pub(crate) mod real;
pub mod simd;
pub(crate) mod threads;
