//! `ivon bench`: what a training step costs, in time and memory.

mod pictures;
mod text;

use super::flags::{Chosen, Defaults, DeviceFlags, Models, OptimizerFlags, Setup, Trained, values};
use super::memory;
use clap::Args;
use ivon_runtime::optimizers::{Optimizer, Weights};
use ivon_runtime::{Context, Device, Model, Result, Tensor};
use pictures::Pictures;
use serde_json::{Value, json};
use std::cell::Cell;
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

/// What is measured, whatever the model.
#[derive(Args, Debug)]
struct Measurement {
    /// Steps that are timed
    #[arg(long, value_name = "N", default_value = "10", value_parser = values::count)]
    steps: usize,

    /// Steps before them
    #[arg(long, value_name = "N", default_value = "3")]
    warmup: usize,

    #[command(flatten)]
    optimizer: OptimizerFlags,
    #[command(flatten)]
    device: DeviceFlags,

    /// Print the result as one line of JSON, the last of standard output
    #[arg(long)]
    json: bool,
}

/// What is measured: a model on one batch.
struct Subject<'a, M> {
    model: &'a M,
    /// How it is described: fields of the result.
    about: Value,
    /// The same for people.
    name: String,
    micro_batches: usize,
    /// Examples of an update, and what they are called.
    examples: (usize, &'static str),
    inputs: &'a [&'a Tensor],
    /// Forward and backward pass as training runs them.
    gradient: &'a dyn Fn(&Context) -> Result<f64>,
}

/// Forward and backward pass of one micro-batch, giving the loss; the second argument is to be called in between.
type Pass<'a> = dyn Fn(&Context, &dyn Fn()) -> Result<f64> + 'a;

/// Seconds of one step, by what was done.
#[derive(Clone, Copy, Debug, Default)]
struct Times {
    step: f64,
    forward: f64,
    backward: f64,
}

impl Measurement {
    /// Times steps and prints.
    fn run<M: Model>(&self, subject: &Subject<M>, defaults: &Defaults, pass: &Pass) -> Result<()> {
        let dtype = self.device.training_dtype()?;
        let device = self.device.start()?;
        let setup = Setup { device, dtype, seed: 1, micro_batches: subject.micro_batches };
        let Trained { mut optimizer, config, .. } = self.optimizer.build(subject.model, defaults, setup)?;
        let lr = self.optimizer.lr(defaults);
        let mut times = vec![];
        // The first steps on a card compile kernels and capture graphs.
        let warmup = if device == Device::Cpu { self.warmup } else { self.warmup.max(CAPTURED) };
        for step in 0..warmup + self.steps {
            let time = match device {
                Device::Cpu => time_step(optimizer.as_mut(), subject.inputs, pass, lr)?,
                _ => time_on_card(optimizer.as_mut(), subject.gradient, lr)?,
            };
            if step >= warmup {
                times.push(time);
            }
        }
        let peak = match optimizer.context().cuda() {
            Some(cuda) => cuda.memory().map(|(free, all)| Some((all - free) as u64))?,
            None => memory::peak(),
        };
        let arena = optimizer.context().arena_bytes();
        let state = optimizer.state().bytes();
        let sampling = time_draw(optimizer.as_mut())?;

        let middle = |of: fn(&Times) -> f64| median(times.iter().map(of).collect());
        let (step, forward, backward) = (middle(|t| t.step), middle(|t| t.forward), middle(|t| t.backward));
        let rest = middle(|t| t.step - t.forward - t.backward);
        let sampling = (sampling * optimizer.samples_per_update() as f64).min(rest);
        let spread = times.iter().fold([f64::INFINITY, 0.0], |[low, high], t| [t.step.min(low), t.step.max(high)]);
        let (count, examples) = subject.examples;
        let rate = count as f64 / step;
        let share = |seconds: f64| seconds / step;
        let parameters = optimizer.state().layout().elements();
        if self.json {
            let mut result = json!({
                "params": parameters, "micro_batches": subject.micro_batches, "optimizer": optimizer.name(), "config": config,
                "dtype": self.device.dtype.name(), "device": device.to_string(), "threads": rayon::current_num_threads(),
                "seconds_per_step": step, "spread": spread, format!("{examples}_per_s"): rate,
                "peak_bytes": peak, "state_bytes": state, "arena_bytes": arena,
                "shares": {
                    "sampling": share(sampling), "forward": share(forward), "backward": share(backward), "update": share(rest - sampling),
                },
            });
            if let (Value::Object(result), Value::Object(about)) = (&mut result, &subject.about) {
                result.extend(about.clone());
            }
            say!("{result}")?;
            return Ok(());
        }
        let mib = |bytes: usize| bytes as f64 / (1u64 << 20) as f64;
        let percent = |seconds: f64| 100.0 * share(seconds);
        say!("{}, {parameters} parameters, {}", subject.name, optimizer.name())?;
        say!("{:.4} s a step ({:.4} to {:.4}), {rate:.0} {examples}/s", step, spread[0], spread[1])?;
        if device == Device::Cpu {
            say!(
                "forward {:.0} %, backward {:.0} %, update {:.0} %, sampling {:.0} %",
                percent(forward),
                percent(backward),
                percent(rest - sampling),
                percent(sampling)
            )?;
        }
        say!(
            "peak {:.0} MiB: state and gradient {:.0}, activations {:.0}",
            mib(peak.unwrap_or(0) as usize),
            mib(state),
            mib(arena)
        )?;
        Ok(())
    }
}

/// Steps after which one on a card is launched as a graph.
const CAPTURED: usize = 6;

/// One step on a card. It works ahead while the processor waits for the loss alone, so its parts cannot be told apart from here.
fn time_on_card(optimizer: &mut dyn Optimizer, gradient: &dyn Fn(&Context) -> Result<f64>, lr: f64) -> Result<Times> {
    let start = Instant::now();
    optimizer.step_in_parts(lr, &mut |cx, _| gradient(cx))?;
    Ok(Times { step: start.elapsed().as_secs_f64(), ..Times::default() })
}

/// One step, with a clock between forward and backward pass.
fn time_step(optimizer: &mut dyn Optimizer, inputs: &[&Tensor], pass: &Pass, lr: f64) -> Result<Times> {
    let times = Cell::new(Times::default());
    let start = Instant::now();
    optimizer.step_in_parts(lr, &mut |cx, _| {
        cx.planned("bench", inputs, |cx| {
            let (start, forward) = (Instant::now(), Cell::new(0.0));
            let loss = pass(cx, &|| forward.set(start.elapsed().as_secs_f64()))?;
            if !cx.planning() {
                let backward = start.elapsed().as_secs_f64() - forward.get();
                let t = times.get();
                times.set(Times { forward: t.forward + forward.get(), backward: t.backward + backward, ..t });
            }
            Ok(loss)
        })
    })?;
    Ok(Times { step: start.elapsed().as_secs_f64(), ..times.get() })
}

/// Seconds of drawing one sample on its own. A step draws in the same pass over memory as it updates, so its share can only be told apart
/// by measuring it alone.
fn time_draw(optimizer: &mut dyn Optimizer) -> Result<f64> {
    if optimizer.statistics().is_none() {
        return Ok(0.0);
    }
    let mut draw = || {
        let start = Instant::now();
        optimizer.evaluate(Weights::Sample(0), &mut |_| Ok(()))?;
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
