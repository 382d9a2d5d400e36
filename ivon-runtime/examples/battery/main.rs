//! Many kinds of small data, trained with `Ivon::auto` and nothing else: does a run without a flag ever diverge, and how does it compare to AdamW with
//! the best of five learning rates?
//!
//! `cargo run --release -p ivon-runtime --example battery -- [steps=300,2000] [seeds=1] [only=moons,ten] [large] [adamw] [data=DIR]`
//!
//! `data` is a directory with `diabetes.csv`, `breast_cancer.csv`, `wine_data.csv` and `digits.csv` of scikit-learn; without it the generated data
//! sets are trained on.

mod tasks;
mod train;

use ivon_runtime::prelude::*;
use tasks::Task;
use train::{Outcome, train};

/// Learning rates of AdamW, of which the best on the validation rows counts.
const RATES: [f64; 5] = [1e-3, 3e-3, 1e-2, 3e-2, 1e-1];

/// The data sets of scikit-learn: name, file, columns, classes.
const FILES: [(&str, &str, usize, usize); 4] = [
    ("diabetes", "diabetes.csv", 10, 0),
    ("breast_cancer", "breast_cancer.csv", 30, 2),
    ("wine", "wine_data.csv", 13, 3),
    ("digits", "digits.csv", 64, 10),
];

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let value = |key: &str| arguments.iter().find_map(|a| a.strip_prefix(key)?.strip_prefix('='));
    let numbers = |key: &str, usual: &str| -> Result<Vec<usize>> {
        let parse = |text: &str| text.parse().map_err(|_| Error::config(format!("{key}={text}: a whole number is expected")));
        value(key).unwrap_or(usual).split(',').map(parse).collect()
    };
    // A hundredth of the steps with 0.01, to see that it runs at all.
    let scale = std::env::var("IVON_EXAMPLE_SCALE").ok().and_then(|scale| scale.parse().ok()).unwrap_or(1.0);
    let scaled = |steps: usize| ((steps as f64 * scale) as usize).max(1);
    let lengths: Vec<usize> = numbers("steps", "300,2000")?.into_iter().map(scaled).collect();
    let seeds = numbers("seeds", "1")?[0];
    let has = |flag: &str| arguments.iter().any(|a| a == flag);
    let wanted = |name: &str| value("only").is_none_or(|only| only.split(',').any(|one| one == name));
    println!("task | steps | seed | training loss: start, end | validation: constant, mean, averaged | best AdamW | signs");
    println!("---|---|---|---|---|---|---");
    let (mut runs, mut failed, mut beaten, mut helped) = (0, 0, 0, 0);
    for seed in 0..seeds as u64 {
        let mut all: Vec<Task> = tasks::generated(seed, has("large"));
        for (name, file, columns, classes) in FILES {
            let Some(folder) = value("data") else { break };
            let path = std::path::Path::new(folder).join(file);
            let text = std::fs::read_to_string(&path).map_err(|e| Error::file(&path, e))?;
            let task = tasks::table(seed, name, &text, columns, classes);
            all.push(task.ok_or_else(|| Error::file(&path, format!("has no rows of {} numbers", columns + 1)))?);
        }
        for task in all.iter().filter(|task| wanted(task.name)) {
            for steps in &lengths {
                let found = train(task, *steps, seed, None)?;
                let rivals = if has("adamw") { &RATES[..] } else { &[] };
                let rivals = rivals.iter().map(|lr| train(task, *steps, seed, Some(*lr)));
                let best = rivals.map(|found| found.map_or(f64::INFINITY, |found| found.average)).reduce(f64::min);
                show(task, *steps, seed, &found, best);
                runs += 1;
                failed += usize::from(!found.is_good());
                beaten += usize::from(best.is_some_and(|best| found.average > best + 2.0 * found.error));
                helped += usize::from(found.average <= found.mean + 0.005);
            }
        }
    }
    println!("\n{runs} runs: {failed} failed, {helped} with an average that is no worse than the mean");
    if has("adamw") {
        println!("{beaten} worse than the best of AdamW by more than two standard errors");
    }
    Ok(())
}

fn show(task: &Task, steps: usize, seed: u64, found: &Outcome, best: Option<f64>) {
    let Outcome { start, end, mean, average, constant, .. } = found;
    let best = best.map_or(String::new(), |best| format!("{best:.3}"));
    let signs: Vec<String> = found.warnings.iter().map(|warning| format!("{:?}", warning.sign)).collect();
    let mark = if found.is_good() { "" } else { " **failed**" };
    println!(
        "{} | {steps} | {seed} | {start:.3}, {end:.3} | {constant:.3}, {mean:.3}, {average:.3}{mark} | {best} | {}",
        task.name,
        signs.join(", ")
    );
}
