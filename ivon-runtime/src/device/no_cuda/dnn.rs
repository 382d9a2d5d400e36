//! Convolutions by cuDNN.

#[path = "../cuda/dnn/convolution.rs"]
mod convolution;

pub use convolution::{Convolution, Cudnn, Product};

use super::{Cuda, never, never_unsafe};
use crate::core::error::Result;
use std::rc::Rc;

pub(crate) const INSTEAD: &str = "";

pub(crate) enum Opened {}
pub(crate) enum Way {}

never!(Opened {
    pub(crate) fn way(&self, cuda: &Cuda, convolution: Convolution, instead: &str) -> Option<Rc<Way>>;
});
never!(Way {
    pub(crate) fn convolution(&self) -> &Convolution;
    pub(crate) fn workspace(&self) -> usize;
});
never_unsafe!(Way {
    pub(crate) fn compute(&self, opened: &Opened, addresses: [u64; 3], workspace: u64) -> Result<()>;
});
