//! Activations: functions of one number each, fused into whatever calls them.

use crate::variational;

/// max(x, 0). The derivative at 0 is 0.
#[variational]
pub fn relu<Rest: Dims>(x: Tensor<Rest>) -> Tensor<Rest> {
    x.relu()
}

/// x Φ(x), with the normal distribution function by erf (Hendrycks and Gimpel 2016); PyTorch's `gelu`.
#[variational]
pub fn gelu<Rest: Dims>(x: Tensor<Rest>) -> Tensor<Rest> {
    0.5 * x * (1.0 + erf(0.7071067811865476 * x))
}

/// The tanh approximation of [`gelu`], which GPT-2 uses; Hugging Face's `gelu_new`: x (1 + tanh(u)) / 2 with
/// u = sqrt(2 / pi) (x + 0.044715 x³). It is written as x sigmoid(2 u), which is the same number at a lower cost.
#[variational]
pub fn gelu_tanh<Rest: Dims>(x: Tensor<Rest>) -> Tensor<Rest> {
    x * sigmoid(1.5957691216057308 * (x + 0.044715 * x * x * x))
}

/// x sigmoid(x) (Elfwing et al. 2017); also called swish.
#[variational]
pub fn silu<Rest: Dims>(x: Tensor<Rest>) -> Tensor<Rest> {
    x * sigmoid(x)
}

/// ln(1 + e^x), without overflow. The derivative at 0 is ½: half of that of max(x, 0), where |x| has none.
#[variational]
pub fn softplus<Rest: Dims>(x: Tensor<Rest>) -> Tensor<Rest> {
    max(x, 0.0) + ln(1.0 + exp(-abs(x)))
}

/// x where positive, else slope · x. The derivative at 0 is the slope.
#[variational]
pub fn leaky_relu<Rest: Dims>(x: Tensor<Rest>, slope: f64) -> Tensor<Rest> {
    let positive = is_positive(x);
    x * (positive + slope * (1.0 - positive))
}

/// min(max(x, 0), 6) (Howard et al. 2017). The derivative at 0 and at 6 is 0.
#[variational]
pub fn relu6<Rest: Dims>(x: Tensor<Rest>) -> Tensor<Rest> {
    select(x <= 0.0, 0.0, select(x >= 6.0, 6.0, x))
}

/// x min(max(x + 3, 0), 6) / 6 (Howard et al. 2019). The derivatives at -3 and 3 are those of the parabola between.
#[variational]
pub fn hard_swish<Rest: Dims>(x: Tensor<Rest>) -> Tensor<Rest> {
    // So that an infinite x does not come into the gradient of what is not chosen.
    let between = select(x < -3.0, 0.0, select(x <= 3.0, x, 0.0));
    select(x < -3.0, 0.0, select(x <= 3.0, between * (between + 3.0) * 0.16666666666666666, x))
}

/// x where positive, else alpha (e^x - 1) (Clevert, Unterthiner and Hochreiter 2016). The derivative at 0 is alpha.
#[variational]
pub fn elu<Rest: Dims>(x: Tensor<Rest>, alpha: f64) -> Tensor<Rest> {
    let below = select(x > 0.0, 0.0, x);
    select(x > 0.0, x, alpha * (exp(below) - 1.0))
}
