use super::Linear;
use crate::ops::silu;
use crate::variational;

/// down(silu(gate(x)) · up(x)), the gated MLP of Llama (Shazeer 2020), without biases unless `BIAS` is true.
#[variational]
#[derive(Clone, Debug)]
pub struct SwiGlu<const WIDTH: usize, const HIDDEN: usize, const BIAS: bool = false> {
    gate: Linear<WIDTH, HIDDEN, BIAS>,
    up: Linear<WIDTH, HIDDEN, BIAS>,
    down: Linear<HIDDEN, WIDTH, BIAS>,
}

#[variational]
impl<const WIDTH: usize, const HIDDEN: usize, const BIAS: bool> SwiGlu<WIDTH, HIDDEN, BIAS> {
    /// `[.., WIDTH]` to the same shape.
    pub fn forward<Rest: Dims>(&self, x: Tensor<Rest, WIDTH>) -> Tensor<Rest, WIDTH> {
        self.down.forward(silu(self.gate.forward(x)) * self.up.forward(x))
    }
}
