//! The same computation on the CPU and on the emulated GPU; or, where `IVON_TEST_GPU` is set, on a real one.

#![allow(dead_code)] // every file of tests uses some of it

use half::bf16;
use ivon_emulator::{Order, Watch, load};
use ivon_runtime::{Context, DType, Device, Result, Tensor};
use std::cell::RefCell;

/// Agreement in f32, of the largest number of a tensor.
const F32: f64 = 1e-5;
/// In bf16, whose numbers have 8 bits.
const BF16: f64 = 2e-2;

/// Numbers between -2 and 2.
pub fn numbers(dims: &[usize], seed: u64) -> Tensor {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        // A value that bf16 represents exactly.
        bf16::from_f32((state >> 40) as f32 / (1u32 << 22) as f32 - 2.0).to_f32()
    };
    let all: Vec<f32> = (0..dims.iter().product()).map(|_| next()).collect();
    Tensor::from_slice(&all, dims).unwrap()
}

/// Ids below `limit`; some occur often.
pub fn ids(count: usize, limit: usize, seed: usize) -> Vec<u32> {
    (0..count).map(|i| (if i % 3 == 0 { seed } else { i * 7919 + seed } % limit) as u32).collect()
}

/// A scalar of a given type on the device of the context.
pub fn scalar(cx: &Context, dtype: DType, value: f32) -> Result<Tensor> {
    match dtype {
        DType::F32 => Tensor::from_slice(&[value], []),
        _ => cx.filled([], value as f64),
    }
}

/// True if a real GPU is to be tested, rather than the emulated one.
pub fn real_gpu() -> bool {
    std::env::var_os(ivon_emulator::REAL_GPU).is_some()
}

/// Lets the runtime find the emulated GPU; whether there is one, or a real one is to be used.
pub fn look_for_the_emulator() -> bool {
    if real_gpu() {
        return true;
    }
    let Some(emulator) = load() else { return false };
    ivon_runtime::cuda::libraries::look_first_in(emulator.folder());
    true
}

/// The contexts of this thread: CPU, GPU in f32, GPU in bf16. Does nothing without an emulator.
fn with_contexts(work: impl FnOnce(&Context, &Context, &Context)) {
    thread_local!(static CONTEXTS: RefCell<Option<[Context; 3]>> = const { RefCell::new(None) });
    if !look_for_the_emulator() {
        return;
    }
    CONTEXTS.with_borrow_mut(|contexts| {
        let [cpu, gpu, half] = contexts.get_or_insert_with(|| {
            let gpu = |dtype| Context::new(Device::Cuda(0), dtype).unwrap();
            [Context::new(Device::Cpu, DType::F32).unwrap(), gpu(DType::F32), gpu(DType::Bf16)]
        });
        work(cpu, gpu, half);
    });
}

/// Runs `compute` on the CPU and on the GPU and compares all that it returns. Inputs are f32 tensors.
pub fn check(inputs: &[Tensor], compute: impl Fn(&Context, &[Tensor]) -> Result<Vec<Tensor>>) {
    check_within(F32, BF16, inputs, compute);
}

/// The same with tolerances for f32 and bf16, relative to the largest number of each tensor.
pub fn check_within(single: f64, half: f64, inputs: &[Tensor], compute: impl Fn(&Context, &[Tensor]) -> Result<Vec<Tensor>>) {
    with_contexts(|cpu, gpu, gpu_in_bf16| {
        let expected = compute(cpu, inputs).unwrap();
        let rounded: Vec<Tensor> = inputs.iter().map(in_bf16).collect();
        if real_gpu() {
            // Sums run in another order there, and fast instructions round in their own way.
            for (cx, inputs, tolerance) in [(gpu, inputs, single.max(1e-4)), (gpu_in_bf16, &rounded, half)] {
                let runs = [(); 3].map(|()| compute(cx, inputs).unwrap());
                compare(tolerance, &runs[0], &expected, &format!("{:?}", cx.dtype()));
                assert!(runs.iter().all(|run| bits(run) == bits(&runs[0])), "{:?}: other bits the second time", cx.dtype());
            }
            return;
        }
        let Some(emulator) = load() else { return };
        // Who watches sees every access, whatever the order.
        let watched = ivon_emulator::watching() != Watch::Nothing;
        let orders = if watched { &Order::ALL[..1] } else { &Order::ALL[..] };
        for (cx, inputs, tolerance) in [(gpu, inputs, single), (gpu_in_bf16, &rounded, half)] {
            let mut first: Option<Vec<Vec<u64>>> = None;
            for order in orders {
                emulator.set_order(*order);
                emulator.set_eager_copies(*order != Order::Forward);
                let found = compute(cx, inputs).unwrap();
                compare(tolerance, &found, &expected, &format!("{:?} {order:?}", cx.dtype()));
                let own = bits(&found);
                assert!(*first.get_or_insert_with(|| own.clone()) == own, "results depend on the order of threads: {order:?}");
            }
        }
        emulator.set_order(Order::Forward);
        emulator.set_eager_copies(false);
    });
}

/// Runs `compute` on the GPU in bf16 with its blocks side by side, in orders drawn by lot: the bits are those of blocks one after the other. On a
/// real GPU they are in some order anyway: the bits are the same every time.
pub fn check_side_by_side(inputs: &[Tensor], compute: impl Fn(&Context, &[Tensor]) -> Result<Vec<Tensor>>) {
    with_contexts(|_, _, gpu| {
        let rounded: Vec<Tensor> = inputs.iter().map(in_bf16).collect();
        let in_order = |order| {
            if let Some(emulator) = load() {
                emulator.set_order(order);
            }
            bits(&compute(gpu, &rounded).unwrap())
        };
        let alone = in_order(Order::Forward);
        for seed in 1..4 {
            assert!(in_order(Order::Shuffled(seed)) == alone, "results depend on the order of blocks: seed {seed}");
        }
        in_order(Order::Forward);
    });
}

fn bits(all: &[Tensor]) -> Vec<Vec<u64>> {
    // Every NaN is the same here: its sign and payload depend on the order of operands.
    let of = |x: &f64| if x.is_nan() { f64::NAN.to_bits() } else { x.to_bits() };
    all.iter().map(|t| t.to_f64().iter().map(of).collect()).collect()
}

/// The same numbers in bf16.
pub fn in_bf16(x: &Tensor) -> Tensor {
    let all: Vec<bf16> = x.as_slice::<f32>().iter().map(|x| bf16::from_f32(*x)).collect();
    Tensor::from_slice(&all, *x.shape()).unwrap()
}

fn compare(tolerance: f64, found: &[Tensor], expected: &[Tensor], what: &str) {
    assert_eq!(found.len(), expected.len());
    for (n, (found, expected)) in found.iter().zip(expected).enumerate() {
        assert_eq!(found.shape(), expected.shape(), "{what}: result {n}");
        let expected = expected.to_f64();
        let scale = expected.iter().filter(|x| x.is_finite()).fold(1e-6f64, |m, x| m.max(x.abs()));
        for (i, (f, e)) in found.to_f64().into_iter().zip(expected).enumerate() {
            // NaN and infinity must be the same; a comparison with NaN fails.
            let same = f == e || f.is_nan() && e.is_nan();
            assert!(same || (f - e).abs() <= tolerance * scale, "{what}: result {n}, element {i}: {f}, on the CPU {e}");
        }
    }
}

/// Tests that run tests of this file again, under sanitizers and with races watched for.
#[allow(unused_macros)] // as above
macro_rules! watched {
    ($($test:path),* $(,)?) => {
        #[test]
        fn under_sanitizers() {
            crate::compare::again(ivon_emulator::Watch::Sanitizers, &[$(stringify!($test)),*]);
        }

        #[test]
        fn without_races() {
            crate::compare::again(ivon_emulator::Watch::Races, &[$(stringify!($test)),*]);
        }
    };
}
#[allow(unused_imports)]
pub(crate) use watched;

/// Runs these tests again, unless this is such a run itself.
pub fn again(watch: Watch, names: &[&str]) {
    if load().is_some() && ivon_emulator::watching() == Watch::Nothing {
        ivon_emulator::again(watch, names);
    }
}
