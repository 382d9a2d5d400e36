//! Annotated models, data and the `ivon` command.

mod beside;
pub mod command;
pub mod data;
pub mod gpt2;
pub mod weights;
