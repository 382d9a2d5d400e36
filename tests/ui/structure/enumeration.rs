//! A model is a struct.
use ivon_runtime::prelude::*;

#[variational]
pub enum Model {
    Small,
    Large,
}

fn main() {}
