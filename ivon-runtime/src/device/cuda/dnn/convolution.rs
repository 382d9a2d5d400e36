//! Descriptions of convolutions.

use crate::core::dtype::DType;
use std::fmt;

/// The product to compute.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Product {
    /// Computes y from x and the weight.
    Forward,
    /// Computes the gradient of x from that of y and the weight.
    Input,
    /// Computes the gradient of the weight from x and the gradient of y.
    Weight,
}

/// A convolution of images, channels last.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Convolution {
    pub product: Product,
    /// \[B, H, W, IN\]
    pub x: [usize; 4],
    /// \[OUT, HIGH, WIDE, IN / GROUPS\], which determines the number of groups.
    pub weight: [usize; 4],
    /// \[B, H', W', OUT\]
    pub y: [usize; 4],
    /// Of rows and of columns, as padding and dilation.
    pub stride: [usize; 2],
    /// Zeros on each of both sides.
    pub padding: [usize; 2],
    pub dilation: [usize; 2],
    pub dtype: DType,
}

impl fmt::Display for Convolution {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Convolution { product, x, weight, y, stride, padding, dilation, dtype } = self;
        let written = match product {
            Product::Forward => "y",
            Product::Input => "the gradient of x",
            Product::Weight => "the gradient of the weight",
        };
        write!(f, "{written} of a convolution of x {x:?} with a weight {weight:?} to y {y:?}, ")?;
        write!(f, "stride {stride:?}, padding {padding:?}, dilation {dilation:?}, in {dtype:?}")
    }
}

/// The convolutions that cuDNN computes, if it is found. The default is `Weights`; `IVON_CUDNN` changes it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cudnn {
    Off,
    /// All convolutions except those that are matrix products without rearranging memory.
    Windows,
    /// Like `Windows`, and in bf16 also the gradients of the weights of the excepted convolutions. These are small matrices with
    /// sums over all pixels, which must be split to fill a GPU.
    Weights,
    All,
}
