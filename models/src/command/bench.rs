//! `ivon bench`: what a training step costs, in time and memory.

use super::flags::{BatchFlags, DeviceFlags, ModelFlags, OptimizerFlags, Setup, Trained, values};
use super::memory::{self, BYTES_PER_PARAMETER};
use crate::gpt2::Gpt2;
use clap::Args;
use ivon_runtime::noise::philox;
use ivon_runtime::optimizers::{Optimizer, Weights};
use ivon_runtime::{Result, Tensor};
use serde_json::json;
use std::cell::Cell;
use std::time::Instant;

/// Time training steps on random tokens
#[derive(Args, Debug)]
#[command(allow_negative_numbers = true)] // so that they reach the check that says what is allowed
pub struct Bench {
    #[command(flatten)]
    model: ModelFlags,

    #[command(flatten)]
    batch: BatchFlags,

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

/// Seconds of one step, by what was done.
#[derive(Clone, Copy, Debug, Default)]
struct Times {
    step: f64,
    forward: f64,
    backward: f64,
}

impl Bench {
    /// Runs and prints the measurement.
    ///
    /// # Errors
    /// If flags and model do not go together.
    pub fn run(&self) -> Result<()> {
        let dimensions = self.model.dimensions(None)?;
        let BatchFlags { batch, micro_batches, .. } = self.batch;
        let (seq, rows) = (self.batch.seq(dimensions.context)?, self.batch.rows()?);
        let dtype = self.device.training_dtype()?;
        memory::check(&dimensions, BYTES_PER_PARAMETER)?;
        let device = self.device.start()?;
        let model = Gpt2::of(&dimensions)?;
        let setup = Setup { device, dtype, seed: 1, micro_batches };
        let Trained { mut optimizer, config, .. } = self.optimizer.build(&model, setup)?;

        let (ids, targets) = (random_ids(dimensions.vocab, rows, seq, 0)?, random_ids(dimensions.vocab, rows, seq, 1)?);
        let mut times = vec![];
        for step in 0..self.warmup + self.steps {
            let time = time_step(optimizer.as_mut(), &model, &ids, &targets, self.optimizer.lr())?;
            if step >= self.warmup {
                times.push(time);
            }
        }
        let peak = memory::peak();
        let arena = optimizer.context().arena_bytes();
        let state = optimizer.state().bytes();
        let sampling = time_draw(optimizer.as_mut())?;

        let middle = |of: fn(&Times) -> f64| median(times.iter().map(of).collect());
        let (step, forward, backward) = (middle(|t| t.step), middle(|t| t.forward), middle(|t| t.backward));
        let rest = middle(|t| t.step - t.forward - t.backward);
        let sampling = (sampling * optimizer.samples_per_update() as f64).min(rest);
        let spread = times.iter().fold([f64::INFINITY, 0.0], |[low, high], t| [t.step.min(low), t.step.max(high)]);
        let tokens = (batch * seq) as f64;
        let share = |seconds: f64| seconds / step;
        let result = json!({
            "model": self.model.model.name(), "preset": self.model.preset_name(), "params": dimensions.parameters(),
            "batch": batch, "seq": seq, "micro_batches": micro_batches, "optimizer": optimizer.name(), "config": config,
            "dtype": "f32", "device": "cpu", "threads": rayon::current_num_threads(),
            "seconds_per_step": step, "spread": spread, "tokens_per_s": tokens / step,
            "peak_bytes": peak, "state_bytes": state, "arena_bytes": arena,
            "shares": {
                "sampling": share(sampling), "forward": share(forward), "backward": share(backward), "update": share(rest - sampling),
            },
        });
        if self.json {
            println!("{result}");
            return Ok(());
        }
        let mib = |bytes: usize| bytes as f64 / (1u64 << 20) as f64;
        let percent = |seconds: f64| 100.0 * share(seconds);
        println!(
            "{} {}, {} parameters, {}",
            self.model.model.name(),
            self.model.preset_name(),
            dimensions.parameters(),
            optimizer.name()
        );
        println!("{:.4} s a step ({:.4} to {:.4}), {:.0} tokens/s", step, spread[0], spread[1], tokens / step);
        println!(
            "forward {:.0} %, backward {:.0} %, update {:.0} %, sampling {:.0} %",
            percent(forward),
            percent(backward),
            percent(rest - sampling),
            percent(sampling)
        );
        println!(
            "peak {:.0} MiB: state and gradient {:.0}, activations {:.0}",
            mib(peak.unwrap_or(0) as usize),
            mib(state),
            mib(arena)
        );
        Ok(())
    }
}

/// One step, with a clock between forward and backward pass.
fn time_step(optimizer: &mut dyn Optimizer, model: &Gpt2, ids: &Tensor, targets: &Tensor, lr: f64) -> Result<Times> {
    let times = Cell::new(Times::default());
    let start = Instant::now();
    optimizer.step_in_parts(lr, &mut |cx, _| {
        cx.planned("bench", &[ids, targets], |cx| {
            let start = Instant::now();
            let (loss, saved) = model.loss_saving(cx, ids, targets)?;
            let forward = start.elapsed().as_secs_f64();
            let value = loss.item()?;
            drop(loss);
            let d_loss = cx.filled([], cx.loss_scale())?;
            model.loss_backward(cx, saved, d_loss)?;
            if !cx.planning() {
                let backward = start.elapsed().as_secs_f64() - forward;
                let t = times.get();
                times.set(Times { forward: t.forward + forward, backward: t.backward + backward, ..t });
            }
            Ok(value)
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

/// Uniform token ids, `[rows, seq]`.
fn random_ids(vocab: usize, rows: usize, seq: usize, stream: u32) -> Result<Tensor> {
    let id = |i: usize| ((u64::from(philox([0; 2], [i as u32, 0, stream, 0])[0]) * vocab as u64) >> 32) as u32;
    let ids: Vec<u32> = (0..rows * seq).map(id).collect();
    Tensor::from_slice(&ids, [rows, seq])
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let n = values.len();
    (values[(n - 1) / 2] + values[n / 2]) / 2.0
}
