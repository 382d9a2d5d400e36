//! Profiles and ranges of steps on the emulated GPU.

#[path = "shared/compare.rs"]
mod compare;
#[path = "shared/language.rs"]
mod language;

use compare::{look_for_the_emulator as gpu, real_gpu};
use ivon_emulator::load;
use ivon_runtime::prelude::*;
use ivon_runtime::profile::{OpTime, Peaks, Phase, Profile};
use language::{Language, batch, model};

fn ivon(model: &Language, device: Device) -> Ivon {
    let settings = Settings::default().device(device).grad_clip(Some(1.0));
    Ivon::new(model, IvonConfig::new(1e3), settings).unwrap()
}

fn step(optimizer: &mut Ivon, model: &Language, n: usize) -> f64 {
    let (ids, targets) = batch(n);
    optimizer.step(0.1, |cx| model.loss_gradient(cx, &ids, &targets)).unwrap()
}

/// The second step: the first one also plans memory and compiles kernels.
fn profile(device: Device) -> Profile {
    let model = model(0.0);
    let mut optimizer = ivon(&model, device);
    step(&mut optimizer, &model, 0);
    optimizer.context().record().unwrap();
    step(&mut optimizer, &model, 1);
    optimizer.context().recorded().unwrap()
}

fn ops(profile: &Profile) -> Vec<(Phase, OpTime)> {
    profile.phases().into_iter().flat_map(|p| p.ops.into_iter().map(move |op| (p.phase, op))).collect()
}

#[test]
fn ops_on_a_gpu_are_those_of_the_processor_and_last_as_long_as_their_kernels() {
    if !gpu() {
        return;
    }
    let (expected, found) = (profile(Device::Cpu), profile(Device::Cuda(0)));
    let (expected, found_ops) = (ops(&expected), ops(&found));
    // A GPU also multiplies the three rows of zeros that align the weights of 61 ids.
    let as_many = |found: u64, expected: u64| (expected..=expected + expected / 20).contains(&found);
    for name in ["linear d_weight", "causal_attention", "layer_norm", "cross_entropy", "ivon"] {
        for (phase, op) in expected.iter().filter(|(_, op)| op.name == name) {
            let same = found_ops.iter().find(|(p, other)| (p, &other.name) == (phase, &op.name));
            let Some((_, same)) = same else { panic!("{phase:?} has no `{name}` on the GPU") };
            assert_eq!(same.calls, op.calls, "{phase:?}, {name}");
            assert!(as_many(same.cost.flops, op.cost.flops), "{phase:?}, {name}: {:?}, {:?}", same.cost, op.cost);
            assert!(!same.kernels.is_empty(), "{phase:?}, `{name}` launched nothing");
        }
    }
    // GELU is a kernel of its own on a GPU in f32, and computed along with a product on the CPU.
    let apart = ["linear", "gelu_tanh", "linear d_x", "gradient of gelu_tanh"];
    let along = ["linear", "linear_gelu", "linear d_x", "linear d_x, gradient of gelu_tanh"];
    for names in [[0, 1], [2, 3]] {
        let flops = |ops: &[(Phase, OpTime)], of: [&str; 4]| {
            names.map(|i| ops.iter().filter(|(_, op)| op.name == of[i]).map(|(_, op)| op.cost.flops).sum::<u64>())
        };
        let (expected, found) = (flops(&expected, along), flops(&found_ops, apart));
        assert!(expected.iter().chain(&found).all(|flops| *flops > 0), "{expected:?} {found:?}");
        assert!(as_many(found.iter().sum(), expected.iter().sum()), "{expected:?} {found:?}");
    }
    for (phase, op) in found_ops.iter().filter(|(_, op)| !op.kernels.is_empty()) {
        let kernels: f64 = op.kernels.iter().map(|kernel| kernel.seconds).sum();
        assert!((kernels - op.seconds).abs() < 1e-9 && op.seconds > 0.0, "{phase:?}: {op:?}");
        assert!(
            op.kernels.iter().all(|kernel| kernel.cost.bytes > 0 || op.name == "ivon" || op.name.contains("norm of")),
            "{op:?}"
        );
    }
    // 2 M N K by the products themselves, as their op counts them.
    let linear = found_ops.iter().find(|(_, op)| op.name == "linear").map(|(_, op)| op).expect("a product");
    assert_eq!(linear.kernels.iter().map(|kernel| kernel.cost.flops).sum::<u64>(), linear.cost.flops);
    let sum: f64 = found.phases().iter().map(|p| p.seconds).sum();
    assert!((sum + found.other() - found.seconds()).abs() < 1e-9);
}

#[test]
fn a_profile_changes_no_losses_and_graphs_come_back() {
    if !gpu() {
        return;
    }
    let model = model(0.2);
    let (mut with, mut without) = (ivon(&model, Device::Cuda(0)), ivon(&model, Device::Cuda(0)));
    for n in 0..8 {
        let recorded = (2..5).contains(&n);
        if recorded {
            with.context().record().unwrap();
        }
        let loss = step(&mut with, &model, n);
        if recorded {
            with.context().recorded().unwrap();
        }
        assert_eq!(loss.to_bits(), step(&mut without, &model, n).to_bits(), "step {n}");
    }
    assert!(with.context().graphs() > 0);
}

#[test]
fn the_peaks_of_a_gpu_can_be_measured() {
    if !gpu() {
        return;
    }
    for dtype in [DType::F32, DType::Bf16] {
        let peaks = Peaks::measure(&Context::new(Device::Cuda(0), dtype).unwrap()).unwrap();
        let found = [peaks.fma, peaks.gemm, peaks.copy, peaks.gemm_bf16.unwrap_or(1.0)];
        assert!(found.iter().all(|rate| *rate > 0.0 && rate.is_finite()), "{peaks:?}");
        assert_eq!(peaks.gemm_bf16.is_some(), dtype == DType::Bf16);
    }
}

#[test]
fn ranges_say_phase_layer_op_and_kernel() {
    if !gpu() || real_gpu() {
        return;
    }
    let Some(emulator) = load() else { return };
    let model = model(0.0);
    let mut optimizer = ivon(&model, Device::Cuda(0));
    step(&mut optimizer, &model, 0);
    assert_eq!(emulator.ranges(), "", "nobody asked for ranges yet");
    optimizer.context().set_ranges(true).unwrap();
    step(&mut optimizer, &model, 1);
    optimizer.context().set_ranges(false).unwrap();
    let ranges = emulator.ranges();
    for part in ["forward(", "blocks(norm(layer_norm(", "qkv(linear(multiply()", "backward(", "update("] {
        assert!(ranges.contains(part), "`{part}` is not in {ranges}");
    }
    assert_eq!(ranges.matches('(').count(), ranges.matches(')').count());
    step(&mut optimizer, &model, 2);
    assert_eq!(emulator.ranges(), ranges, "ranges have ended");
}
