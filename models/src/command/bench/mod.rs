//! `ivon bench`: what a training step costs, in time and memory.

mod pictures;
mod profile;
mod text;

use super::flags::{Chosen, Defaults, DeviceFlags, Models, OptimizerFlags, Setup, Trained, values};
use super::memory;
use clap::Args;
use ivon_runtime::optimizers::{Optimizer, Weights};
use ivon_runtime::profile::{Peaks, Phase};
use ivon_runtime::{Context, Device, Model, Result};
use pictures::Pictures;
use profile::Breakdown;
use serde_json::{Value, json};
use std::time::Instant;
use text::Text;

/// Time training steps on random data
#[derive(Args, Debug)]
#[command(disable_help_subcommand = true, subcommand_value_name = "MODEL", subcommand_help_heading = "Models")]
pub struct Bench {
    #[command(subcommand)]
    model: Models<Text, Pictures>,
}

impl Bench {
    /// Runs and prints the measurement.
    ///
    /// # Errors
    /// If flags and model do not go together.
    pub fn run(&self) -> Result<()> {
        match self.model.chosen()? {
            Chosen::Text(text) => text.run(),
            Chosen::Pictures(architecture, pictures) => pictures.run(architecture),
        }
    }
}

/// Flags of every measurement, for all models.
#[derive(Args, Debug)]
struct Measurement {
    /// Steps that are timed
    #[arg(long, value_name = "N", default_value = "10", value_parser = values::repetitions)]
    steps: usize,

    /// Steps before them
    #[arg(long, value_name = "N", default_value = "3", value_parser = values::repetitions_or_none)]
    warmup: usize,

    #[command(flatten)]
    optimizer: OptimizerFlags,
    #[command(flatten)]
    device: DeviceFlags,

    /// Record further steps and print where their time went, by phase and op, with shares of what this machine can do at most; JSON has it in any case
    #[arg(long)]
    profile: bool,

    /// Make ranges of phases, layers and ops for Nsight Systems; on a GPU, steps run kernel by kernel then
    #[arg(long)]
    nvtx: bool,

    /// Print the result as one line of JSON, the last of standard output
    #[arg(long)]
    json: bool,
}

/// The subject of a measurement: a model on one batch.
struct Subject<'a, M> {
    model: &'a M,
    /// How it is described: fields of the result.
    about: Value,
    /// The same as text.
    name: String,
    micro_batches: usize,
    /// Examples of an update, and what they are called.
    examples: (usize, &'static str),
    /// Forward and backward pass as training runs them.
    gradient: &'a dyn Fn(&Context) -> Result<f64>,
}

impl Measurement {
    /// Times steps and prints.
    fn run<M: Model>(&self, subject: &Subject<M>, defaults: &Defaults) -> Result<()> {
        let dtype = self.device.training_dtype()?;
        let device = self.device.start()?;
        let setup = Setup { device, dtype, seed: 1, micro_batches: subject.micro_batches };
        let Trained { mut optimizer, config, .. } = self.optimizer.build(subject.model, defaults, setup)?;
        let lr = self.optimizer.lr(defaults);
        optimizer.context().set_ranges(self.nvtx)?;
        let mut times = vec![];
        // The first steps on a GPU compile kernels and capture graphs.
        let warmup = if device == Device::Cpu { self.warmup } else { self.warmup.max(CAPTURED) };
        for step in 0..warmup + self.steps {
            let start = Instant::now();
            optimizer.step_in_parts(lr, &mut |cx, _| (subject.gradient)(cx))?;
            if step >= warmup {
                times.push(start.elapsed().as_secs_f64());
            }
        }
        let peak = match optimizer.context().cuda() {
            Some(cuda) => cuda.memory().map(|(free, all)| Some((all - free) as u64))?,
            None => memory::peak(),
        };
        let arena = optimizer.context().arena_bytes();
        let state = optimizer.state().bytes();
        let sampling = time_draw(optimizer.as_mut())? * optimizer.samples_per_update() as f64;
        let profile = profile::record(optimizer.as_mut(), subject.gradient, lr)?;
        let breakdown = match self.profile || self.json {
            true => Some(Breakdown { profile: &profile, peaks: Peaks::measure(optimizer.context())? }),
            false => None,
        };

        let spread = times.iter().fold([f64::INFINITY, 0.0], |[low, high], t| [t.min(low), t.max(high)]);
        let step = median(times);
        let share =
            |phase: Phase| profile.phases().iter().find(|p| p.phase == phase).map_or(0.0, |p| p.seconds) / profile.seconds();
        let [forward, backward, update] = [Phase::Forward, Phase::Backward, Phase::Update].map(share);
        // The update draws the next sample.
        let sampling = (sampling / step).min(update);
        let update = update - sampling;
        let (count, examples) = subject.examples;
        let rate = count as f64 / step;
        let parameters = optimizer.state().layout().elements();
        if self.json {
            let mut result = json!({
                "params": parameters, "micro_batches": subject.micro_batches, "optimizer": optimizer.name(), "config": config,
                "dtype": self.device.dtype.name(), "device": device.to_string(), "threads": rayon::current_num_threads(),
                "seconds_per_step": step, "spread": spread, format!("{examples}_per_s"): rate,
                "peak_bytes": peak, "state_bytes": state, "arena_bytes": arena,
                "graphs": optimizer.context().graphs(),
                "shares": {"sampling": sampling, "forward": forward, "backward": backward, "update": update},
            });
            if let (Value::Object(result), Value::Object(about)) = (&mut result, &subject.about) {
                result.extend(about.clone());
                result.extend(breakdown.map(|breakdown| ("profile".to_string(), breakdown.json())));
            }
            say!("{result}")?;
            return Ok(());
        }
        let mib = |bytes: usize| bytes as f64 / (1u64 << 20) as f64;
        say!("{}, {parameters} parameters, {}", subject.name, optimizer.name())?;
        say!("{:.4} s a step ({:.4} to {:.4}), {rate:.0} {examples}/s", step, spread[0], spread[1])?;
        let [forward, backward, update, sampling] = [forward, backward, update, sampling].map(|share| 100.0 * share);
        say!("forward {forward:.0} %, backward {backward:.0} %, update {update:.0} %, sampling {sampling:.0} %")?;
        say!(
            "peak {:.0} MiB: state and gradient {:.0}, activations {:.0}",
            mib(peak.unwrap_or(0) as usize),
            mib(state),
            mib(arena)
        )?;
        breakdown.map_or(Ok(()), |breakdown| breakdown.say(rayon::current_num_threads()))
    }
}

/// Steps after which one on a GPU is launched as a graph.
const CAPTURED: usize = 6;

/// Seconds of drawing one sample on its own. A step draws in the same pass over memory as it updates, so its share can only be told apart
/// by measuring it alone.
fn time_draw(optimizer: &mut dyn Optimizer) -> Result<f64> {
    if optimizer.statistics().is_none() {
        return Ok(0.0);
    }
    let mut draw = || {
        // A GPU may still be at what was asked of it before, and does this when it gets there.
        let wait = |optimizer: &dyn Optimizer| optimizer.context().cuda().map_or(Ok(()), |cuda| cuda.synchronize());
        wait(optimizer)?;
        let start = Instant::now();
        optimizer.evaluate(Weights::Sample(0), &mut |_| Ok(()))?;
        wait(optimizer)?;
        Ok(start.elapsed().as_secs_f64())
    };
    // Evaluation draws its sample, and afterwards that of the next step again.
    Ok(median((0..3).map(|_| draw()).collect::<Result<_>>()?) / 2.0)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let n = values.len();
    (values[(n - 1) / 2] + values[n / 2]) / 2.0
}
