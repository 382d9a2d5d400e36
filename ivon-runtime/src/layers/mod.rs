//! Layers: annotated models of a few lines, built from ops.

mod batch_norm;
mod conv1d;
mod conv2d;
mod conv2d_rectangular;
mod conv_transpose2d;
mod dropout;
mod embedding;
mod filter_response_norm;
mod group_norm;
mod layer_norm;
mod linear;
mod multi_head_attention;
mod rms_norm;
mod swi_glu;

pub use batch_norm::BatchNorm2d;
pub use conv_transpose2d::ConvTranspose2d;
pub use conv1d::Conv1d;
pub use conv2d::Conv2d;
pub use conv2d_rectangular::Conv2dRectangular;
pub use dropout::Dropout;
pub use embedding::Embedding;
pub use filter_response_norm::FilterResponseNorm;
pub use group_norm::GroupNorm;
pub use layer_norm::LayerNorm;
pub use linear::Linear;
pub use multi_head_attention::MultiHeadAttention;
pub use rms_norm::RmsNorm;
pub use swi_glu::SwiGlu;
