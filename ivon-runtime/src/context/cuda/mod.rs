//! Tensors on a GPU: kernel launches, products, convolutions, uploads of batches, and steps as graphs.

mod address;
mod along;
mod arg;
mod check;
mod convolutions;
mod launch;
mod products;
mod replay;
mod staging;

pub(crate) use along::Along;
pub use arg::{Arg, Pointer};
pub(crate) use convolutions::convolution;
pub(crate) use products::{Operand, knows, multiply};
pub(crate) use replay::Replays;
