//! Values whose adjoint is made by the op that made them: here GELU of a linear layer's output (`Linear::forward_gelu`).

use crate::check::*;
use ivon_runtime::layers::{Dropout, Linear};
use ivon_runtime::ops::{gelu_tanh, linear_gelu, mse};
use ivon_runtime::prelude::*;

model! {
    Several<N> { up: Linear<N, N>, down: Linear<N, N>, aside: Linear<N, N> }
    fn loss<B>(&self, x: Tensor<B, N>) -> Tensor {
        let y = gelu_tanh(self.up.forward(x));
        mse(self.down.forward(y) * y, self.aside.forward(y) + x)
    }
}

#[test]
fn two_products_and_another_op_read_it() {
    let x = tensor([3, 4], 1);
    verify!(Several::<4>::new(), x);
}

model! {
    Handed<N> { up: Linear<N, N>, down: Linear<N, N> }
    fn pair<B>(&self, x: Tensor<B, N>) -> (Tensor<B, N>, Tensor<B, N>) {
        let y = gelu_tanh(self.up.forward(x));
        (y, self.down.forward(y))
    }
    fn last<B>(&self, x: Tensor<B, N>) -> Tensor<B, N> {
        gelu_tanh(self.up.forward(x))
    }
    fn loss<B>(&self, x: Tensor<B, N>) -> Tensor {
        let (hidden, y) = self.pair(x);
        let (_, unread) = self.pair(0.5 * x);
        mse(self.down.forward(self.last(y)), hidden * unread)
    }
}

#[test]
fn it_is_returned() {
    let x = tensor([3, 4], 1);
    verify!(Handed::<4>::new(), x);
}

model! {
    Outside<N> { up: Linear<N, N>, layers: [Linear<N, N>; 3] }
    fn loss<B>(&self, x: Tensor<B, N>) -> Tensor {
        let start = gelu_tanh(self.up.forward(x));
        let mut y = x;
        for layer in &self.layers {
            y = layer.forward(start) + y * start;
        }
        mse(y, start)
    }
}

#[test]
fn a_loop_reads_it_from_outside() {
    let x = tensor([3, 4], 1);
    verify!(Outside::<4>::new(), x);
}

model! {
    Inside<N> { up: [Linear<N, N>; 3], down: Linear<N, N>, dropout: Dropout }
    fn loss<B>(&self, x: Tensor<B, N>) -> Tensor {
        let mut carried = gelu_tanh(self.down.forward(x));
        for up in &self.up {
            let y = gelu_tanh(up.forward(carried));
            carried = gelu_tanh(up.forward(self.down.forward(y) + carried));
        }
        mse(self.down.forward(self.dropout.forward(carried)), x)
    }
}

#[test]
fn a_loop_makes_it_and_carries_it_on() {
    let x = tensor([3, 4], 1);
    verify!(Inside::<4>::new(), x);
    verify_training!(Inside::<4>::new(), x);
}

/// A user's own layer, which passes the adjoint on as `Linear` does.
#[variational]
struct Own<const N: usize> {
    weight: Parameter<N, N>,
}

#[variational]
impl<const N: usize> Own<N> {
    #[adjoint]
    fn forward<B>(&self, x: Tensor<B, N>) -> Tensor<B, N> {
        linear_gelu(x, self.weight, None)
    }
}

model! {
    OfOwn<N> { own: Own<N>, again: Own<N>, down: Linear<N, N> }
    fn loss<B>(&self, x: Tensor<B, N>) -> Tensor {
        let y = self.again.forward(self.own.forward(x));
        mse(self.down.forward(y) + self.own.forward(y), x)
    }
}

#[test]
fn a_layer_of_ones_own_hands_it_on() {
    let x = tensor([3, 4], 1);
    verify!(OfOwn::<4>::new(), x);
}
