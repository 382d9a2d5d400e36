//! Models of models, and layers that stand for type parameters.

use crate::check::*;
use ivon_runtime::layers::{LayerNorm, Linear};
use ivon_runtime::ops::mse;
use ivon_runtime::prelude::*;

model! {
    Inner<N> { up: Linear<N, N>, layers: [Linear<N, N>; 2] }
    fn step<B>(&self, x: Tensor<B, N>, state: Tensor<B, N>) -> (Tensor<B, N>, Tensor<B, N>) {
        let mut y = x + state;
        for layer in &self.layers {
            y = tanh(layer.forward(y));
        }
        (self.up.forward(y), y * state)
    }
}

model! {
    Outer<N> { cells: [Inner<N>; 2], last: Inner<N> }
    fn loss<B>(&self, x: Tensor<B, N>) -> Tensor {
        let mut y = x;
        let mut state = x * x;
        for cell in &self.cells {
            let (out, next) = cell.step(y, state);
            y = out;
            state = next;
        }
        let (out, _) = self.last.step(y, state);
        mse(out, state)
    }
}

#[test]
fn models_of_models_with_tuples_in_loops() {
    let x = tensor([2, 3], 1);
    verify!(Outer::<3>::new(), x);
}

/// Layers that stand for type parameters, alone, in loops and within each other.
#[test]
fn models_with_type_parameters() {
    use ivon_tests::stack::{Around, Both, Stack};
    let x = tensor([3, 4], 1);
    verify!(Both::<4>::new(), x);
    verify!(Stack::<Around<LayerNorm>, 4, 1>::new(), x);
    let (norms, products) = (Stack::<LayerNorm, 4>::new(), Stack::<Linear, 4>::new());
    let names = |parameters: Vec<&ivon_runtime::Parameter>| parameters.iter().map(|p| p.name().to_string()).collect::<Vec<_>>();
    let expected = ["layers.0.inner.gain", "layers.0.inner.bias", "layers.1.inner.gain", "layers.1.inner.bias", "scale"];
    assert_eq!(names(norms.parameters()), expected);
    assert_eq!(names(products.parameters()), expected.map(|n| n.replace("gain", "weight")));
}

/// Two models of one name, dimensions and number of settings, with other layers: each step has a plan of its own.
#[test]
fn steps_of_models_with_other_layers_are_told_apart() {
    use ivon_runtime::StepKey;
    use ivon_tests::stack::Stack;
    let key = |name| (StepKey::of(name, &Stack::<LayerNorm, 4>::new()), StepKey::of(name, &Stack::<Linear, 4>::new()));
    let (norms, products) = key("Stack::loss");
    assert_ne!(norms, products);
}
