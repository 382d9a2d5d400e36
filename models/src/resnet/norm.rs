//! The normalisations of a residual network.

use ivon_runtime::layers::{BatchNorm2d, FilterResponseNorm, GroupNorm};
use ivon_runtime::prelude::*;

/// A normalisation of images, channels last, that is followed by an activation where ACTIVE says so.
#[variational]
pub trait Norm<const C: usize, const ACTIVE: bool> {
    /// Without an activation, in the same shape; for where ACTIVE is false.
    fn forward<B, H, W>(&self, x: Tensor<B, H, W, C>) -> Tensor<B, H, W, C>;

    /// With its activation, in the same shape; for where ACTIVE is true.
    fn activated<B, H, W>(&self, x: Tensor<B, H, W, C>) -> Tensor<B, H, W, C>;

    /// Plus a residual, then `relu`; for where ACTIVE is false.
    #[replaces(relu(self.forward(x) + residual))]
    fn activated_sum<B, H, W>(&self, x: Tensor<B, H, W, C>, residual: Tensor<B, H, W, C>) -> Tensor<B, H, W, C>;
}

#[variational]
impl<const C: usize, const ACTIVE: bool> Norm<C, ACTIVE> for BatchNorm2d<C> {}

/// Eight groups, whatever the width: two channels in the narrowest group of a ResNet-20.
#[variational]
impl<const C: usize, const ACTIVE: bool> Norm<C, ACTIVE> for GroupNorm<C, 8> {}

#[variational]
impl<const C: usize, const ACTIVE: bool> Norm<C, ACTIVE> for FilterResponseNorm<C, ACTIVE> {}
