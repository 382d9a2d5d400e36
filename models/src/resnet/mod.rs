//! Residual networks (He, Zhang, Ren and Sun, "Deep Residual Learning for Image Recognition", 2015) on images, channels last.
//!
//! [`ResNet50`] is torchvision's, v1.5: a bottleneck takes its stride in the 3 × 3 convolution. [`ResNet18`], which is also ResNet-34, is made of basic
//! blocks, as is [`ResNet20`] for small images (section 4.2 of the paper, with projections where the size changes). Networks of basic blocks take any
//! [`Norm`]: group norm and filter response norm do not mix the images of a batch, whose statistics interact with the noise of the weights.

mod basic;
mod bottleneck;
mod names;
mod norm;

pub use basic::{Basic, BasicStage, ProjectedBasic, ResNet18, ResNet20};
pub use bottleneck::{Bottleneck, BottleneckStage, ProjectedBottleneck, ResNet50};
pub use names::{Tensors, bare, channels_last, export, import, import_parameters};
pub use norm::Norm;
