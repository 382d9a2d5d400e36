//! Annotated models, data and the `ivon` command.

pub mod classifier;
pub mod command;
pub mod data;
mod disk;
pub mod gpt2;
pub mod lenet;
pub mod resnet;
pub mod stored;
pub mod weights;
