//! The update by itself: IVON's pass, which draws the noise of two steps, AdamW's pass, and the noise alone, compared with a copy
//! of the same number of bytes.
//!
//! ```text
//! cargo bench -p ivon-runtime --bench update [-- --threads N --parameters N --rounds N]
//! ```
//!
//! The passes run alternately. Times are medians in ms, in brackets the distance from the first to the third quartile in percent
//! of the median. Bytes are those that a pass reads plus those that it writes. The last column is the time of a copy of the same
//! number of bytes in percent of the pass.

use ivon_runtime::noise::Noise;
use ivon_runtime::{Builder, Options, prelude::*};
use rayon::prelude::*;
use std::time::Instant;

/// Elements that one thread takes at a time, as in the optimizers.
const CHUNK: usize = 1 << 14;

struct Matrix(Parameter);

impl Model for Matrix {
    const NAME: &'static str = "Matrix";
    fn visit_parameters<'a>(&'a self, visit: &mut dyn FnMut(&'a Parameter)) {
        visit(&self.0);
    }
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let number = |name: &str, default| {
        let at = arguments.iter().position(|a| a == name);
        at.and_then(|at| arguments.get(at + 1)).and_then(|n| n.parse().ok()).unwrap_or(default)
    };
    let (threads, rounds) = (number("--threads", 2), number("--rounds", 15));
    let rows = number("--parameters", 124_439_808) / 64;
    if let Err(error) = rayon::ThreadPoolBuilder::new().num_threads(threads).use_current_thread().build_global() {
        eprintln!("{error}");
    }
    let model = Matrix(Builder::new().parameter("weight", [rows, 64], Options::default()));
    let n = rows * 64;
    let mut ivon = Ivon::new(&model, IvonConfig::new(1e6), Settings::default())?;
    let mut adamw = AdamW::new(&model, AdamWConfig::default(), Settings::default())?;
    let (mut out, source) = (vec![0f32; n], vec![1f32; n]);
    let noise = Noise::of(1, 1, 0);
    // A step with a zero gradient is only a pass over the state. Bytes: IVON reads and writes mean, Hessian, momentum and
    // gradient and writes the sample; AdamW reads and writes mean, two moments and gradient.
    let mut times: [Vec<f64>; 4] = Default::default();
    for round in 0..=rounds {
        for (which, times) in times.iter_mut().enumerate() {
            let start = Instant::now();
            match which {
                0 => drop(ivon.step(1e-3, |_| Ok(1.0))?),
                1 => drop(adamw.step(1e-3, |_| Ok(1.0))?),
                2 => out.par_chunks_mut(CHUNK).enumerate().for_each(|(i, out)| noise.fill_normals((i * CHUNK) as u64, out)),
                _ => {
                    out.par_chunks_mut(CHUNK).zip(source.par_chunks(CHUNK)).for_each(|(out, source)| out.copy_from_slice(source))
                }
            }
            // The first round warms up: pages, caches, threads.
            if round > 0 {
                times.push(1e3 * start.elapsed().as_secs_f64());
            }
        }
    }
    times.iter_mut().for_each(|times| times.sort_by(f64::total_cmp));
    let quantile = |which: usize, q: usize| times[which][(rounds - 1) * q / 4];
    println!("{threads} threads, {n} parameters, {rounds} rounds");
    println!("{:<24} {:>14} {:>8} {:>12}", "pass", "ms", "GB/s", "copy");
    for (which, (name, words)) in
        [("ivon, with two draws", 9), ("adamw", 8), ("normals, one draw", 1), ("copy", 2)].iter().enumerate()
    {
        let (median, spread) = (quantile(which, 2), quantile(which, 3) - quantile(which, 1));
        let bytes = (4 * words * n) as f64;
        let copy = quantile(3, 2) * *words as f64 / 2.0;
        let time = format!("{median:.1} ({:.0} %)", 100.0 * spread / median);
        println!("{name:<24} {time:>14} {:>8.1} {:>10.0} %", bytes / median / 1e6, 100.0 * copy / median);
    }
    println!("ivon / adamw: {:.2}, best rounds {:.2}", quantile(0, 2) / quantile(1, 2), quantile(0, 0) / quantile(1, 0));
    Ok(())
}
