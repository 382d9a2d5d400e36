//! Parameters of a model's own: optional, frozen, tied, in arithmetic.

use crate::check::*;
use ivon_runtime::layers::{Embedding, LayerNorm, Linear};
use ivon_runtime::ops::{cross_entropy, linear, mse};
use ivon_runtime::prelude::*;

model! {
    Direct<N> { matrix: Parameter<N, { 2 * N }>, vector: Parameter<N> }
    fn loss<B>(&self, x: Tensor<B, N>) -> Tensor {
        let left = self.matrix.slice(1, 0..N);
        let right = self.matrix.slice(1, N..2 * N).transpose(0, 1);
        let flat = self.matrix.reshape([2, N * N]).mean(0).reshape([N, N]);
        let joined = concat([self.vector, self.vector, self.vector * self.vector], 0).slice(0, 1..N + 1);
        let weight = left * right - flat / (2.0 + self.vector);
        mse(linear(x, weight, self.vector), x + joined + self.matrix.sum(1)) + self.vector.mean()
    }
}

#[test]
fn a_parameter_in_arithmetic_reshape_slice_and_concat() {
    let x = tensor([2, 3], 1);
    verify!(Direct::<3>::new(), x);
}

#[variational]
struct Optional<const N: usize, const BIAS: bool> {
    weight: Parameter<N, N>,
    #[parameter(when = BIAS)]
    bias: Option<Parameter<N>>,
    norm: LayerNorm<N, BIAS>,
    up: Linear<N, N, BIAS>,
}

#[variational]
impl<const N: usize, const BIAS: bool> Optional<N, BIAS> {
    fn loss<B>(&self, x: Tensor<B, N>) -> Tensor {
        let y = linear(x, self.weight, self.bias);
        mse(self.up.forward(self.norm.forward(y)), x)
    }
}

#[test]
fn an_optional_parameter_is_there_or_absent() {
    let x = tensor([2, 3], 1);
    assert_eq!(Optional::<3, true>::new().parameters().len(), 6);
    assert_eq!(Optional::<3, false>::new().parameters().len(), 3);
    verify!(Optional::<3, true>::new(), x);
    verify!(Optional::<3, false>::new(), x);
}

model! {
    Own<N> { up: Linear<N, N>, #[parameter(frozen)] fixed: Parameter<N> }
    fn encode<B>(&self, x: Tensor<B, N>) -> Tensor<B, N> {
        tanh(self.up.forward(x) + self.fixed)
    }
    fn loss<B>(&self, x: Tensor<B, N>) -> Tensor {
        mse(self.encode(self.encode(x)), self.up.forward(self.encode(x)))
    }
}

#[test]
fn own_methods_a_layer_used_twice_and_a_frozen_parameter() {
    let x = tensor([2, 3], 1);
    verify!(Own::<3>::new(), x);
}

#[variational]
struct Tied<const VOCAB: usize, const N: usize> {
    tokens: Embedding<VOCAB, N>,
    positions: Parameter<6, N>,
}

#[variational]
impl<const VOCAB: usize, const N: usize> Tied<VOCAB, N> {
    fn loss<B, T>(&self, ids: Ids<B, T>, targets: Ids<B, T>, noise: Tensor<N>) -> Tensor {
        let x = self.tokens.forward(ids) + self.positions.slice(0, 0..T) + noise;
        cross_entropy(self.tokens.attend(x), targets)
    }
}

#[test]
fn tied_parameters_and_ids() {
    let ids = Tensor::from_slice(&[1u32, 4, 2, 0, 3, 3], [2, 3]).unwrap();
    let targets = Tensor::from_slice(&[4u32, 2, 0, 3, 3, 1], [2, 3]).unwrap();
    let noise = tensor([4], 1);
    let model = Tied::<5, 4>::new();
    let call = |cx: &Context, x: &Tensor| model.loss(cx, &ids, &targets, x)?.item();
    check(
        &model,
        false,
        [&noise],
        |cx, [x]| call(cx, x),
        |cx, [x]| model.loss_gradient(cx, &ids, &targets, x),
        |cx, [x], [d_x]| {
            let (_, saved) = model.loss_saving(cx, &ids, &targets, x)?;
            model.loss_backward(cx, saved, cx.filled([], 1.0)?, d_x)
        },
    );
}
