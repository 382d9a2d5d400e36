//! Experiment 7, what the posterior is good for: bands, decision maps, pruning, merging, and what would have happened without an example.
//!
//! `cargo run --release --example posterior`

mod influence;
mod merging;
mod moons;
mod pruning;
mod regression;
#[path = "../shared/mod.rs"]
mod shared;

use shared::figure::{Chart, draw_rows};
use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    let bands = regression::bands()?;
    let [at_mean, averaged] = moons::maps()?;
    let pruned = pruning::curves()?;
    let merged = merging::curves()?;
    let left_out = influence::scatter()?;
    let charts: [&dyn Chart; 6] = [&bands, &at_mean, &averaged, &pruned, &merged, &left_out];
    draw_rows("posterior", 3, &charts)?;
    Ok(())
}
