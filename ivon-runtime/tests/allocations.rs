//! After the first step, a step of an optimizer allocates nothing. A step of a generated model allocates one short list for each
//! loop over blocks, with the saved values of each iteration. No tensor is ever allocated again.
//!
//! Rayon itself may allocate: for work that comes from outside of its pool, and when a thread steals for the first time. So the
//! steps run inside of a pool with one thread.

use ivon_runtime::layers::{Embedding, LayerNorm, Linear};
use ivon_runtime::ops::{causal_attention, cross_entropy, gelu_tanh};
use ivon_runtime::optimizers::SamplePer;
use ivon_runtime::simd::{self, Level};
use ivon_runtime::{Builder, Options, prelude::*};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

struct Counting;

static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call is passed on to the system's allocator; counting does not touch the memory.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller upholds the contract of `alloc`, which is the same.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller upholds the contract of `dealloc`, which is the same.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

struct Pair(Vec<Parameter>);

impl Model for Pair {
    const NAME: &'static str = "Pair";
    fn visit_parameters<'a>(&'a self, visit: &mut dyn FnMut(&'a Parameter)) {
        self.0.iter().for_each(visit);
    }
}

fn model() -> Pair {
    let mut b = Builder::new();
    Pair(vec![b.parameter("weight", [700, 100], Options::default()), b.parameter("bias", [100], Options::default())])
}

/// Adds 1 to every gradient.
fn gradient(model: &Pair, cx: &Context) -> Result<f64> {
    for p in &model.0 {
        let weights = cx.sample(p)?;
        let mut adjoint = cx.gradient(p)?;
        let Some((target, _)) = adjoint.target(cx, *p.shape())? else { continue };
        target.as_mut_slice::<f32>().iter_mut().zip(weights.as_slice::<f32>()).for_each(|(g, w)| *g += w);
    }
    Ok(1.0)
}

#[variational]
struct Block<const WIDTH: usize> {
    norm: LayerNorm<WIDTH>,
    qkv: Linear<WIDTH, { 3 * WIDTH }>,
    up: Linear<WIDTH, { 4 * WIDTH }>,
    down: Linear<{ 4 * WIDTH }, WIDTH>,
}

#[variational]
impl<const WIDTH: usize> Block<WIDTH> {
    fn forward<B, T>(&self, x: Tensor<B, T, WIDTH>) -> Tensor<B, T, WIDTH> {
        let x = x + causal_attention::<2>(self.qkv.forward(self.norm.forward(x)));
        x + self.down.forward(gelu_tanh(self.up.forward(x)))
    }
}

#[variational]
struct Transformer {
    tokens: Embedding<50, 32>,
    blocks: [Block<32>; 3],
}

#[variational]
impl Transformer {
    fn loss<B, T>(&self, ids: Ids<B, T>, targets: Ids<B, T>) -> Tensor {
        let mut x = self.tokens.forward(ids);
        for block in &self.blocks {
            x = block.forward(x);
        }
        cross_entropy(self.tokens.attend(x), targets)
    }
}

/// The number of allocations in ten steps after the first.
fn allocations(mut optimizer: impl Optimizer, mut gradient: impl FnMut(&Context) -> Result<f64>) -> usize {
    let mut step = || optimizer.step_in_parts(1e-3, &mut |cx, _| gradient(cx)).unwrap();
    step();
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    (0..10).for_each(|_| {
        step();
    });
    ALLOCATIONS.load(Ordering::Relaxed) - before
}

#[test]
fn a_step_allocates_nothing() {
    rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap().install(|| {
        let model = model();
        let clipped = Settings::default().grad_clip(Some(1.0)).micro_batches(2);
        let single = Ivon::new(&model, IvonConfig::new(1e6), Settings::default()).unwrap();
        assert_eq!(allocations(single, |cx| gradient(&model, cx)), 0, "IVON");
        let several = IvonConfig::new(1e6).sample_per(SamplePer::MicroBatch);
        assert_eq!(
            allocations(Ivon::new(&model, several, clipped.clone()).unwrap(), |cx| gradient(&model, cx)),
            0,
            "IVON with two samples"
        );
        assert_eq!(
            allocations(AdamW::new(&model, AdamWConfig::default(), clipped).unwrap(), |cx| gradient(&model, cx)),
            0,
            "AdamW"
        );
        assert_eq!(
            allocations(Sgd::new(&model, SgdConfig::default(), Settings::default()).unwrap(), |cx| gradient(&model, cx)),
            0,
            "SGD"
        );

        let model = Transformer::new();
        let ids: Vec<u32> = (0..64).map(|i| i % 50).collect();
        let ids = Tensor::from_slice(&ids, [4, 16]).unwrap();
        let ivon = Ivon::new(&model, IvonConfig::new(1e6), Settings::default()).unwrap();
        // Without a kernel of our own, a product is the library's, which allocates memory to pack its operands in.
        let products = if simd::level() == Level::Avx512 { 0 } else { 43 };
        let expected = 10 * (1 + products);
        assert_eq!(allocations(ivon, |cx| model.loss_gradient(cx, &ids, &ids)), expected, "one loop, ten steps");
    });
}
