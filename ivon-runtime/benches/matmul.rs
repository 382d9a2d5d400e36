//! GFLOP/s of matrix products at the shapes of GPT-2: ours in f32 and bf16, the `gemm` crate, and the register-only peak.
//!
//! ```text
//! RAYON_NUM_THREADS=2 cargo bench -p ivon-runtime --bench matmul [-- ROUNDS [MxNxK ...]]
//! ```
//!
//! The implementations run alternately. A figure is the median of the rounds; the spread is the distance from the first to the
//! third quartile in percent of the median.

use ivon_runtime::matmul::{Matrix, Precision, multiply_as};
use ivon_runtime::prelude::{Context, DType, Device};
use ivon_runtime::profile::Peaks;
use std::hint::black_box;
use std::time::Instant;

/// Rows are tokens (batch x time); (inputs, outputs) of the linear layers of GPT-2 small and nano.
const SHAPES: &[[usize; 3]] = &[
    [256, 768, 768],
    [256, 2304, 768],
    [256, 3072, 768],
    [256, 768, 3072],
    [256, 50257, 768],
    [2048, 384, 384],
    [2048, 1152, 384],
    [2048, 1536, 384],
    [2048, 384, 1536],
    [256, 256, 64],
    [64, 64, 64],
];

fn main() {
    // As in a training step, a context makes this thread a member of the pool.
    let cx = Context::new(Device::Cpu, DType::F32).expect("f32 is a type to compute in");
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    let rounds = arguments.first().and_then(|a| a.parse().ok()).unwrap_or(15);
    let mut shapes: Vec<[usize; 3]> = arguments.iter().skip(1).filter_map(|a| parse(a)).collect();
    if shapes.is_empty() {
        shapes = SHAPES.to_vec();
    }
    println!("{} threads, {rounds} rounds, GFLOP/s (spread in %)", rayon::current_num_threads());
    let Peaks { fma, fma_bf16, .. } = Peaks::measure(&cx).expect("there is memory to copy");
    println!("register-only peak: f32 {:.0}, bf16 {:.0}", fma / 1e9, fma_bf16.unwrap_or(f64::NAN) / 1e9);
    println!("{:<20} {:>12} {:>12} {:>12}", "product MxNxK", "f32", "gemm crate", "bf16");
    for [tokens, outputs, inputs] in shapes {
        // y = x W^T, dx = dy W, dW = dy^T x
        row("forward", rounds, [tokens, outputs, inputs], [false, true]);
        row("d_x", rounds, [tokens, inputs, outputs], [false, false]);
        row("d_weight", rounds, [outputs, inputs, tokens], [true, false]);
    }
}

fn parse(shape: &str) -> Option<[usize; 3]> {
    let sizes: Vec<usize> = shape.split('x').filter_map(|s| s.parse().ok()).collect();
    sizes.try_into().ok()
}

/// Measures one product and prints a line. `transposed` is true for A, or B, if its transpose lies in memory.
fn row(what: &str, rounds: usize, [m, n, k]: [usize; 3], transposed: [bool; 2]) {
    let numbers = |n: usize| (0..n).map(|i| (i * 7919 % 1009) as f32 / 1009.0 - 0.5).collect::<Vec<f32>>();
    let (a, b, mut c) = (numbers(m * k), numbers(k * n), vec![0.0; m * n]);
    let view = |data, rows, columns, transposed| match transposed {
        true => Matrix::new(data, columns, rows).transposed(),
        false => Matrix::new(data, rows, columns),
    };
    let (a, b) = (view(&a, m, k, transposed[0]), view(&b, k, n, transposed[1]));
    let work = 2.0 * (m * n * k) as f64;
    let repeats = (2e8 / work).ceil() as usize;
    let mut rates = [const { Vec::new() }; 3];
    // The first round warms up: buffers, caches, threads.
    for round in 0..=rounds {
        for (contestant, rates) in rates.iter_mut().enumerate() {
            let start = Instant::now();
            for _ in 0..repeats {
                match contestant {
                    0 => multiply_as(Precision::F32, a, b, &mut c, n, false),
                    1 => library(a, b, &mut c),
                    _ => multiply_as(Precision::Bf16, a, b, &mut c, n, false),
                }
                black_box(&mut c);
            }
            if round > 0 {
                rates.push(work * repeats as f64 / start.elapsed().as_secs_f64() / 1e9);
            }
        }
    }
    let columns = rates.map(|mut rates| {
        rates.sort_by(f64::total_cmp);
        let at = |share: f64| rates[((rates.len() - 1) as f64 * share).round() as usize];
        format!("{:.0} ({:.0})", at(0.5), 100.0 * (at(0.75) - at(0.25)) / at(0.5))
    });
    println!("{:<20} {:>12} {:>12} {:>12}", format!("{what} {m}x{n}x{k}"), columns[0], columns[1], columns[2]);
}

fn library(a: Matrix<f32>, b: Matrix<f32>, c: &mut [f32]) {
    let (m, n, k) = (a.rows, b.columns, a.columns);
    // SAFETY: `row` made the three matrices with these shapes.
    unsafe {
        gemm::gemm::<f32>(
            m,
            n,
            k,
            c.as_mut_ptr(),
            1,
            n as isize,
            false,
            a.data.as_ptr(),
            a.column_stride as isize,
            a.row_stride as isize,
            b.data.as_ptr(),
            b.column_stride as isize,
            b.row_stride as isize,
            1.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::Rayon(0),
        );
    }
}
