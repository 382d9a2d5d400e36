//! GFLOP/s of the convolutions of ResNet-50 and ResNet-20, and of the depthwise ones of MobileNetV2, ConvNeXt-T and a network for
//! small images: forward, gradient of the input and gradient of the weights, also as a share of the register-only peak, and their sum
//! over the network.
//!
//! ```text
//! RAYON_NUM_THREADS=2 cargo bench -p ivon-runtime --bench conv [-- NETWORK [BATCH [ROUNDS]]]
//! OMP_NUM_THREADS=2 python ivon-runtime/benches/peers/conv.py [NETWORK [BATCH [ROUNDS]]]
//! ```
//!
//! NETWORK is `resnet50`, `resnet20`, `mobilenet`, `convnext` or `small`.
//!
//! A figure is the best of the rounds, which approximates an otherwise idle machine. The second command prints the same table for
//! PyTorch.

use ivon_runtime::ops::{conv2d, gradcheck};
use ivon_runtime::prelude::{Adjoint, Context, DType, Device, Result};
use ivon_runtime::profile::Peaks;
use std::hint::black_box;
use std::time::Instant;

/// Number of such layers, pixels per side, channels in and out, kernel, stride.
type Layer = [usize; 6];

const RESNET50: &[Layer] = &[
    [1, 224, 3, 64, 7, 2],
    [1, 56, 64, 64, 1, 1],
    [3, 56, 64, 64, 3, 1],
    [4, 56, 64, 256, 1, 1],
    [2, 56, 256, 64, 1, 1],
    [1, 56, 256, 128, 1, 1],
    [1, 56, 128, 128, 3, 2],
    [4, 28, 128, 512, 1, 1],
    [1, 56, 256, 512, 1, 2],
    [3, 28, 512, 128, 1, 1],
    [3, 28, 128, 128, 3, 1],
    [1, 28, 512, 256, 1, 1],
    [1, 28, 256, 256, 3, 2],
    [6, 14, 256, 1024, 1, 1],
    [1, 28, 512, 1024, 1, 2],
    [5, 14, 1024, 256, 1, 1],
    [5, 14, 256, 256, 3, 1],
    [1, 14, 1024, 512, 1, 1],
    [1, 14, 512, 512, 3, 2],
    [3, 7, 512, 2048, 1, 1],
    [1, 14, 1024, 2048, 1, 2],
    [2, 7, 2048, 512, 1, 1],
    [2, 7, 512, 512, 3, 1],
];

const RESNET20: &[Layer] = &[
    [1, 32, 3, 16, 3, 1],
    [6, 32, 16, 16, 3, 1],
    [1, 32, 16, 32, 3, 2],
    [5, 16, 32, 32, 3, 1],
    [1, 16, 32, 64, 3, 2],
    [5, 8, 64, 64, 3, 1],
];

/// Depthwise: every channel is a group.
const MOBILENET: &[Layer] = &[
    [1, 112, 32, 32, 3, 1],
    [1, 112, 96, 96, 3, 2],
    [1, 56, 144, 144, 3, 1],
    [1, 56, 144, 144, 3, 2],
    [2, 28, 192, 192, 3, 1],
    [1, 28, 192, 192, 3, 2],
    [4, 14, 384, 384, 3, 1],
    [2, 14, 576, 576, 3, 1],
    [1, 14, 576, 576, 3, 2],
    [3, 7, 960, 960, 3, 1],
];

/// Depthwise.
const CONVNEXT: &[Layer] = &[[3, 56, 96, 96, 7, 1], [3, 28, 192, 192, 7, 1], [9, 14, 384, 384, 7, 1], [3, 7, 768, 768, 7, 1]];

/// Depthwise.
const SMALL: &[Layer] = &[[1, 32, 64, 64, 3, 1], [1, 32, 64, 64, 3, 2]];

fn main() -> Result<()> {
    let cx = Context::new(Device::Cpu, DType::F32)?;
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let number = |i: usize| arguments.get(i).and_then(|a| a.parse().ok());
    let (layers, batch, depthwise) = match arguments.first().map(String::as_str) {
        Some("resnet20") => (RESNET20, 128, false),
        Some("mobilenet") => (MOBILENET, 8, true),
        Some("convnext") => (CONVNEXT, 8, true),
        Some("small") => (SMALL, 8, true),
        _ => (RESNET50, 8, false),
    };
    let (batch, rounds) = (number(1).unwrap_or(batch), number(2).unwrap_or(7));
    let peak = Peaks::measure(&cx)?.fma / 1e9;
    println!("{} threads, batch {batch}, best of {rounds}; register-only peak {peak:.0} GFLOP/s", rayon::current_num_threads());
    println!("{:<28} {:>18} {:>18} {:>18}", "layer", "forward", "d_x", "d_weight");
    let mut totals = [0.0; 3];
    for layer in layers {
        let [count, size, inputs, outputs, kernel, stride] = *layer;
        let groups = if depthwise { inputs } else { 1 };
        let seconds = time(&cx, batch, layer, groups, rounds)?;
        let pixels = (size / stride) * (size / stride) * batch;
        let work = 2.0 * (pixels * outputs * inputs / groups * kernel * kernel) as f64 / 1e9;
        let cells = seconds.map(|s| match s {
            0.0 => String::new(),
            s => format!("{:.2} ms {:4.0} {:3.0}%", 1e3 * s, work / s, 100.0 * work / s / peak),
        });
        let name = format!("{count} x {kernel}x{kernel}/{stride} {inputs}-{outputs} @{size}");
        println!("{name:<28} {:>18} {:>18} {:>18}", cells[0], cells[1], cells[2]);
        totals.iter_mut().zip(seconds).for_each(|(t, s)| *t += 1e3 * s * count as f64);
    }
    println!("{:<28} {:>15.1} ms {:>15.1} ms {:>15.1} ms", "the network", totals[0], totals[1], totals[2]);
    Ok(())
}

/// Seconds of forward, gradient of the input, and gradient of the weights. The first layer needs no gradient of its input.
fn time(cx: &Context, batch: usize, layer: &Layer, groups: usize, rounds: usize) -> Result<[f64; 3]> {
    let [_, size, inputs, outputs, kernel, stride] = *layer;
    let x = gradcheck::tensor(cx, [batch, size, size, inputs], 1)?;
    let weight = gradcheck::tensor(cx, [outputs, kernel, kernel, inputs / groups], 2)?;
    let forward = || conv2d::forward_saving(cx, kernel, stride, kernel / 2, 1, groups, &x, &weight, None);
    let d_y = gradcheck::tensor(cx, *forward()?.0.shape(), 3)?;
    let backward = |d_x: &mut Adjoint, d_weight: &mut Adjoint| -> Result<f64> {
        let (_, saved) = forward()?;
        let start = Instant::now();
        conv2d::backward(cx, saved, d_y.clone(), d_x, d_weight, &mut Adjoint::skip())?;
        Ok(start.elapsed().as_secs_f64())
    };
    let mut best = [f64::INFINITY; 3];
    for _ in 0..=rounds {
        let start = Instant::now();
        black_box(forward()?);
        let found = [
            start.elapsed().as_secs_f64(),
            if inputs > 3 { backward(&mut Adjoint::new(), &mut Adjoint::skip())? } else { 0.0 },
            backward(&mut Adjoint::skip(), &mut Adjoint::new())?,
        ];
        best.iter_mut().zip(found).for_each(|(best, found)| *best = best.min(found));
    }
    Ok(best)
}
