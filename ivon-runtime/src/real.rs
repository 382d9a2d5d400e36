//! The arithmetic of kernels: `f32` by polynomials that every instruction set rounds alike, `f64` by the standard library.
//!
//! The `f32` functions have no branches, tables or fused multiply-add: LLVM vectorises them, and the bits are the same on every
//! machine. Largest errors, measured in the tests: 2 ulp for exp, ln, tanh, erf, sin, cos; 1 ulp for powf.

mod double;
mod single;
#[cfg(test)]
mod tests;
