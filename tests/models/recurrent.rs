//! A loop that carries two values and reads one from outside; a method with two results.

use ivon_runtime::layers::Linear;
use ivon_runtime::prelude::*;

#[variational]
pub struct Cell<const WIDTH: usize> {
    state: Linear<WIDTH, WIDTH>,
    out: Linear<WIDTH, WIDTH>,
}

#[variational]
impl<const WIDTH: usize> Cell<WIDTH> {
    /// The output and the next state.
    pub fn step<B>(&self, x: Tensor<B, WIDTH>, state: Tensor<B, WIDTH>) -> (Tensor<B, WIDTH>, Tensor<B, WIDTH>) {
        let next = tanh(self.state.forward(state) + x);
        (self.out.forward(next), next)
    }
}

#[variational]
pub struct Recurrent<const WIDTH: usize, const STEPS: usize> {
    cells: [Cell<WIDTH>; STEPS],
    start: Parameter<WIDTH>,
}

#[variational]
impl<const WIDTH: usize, const STEPS: usize> Recurrent<WIDTH, STEPS> {
    pub fn forward<B>(&self, x: Tensor<B, WIDTH>) -> Tensor<B, WIDTH> {
        let mut state = self.start + 0.0 * x;
        let mut y = x;
        for cell in &self.cells {
            let (out, next) = cell.step(y, state);
            y = x + out;
            state = next;
        }
        y * state
    }
}
