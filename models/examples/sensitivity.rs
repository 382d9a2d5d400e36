//! Experiment 4, sensitivity: final loss and calibration over pairs of hyper-parameters, and how good the suggested ones are.
//!
//! `cargo run --release --example sensitivity`

mod shared;

use ivon_runtime::prelude::*;
use shared::figure::{Chart, draw_rows};
use shared::heat::{HeatMap, Palette, Ticks};
use shared::net::{Classifier, train};
use shared::pictures::{Examples, pictures};
use shared::scale::steps;
use shared::score::{Scores, score};
use std::error::Error;

const EXAMPLES: usize = 1000;
const HIDDEN: usize = 32;
const BATCH: usize = 50;
const STEPS: usize = 2000;
const SEEDS: u64 = 2;
const SAMPLES: u32 = 16;

/// The configuration and learning rate of every run, before the hyper-parameters under study are set.
fn base() -> (IvonConfig, f64) {
    let config = IvonConfig::new(EXAMPLES as f64).hess_init(0.1).beta2(0.999).weight_decay(1e-3);
    (config, 1.0)
}

/// The scores on fresh images, averaged over seeds; `None` if a run fails or diverges.
fn run(data: &Examples, fresh: &Examples, hidden: usize, config: &IvonConfig, lr: f64) -> Option<Scores> {
    let one = |seed: u64| -> Result<Scores> {
        let model = Classifier::build(data.width, hidden, data.classes)?;
        let mut ivon = Ivon::new(&model, config.clone(), Settings::default().seed(seed))?;
        train(&model, data, BATCH, &mut ivon, &Schedule::cosine(lr, 0.0, STEPS / 20, STEPS), |_, _, _| Ok(()))?;
        let (x, _) = fresh.all()?;
        Ok(score(&mut ivon, SAMPLES, &fresh.y, |cx| model.logits(cx, &x))?.1)
    };
    let all: Vec<Scores> = (0..steps(SEEDS as usize) as u64).map(one).collect::<Result<_>>().ok()?;
    let mean = |f: fn(&Scores) -> f64| all.iter().map(f).sum::<f64>() / all.len() as f64;
    // A loss above ten nats counts as diverged.
    let come_to_an_end = all.iter().all(|s| s.nll < 10.0);
    come_to_an_end.then_some(Scores { nll: mean(|s| s.nll), error: mean(|s| s.error), ece: mean(|s| s.ece) })
}

/// Two hyper-parameters and the values that they take.
struct Pair {
    x: (&'static str, Vec<f64>),
    y: (&'static str, Vec<f64>),
    /// Puts a value of x and one of y into the configuration and learning rate.
    set: fn(&mut IvonConfig, &mut f64, f64, f64),
}

fn pairs() -> Vec<Pair> {
    let mut all = vec![
        Pair {
            x: ("lr", vec![0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0]),
            y: ("h₀", vec![0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0]),
            set: |config, lr, x, y| (*lr, config.hess_init) = (x, y),
        },
        Pair {
            x: ("lr", vec![0.03, 0.1, 0.3, 1.0, 3.0, 10.0]),
            y: ("1 − β₂", vec![1e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 1e-1]),
            set: |config, lr, x, y| (*lr, config.beta2) = (x, 1.0 - y),
        },
        Pair {
            x: ("ess / examples", vec![0.1, 0.3, 1.0, 3.0, 10.0, 100.0]),
            y: ("δ", vec![1e-5, 1e-4, 1e-3, 1e-2, 1e-1]),
            set: |config, _, x, y| (config.ess, config.weight_decay) = (x * EXAMPLES as f64, y),
        },
        Pair {
            x: ("samples", vec![1.0, 2.0, 4.0, 8.0]),
            y: ("β₁", vec![0.0, 0.5, 0.9, 0.97, 0.99]),
            set: |config, _, x, y| (config.samples, config.beta1) = (x as usize, y),
        },
    ];
    for pair in &mut all {
        pair.x.1.truncate(steps(pair.x.1.len()));
        pair.y.1.truncate(steps(pair.y.1.len()));
    }
    all
}

/// The maps of NLL and of calibration of a pair.
fn maps(pair: &Pair, data: &Examples, fresh: &Examples) -> [HeatMap; 2] {
    let (x, y) = (&pair.x.1, &pair.y.1);
    println!("\nNLL / ECE on fresh images: {} across, {} down", pair.x.0, pair.y.0);
    print!("{:>8}", "");
    x.iter().for_each(|x| print!("{x:>14}"));
    println!();
    let (mut nll, mut ece) = (Vec::new(), Vec::new());
    for y in y {
        print!("{y:>8}");
        let row: Vec<Option<Scores>> = x
            .iter()
            .map(|x| {
                let (mut config, mut lr) = base();
                (pair.set)(&mut config, &mut lr, *x, *y);
                let scores = run(data, fresh, HIDDEN, &config, lr);
                print!("{:>14}", scores.map_or("fails".into(), |s| format!("{:.3} / {:.3}", s.nll, s.ece)));
                scores
            })
            .collect();
        println!();
        nll.push(row.iter().map(|s| s.map_or(f64::NAN, |s| s.nll)).collect());
        ece.push(row.iter().map(|s| s.map_or(f64::NAN, |s| s.ece)).collect());
    }
    let map = |what: &str, values, range| HeatMap {
        title: format!("{what}: {} and {}", pair.x.0, pair.y.0),
        x: Ticks::cells(pair.x.0, x),
        y: Ticks::cells(pair.y.0, y),
        values,
        range,
        palette: Palette::Sequential,
        decimals: Some(2),
        points: Vec::new(),
    };
    [map("NLL", nll, (0.5, 2.3)), map("ECE", ece, (0.0, 0.3))]
}

/// The suggested hyper-parameters on other data sizes and nets, against the best of their neighbours and against AdamW.
fn suggested() -> Result<()> {
    println!("\nIvon::suggest: NLL on fresh images; neighbours have 4 times and a quarter of lr and of h₀");
    println!(
        "{:>9} {:>7} {:>9} {:>8} {:>10} {:>22} {:>17} {:>15}",
        "examples", "hidden", "suggested", "at lr", "h₀", "best of 9 neighbours", "AdamW, lr 0.001", "error of both"
    );
    let fresh = pictures(1000, 2);
    for examples in [250, 1000, 4000].into_iter().take(steps(3)) {
        let data = pictures(examples, 1);
        for hidden in [16, 64].into_iter().take(steps(2)) {
            let model = Classifier::build(data.width, hidden, data.classes)?;
            let suggestion = Ivon::suggest(examples, &model);
            let near = |lr: f64, h0: f64| {
                let config = suggestion.config.clone().hess_init(suggestion.config.hess_init * h0);
                run(&data, &fresh, hidden, &config, suggestion.lr * lr)
            };
            let Some(own) = near(1.0, 1.0) else { continue };
            let grid = [0.25, 1.0, 4.0];
            let all = grid.iter().flat_map(|lr| grid.map(|h0| (*lr, h0)));
            let (best, lr, h0) = all
                .filter_map(|(lr, h0)| near(lr, h0).map(|s| (s.nll, lr, h0)))
                .fold((own.nll, 1.0, 1.0), |a, b| if b.0 < a.0 { b } else { a });
            let mut adamw = AdamW::new(&model, AdamWConfig::default(), Settings::default())?;
            train(&model, &data, BATCH, &mut adamw, &Schedule::cosine(1e-3, 0.0, STEPS / 20, STEPS), |_, _, _| Ok(()))?;
            let (x, _) = fresh.all()?;
            let peer = score(&mut adamw, 0, &fresh.y, |cx| model.logits(cx, &x))?.0;
            println!(
                "{examples:>9} {hidden:>7} {:>9.3} {:>8} {:>10.2} {:>22} {:>17.3} {:>15}",
                own.nll,
                suggestion.lr,
                suggestion.config.hess_init,
                format!("{best:.3} (×{lr}, ×{h0})"),
                peer.nll,
                format!("{:.1}%, {:.1}%", 100.0 * own.error, 100.0 * peer.error)
            );
        }
    }
    Ok(())
}

fn main() -> std::result::Result<(), Box<dyn Error>> {
    let (data, fresh) = (pictures(EXAMPLES, 1), pictures(1000, 2));
    let maps: Vec<[HeatMap; 2]> = pairs().iter().map(|pair| maps(pair, &data, &fresh)).collect();
    let charts: Vec<&dyn Chart> = (0..2).flat_map(|i| maps.iter().map(move |m| &m[i] as &dyn Chart)).collect();
    suggested()?;
    draw_rows("sensitivity", maps.len(), &charts)?;
    Ok(())
}
