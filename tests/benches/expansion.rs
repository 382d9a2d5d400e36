//! How long the compiler takes for the whole GPT-2, its layers excepted. The target is 50 ms; nothing is asserted.
//!
//! `cargo bench -p ivon-tests --bench expansion`

use std::path::Path;
use std::time::{Duration, Instant};

const RUNS: usize = 20;

fn main() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (name, path) in [
        ("a multilayer perceptron", folder.join("models/mlp.rs")),
        ("a transformer", folder.join("models/transformer.rs")),
        ("GPT-2", folder.join("../models/src/gpt2/mod.rs")),
    ] {
        let once = || {
            let start = Instant::now();
            ivon_compiler::expand_file(&path, &[]).map(|text| (start.elapsed(), text.lines().count()))
        };
        let mut times: Vec<Duration> = vec![];
        let mut lines = 0;
        for _ in 0..RUNS {
            match once() {
                Ok((time, count)) => {
                    times.push(time);
                    lines = count;
                }
                Err(error) => {
                    println!("{name}: {error}");
                    break;
                }
            }
        }
        times.sort();
        if let (Some(least), Some(median)) = (times.first(), times.get(times.len() / 2)) {
            println!(
                "{name}: {median:.1?} (least {least:.1?}) for {lines} lines, beside the signatures of layers and ops, which are read once"
            );
        }
    }
}
