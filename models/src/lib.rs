//! Annotated models, data and the `ivon` command.

pub mod classifier;
pub mod command;
pub mod data;
pub mod gpt2;
mod json;
pub mod lenet;
mod mapped;
pub mod resnet;
mod shards;
pub mod stored;
pub mod weights;

/// The code of the documentation's pages, compiled as doc tests.
#[cfg(doctest)]
mod pages {
    #[doc = include_str!("../../docs/images.md")]
    mod images {}
}
