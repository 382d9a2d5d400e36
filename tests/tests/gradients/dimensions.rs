//! Dimensions that are computed: floors over a name, exact divisions, and symbolic ones that are solved for.

use crate::check::*;
use ivon_runtime::layers::{Conv2d, Linear};
use ivon_runtime::prelude::*;

/// The patches of a vision transformer (Dosovitskiy et al. 2021).
#[variational]
struct Patches<const PATCH: usize, const GRID: usize, const WIDTH: usize> {
    patches: Conv2d<2, WIDTH, PATCH, PATCH>,
    positions: Parameter<{ GRID * GRID }, WIDTH>,
}

#[variational]
impl<const PATCH: usize, const GRID: usize, const WIDTH: usize> Patches<PATCH, GRID, WIDTH> {
    fn tokens<B>(&self, x: Tensor<B, { PATCH * GRID }, { PATCH * GRID }, 2>) -> Tensor<B, { GRID * GRID }, WIDTH> {
        self.patches.forward(x).reshape([B, GRID * GRID, WIDTH]) + self.positions
    }
    fn loss<B>(&self, x: Tensor<B, { PATCH * GRID }, { PATCH * GRID }, 2>) -> Tensor {
        let tokens = self.tokens(x);
        (tokens * tokens).mean()
    }
}

#[test]
fn patches_of_an_image() {
    let x = tensor([2, 6, 6, 2], 1);
    verify!(Patches::<3, 2, 4>::new(), x);
}

#[variational]
struct Small<const SIZE: usize, const C: usize> {
    first: Conv2d<1, C, 3, 2, 1>,
    second: Conv2d<C, C, 3, 2, 1>,
    head: Linear<{ SIZE / 4 * (SIZE / 4) * C }, 3>,
}

#[variational]
impl<const SIZE: usize, const C: usize> Small<SIZE, C> {
    fn loss<B>(&self, x: Tensor<B, SIZE, SIZE, 1>) -> Tensor {
        let y = relu(self.second.forward(tanh(self.first.forward(x))));
        let z = self.head.forward(y.reshape([B, SIZE / 4 * (SIZE / 4) * C]));
        (z * z).mean()
    }
    fn features<B>(&self, x: Tensor<B, SIZE, SIZE, 1>) -> Tensor<B, { SIZE / 4 }, { SIZE / 4 }, C> {
        self.second.forward(self.first.forward(x))
    }
}

/// Two strides of 2 leave a quarter of what is a multiple of 4.
#[test]
fn a_quarter_of_an_image() {
    let x = tensor([2, 8, 8, 1], 1);
    verify!(Small::<8, 2>::new(), x);
    let error = Small::build(10, 2).map(|_| ()).unwrap_err().to_string();
    assert!(error.contains("SIZE") && error.contains("10 is not a multiple of 4"), "{error}");
}

#[variational]
struct Solved<const N: usize> {
    up: Linear<N, N>,
    halve: Conv2d<N, N, 2, 2>,
}

#[variational]
impl<const N: usize> Solved<N> {
    fn loss<B, H, W, K>(&self, x: Tensor<B, { 2 * H }, { 2 * W }, N>, y: Tensor<{ H * K }, { W + 1 }>) -> Tensor {
        let small = self.halve.forward(x) * self.up.forward(x.slice(1, 0..H).slice(2, 0..W));
        small.sum() * y.slice(1, 1..W + 1).reshape([H, K, W]).mean() / (H * W) + small.reshape([B * H, W, N]).mean() * K
    }
    fn half<B, H, W>(&self, x: Tensor<B, H, W, N>) -> Tensor<B, { H / 2 }, { W / 2 }, N> {
        self.halve.forward(self.up.forward(x))
    }
}

#[test]
fn a_symbolic_dimension_is_solved_for() {
    let (x, y) = (tensor([2, 4, 6, 2], 1), tensor([4, 4], 2));
    verify!(Solved::<2>::new(), x, y);
}

/// No such dimension exists, or one does not divide: refused when the model runs.
#[test]
fn a_symbolic_dimension_that_does_not_come_out_is_refused() {
    let (cx, model) = (context(), Solved::<2>::new());
    let loss =
        |x: [usize; 4], y: [usize; 2]| model.loss(&cx, &cx.zeros(x).unwrap(), &cx.zeros(y).unwrap()).unwrap_err().to_string();
    let odd = loss([2, 5, 6, 2], [4, 4]);
    assert!(odd.contains("`x` is 5") && odd.contains("`2 * H`"), "{odd}");
    let unequal = loss([2, 4, 6, 2], [4, 5]);
    assert!(unequal.contains("`y` is [4, 5]") && unequal.contains("[4, 4]"), "{unequal}");
    let half = model.half(&cx, &cx.zeros([2, 5, 6, 2]).unwrap()).unwrap_err().to_string();
    assert!(half.contains("H must be a multiple of 2, but 5 is not"), "{half}");
}
