//! The compiler behind `#[variational]`: from a model in Rust to IVON training code.
//!
//! `parse → lower → check → fuse → differentiate → emit`, one file or directory each:
//!
//! * [`parse`](self): syn to the model language, a documented subset of Rust; its grammar stands at the top of `parse/mod.rs`.
//! * lower: to SSA; names are resolved.
//! * check: shapes, kinds, arity, usage. Errors are collected; after this pass nothing can fail.
//! * fuse: neighbouring elementwise steps become one kernel, and a layer takes in the kernel after it where it has a method for that.
//! * differentiate: reverse mode on SSA and inside each kernel.
//! * emit: readable Rust.
//!
//! The attribute is a shim over [`variational`], [`with_struct`] and [`finish`]; [`expand_file`] returns the generated code
//! of the user's own models as text.

#![warn(clippy::too_many_lines)]

mod callee;
mod check;
mod compile;
mod differentiate;
mod dims;
mod emit;
mod errors;
#[cfg(feature = "expand")]
mod expand;
mod expression;
mod fuse;
mod hygiene;
mod intrinsics;
mod ir;
mod library;
mod lower;
mod names;
mod naming;
mod parse;
mod respan;
mod solve;
mod surface;
mod syntax;

#[cfg(feature = "expand")]
pub use expand::{ExpandError, expand_file, expand_source};
pub use surface::{configured, finish, has_impl, signature, variational, with_struct};
