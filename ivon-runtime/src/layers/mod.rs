//! Layers: annotated models of a few lines, built from ops.

mod dropout;
mod embedding;
mod layer_norm;
mod linear;

pub use dropout::Dropout;
pub use embedding::Embedding;
pub use layer_norm::LayerNorm;
pub use linear::Linear;
