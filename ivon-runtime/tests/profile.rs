//! The profile of a training step, compared with counts by hand.

use ivon_runtime::prelude::*;
use ivon_runtime::profile::{OpTime, Phase, Profile};
use language::Language;

mod language {
    use ivon_runtime::layers::{Embedding, LayerNorm, Linear};
    use ivon_runtime::ops::{causal_attention, cross_entropy};
    use ivon_runtime::prelude::*;

    #[variational]
    pub struct Block<const WIDTH: usize, const HEADS: usize> {
        norm: LayerNorm<WIDTH>,
        qkv: Linear<WIDTH, { 3 * WIDTH }>,
        out: Linear<WIDTH, WIDTH>,
    }

    #[variational]
    impl<const WIDTH: usize, const HEADS: usize> Block<WIDTH, HEADS> {
        pub fn forward<B, T>(&self, x: Tensor<B, T, WIDTH>) -> Tensor<B, T, WIDTH> {
            x + self.out.forward(causal_attention::<HEADS>(self.qkv.forward(self.norm.forward(x))))
        }
    }

    #[variational]
    pub struct Language<const VOCAB: usize, const WIDTH: usize, const HEADS: usize, const LAYERS: usize> {
        tokens: Embedding<VOCAB, WIDTH>,
        blocks: [Block<WIDTH, HEADS>; LAYERS],
        head: Linear<WIDTH, VOCAB>,
    }

    #[variational]
    impl<const VOCAB: usize, const WIDTH: usize, const HEADS: usize, const LAYERS: usize> Language<VOCAB, WIDTH, HEADS, LAYERS> {
        pub fn loss<B, T>(&self, ids: Ids<B, T>, targets: Ids<B, T>) -> Tensor {
            let mut x = self.tokens.forward(ids);
            for block in &self.blocks {
                x = block.forward(x);
            }
            cross_entropy(self.head.forward(x), targets)
        }
    }
}

const VOCAB: usize = 40;
const WIDTH: usize = 16;
const HEADS: usize = 2;
const LAYERS: usize = 3;
const BATCH: usize = 2;
const TIME: usize = 8;
/// Rows of every matrix product.
const ROWS: usize = BATCH * TIME;

fn model() -> Language {
    Language::<VOCAB, WIDTH, HEADS, LAYERS>::new()
}

fn ids(shift: usize) -> Tensor {
    let ids: Vec<u32> = (0..ROWS).map(|i| ((7 * i + shift) % VOCAB) as u32).collect();
    Tensor::from_slice(&ids, [BATCH, TIME]).unwrap()
}

fn ivon(model: &Language, dtype: DType) -> Ivon {
    let settings = Settings::default().grad_clip(Some(1.0)).dtype(dtype);
    Ivon::new(model, IvonConfig::new(1e4), settings).unwrap()
}

fn step(optimizer: &mut dyn Optimizer, model: &Language, n: usize) -> f64 {
    let (ids, targets) = (ids(n), ids(n + 1));
    optimizer.step_in_parts(0.1, &mut |cx, _| model.loss_gradient(cx, &ids, &targets)).unwrap()
}

/// The profile of the second step; the first one also plans memory.
fn profile_of(mut optimizer: impl Optimizer) -> Profile {
    let model = model();
    step(&mut optimizer, &model, 0);
    optimizer.context().record().unwrap();
    step(&mut optimizer, &model, 1);
    optimizer.context().recorded().unwrap()
}

#[track_caller]
fn op(profile: &Profile, phase: Phase, name: &str) -> OpTime {
    let phases = profile.phases();
    let phase = phases.into_iter().find(|p| p.phase == phase).expect("a phase");
    let names: Vec<_> = phase.ops.iter().map(|op| op.name.clone()).collect();
    phase.ops.into_iter().find(|op| op.name == name).unwrap_or_else(|| panic!("`{name}` is not in {names:?}"))
}

/// 2 M N K of qkv (3 W × W) and out (W × W) in each block and of the head (V × W).
const PRODUCTS: u64 = (2 * ROWS * (LAYERS * (3 * WIDTH * WIDTH + WIDTH * WIDTH) + VOCAB * WIDTH)) as u64;

#[test]
fn operations_and_bytes_are_those_of_the_shapes() {
    let profile = profile_of(ivon(&model(), DType::F32));
    let calls = 2 * LAYERS as u64 + 1;
    for (phase, name) in [(Phase::Forward, "linear"), (Phase::Backward, "linear d_x"), (Phase::Backward, "linear d_weight")] {
        let op = op(&profile, phase, name);
        assert_eq!((op.calls, op.cost.flops, op.cost.bf16_flops), (calls, PRODUCTS, 0), "{name}");
    }
    // x, weight and y of each product, in f32.
    let elements = |outputs: usize| ROWS * WIDTH + outputs * WIDTH + ROWS * outputs;
    let bytes = 4 * (LAYERS * (elements(3 * WIDTH) + elements(WIDTH)) + elements(VOCAB));
    assert_eq!(op(&profile, Phase::Forward, "linear").cost.bytes, bytes as u64);

    // Pairs of a query and a key at the same or an earlier position: two products forward, five backward, and 5 operations for
    // the softmax.
    let pairs = LAYERS * BATCH * HEADS * TIME * (TIME + 1) / 2;
    for (phase, products) in [(Phase::Forward, 2), (Phase::Backward, 5)] {
        let attention = op(&profile, phase, "causal_attention");
        assert_eq!(attention.cost.flops, (pairs * (products * 2 * WIDTH / HEADS + 5)) as u64);
    }
    // x + out, elementwise: two reads and a write.
    let sum = op(&profile, Phase::Forward, "x + out");
    assert_eq!((sum.cost.flops, sum.cost.bytes), ((LAYERS * ROWS * WIDTH) as u64, (LAYERS * ROWS * WIDTH * 12) as u64));
}

#[test]
fn products_of_bf16_are_counted_apart() {
    let profile = profile_of(ivon(&model(), DType::Bf16));
    let linear = op(&profile, Phase::Forward, "linear");
    assert_eq!((linear.cost.flops, linear.cost.bf16_flops), (0, PRODUCTS));
    assert_eq!(op(&profile, Phase::Forward, "causal_attention").cost.bf16_flops, 0);
}

#[test]
fn an_update_moves_its_buffers_once() {
    let padded = |optimizer: &dyn Optimizer| optimizer.state().layout().padded() as u64;
    let optimizer = ivon(&model(), DType::F32);
    // Mean, h, momentum and gradient are read and written; the sample is written.
    let expected = 4 * 9 * padded(&optimizer);
    let profile = profile_of(optimizer);
    let names: Vec<_> = profile.phases().iter().map(|p| p.phase).collect();
    assert_eq!(names, [Phase::Forward, Phase::Backward, Phase::Update]);
    assert_eq!(op(&profile, Phase::Update, "ivon").cost.bytes, expected);
    assert_eq!(op(&profile, Phase::Update, "norm of the gradient").calls, 1);

    let optimizer = AdamW::new(&model(), AdamWConfig::default(), Settings::default()).unwrap();
    let expected = 4 * 8 * padded(&optimizer);
    assert_eq!(op(&profile_of(optimizer), Phase::Update, "adamw").cost.bytes, expected);
    let optimizer = Sgd::new(&model(), SgdConfig::default(), Settings::default()).unwrap();
    let expected = 4 * 6 * padded(&optimizer);
    assert_eq!(op(&profile_of(optimizer), Phase::Update, "sgd").cost.bytes, expected);
}

#[test]
fn everything_adds_up_to_the_step() {
    let profile = profile_of(ivon(&model(), DType::F32));
    let phases = profile.phases();
    for phase in &phases {
        let ops: f64 = phase.ops.iter().map(|op| op.seconds).sum();
        assert!((ops + phase.other - phase.seconds).abs() < 1e-9, "{phase:?}");
        assert!(phase.other >= 0.0 && phase.ops.iter().all(|op| op.seconds >= 0.0), "{phase:?}");
    }
    let sum: f64 = phases.iter().map(|p| p.seconds).sum();
    assert!((sum + profile.other() - profile.seconds()).abs() < 1e-9 && profile.other() >= 0.0);
}

#[test]
fn layers_go_by_the_fields_that_lead_to_them() {
    let profile = profile_of(ivon(&model(), DType::F32));
    let layers = profile.layers();
    let forward: Vec<_> = layers.iter().filter(|l| l.phase == Phase::Forward).map(|l| (l.path.as_str(), l.calls)).collect();
    let in_block = LAYERS as u64;
    let expected = [
        ("tokens", 1),
        ("blocks", in_block),
        ("blocks.norm", in_block),
        ("blocks.qkv", in_block),
        ("blocks.out", in_block),
        ("head", 1),
    ];
    assert_eq!(forward, expected);
    let first = layers.iter().find(|l| l.phase == Phase::Backward).expect("a backward pass");
    assert_eq!(first.path, "head");
}

#[test]
fn a_profile_changes_no_bits_and_ends() {
    let model = model();
    let (mut with, mut without) = (ivon(&model, DType::F32), ivon(&model, DType::F32));
    for n in 0..4 {
        with.context().record().unwrap();
        let loss = step(&mut with, &model, n);
        let profile = with.context().recorded().unwrap();
        // The dry run in the first step counts nothing.
        assert_eq!(op(&profile, Phase::Forward, "cross_entropy").calls, 1);
        assert_eq!(loss.to_bits(), step(&mut without, &model, n).to_bits());
    }
    for ((name, a), (_, b)) in with.state().buffers().zip(without.state().buffers()) {
        assert!(a.iter().zip(&*b).all(|(a, b)| a.to_bits() == b.to_bits()), "{name}");
    }
    let error = with.context().recorded().expect_err("nothing is recorded any more");
    assert!(error.to_string().contains("call `record` first"), "{error}");
}
