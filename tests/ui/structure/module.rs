//! The attribute is for structs, impls and functions.
use ivon_runtime::prelude::*;

#[variational]
mod model {}

fn main() {}
