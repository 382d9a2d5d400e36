//! Generated models against central differences in f64.
use ivon_runtime::layers::{Embedding, FilterResponseNorm, GroupNorm, LayerNorm, Linear};
use ivon_runtime::ops::{causal_attention, cross_entropy, gelu_tanh, global_average_pool, mse};
use ivon_runtime::prelude::*;

#[variational]
pub struct Mlp<const WIDTH: usize> {
    up: Linear<WIDTH, { 4 * WIDTH }>,
    down: Linear<{ 4 * WIDTH }, WIDTH>,
}

#[variational]
impl<const WIDTH: usize> Mlp<WIDTH> {
    pub fn forward<B, T>(&self, x: Tensor<B, T, WIDTH>) -> Tensor<B, T, WIDTH> {
        x + self.down.forward(gelu_tanh(self.up.forward(x)))
    }
}

#[variational]
pub struct Attention<const WIDTH: usize, const HEADS: usize> {
    qkv: Linear<WIDTH, { 3 * WIDTH }>,
    out: Linear<WIDTH, WIDTH>,
}

#[variational]
impl<const WIDTH: usize, const HEADS: usize> Attention<WIDTH, HEADS> {
    pub fn forward<B, T>(&self, x: Tensor<B, T, WIDTH>) -> Tensor<B, T, WIDTH> {
        self.out.forward(causal_attention::<HEADS>(self.qkv.forward(x)))
    }
}

#[variational]
pub struct Block<const WIDTH: usize, const HEADS: usize> {
    norm: LayerNorm<WIDTH>,
    attention: Attention<WIDTH, HEADS>,
    mlp: Mlp<WIDTH>,
}

#[variational]
impl<const WIDTH: usize, const HEADS: usize> Block<WIDTH, HEADS> {
    pub fn forward<B, T>(&self, x: Tensor<B, T, WIDTH>) -> Tensor<B, T, WIDTH> {
        let x = x + self.attention.forward(self.norm.forward(x));
        self.mlp.forward(x)
    }
}

#[variational]
pub struct Gpt<const VOCAB: usize, const CONTEXT: usize, const WIDTH: usize, const HEADS: usize, const LAYERS: usize> {
    tokens: Embedding<VOCAB, WIDTH>,
    #[parameter(init = normal(0.02))]
    positions: Parameter<CONTEXT, WIDTH>,
    blocks: [Block<WIDTH, HEADS>; LAYERS],
    norm: LayerNorm<WIDTH>,
}

#[variational]
impl<const VOCAB: usize, const CONTEXT: usize, const WIDTH: usize, const HEADS: usize, const LAYERS: usize>
    Gpt<VOCAB, CONTEXT, WIDTH, HEADS, LAYERS>
{
    pub fn forward<B, T>(&self, ids: Ids<B, T>) -> Tensor<B, T, VOCAB> {
        let mut x = self.tokens.forward(ids) + self.positions.slice(0, 0..T);
        for block in &self.blocks {
            x = block.forward(x);
        }
        self.tokens.attend(self.norm.forward(x))
    }

    pub fn loss<B, T>(&self, ids: Ids<B, T>, targets: Ids<B, T>) -> Tensor {
        cross_entropy(self.forward(ids), targets)
    }
}

/// Layers that normalise images over channels.
#[variational]
pub struct Normalised<const C: usize, const GROUPS: usize> {
    mix: Linear<C, C>,
    response: FilterResponseNorm<C>,
    group: GroupNorm<C, GROUPS>,
    linear: FilterResponseNorm<C, false>,
}

#[variational]
impl<const C: usize, const GROUPS: usize> Normalised<C, GROUPS> {
    pub fn forward<B, H, W>(&self, x: Tensor<B, H, W, C>) -> Tensor<B, C> {
        let x = self.response.forward(self.mix.forward(x));
        global_average_pool(self.linear.forward(x + self.group.forward(x)))
    }

    pub fn loss<B, H, W>(&self, x: Tensor<B, H, W, C>, y: Tensor<B, C>) -> Tensor {
        mse(self.forward(x), y)
    }
}

/// Many forms of expressions: scale, broadcast, reuse, tuples, mse(x, x).
#[variational]
pub struct Odd<const N: usize> {
    scale: Parameter<N>,
    mix: Parameter<N, N>,
    #[setting(0.3)]
    pub slope: f64,
}

#[variational]
impl<const N: usize> Odd<N> {
    pub fn halves<B>(&self, x: Tensor<B, N>) -> (Tensor<B, N>, Tensor<B, N>) {
        let y = x * self.scale * sigmoid(1.702 * x);
        let z = ivon_runtime::ops::linear(y, self.mix, None);
        (y, z + self.slope * y)
    }
    pub fn loss<B>(&self, x: Tensor<B, N>) -> Tensor {
        let (y, z) = self.halves(x);
        let w = concat([y, z], 1).reshape([B, 2, N]).transpose(0, 1).slice(0, 0..1);
        mse(z, y) + (w * w).mean() + (exp(z) / (1.0 + abs(y))).sum(0).mean()
    }
}

fn check<M: Model>(model: &M, loss: impl Fn(&Context) -> Result<f64>) {
    use ivon_runtime::{DType, Flat, Layout};
    let layout = Layout::of(model);
    let cx = Context::new(Device::Cpu, DType::F64).unwrap();
    let mut values: Vec<f64> = vec![0.0; layout.padded()];
    let mut s = 1u64;
    for v in &mut values {
        s = s.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        *v = ((s >> 33) as f64 / (1u64 << 31) as f64 - 0.5) * 0.8;
    }
    let run = |values: &[f64], gradient: bool| {
        let mut weights = Flat::zeros(&layout, DType::F64).unwrap();
        weights.as_mut_slice::<f64>().copy_from_slice(values);
        cx.set_weights(&weights);
        let g = Flat::zeros(&layout, DType::F64).unwrap();
        cx.set_gradient(gradient.then_some(&g));
        let l = loss(&cx).unwrap();
        (l, g.as_slice::<f64>().to_vec())
    };
    let (_, gradient) = run(&values, true);
    for e in layout.entries() {
        let n = e.parameter.shape().elements();
        for i in [0, n / 3, n - 1] {
            let at = e.offset + i;
            let h = 1e-5;
            let mut v = values.clone();
            v[at] += h;
            let up = run(&v, false).0;
            v[at] -= 2.0 * h;
            let down = run(&v, false).0;
            let numeric = (up - down) / (2.0 * h);
            assert!(
                (numeric - gradient[at]).abs() < 1e-7 * (1.0 + numeric.abs()),
                "{} [{i}]: {numeric} against {}",
                e.parameter.name(),
                gradient[at]
            );
        }
    }
}

#[test]
fn a_transformer() {
    let model = Gpt::<11, 6, 8, 2, 3>::new();
    let ids = Tensor::from_slice(&[1u32, 4, 2, 10, 0, 3, 3, 8, 9, 5], [2, 5]).unwrap();
    let targets = Tensor::from_slice(&[4u32, 2, 10, 0, 3, 3, 8, 9, 5, 1], [2, 5]).unwrap();
    assert_eq!(model.parameters().len(), 2 + 3 * (2 + 4 + 4) + 2);
    check(&model, |cx| model.loss_gradient(cx, &ids, &targets));
}

#[test]
fn odd_shapes() {
    let model = Odd::<3>::new();
    let x = Tensor::from_slice(&[0.3f64, -0.2, 0.9, 1.1, 0.4, -0.7], [2, 3]).unwrap();
    check(&model, |cx| model.loss_gradient(cx, &x));
}

#[test]
fn normalisations_of_pictures() {
    let model = Normalised::<6, 2>::new();
    assert_eq!(model.parameters().len(), 2 + 3 + 2 + 2);
    let cx = Context::new(Device::Cpu, DType::F64).unwrap();
    let tensor = |shape: &[usize], seed| ivon_runtime::gradcheck::tensor(&cx, shape, seed).unwrap();
    let (x, y) = (tensor(&[2, 3, 4, 6], 1), tensor(&[2, 6], 2));
    check(&model, |cx| model.loss_gradient(cx, &x, &y));
    // The groups must divide the channels.
    assert!(Normalised::build(6, 4).is_err());
}
