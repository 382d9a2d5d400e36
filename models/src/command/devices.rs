//! `ivon devices`: what there is to compute on, and what is missing.

use clap::Args;
use ivon_runtime::device::cuda::libraries;
use ivon_runtime::{Error, Result};
use serde_json::json;
use std::io::Write;

/// List what models can be computed on: the processor, and the graphics cards that CUDA finds with the libraries it needs
#[derive(Args, Clone, Debug)]
pub struct Devices {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Devices {
    /// Looks and prints.
    ///
    /// # Errors
    /// If standard output is closed.
    pub fn run(&self) -> Result<()> {
        let report = libraries::report();
        let threads = std::thread::available_parallelism().map_or(1, |n| n.get());
        let instructions = format!("{:?}", ivon_runtime::simd::level()).to_lowercase();
        let text = if self.json {
            let processor = json!({ "device": "cpu", "threads": threads, "instructions": instructions });
            format!("{}\n", json!({ "cpu": processor, "cuda": report, "cuda_usable": report.usable() }))
        } else {
            format!("cpu        {threads} threads, {instructions}\n{}", report.text())
        };
        match std::io::stdout().write_all(text.as_bytes()) {
            // Who reads it may stop.
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(Error::file("standard output", error)),
            _ => Ok(()),
        }
    }
}
