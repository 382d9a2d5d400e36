//! Every mistake of a model is reported at once, each once.
use ivon_runtime::{
    layers::{LayerNorm, Linear},
    ops::gelu_tanh,
    prelude::*,
};

#[variational]
pub struct Block<const WIDTH: usize> {
    norm: LayerNorm<WIDTH>,
    up: Linear<WIDTH, { 4 * WIDTH }>,
    #[parameter(wieght_decay = 0.0)]
    down: Linear<{ 3 * WIDTH }, WIDTH>,
    names: Vec<String>,
}

#[variational]
impl<const WIDTH: usize> Block<WIDTH> {
    pub fn forward<B, T>(&self, x: Tensor<B, T, WIDTH>) -> Tensor<B, T, WIDTH> {
        let hidden = gelu_tanh(self.up.forward(self.nrom.forward(x)));
        let y = x + self.up.forward(x);
        let z = self.down.forward(self.up.forward(x));
        let gate = if z > 0.0 { 1.0 } else { 0.0 };
        z + y + hidden * gate + gelu(x)
    }
}

fn main() {}
