//! `ivon devices`: what there is to compute on, and what is missing.

use super::output;
use clap::Args;
use ivon_runtime::Result;
use ivon_runtime::cuda::libraries;
use serde_json::json;

/// List what models can be computed on: the CPU, and the NVIDIA GPUs that CUDA finds with the libraries it needs
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
    /// If standard output cannot be written.
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
        output::text_now(&text)
    }
}
