//! Tests across the crates; see `tests/README.md`.

#[path = "../models/mlp.rs"]
pub mod mlp;
#[path = "../models/normalized.rs"]
pub mod normalized;
#[path = "../models/pointwise.rs"]
pub mod pointwise;
#[path = "../models/recurrent.rs"]
pub mod recurrent;
#[path = "../models/residual.rs"]
pub mod residual;
#[path = "../models/shared.rs"]
pub mod shared;
#[path = "../models/stack.rs"]
pub mod stack;
#[path = "../models/transformer.rs"]
pub mod transformer;
#[path = "../models/words.rs"]
pub mod words;
