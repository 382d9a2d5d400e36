//! Experiment 3, convergence: IVON, AdamW and SGD on images of ten classes, several settings each.
//!
//! `cargo run --release --example image_classification [-- --mnist FOLDER | --cifar FOLDER] [--epochs N]`

mod shared;

use clap::Parser;
use ivon_runtime::prelude::*;
use plotters::chart::SeriesLabelPosition;
use shared::figure::{Axis, Panel, Series, Style, draw};
use shared::net::{Classifier, train};
use shared::pictures::{Examples, pictures};
use shared::score::{Scores, score};
use std::error::Error;
use std::path::PathBuf;

const HIDDEN: usize = 128;
const BATCH: usize = 50;
const SAMPLES: u32 = 32;

/// Convergence of IVON, AdamW and SGD on images of ten classes.
#[derive(Parser)]
struct Flags {
    /// Folder with the unpacked files of MNIST; generated images without it.
    #[arg(long, conflicts_with = "cifar")]
    mnist: Option<PathBuf>,
    /// Folder with the binary files of CIFAR-10.
    #[arg(long)]
    cifar: Option<PathBuf>,
    /// Passes over the training images.
    #[arg(long, default_value_t = 40)]
    epochs: usize,
}

impl Flags {
    fn data(&self) -> Result<(Examples, Examples, &'static str)> {
        match (&self.mnist, &self.cifar) {
            (Some(folder), _) => shared::files::mnist(folder).map(|(a, b)| (a, b, "image_classification_mnist")),
            (_, Some(folder)) => shared::files::cifar(folder).map(|(a, b)| (a, b, "image_classification_cifar")),
            _ => Ok((pictures(4000, 1), pictures(2000, 2), "image_classification")),
        }
    }
}

/// A training run: per epoch the loss on batches and the scores at the mean on the test images; and at the end those of the average.
struct Run {
    name: &'static str,
    color: usize,
    lr: f64,
    loss: Vec<(f64, f64)>,
    scores: Vec<(f64, Scores)>,
    averaged: Scores,
}

impl Run {
    fn last(&self) -> Scores {
        self.scores.last().map_or(self.averaged, |s| s.1)
    }
}

fn run(
    name: &'static str,
    color: usize,
    lr: f64,
    mut optimizer: Box<dyn Optimizer>,
    model: &Classifier,
    (data, test): (&Examples, &Examples),
    epochs: usize,
) -> Result<Run> {
    let an_epoch = (data.len() / BATCH).max(1);
    let steps = epochs * an_epoch;
    let (x, _) = test.all()?;
    let (mut loss, mut scores, mut sum) = (Vec::new(), Vec::new(), 0.0);
    train(model, data, BATCH, &mut *optimizer, &Schedule::cosine(lr, 0.0, steps / 20, steps), |step, l, optimizer| {
        sum += l / an_epoch as f64;
        if (step + 1).is_multiple_of(an_epoch) {
            let epoch = ((step + 1) / an_epoch) as f64;
            loss.push((epoch, sum));
            scores.push((epoch, score(optimizer, 0, &test.y, |cx| model.logits(cx, &x))?.0));
            sum = 0.0;
        }
        Ok(())
    })?;
    let averaged = score(&mut *optimizer, SAMPLES, &test.y, |cx| model.logits(cx, &x))?.1;
    Ok(Run { name, color, lr, loss, scores, averaged })
}

fn main() -> std::result::Result<(), Box<dyn Error>> {
    let flags = Flags::parse();
    let (data, test, figure) = flags.data()?;
    let model = Classifier::build(data.width, HIDDEN, data.classes)?;
    let suggested = Ivon::suggest(data.len(), &model);
    println!("{} images of {} numbers, {} for tests; {} epochs", data.len(), data.width, test.len(), flags.epochs);
    println!("IVON as suggested: {:?}", suggested.config);
    println!("\n{:<8} {:>8} {:>10} {:>24} {:>30}", "", "lr", "training", "at the mean", "averaged over 32 samples");
    println!(
        "{:<8} {:>8} {:>10} {:>9} {:>7} {:>6} {:>15} {:>7} {:>6}",
        "", "", "loss", "NLL", "error", "ECE", "NLL", "error", "ECE"
    );

    let mut runs: Vec<Run> = Vec::new();
    let settings = || Settings::default();
    for (color, name) in ["IVON", "AdamW", "SGD"].into_iter().enumerate() {
        for factor in [0.3, 1.0, 3.0, 10.0] {
            let (lr, optimizer): (f64, Box<dyn Optimizer>) = match name {
                "IVON" => (suggested.lr * factor, Box::new(Ivon::new(&model, suggested.config.clone(), settings())?)),
                "AdamW" => (1e-3 * factor, Box::new(AdamW::new(&model, AdamWConfig::default(), settings())?)),
                _ => {
                    let config = SgdConfig::default().momentum(0.9).weight_decay(5e-4);
                    (0.05 * factor, Box::new(Sgd::new(&model, config, settings())?))
                }
            };
            match run(name, color, lr, optimizer, &model, (&data, &test), flags.epochs) {
                Ok(run) => {
                    let (loss, m, a) = (run.loss.last().map_or(f64::NAN, |l| l.1), run.last(), run.averaged);
                    let averaged = if name == "IVON" {
                        format!("{:>15.3} {:>6.1}% {:>6.3}", a.nll, 100.0 * a.error, a.ece)
                    } else {
                        String::new()
                    };
                    println!(
                        "{name:<8} {lr:>8.4} {loss:>10.3} {:>9.3} {:>6.1}% {:>6.3} {averaged}",
                        m.nll,
                        100.0 * m.error,
                        m.ece
                    );
                    runs.push(run);
                }
                Err(error) => println!("{name:<8} {lr:>8.4} {error}"),
            }
        }
    }

    let best = |color: usize| {
        runs.iter().filter(|r| r.color == color).min_by(|a, b| a.averaged.nll.total_cmp(&b.averaged.nll)).map(|r| r.lr)
    };
    let is_best = |run: &Run| best(run.color) == Some(run.lr);
    let series = |run: &Run, points: Vec<(f64, f64)>| Series {
        label: if is_best(run) { format!("{}, lr {}", run.name, (run.lr * 1e6).round() / 1e6) } else { String::new() },
        color: run.color,
        style: if is_best(run) { Style::Line } else { Style::Dashed },
        points,
    };
    let of = |run: &Run, f: fn(&Scores) -> f64| run.scores.iter().map(|(epoch, s)| (*epoch, f(s))).collect();
    let mut nll: Vec<Series> = runs.iter().map(|r| series(r, of(r, |s| s.nll))).collect();
    let ends = runs.iter().filter(|r| r.color == 0).map(|r| (flags.epochs as f64, r.averaged.nll)).collect();
    nll.push(Series { label: "IVON, averaged".into(), color: 0, style: Style::Points, points: ends });
    let panel = |title, y, legend, series| Panel { title, x: Axis::linear("epoch"), y, legend, series };
    use SeriesLabelPosition::{LowerLeft, UpperRight};
    draw(
        figure,
        &[
            panel(
                "loss on training batches",
                Axis::log("nats"),
                LowerLeft,
                runs.iter().map(|r| series(r, r.loss.clone())).collect(),
            ),
            panel("NLL on test images, at the mean", Axis::log("nats"), UpperRight, nll),
            panel(
                "error on test images, at the mean",
                Axis::log("per cent"),
                UpperRight,
                runs.iter().map(|r| series(r, of(r, |s| 100.0 * s.error))).collect(),
            ),
        ],
    )?;
    Ok(())
}
