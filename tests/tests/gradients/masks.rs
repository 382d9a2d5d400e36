//! Comparisons, select, masks, constants, and the functions that are made of them.

use crate::check::*;
use ivon_runtime::layers::Linear;
use ivon_runtime::ops::*;
use ivon_runtime::prelude::*;

model! {
    Selected<N> { up: Linear<N, N>, #[setting(3)] most: usize }
    fn loss<B>(&self, x: Tensor<B, N>, y: Tensor<B, 1>) -> Tensor {
        let h = self.up.forward(x);
        let positive = h > 0.0;
        let chosen = select(positive, h * h, 0.5 * h) + select(x <= y, x, y) + select(ge(h, x), h, 1.0);
        let masks = (h < x) * (1.0 - (x == x)) + (0.1 >= h) + ne(x, h) + positive.lt(0.5);
        let wide = select(h.mean_keep(1) > y, h, sin(h));
        let number = select(self.most > 2, 2.0, 5.0);
        (chosen * (1.0 + masks) + wide * number).sum()
    }
}

#[test]
fn comparisons_and_select() {
    let (x, y) = (tensor([4, 3], 1), tensor([4, 1], 2));
    verify!(Selected::<3>::new(), x, y);
}

/// An element that is not chosen may be infinite or NaN: neither it nor its gradient comes through.
#[test]
fn what_is_not_chosen_does_not_come_through() {
    let cx = context();
    let x = Tensor::from_slice(&[-1.0, 0.0, 4.0, f64::NAN], [4]).unwrap();
    let (y, saved) = roots::forward_saving(&cx, &x).unwrap();
    let mut d_x = Adjoint::new();
    roots::backward(&cx, saved, cx.filled([4], 1.0).unwrap(), &mut d_x).unwrap();
    let d_x = d_x.into_option().unwrap().to_f64();
    assert_eq!(y.to_f64()[..3], [0.0, 0.0, 2.0]);
    assert!(y.to_f64()[3].is_nan() && d_x[3].is_nan());
    assert_eq!(d_x[..3], [0.0, 0.0, 0.25]);
}

#[variational]
fn roots<Rest: Dims>(x: Tensor<Rest>) -> Tensor<Rest> {
    let inside = select(x <= 0.0, 1.0, x);
    select(x <= 0.0, 0.0, sqrt(inside))
}

const PAD: usize = 0;

model! {
    Masked<N> { table: Parameter<5, N>, up: Linear<N, N> }
    fn loss<B, T>(&self, x: Tensor<B, T, N>, tokens: Ids<B, T>, lengths: Ids<B>) -> Tensor {
        let h = self.up.forward(embedding(tokens, self.table)) + x;
        let real = (tokens != PAD) * length_mask::<T>(lengths);
        let mean = (h * real.unsqueeze(-1)).sum(1) / max(real.sum_keep(1), 1.0);
        let scores = select(3 > tokens, h.sum(-1), -1e9);
        mean.sum() + scores.logsumexp(1).sum() + (matmul(one_hot::<5>(tokens), self.table.expand([B, 5, N])) * x).sum()
    }
}

#[test]
fn masks_of_ids_and_lengths() {
    let tokens = Tensor::from_slice(&[1u32, 0, 2, 4, 3, 1], [2, 3]).unwrap();
    let lengths = Tensor::from_slice(&[3u32, 2], [2]).unwrap();
    let x = tensor([2, 3, 4], 1);
    verify!(Masked::<4>::new(), x; &tokens, &lengths);
}

model! {
    Constants<N> { up: Linear<N, N> }
    fn loss<B, T>(&self, x: Tensor<B, T, N>, scale: f64) -> Tensor {
        let places = arange::<T>().unsqueeze(1) / T;
        let h = self.up.forward(x + places) + zeros([B, T, N]) + full([N], 0.25 * scale);
        let turned = matmul(h, eye::<N>().expand([B, N, N]));
        (turned * h * ones([T, 1])).mean() + (arange::<4>() * 2.0).sum() * h.mean()
    }
}

#[test]
fn constants() {
    let x = tensor([2, 4, 3], 1);
    verify!(Constants::<3>::new(), x; 2.0);
}

model! {
    Functions<N> { up: Linear<N, N> }
    fn loss<B>(&self, x: Tensor<B, N>) -> Tensor {
        let h = self.up.forward(x);
        let bent = relu6(20.0 * h) + hard_swish(9.0 * h) + elu(h, 0.7) + silu(h) + softplus(h) + leaky_relu(h, 0.1);
        let halves = glu(h) * glu(concat([h.slice(1, 1..N), h.slice(-1, 0..1)], 1));
        bent.mean() + halves.sum() + (l2_normalize(h, 1e-12) * x).sum() + cosine_similarity(h, x, 1e-8).sum()
    }
}

#[test]
fn functions_that_are_made_of_them() {
    let x = tensor([5, 4], 1);
    verify!(Functions::<4>::new(), x);
}

/// Values and gradients where the pieces meet, of PyTorch: `relu6`, `hardswish`, `elu`.
#[test]
fn the_pieces_meet_as_in_pytorch() {
    let cx = context();
    let x = [-4.0, -3.0, -1.0, 0.0, 1.0, 3.0, 6.0, 7.0, f64::INFINITY, f64::NEG_INFINITY];
    let of = |which: usize| {
        let input = Tensor::from_slice(&x, [x.len()]).unwrap();
        let (_, saved) = bent::forward_saving(&cx, &input).unwrap();
        let (relu6, hard_swish, elu) = bent::forward(&cx, &input).unwrap();
        let one = |i: usize| cx.filled([x.len()], f64::from(u8::from(i == which))).unwrap();
        let mut d_x = Adjoint::new();
        bent::backward(&cx, saved, one(0), one(1), one(2), &mut d_x).unwrap();
        ([relu6, hard_swish, elu][which].to_f64(), d_x.into_option().unwrap().to_f64())
    };
    let (y, slope) = of(0);
    assert_eq!(y, [0.0, 0.0, 0.0, 0.0, 1.0, 3.0, 6.0, 6.0, 6.0, 0.0]);
    assert_eq!(slope, [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0]);
    let (y, slope) = of(1);
    assert_eq!(y[..2], [0.0, 0.0]);
    assert!((y[2] + 1.0 / 3.0).abs() < 1e-15 && (y[4] - 2.0 / 3.0).abs() < 1e-15 && (y[5] - 3.0).abs() < 1e-15);
    assert_eq!(y[6..], [6.0, 7.0, f64::INFINITY, 0.0]);
    assert!((slope[1] + 0.5).abs() < 1e-15 && (slope[5] - 1.5).abs() < 1e-15 && slope[0] == 0.0 && slope[7] == 1.0);
    let (y, slope) = of(2);
    assert!((y[2] - 0.5 * ((-1f64).exp() - 1.0)).abs() < 1e-15 && y[3] == 0.0 && y[9] == -0.5 && y[8] == f64::INFINITY);
    assert!(slope[3] == 0.5 && slope[4] == 1.0 && slope[9] == 0.0 && slope[8] == 1.0);
}

#[variational]
fn bent<Rest: Dims>(x: Tensor<Rest>) -> (Tensor<Rest>, Tensor<Rest>, Tensor<Rest>) {
    (relu6(x), hard_swish(x), elu(x, 0.5))
}

/// An argument of which only places and masks are read has no gradient.
#[variational]
fn looked_up<B, N>(x: Tensor<B, N>, table: Tensor<N, 2>) -> Tensor<B, 2> {
    embedding(x.argmax(1), table) * (x > 0.0).sum_keep(1)
}

model! {
    Hidden<N> { table: Parameter<N, 2>, up: Linear<N, N> }
    fn places<B>(&self, x: Tensor<B, N>) -> Tensor<B, 2> {
        embedding(x.argmin(1), self.table)
    }
    fn loss<B>(&self, x: Tensor<B, N>) -> Tensor {
        let h = self.up.forward(x);
        let g = tanh(h);
        (looked_up(h, self.table) + self.places(g)).sum() + x.sum()
    }
}

#[test]
fn arguments_that_have_no_gradient() {
    let x = tensor([5, 4], 1);
    verify!(Hidden::<4>::new(), x);
}
