//! Branches on flags, layers that may be absent, and `stop_gradient`.

use crate::check::*;
use ivon_runtime::layers::{LayerNorm, Linear};
use ivon_runtime::ops::mse;
use ivon_runtime::prelude::*;

#[variational]
struct Choice<const N: usize, const GATED: bool> {
    up: Linear<N, N>,
    gate: Linear<N, N>,
    scale: Parameter<N>,
    #[setting(true)]
    deep: bool,
}

#[variational]
impl<const N: usize, const GATED: bool> Choice<N, GATED> {
    fn loss<B>(&self, x: Tensor<B, N>, twice: bool) -> Tensor {
        let h = self.up.forward(x) + x;
        let mut y = if GATED { tanh(self.gate.forward(h)) * h } else { h * self.scale };
        let factor = if twice { 2.0 } else { 1 as f64 };
        if self.deep && !twice {
            y = self.gate.forward(y) + self.scale;
        } else if twice || GATED {
            let z = y * x;
            y = z + self.up.forward(y);
        }
        (y * factor + self.gate.forward(x) * self.scale).mean()
    }
}

#[test]
fn a_branch_on_every_kind_of_flag() {
    let x = tensor([2, 3], 1);
    for deep in [false, true] {
        for twice in [false, true] {
            let with = |model: Choice| Choice { deep, ..model };
            verify!(with(Choice::<3, true>::new()), x; twice);
            verify!(with(Choice::<3, false>::new()), x; twice);
        }
    }
}

#[variational]
struct Optional<const N: usize, const NORM: bool> {
    up: Linear<N, N>,
    #[parameter(when = NORM)]
    norm: Option<LayerNorm<N>>,
    layers: [Linear<N, N>; 2],
}

#[variational]
impl<const N: usize, const NORM: bool> Optional<N, NORM> {
    fn loss<B>(&self, x: Tensor<B, N>) -> Tensor {
        let mut y = self.up.forward(x);
        if let Some(norm) = &self.norm {
            y = norm.forward(y);
        }
        for layer in &self.layers {
            let z = if let Some(norm) = &self.norm { layer.forward(norm.forward(y)) } else { layer.forward(x) };
            y = y + tanh(z);
        }
        y.mean() + mse(y, x)
    }
}

#[test]
fn a_layer_that_may_be_absent() {
    let x = tensor([2, 3], 1);
    verify!(Optional::<3, true>::new(), x);
    verify!(Optional::<3, false>::new(), x);
}

model! {
    Sides<N> { up: Linear<N, N>, layers: [Linear<N, N>; 2] }
    fn loss<B, T>(&self, x: Tensor<B, T, N>, flag: bool) -> Tensor {
        let start = self.up.forward(x.at(1, 0));
        let (a, b) = if flag { (start, x.at(1, 0)) } else { (tanh(start), start) };
        let mut h = a;
        let mut c = b;
        let mut hs = Vec::new();
        for t in 0..T {
            if flag {
                for layer in &self.layers {
                    h = layer.forward(h) + c;
                }
                hs.push(h * 2.0);
            } else {
                c = h;
                h = tanh(self.up.forward(h) * x.at(1, t));
                hs.push(h);
            }
        }
        let d = if flag { c } else { start };
        (stack(hs, 1).mean(1) * d + h).mean() + mse(d, x.at(1, 0))
    }
}

#[test]
fn branches_in_loops_and_loops_in_branches() {
    let x = tensor([2, 3, 2], 1);
    verify!(Sides::<2>::new(), x; true);
    verify!(Sides::<2>::new(), x; false);
}

#[variational]
struct Stopped<const N: usize> {
    up: Linear<N, N>,
    #[parameter(frozen)]
    target: Linear<N, N>,
}

#[variational]
impl<const N: usize> Stopped<N> {
    fn loss<B>(&self, x: Tensor<B, N>, y: Tensor<B, N>) -> Tensor {
        let h = self.up.forward(x);
        mse(h, stop_gradient(self.target.forward(y)))
    }
    fn straight_through<B>(&self, x: Tensor<B, N>) -> Tensor {
        let h = self.up.forward(x);
        (h + (is_positive(h) - h).detach()).sum()
    }
    fn product<B>(&self, x: Tensor<B, N>) -> Tensor {
        let h = self.up.forward(x);
        (h * stop_gradient(h)).sum()
    }
}

/// The gradient of `h * stop_gradient(h)` is h, half of that of h²; a straight-through estimator has the gradient of h.
#[test]
fn what_is_stopped_is_a_constant() {
    let cx = context();
    let model = Stopped::<2>::new();
    let gradient = |backward: &dyn Fn(&Context, &Tensor, &mut Adjoint) -> Result<()>| {
        let x = tensor([1, 2], 1);
        let mut d_x = Adjoint::new();
        backward(&cx, &x, &mut d_x).unwrap();
        d_x.into_option().unwrap().to_f64()
    };
    let layout = ivon_runtime::Layout::of(&model);
    let mut weights = ivon_runtime::Flat::zeros(&layout, DType::F64).unwrap();
    weights.as_mut_slice::<f64>().iter_mut().enumerate().for_each(|(i, w)| *w = (i as f64 * 0.7).sin());
    cx.set_weights(&weights);
    let ones = || cx.filled([], 1.0).unwrap();
    let h = |x: &Tensor| model.up.forward(&cx, x).unwrap().to_f64();
    let straight = gradient(&|cx, x, d_x| {
        let (_, saved) = model.straight_through_saving(cx, x)?;
        model.straight_through_backward(cx, saved, ones(), d_x)
    });
    let product = gradient(&|cx, x, d_x| {
        let (_, saved) = model.product_saving(cx, x)?;
        model.product_backward(cx, saved, ones(), d_x)
    });
    // h is linear in x: its gradient is the difference of its sums.
    let x = tensor([1, 2], 1);
    let at = |i: usize, by: f64| {
        let mut moved = x.to_f64();
        moved[i] += by;
        h(&Tensor::from_slice(&moved, [1, 2]).unwrap())
    };
    for i in 0..2 {
        let slope: Vec<f64> = at(i, 0.5).iter().zip(at(i, -0.5)).map(|(a, b)| a - b).collect();
        let sum: f64 = slope.iter().sum();
        let weighted: f64 = slope.iter().zip(h(&x)).map(|(s, h)| s * h).sum();
        assert!((straight[i] - sum).abs() < 1e-12, "{straight:?} [{i}], but {sum} is right");
        assert!((product[i] - weighted).abs() < 1e-12, "{product:?} [{i}], but {weighted} is right");
    }
    // The gradient of a target that is stopped is zero.
    let y = tensor([1, 2], 2);
    let (_, saved) = model.loss_saving(&cx, &x, &y).unwrap();
    let (mut d_x, mut d_y) = (Adjoint::new(), Adjoint::new());
    model.loss_backward(&cx, saved, ones(), &mut d_x, &mut d_y).unwrap();
    assert!(!d_x.is_empty());
    assert_eq!(d_y.into_option().unwrap().to_f64(), [0.0; 2]);
}
