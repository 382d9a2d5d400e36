//! The time of a GPT-2's training step by op: every op by itself, forward and backward, and its share of their sum.
//!
//! ```text
//! RAYON_NUM_THREADS=2 cargo bench -p ivon-runtime --bench ops [-- ROUNDS [TOKENS WIDTH LAYERS [LENGTH]]]
//! ```
//!
//! The tokens form sequences of LENGTH, or one sequence; heads have 64 elements. Times are medians, in brackets the best round.
//! Bytes are those of operands and results, each counted once.

use ivon_runtime::ops::{causal_attention, cross_entropy, embedding, layer_norm, linear, pointwise};
use ivon_runtime::prelude::*;
use ivon_runtime::{Real, Result};
use std::cell::RefCell;
use std::time::Instant;

const VOCABULARY: usize = 50257;

fn main() -> Result<()> {
    let numbers: Vec<usize> = std::env::args().skip(1).filter_map(|a| a.parse().ok()).collect();
    let number = |i: usize, default| numbers.get(i).copied().unwrap_or(default);
    let (tokens, width, layers) = (number(1, 256), number(2, 768), number(3, 12));
    let cx = Context::new(Device::Cpu, DType::F32)?;
    println!("{} threads, {tokens} tokens, width {width}, {layers} layers", rayon::current_num_threads());
    let mut table = Table { rounds: number(0, 15), rows: Vec::new() };
    table.embedding(&cx, tokens, width)?;
    table.layer_norm(&cx, [tokens, width], 2 * layers + 1)?;
    for (name, inputs, outputs) in
        [("qkv", width, 3 * width), ("projection", width, width), ("up", width, 4 * width), ("down", 4 * width, width)]
    {
        table.linear(&cx, name, [tokens, inputs, outputs], layers)?;
    }
    table.attention(&cx, [tokens / number(4, tokens), number(4, tokens), width], layers)?;
    table.gelu(&cx, [tokens, 4 * width], layers)?;
    table.residual(&cx, [tokens, width], 2 * layers)?;
    table.linear(&cx, "logits", [tokens, width, VOCABULARY], 1)?;
    table.cross_entropy(&cx, tokens)?;
    table.print();
    Ok(())
}

/// The measurement of one op.
struct Row {
    name: String,
    /// Calls per step.
    calls: usize,
    median: f64,
    best: f64,
    flops: f64,
    bytes: f64,
}

struct Table {
    rounds: usize,
    rows: Vec<Row>,
}

impl Table {
    /// Measures `call`. `prepare` makes its input, which `call` consumes.
    fn row<S>(
        &mut self,
        name: impl Into<String>,
        calls: usize,
        flops: f64,
        elements: usize,
        prepare: impl Fn() -> Result<S>,
        call: impl Fn(S) -> Result<()>,
    ) -> Result<()> {
        let mut times = Vec::new();
        // The first round warms up: memory, caches, threads.
        for round in 0..=self.rounds {
            let prepared = prepare()?;
            let start = Instant::now();
            call(prepared)?;
            if round > 0 {
                times.push(start.elapsed().as_secs_f64());
            }
        }
        times.sort_by(f64::total_cmp);
        let (median, best) = (times[times.len() / 2], times[0]);
        self.rows.push(Row { name: name.into(), calls, median, best, flops, bytes: 4.0 * elements as f64 });
        Ok(())
    }

    fn embedding(&mut self, cx: &Context, tokens: usize, width: usize) -> Result<()> {
        let (ids, table) = (ids(tokens)?, uniform([VOCABULARY, width])?);
        self.row("embedding", 1, 0.0, 2 * tokens * width, || Ok(()), |()| embedding::forward(cx, &ids, &table).map(drop))?;
        let d_table = RefCell::new(Adjoint::of(uniform([VOCABULARY, width])?));
        self.row(
            "embedding backward",
            1,
            0.0,
            3 * tokens * width,
            || Ok((embedding::forward_saving(cx, &ids, &table)?.1, uniform([tokens, width])?)),
            |(saved, d_y)| embedding::backward(cx, saved, d_y, &mut d_table.borrow_mut()),
        )
    }

    fn layer_norm(&mut self, cx: &Context, [tokens, width]: [usize; 2], calls: usize) -> Result<()> {
        let (x, gain, bias) = (uniform([tokens, width])?, uniform([width])?, uniform([width])?);
        let n = tokens * width;
        let forward = || layer_norm::forward_saving(cx, &x, &gain, Some(&bias), 1e-5);
        self.row("layer_norm", calls, 0.0, 2 * n, || Ok(()), |()| forward().map(drop))?;
        self.row(
            "layer_norm backward",
            calls,
            0.0,
            3 * n,
            || Ok((forward()?.1, uniform([tokens, width])?)),
            |(saved, d_y)| layer_norm::backward(cx, saved, d_y, &mut Adjoint::new(), &mut Adjoint::new(), &mut Adjoint::new()),
        )
    }

    fn linear(&mut self, cx: &Context, name: &str, [tokens, inputs, outputs]: [usize; 3], calls: usize) -> Result<()> {
        let (x, weight, bias) = (uniform([tokens, inputs])?, uniform([outputs, inputs])?, uniform([outputs])?);
        let flops = 2.0 * (tokens * inputs * outputs) as f64;
        let elements = tokens * inputs + inputs * outputs + tokens * outputs;
        let forward = || linear::forward_saving(cx, &x, &weight, Some(&bias));
        self.row(format!("linear {name}"), calls, flops, elements, || Ok(()), |()| forward().map(drop))?;
        // Gradients of parameters are added to a permanent buffer; those of activations are new tensors.
        let parameters = (Adjoint::of(uniform([outputs, inputs])?), Adjoint::of(uniform([outputs])?));
        let parameters = RefCell::new(parameters);
        self.row(
            format!("linear {name} backward"),
            calls,
            2.0 * flops,
            2 * elements,
            || Ok((forward()?.1, uniform([tokens, outputs])?)),
            |(saved, d_y)| {
                let (d_weight, d_bias) = &mut *parameters.borrow_mut();
                linear::backward(cx, saved, d_y, &mut Adjoint::new(), d_weight, d_bias)
            },
        )
    }

    fn attention(&mut self, cx: &Context, [batch, length, width]: [usize; 3], calls: usize) -> Result<()> {
        let (heads, n) = (width / 64, batch * length * width);
        let qkv = uniform([batch, length, 3 * width])?;
        // A product of each query with the keys that it attends to.
        let flops = (batch * length * (length + 1) * width) as f64;
        let forward = || causal_attention::forward_saving(cx, heads, &qkv);
        self.row("attention", calls, 2.0 * flops, 4 * n, || Ok(()), |()| forward().map(drop))?;
        self.row(
            "attention backward",
            calls,
            5.0 * flops,
            8 * n,
            || Ok((forward()?.1, uniform([batch, length, width])?)),
            |(saved, d_y)| causal_attention::backward(cx, saved, d_y, &mut Adjoint::new()),
        )
    }

    fn gelu(&mut self, cx: &Context, shape: [usize; 2], calls: usize) -> Result<()> {
        let (x, d_y, n) = (uniform(shape)?, uniform(shape)?, shape[0] * shape[1]);
        let forward = |()| pointwise::forward(cx, Gelu, [&x], []).map(drop);
        self.row("gelu", calls, 0.0, 2 * n, || Ok(()), forward)?;
        self.row(
            "gelu backward",
            calls,
            0.0,
            3 * n,
            || Ok(Adjoint::new()),
            |mut d_x| pointwise::backward(cx, DGelu, *x.shape(), [&x, &d_y], [], [(&mut d_x, *x.shape())]),
        )
    }

    fn residual(&mut self, cx: &Context, shape: [usize; 2], calls: usize) -> Result<()> {
        let (x, y, n) = (uniform(shape)?, uniform(shape)?, shape[0] * shape[1]);
        let forward = |()| pointwise::forward(cx, Sum, [&x, &y], []).map(drop);
        self.row("residual", calls, 0.0, 3 * n, || Ok(()), forward)
    }

    fn cross_entropy(&mut self, cx: &Context, tokens: usize) -> Result<()> {
        let (logits, targets, n) = (uniform([tokens, VOCABULARY])?, ids(tokens)?, tokens * VOCABULARY);
        let forward = || cross_entropy::forward_saving(cx, &logits, &targets);
        self.row("cross_entropy", 1, 0.0, n, || Ok(()), |()| forward().map(drop))?;
        self.row(
            "cross_entropy backward",
            1,
            0.0,
            2 * n,
            || Ok((forward()?.1, Tensor::from_slice(&[1.0f32], [])?)),
            |(saved, d_loss)| cross_entropy::backward(cx, saved, d_loss, &mut Adjoint::new()),
        )
    }

    fn print(&self) {
        let sum: f64 = self.rows.iter().map(|r| r.median * r.calls as f64).sum();
        println!("{:<28} {:>5} {:>10} {:>10} {:>8} {:>6} {:>6}", "op", "calls", "us", "(best)", "GFLOP/s", "GB/s", "share");
        for Row { name, calls, median, best, flops, bytes } in &self.rows {
            let share = 100.0 * median * *calls as f64 / sum;
            let (rate, traffic) = (flops / median / 1e9, bytes / median / 1e9);
            let (us, best) = (median * 1e6, format!("({:.0})", best * 1e6));
            println!("{name:<28} {calls:>5} {us:>10.0} {best:>10} {rate:>8.0} {traffic:>6.0} {share:>5.1}%");
        }
        println!("sum of a step, without the update: {:.1} ms", sum * 1e3);
    }
}

/// Numbers in [-1/2, 1/2).
fn uniform<const N: usize>(shape: [usize; N]) -> Result<Tensor> {
    let n = shape.iter().product();
    let numbers: Vec<f32> = (0..n).map(|i| (i * 7919 % 1009) as f32 / 1009.0 - 0.5).collect();
    Tensor::from_slice(&numbers, shape)
}

fn ids(tokens: usize) -> Result<Tensor> {
    let ids: Vec<u32> = (0..tokens).map(|i| (i * 7919 % VOCABULARY) as u32).collect();
    Tensor::from_slice(&ids, [tokens])
}

/// gelu(x) = x / 2 (1 + tanh u), u = sqrt(2 / pi) (x + 0.044715 x^3).
struct Gelu;
impl pointwise::Kernel<1, 0, 1> for Gelu {
    const NAME: &'static str = "gelu(x)";
    const CUDA: &'static str = "";
    const OPERATIONS: usize = 9;
    #[inline(always)]
    fn apply<E: Real>([x]: [E; 1], []: [E; 0]) -> [E; 1] {
        [E::of(0.5) * x * (E::of(1.0) + inner(x).tanh())]
    }
}

struct DGelu;
impl pointwise::Kernel<2, 0, 1> for DGelu {
    const NAME: &'static str = "gelu(x)";
    const CUDA: &'static str = "";
    const OPERATIONS: usize = 18;
    #[inline(always)]
    fn apply<E: Real>([x, d_y]: [E; 2], []: [E; 0]) -> [E; 1] {
        let (one, half, t) = (E::of(1.0), E::of(0.5), inner(x).tanh());
        let d_inner = E::of(0.797_884_560_802_865_4) * (one + E::of(3.0 * 0.044715) * x * x);
        [d_y * (half * (one + t) + half * x * (one - t * t) * d_inner)]
    }
}

#[inline(always)]
fn inner<E: Real>(x: E) -> E {
    E::of(0.797_884_560_802_865_4) * (x + E::of(0.044715) * x * x * x)
}

struct Sum;
impl pointwise::Kernel<2, 0, 1> for Sum {
    const NAME: &'static str = "x + y";
    const CUDA: &'static str = "";
    const OPERATIONS: usize = 1;
    #[inline(always)]
    fn apply<E: Real>([x, y]: [E; 2], []: [E; 0]) -> [E; 1] {
        [x + y]
    }
}
