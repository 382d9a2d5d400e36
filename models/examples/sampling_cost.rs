//! Experiment 2, the cost of sampling: what a step of IVON costs against AdamW, and where it goes.
//!
//! `cargo run --release --example sampling_cost`
//!
//! The contestants alternate within one run, so that other load slows all down alike. Results are medians and quartiles of ratios.

mod shared;

use ivon_runtime::noise::Noise;
use ivon_runtime::prelude::*;
use ivon_runtime::{Flat, Layout};
use plotters::chart::SeriesLabelPosition;
use shared::figure::{Axis, Panel, Series, Style, draw};
use shared::net::Classifier;
use shared::pictures::pictures;
use shared::scale::steps;
use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

/// Width of the hidden layers: nets of 21 thousand to 17 million weights.
const WIDTHS: [usize; 5] = [64, 256, 1024, 2048, 4000];
const BATCHES: [usize; 2] = [8, 64];
/// Turns for the smallest and the largest net.
const TURNS: (usize, usize) = (200, 21);

/// Lower quartile, median and upper quartile.
#[derive(Clone, Copy)]
struct Spread([f64; 3]);

impl Spread {
    fn of(values: impl Iterator<Item = f64>) -> Spread {
        let mut values: Vec<f64> = values.collect();
        values.sort_by(f64::total_cmp);
        Spread([1, 2, 3].map(|quarter| values[(values.len() - 1) * quarter / 4]))
    }

    fn median(self) -> f64 {
        self.0[1]
    }

    fn show(self) -> String {
        format!("{:.2} ({:.2} to {:.2})", self.0[1], self.0[0], self.0[2])
    }
}

/// Milliseconds that a call takes.
fn clock(call: &mut dyn FnMut() -> Result<()>) -> Result<f64> {
    let begin = Instant::now();
    call()?;
    Ok(begin.elapsed().as_secs_f64() * 1e3)
}

/// Measured times: one column per contestant, one row per round.
struct Times {
    names: Vec<&'static str>,
    columns: Vec<Vec<f64>>,
}

impl Times {
    fn of(&self, name: &str) -> &[f64] {
        self.names.iter().position(|n| *n == name).map_or(&[], |i| &self.columns[i])
    }

    fn median(&self, name: &str) -> f64 {
        Spread::of(self.of(name).iter().copied()).median()
    }

    /// The ratio of two contestants, round by round.
    fn ratio(&self, name: &str, to: &str) -> Spread {
        Spread::of(self.of(name).iter().zip(self.of(to)).map(|(a, b)| a / b))
    }
}

/// Times all calls, alternating between them; the first two rounds do not count.
fn alternate(turns: usize, calls: &mut [(&'static str, &mut dyn FnMut() -> Result<()>)]) -> Result<Times> {
    let mut columns = vec![Vec::new(); calls.len()];
    for turn in 0..turns + 2 {
        // Each round starts with another call, so that no call always follows the same one.
        for k in 0..calls.len() {
            let which = (k + turn) % calls.len();
            let time = clock(calls[which].1)?;
            if turn >= 2 {
                columns[which].push(time);
            }
        }
    }
    Ok(Times { names: calls.iter().map(|(name, _)| *name).collect(), columns })
}

fn ivon(model: &Classifier, samples: usize) -> Result<Ivon> {
    Ivon::new(model, IvonConfig::new(1e6).samples(samples), Settings::default())
}

fn main() -> std::result::Result<(), Box<dyn Error>> {
    println!("{} threads; medians, in brackets the quartiles over turns", rayon::current_num_threads());
    let mut series_of_steps = Vec::new();
    println!("\na step, by the step of AdamW on the same batch");
    println!("{:>9} {:>6} {:>14} {:>24} {:>24} {:>24}", "weights", "batch", "AdamW (ms)", "IVON", "IVON, 4 samples", "SGD");
    for (color, batch) in BATCHES.into_iter().enumerate() {
        let (x, y) = pictures(batch, 1).all()?;
        let (mut one, mut four) = (Vec::new(), Vec::new());
        for (i, width) in WIDTHS[..steps(WIDTHS.len())].iter().copied().enumerate() {
            let model = Classifier::build(256, width, 10)?;
            let weights = Layout::of(&model).elements();
            let gradient = |cx: &Context, _: usize| model.loss_gradient(cx, &x, &y);
            let (mut adamw, mut sgd) = (
                AdamW::new(&model, AdamWConfig::default(), Settings::default())?,
                Sgd::new(&model, SgdConfig::default(), Settings::default())?,
            );
            let (mut a, mut b) = (ivon(&model, 1)?, ivon(&model, 4)?);
            let step = |optimizer: &mut dyn Optimizer| optimizer.step_in_parts(1e-4, &mut &gradient).map(|_| ());
            let times = alternate(
                turns(i),
                &mut [
                    ("adamw", &mut || step(&mut adamw)),
                    ("ivon", &mut || step(&mut a)),
                    ("ivon 4", &mut || step(&mut b)),
                    ("sgd", &mut || step(&mut sgd)),
                ],
            )?;
            let ratio = |name| times.ratio(name, "adamw");
            println!(
                "{weights:>9} {batch:>6} {:>14.3} {:>24} {:>24} {:>24}",
                times.median("adamw"),
                ratio("ivon").show(),
                ratio("ivon 4").show(),
                ratio("sgd").show()
            );
            one.push((weights as f64, ratio("ivon").median()));
            four.push((weights as f64, ratio("ivon 4").median() / 4.0));
        }
        for (points, samples, style) in [(one, "1 sample", Style::Line), (four, "4 samples, by 4", Style::Dashed)] {
            series_of_steps.push(Series { label: format!("{samples}, batch {batch}"), color, style, points });
        }
    }

    println!("\nthe parts, in nanoseconds a weight");
    let names = [
        "update of SGD",
        "update of AdamW",
        "update and sample of IVON",
        "drawing a sample",
        "the noise alone",
        "ĥ = g ε / σ alone",
    ];
    print!("{:>9}", "weights");
    names.iter().for_each(|name| print!(" {name:>26}"));
    println!();
    let mut parts: Vec<Series> = names
        .iter()
        .enumerate()
        .map(|(color, name)| Series { label: name.to_string(), color, style: Style::Line, points: Vec::new() })
        .collect();
    for (i, width) in WIDTHS[..steps(WIDTHS.len())].iter().copied().enumerate() {
        let model = Classifier::build(256, width, 10)?;
        let layout = Layout::of(&model);
        let weights = layout.elements();
        let (mut adamw, mut sgd) = (
            AdamW::new(&model, AdamWConfig::default(), Settings::default())?,
            Sgd::new(&model, SgdConfig::default(), Settings::default())?,
        );
        let mut ivon = ivon(&model, 1)?;
        let posterior = ivon.posterior().into_owned();
        let mut sample = Flat::zeros(&layout, DType::F32)?;
        let (mut noise, mut estimate) = (vec![0f32; weights], vec![0f32; weights]);
        let (gradient, sigma) = (vec![1e-3f32; weights], vec![1e-3f32; weights]);
        let (mut draws, mut fills) = (0, 0);
        // An optimizer whose gradient is zero and costs nothing: what is left is its update.
        let nothing = |optimizer: &mut dyn Optimizer| optimizer.step_in_parts(1e-4, &mut |_, _| Ok(0.0)).map(|_| ());
        let mut fill = || {
            fills += 1;
            par_fill(Noise::of(1, fills, 0), &mut noise);
            black_box(noise[0]);
            Ok(())
        };
        let still = vec![0.5f32; weights];
        let times = alternate(
            turns(i),
            &mut [
                (names[0], &mut || nothing(&mut sgd)),
                (names[1], &mut || nothing(&mut adamw)),
                (names[2], &mut || nothing(&mut ivon)),
                (names[3], &mut || {
                    draws += 1;
                    posterior.write(Some((0, draws)), &mut sample)
                }),
                (names[4], &mut fill),
                (names[5], &mut || {
                    estimates(&mut estimate, &gradient, &still, &sigma);
                    black_box(estimate[0]);
                    Ok(())
                }),
            ],
        )?;
        print!("{weights:>9}");
        for (part, name) in parts.iter_mut().zip(names) {
            let each = times.median(name) * 1e6 / weights as f64;
            print!(" {each:>26.3}");
            part.points.push((weights as f64, each));
        }
        println!();
    }
    let (left, right) = (Axis::log("weights"), Axis::log("weights"));
    draw(
        "sampling_cost",
        &[
            Panel {
                title: "a step of IVON by a step of AdamW",
                x: left,
                y: Axis::linear("ratio of times").covering(0.0, 4.0),
                legend: SeriesLabelPosition::UpperRight,
                series: series_of_steps,
            },
            Panel {
                title: "the parts",
                x: right,
                y: Axis::log("nanoseconds a weight").covering(0.1, 10.0),
                legend: SeriesLabelPosition::UpperRight,
                series: parts,
            },
        ],
    )?;
    Ok(())
}

/// Turns for net `i`: fewer for larger ones.
fn turns(i: usize) -> usize {
    let share = i as f64 / (WIDTHS.len() - 1) as f64;
    steps((TURNS.0 as f64 * (TURNS.1 as f64 / TURNS.0 as f64).powf(share)) as usize)
}

/// Normals into a buffer, on all threads.
fn par_fill(noise: Noise, out: &mut [f32]) {
    use rayon::prelude::*;
    const PART: usize = 1 << 14;
    out.par_chunks_mut(PART).enumerate().for_each(|(i, part)| noise.fill_normals((i * PART) as u64, part));
}

/// g ε / σ by itself, on all threads: what a separate pass for the Hessian's estimate costs.
fn estimates(out: &mut [f32], gradient: &[f32], noise: &[f32], sigma: &[f32]) {
    use rayon::prelude::*;
    const PART: usize = 1 << 14;
    let parts = gradient.par_chunks(PART).zip(noise.par_chunks(PART)).zip(sigma.par_chunks(PART));
    out.par_chunks_mut(PART).zip(parts).for_each(|(out, ((gradient, noise), sigma))| {
        for (((out, g), e), s) in out.iter_mut().zip(gradient).zip(noise).zip(sigma) {
            *out = g * e / s;
        }
    });
}
