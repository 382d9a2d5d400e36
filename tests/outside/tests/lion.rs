//! An optimizer of another crate trains, and a run of it that was stopped goes on with the same bits.

use ivon_outside::lion::{Lion, LionConfig};
use ivon_runtime::checkpoint::{Checkpoint, Checkpoints, Notes};
use ivon_runtime::layers::Linear;
use ivon_runtime::ops::mse;
use ivon_runtime::prelude::*;

#[variational]
struct Line {
    line: Linear<2, 1>,
}

#[variational]
impl Line {
    fn loss<B>(&self, x: Tensor<B, 2>, y: Tensor<B, 1>) -> Tensor {
        mse(self.line.forward(x), y)
    }
}

const X: [[f32; 2]; 4] = [[1.0, 0.5], [-0.5, 2.0], [0.25, -1.0], [2.0, 1.5]];

/// y = 3 x_0 - x_1 + 0.5
fn y(x: [f32; 2]) -> f32 {
    3.0 * x[0] - x[1] + 0.5
}

fn new(model: &Line, seed: u64) -> Lion {
    let config = LionConfig { weight_decay: 0.1, ..LionConfig::default() };
    Lion::new(model, config, Settings::default().seed(seed)).unwrap()
}

fn train(model: &Line, lion: &mut Lion, steps: usize) -> Vec<f64> {
    let x = Tensor::from_slice(&X.concat(), [4, 2]).unwrap();
    let targets = Tensor::from_slice(&X.map(y), [4, 1]).unwrap();
    (0..steps).map(|_| lion.step(0.05, |cx| model.loss_gradient(cx, &x, &targets)).unwrap()).collect()
}

fn buffers(lion: &Lion) -> Vec<(&'static str, Vec<f32>)> {
    lion.state().buffers().map(|(name, values)| (name, values.to_vec())).collect()
}

/// The weights w_0, w_1 and b after so many steps of algorithm 2, in f64 and without the runtime.
fn expected(mut weights: [f64; 3], steps: usize) -> [f64; 3] {
    let (beta1, beta2, lr) = (0.9, 0.99, 0.05);
    let mut momentum = [0.0; 3];
    for _ in 0..steps {
        let mut gradient = [0.0; 3];
        for x in X {
            let inputs = [f64::from(x[0]), f64::from(x[1]), 1.0];
            let predicted: f64 = inputs.iter().zip(&weights).map(|(x, w)| x * w).sum();
            let slope = 2.0 * (predicted - f64::from(y(x))) / 4.0;
            gradient.iter_mut().zip(inputs).for_each(|(g, x)| *g += slope * x);
        }
        for i in 0..3 {
            let c: f64 = beta1 * momentum[i] + (1.0 - beta1) * gradient[i];
            momentum[i] = beta2 * momentum[i] + (1.0 - beta2) * gradient[i];
            // Biases are not decayed.
            let decay = if i < 2 { 0.1 } else { 0.0 };
            weights[i] -= lr * (c.signum() + decay * weights[i]);
        }
    }
    weights
}

#[test]
fn its_steps_are_those_of_the_paper() {
    let model = Line::build().unwrap();
    let mut lion = new(&model, 1);
    let of = |lion: &Lion| {
        let at = |name: &str, i: usize| {
            let state = lion.state();
            let entry = state.layout().entries().iter().find(|e| e.parameter.name().ends_with(name)).unwrap().range();
            f64::from(state.mean()[entry][i])
        };
        [at("weight", 0), at("weight", 1), at("bias", 0)]
    };
    let start = of(&lion);
    let losses = train(&model, &mut lion, 40);
    for (found, expected) in of(&lion).into_iter().zip(expected(start, 40)) {
        assert!((found - expected).abs() < 1e-5, "{found} where {expected} is expected");
    }
    assert!(losses[39] < 0.2 * losses[0], "the loss went from {} to {}", losses[0], losses[39]);
}

#[test]
fn a_run_that_was_stopped_goes_on_with_the_same_bits() {
    let root = tempfile::tempdir().unwrap();
    let model = Line::build().unwrap();
    let mut straight = new(&model, 7);
    train(&model, &mut straight, 10);
    let mut stopped = new(&model, 7);
    train(&model, &mut stopped, 4);
    let saved = Checkpoints::new(root.path(), 1).save(&stopped, Notes::default()).unwrap();
    let mut resumed = new(&model, 8);
    assert_eq!(Checkpoint::open(saved.path()).unwrap().restore(&mut resumed), Ok(vec![]));
    train(&model, &mut resumed, 6);
    assert_eq!(buffers(&resumed), buffers(&straight));
    assert_eq!(buffers(&resumed)[1].0, "momentum");
}

#[test]
fn its_own_check_refuses_hyper_parameters() {
    let model = Line::build().unwrap();
    let config = LionConfig { beta2: 1.0, ..LionConfig::default() };
    let error = Lion::new(&model, config, Settings::default()).err().unwrap().to_string();
    assert!(error.contains("beta2 1") && error.contains("below 1"), "{error}");
}
