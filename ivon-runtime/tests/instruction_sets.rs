//! Ops without matrix products give the same bits on every instruction set of this machine. Attention, which contains products,
//! is excluded.

use ivon_runtime::ops::{cross_entropy, dropout, layer_norm, log_softmax, mse, softmax, sum};
use ivon_runtime::prelude::*;
use ivon_runtime::{gradcheck, simd};
use std::process::Command;

/// FNV-1a of the bits of some tensors.
fn hash(tensors: &[&Tensor]) -> u64 {
    let bits = tensors.iter().flat_map(|t| t.as_slice::<f32>().iter().flat_map(|x| x.to_bits().to_le_bytes()));
    bits.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ byte as u64).wrapping_mul(0x0100_0000_01b3))
}

/// Outputs and gradients of ops with their own f32 kernels, at odd sizes.
fn bits() -> Result<Vec<(&'static str, u64)>> {
    let cx = Context::new(Device::Cpu, DType::F32)?;
    cx.set_training(true);
    let tensor = |shape: &[usize], seed| gradcheck::tensor(&cx, shape, seed);
    let mut all = vec![];
    let (x, gain) = (tensor(&[371, 131], 3)?, tensor(&[131], 4)?);
    let shape = *x.shape();
    let d_y = || tensor(&[371, 131], 5);
    let (y, saved) = layer_norm::forward_saving(&cx, &x, &gain, Some(&gain), 1e-5)?;
    let (mut d_x, mut d_gain, mut d_bias) = (Adjoint::new(), Adjoint::new(), Adjoint::new());
    layer_norm::backward(&cx, saved, d_y()?, &mut d_x, &mut d_gain, &mut d_bias)?;
    let gradients = [d_gain.into_tensor(&cx, [131])?, d_bias.into_tensor(&cx, [131])?];
    all.push(("layer_norm", hash(&[&y, &d_x.into_tensor(&cx, shape)?, &gradients[0], &gradients[1]])));

    let (y, saved) = softmax::forward_saving(&cx, &x)?;
    let mut d_x = Adjoint::new();
    softmax::backward(&cx, saved, d_y()?, &mut d_x)?;
    all.push(("softmax", hash(&[&y, &d_x.into_tensor(&cx, shape)?])));

    let (y, saved) = log_softmax::forward_saving(&cx, &x)?;
    let mut d_x = Adjoint::new();
    log_softmax::backward(&cx, saved, d_y()?, &mut d_x)?;
    all.push(("log_softmax", hash(&[&y, &d_x.into_tensor(&cx, shape)?])));

    let (y, saved) = dropout::forward_saving(&cx, &x, 0.1)?;
    let mut d_x = Adjoint::new();
    dropout::backward(&cx, saved, d_y()?, &mut d_x)?;
    all.push(("dropout", hash(&[&y, &d_x.into_tensor(&cx, shape)?])));

    let targets = Tensor::from_slice(&(0..371u32).map(|i| i * 7 % 131).collect::<Vec<_>>(), [371])?;
    let (y, saved) = cross_entropy::forward_saving(&cx, &x, &targets)?;
    let mut d_x = Adjoint::new();
    cross_entropy::backward(&cx, saved, tensor(&[], 6)?, &mut d_x)?;
    all.push(("cross_entropy", hash(&[&y, &d_x.into_tensor(&cx, shape)?])));

    all.push(("sum", hash(&[&sum::forward(&cx, &x, None)?, &sum::forward(&cx, &x, Some(0))?, &sum::forward(&cx, &x, Some(1))?])));
    all.push(("mse", hash(&[&mse::forward(&cx, &x, &d_y()?)?])));
    Ok(all)
}

/// Not a test by itself: the test below runs it under each instruction set.
#[test]
#[ignore = "run by `every_instruction_set_gives_the_same_bits`"]
fn print_bits() {
    println!("level {:?}", simd::level());
    for (name, bits) in bits().unwrap() {
        println!("bits of {name}: {bits:016x}");
    }
}

#[test]
fn every_instruction_set_gives_the_same_bits() {
    let under = |level: &str| {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["print_bits", "--exact", "--ignored", "--nocapture"]).env("IVON_SIMD", level);
        let output = String::from_utf8(command.output().unwrap().stdout).unwrap();
        output.lines().filter(|line| line.starts_with("bits of")).map(str::to_string).collect::<Vec<_>>()
    };
    let baseline = under("baseline");
    assert_eq!(baseline.len(), 7, "{baseline:?}");
    for level in ["avx2", "avx512"] {
        // If the machine lacks a level, the best lower one runs.
        assert_eq!(under(level), baseline, "{level}");
    }
}
