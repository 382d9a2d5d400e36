//! Convolutions, and batch norm in evaluation and in training.

use crate::check::*;
use ivon_runtime::layers::{BatchNorm2d, FilterResponseNorm, GroupNorm, Linear};
use ivon_runtime::ops::batch_norm;
use ivon_runtime::prelude::*;
use ivon_runtime::{Flat, Layout};

#[test]
fn residual_blocks_of_convolutions() {
    let x = tensor([1, 9, 8, 3], 1);
    verify!(ivon_tests::residual::Residual::<2>::new(), x);
}

/// Sizes of images that only a call tells.
#[test]
fn images_that_are_smaller_than_a_kernel_are_refused() {
    let cx = context();
    let layer = ivon_runtime::layers::Conv2d::<3, 2, 5, 1, 1>::new();
    cx.set_weights(&Flat::zeros(&Layout::of(&layer), DType::F64).unwrap());
    let forward = |height: usize| layer.forward(&cx, &cx.zeros([1, height, 8, 3])?);
    assert_eq!(&forward(3).unwrap().shape()[..], [1, 1, 6, 2]);
    let message = forward(2).unwrap_err().to_string();
    for part in ["conv2d", "height of 2", "padded by 1", "kernel of 5"] {
        assert!(message.contains(part), "`{part}` is not in: {message}");
    }
}

model! {
    BatchNorm<N> {
        up: Linear<N, N>,
        norm: BatchNorm2d<N>,
        gain: Parameter<N>,
        running_mean: Buffer<N>,
        #[buffer(init = constant(0.7))]
        running_variance: Buffer<N>
    }
    fn loss<B>(&self, x: Tensor<B, 2, 1, N>) -> Tensor {
        let y = self.up.forward(self.norm.forward(x)) * x;
        let y = batch_norm(y, self.gain, None, self.running_mean, self.running_variance, 0.1, 1e-3);
        (y * y * y).mean()
    }
}

/// Outside of training: each row for itself.
#[test]
fn batch_norm_with_the_running_statistics() {
    let x = tensor([3, 2, 1, 4], 1);
    verify!(BatchNorm::<4>::new(), x);
}

/// In training: every output depends on every row.
#[test]
fn batch_norm_with_the_statistics_of_the_batch() {
    let x = tensor([3, 2, 1, 4], 1);
    verify_training!(BatchNorm::<4>::new(), x);
}

/// With the joined ends in all their forms: a residual that is read before, one that is made after the call, both of them norms, a residual that is the norm's
/// own argument, and a norm that is read twice, which stays apart.
#[variational]
struct Joined<const N: usize> {
    norms: [BatchNorm2d<N>; 2],
    first: BatchNorm2d<N>,
    second: BatchNorm2d<N>,
    map: Linear<N, N>,
}

#[variational]
impl<const N: usize> Joined<N> {
    fn loss<B, H, W>(&self, x: Tensor<B, H, W, N>) -> Tensor {
        let mut y = relu(self.first.forward(x));
        for norm in &self.norms {
            y = relu(self.map.forward(y) + norm.forward(y));
        }
        let z = self.first.forward(y);
        y = relu(z + self.map.forward(y));
        y = relu(self.first.forward(self.map.forward(y)) + self.second.forward(y));
        y = relu(y + self.second.forward(y));
        let z = self.second.forward(y);
        (relu(z) * z).mean()
    }
}

#[test]
fn norms_that_take_in_residual_and_relu() {
    let x = tensor([3, 2, 1, 4], 1);
    verify!(Joined::<4>::new(), x);
    verify_training!(Joined::<4>::new(), x);
}

#[variational]
trait Norm<const C: usize> {
    fn forward<B, H, W>(&self, x: Tensor<B, H, W, C>) -> Tensor<B, H, W, C>;

    #[replaces(relu(self.forward(x) + residual))]
    fn activated_sum<B, H, W>(&self, x: Tensor<B, H, W, C>, residual: Tensor<B, H, W, C>) -> Tensor<B, H, W, C>;
}

#[variational]
impl<const C: usize> Norm<C> for BatchNorm2d<C> {}

#[variational]
impl<const C: usize> Norm<C> for GroupNorm<C, 2> {}

#[variational]
impl<const C: usize> Norm<C> for FilterResponseNorm<C, false> {}

#[variational]
struct Chosen<N: Norm, const C: usize> {
    first: N<C>,
    second: N<C>,
}

#[variational]
impl<N: Norm, const C: usize> Chosen<N, C> {
    fn loss<B, H, W>(&self, x: Tensor<B, H, W, C>) -> Tensor {
        let y = relu(x + self.first.forward(x * x));
        let z = self.second.activated_sum(y, x);
        (z * z).mean()
    }
}

/// Each as its trait says, whether it has a kernel for it or not.
#[test]
fn chosen_norms_that_take_in_residual_and_relu() {
    let x = tensor([3, 2, 1, 4], 1);
    verify!(Chosen::<BatchNorm2d, 4>::new(), x);
    verify_training!(Chosen::<BatchNorm2d, 4>::new(), x);
    verify!(Chosen::<GroupNorm, 4>::new(), x);
    verify!(Chosen::<FilterResponseNorm, 4>::new(), x);
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/gradients/pictures.rs");
    let generated = ivon_compiler::expand_file(source, &[]).unwrap_or_else(|e| panic!("{e}"));
    let joined = generated.matches(r#"ivon::Saved<N, { ivon::method("activated_sum") }>"#).count();
    assert_eq!(joined, 2, "one sum is written as the trait says, one is called: {generated}");
}
