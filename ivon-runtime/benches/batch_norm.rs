//! Batch norm in training, forward and backward, on the 53 shapes of a ResNet-50, compared with moving its operands once.
//!
//! ```text
//! RAYON_NUM_THREADS=2 cargo bench -p ivon-runtime --bench batch_norm [-- ROUNDS [BATCH]]
//! ```
//!
//! Times are the best of the rounds. Bytes: forward reads `x` twice and writes `y`; backward reads `x` and `d_y` twice and
//! overwrites `d_y`.

use ivon_runtime::layers::BatchNorm2d;
use ivon_runtime::prelude::*;
use ivon_runtime::{Flat, Layout, Result, gradcheck, running_statistics};
use std::time::Instant;

/// Side of the image, channels, number of such layers.
const SHAPES: [(usize, usize, usize); 12] = [
    (112, 64, 1),
    (56, 64, 6),
    (56, 256, 4),
    (56, 128, 1),
    (28, 128, 7),
    (28, 512, 5),
    (28, 256, 1),
    (14, 256, 11),
    (14, 1024, 7),
    (14, 512, 1),
    (7, 512, 5),
    (7, 2048, 4),
];

fn main() -> Result<()> {
    let numbers: Vec<usize> = std::env::args().skip(1).filter_map(|a| a.parse().ok()).collect();
    let (rounds, batch) = (numbers.first().copied().unwrap_or(15), numbers.get(1).copied().unwrap_or(8));
    println!("{} threads, batch {batch}", rayon::current_num_threads());
    println!("        shape  calls   forward ms  GB/s  backward ms  GB/s");
    let mut total = [0.0; 2];
    for (side, channels, calls) in SHAPES {
        let model = BatchNorm2d::build(channels)?;
        let cx = Context::new(Device::Cpu, DType::F32)?;
        let layout = Layout::of(&model);
        let (running, gradient) = (running_statistics(&model).unwrap(), Flat::zeros(&layout, DType::F32).unwrap());
        cx.set_weights(&Flat::zeros(&layout, DType::F32).unwrap());
        cx.set_gradient(Some(&gradient));
        cx.set_running_statistics(Some(&running));
        cx.set_training(true);
        let shape = [batch, side, side, channels];
        let (x, made) = (gradcheck::tensor(&cx, shape, 1)?, gradcheck::tensor(&cx, shape, 2)?);
        let (mut forward, mut backward) = (f64::INFINITY, f64::INFINITY);
        for _ in 0..=rounds {
            let start = Instant::now();
            let (y, saved) = model.forward_saving(&cx, &x)?;
            forward = forward.min(start.elapsed().as_secs_f64());
            drop(y);
            let d_y = ivon_runtime::ops::copy(&cx, &made)?;
            let start = Instant::now();
            model.forward_backward(&cx, saved, d_y, &mut Adjoint::new())?;
            backward = backward.min(start.elapsed().as_secs_f64());
        }
        let bytes = 4.0 * x.shape().elements() as f64;
        println!(
            "{side:>4}² x {channels:<5}  {calls:>5}  {:>11.3} {:>5.1}  {:>11.3} {:>5.1}",
            1e3 * forward,
            3.0 * bytes / forward / 1e9,
            1e3 * backward,
            5.0 * bytes / backward / 1e9
        );
        total[0] += calls as f64 * forward;
        total[1] += calls as f64 * backward;
    }
    println!("all 53: forward {:.1} ms, backward {:.1} ms", 1e3 * total[0], 1e3 * total[1]);
    Ok(())
}
