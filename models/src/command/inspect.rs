//! `ivon inspect`: what a model is made of, what it costs, and what a run knows of its weights.

use super::flags::{NAMES, SizeFlags, values};
use crate::gpt2::{Dimensions, Gpt2, Stored};
use clap::Args;
use ivon_runtime::memory::Plan;
use ivon_runtime::{Context, DType, Device, Error, Flat, Layout, Model, Parameter, Posterior, Result, Tensor};
use serde_json::{Value, json};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Show a model's layers, parameters, operations and memory; of a run also h, sigma and signal to noise
#[derive(Args, Debug)]
pub struct Inspect {
    /// A model by name (gpt2), a run, one of its checkpoints, or weights as `import` takes them
    #[arg(value_name = "MODEL")]
    what: PathBuf,

    #[command(flatten)]
    size: SizeFlags,

    /// Sequences in a micro-batch, for the memory plan
    #[arg(long, value_name = "N", default_value = "1", value_parser = values::count)]
    batch: usize,

    /// Tokens per sequence, for operations and memory plan [default: the context]
    #[arg(long, value_name = "TOKENS", value_parser = values::count)]
    seq: Option<usize>,

    /// Draw the model's graph into this SVG file
    #[arg(long, value_name = "FILE")]
    graph: Option<PathBuf>,

    /// The method that `--graph` draws: loss, forward, ...
    #[arg(long, value_name = "NAME", default_value = "loss", requires = "graph")]
    method: String,

    /// Print everything as one line of JSON
    #[arg(long)]
    json: bool,
}

/// Flat buffers of IVON in f32: mean, Hessian, momentum, sample, gradient.
const BUFFERS: usize = 5;

/// What is known of one parameter's posterior.
struct Spread {
    h: f64,
    sigma: f64,
    /// Root mean square of mean / sigma.
    signal_to_noise: f64,
}

impl Spread {
    fn of(posterior: &Posterior, name: &str) -> Result<Option<Spread>> {
        if posterior.is_point() {
            return Ok(None);
        }
        let (mean, sigma, h) = (posterior.mean(name)?, posterior.sigma(name)?, posterior.hessian(name)?);
        let n = mean.len().max(1) as f64;
        let average = |values: &mut dyn Iterator<Item = f64>| values.sum::<f64>() / n;
        let squares = average(&mut mean.iter().zip(&sigma).map(|(m, s)| (f64::from(*m) / f64::from(*s)).powi(2)));
        Ok(Some(Spread {
            h: average(&mut h.iter().map(|x| f64::from(*x))),
            sigma: average(&mut sigma.iter().map(|x| f64::from(*x))),
            signal_to_noise: squares.sqrt(),
        }))
    }
}

impl Inspect {
    /// Looks and prints.
    ///
    /// # Errors
    /// If there is no such model, or the flags do not fit it.
    pub fn run(&self) -> Result<()> {
        let stored = self.stored()?;
        let dimensions = match &stored {
            Some(stored) => self.size.dimensions_of(&stored.dimensions)?,
            None => self.size.dimensions(None)?,
        };
        let seq = self.seq.unwrap_or(dimensions.context);
        if seq > dimensions.context {
            return Err(Error::config(format!("--seq {seq} is longer than the model's context of {}", dimensions.context)));
        }
        let model = Gpt2::of(&dimensions)?;
        if let Some(file) = &self.graph {
            let svg = model.graph().svg(&self.method)?;
            std::fs::write(file, svg).map_err(|e| Error::file(file, format!("cannot be written: {e}")))?;
        }
        let layout = Layout::of(&model);
        let plan = plan(&model, &layout, self.batch, seq)?;
        let posterior = stored.as_ref().map(|s| &s.posterior);
        let spread = |p: &Parameter| posterior.map_or(Ok(None), |q| Spread::of(q, p.name()));
        let rows = model.parameters().into_iter().map(|p| Ok((p, spread(p)?))).collect::<Result<Vec<_>>>()?;
        let step = stored.as_ref().and_then(|s| s.step);
        match self.json {
            true => println!("{}", json(&dimensions, step, &rows, &layout, &plan, seq)),
            false => self.print(&dimensions, step, &rows, &layout, &plan, seq),
        }
        Ok(())
    }

    /// The stored model, if it is not one by name.
    fn stored(&self) -> Result<Option<Stored>> {
        let name = self.what.to_str().unwrap_or_default();
        if NAMES.contains(&name) && !Path::new(name).exists() {
            return Ok(None);
        }
        if !self.what.exists() {
            return Err(Error::file(&self.what, "is neither a model (gpt2) nor a run or weights file that exists"));
        }
        Stored::open(&self.what, self.size.heads).map(Some)
    }

    fn print(
        &self,
        dimensions: &Dimensions,
        step: Option<u32>,
        rows: &[(&Parameter, Option<Spread>)],
        layout: &Layout,
        plan: &Plan,
        seq: usize,
    ) {
        let mut text = String::new();
        let mut line = |l: String| text += &(l + "\n");
        let after = step.map_or(String::new(), |step| format!(", after {step} updates"));
        line(format!("GPT-2 of {}{after}\n", dimensions.summary()));
        let width = rows.iter().map(|(p, _)| p.name().len()).max().unwrap_or(0);
        let with_posterior = rows.iter().any(|(_, spread)| spread.is_some());
        let heading = if with_posterior { "         h      sigma  signal/noise" } else { "" };
        line(format!("{:width$}  {:>14}  {:>10}{heading}", "parameter", "shape", "elements"));
        for (p, spread) in rows {
            let figures = spread
                .as_ref()
                .map_or(String::new(), |s| format!("  {:>8.2e}  {:>9.2e}  {:>12.3}", s.h, s.sigma, s.signal_to_noise));
            line(format!("{:width$}  {:>14}  {:>10}{figures}", p.name(), p.shape().to_string(), p.shape().elements()));
        }
        let mib = |bytes: usize| bytes as f64 / (1u64 << 20) as f64;
        let flops = dimensions.flops(seq);
        line(format!("\n{} parameters", layout.elements()));
        line(format!("{:.3e} operations a token forward, {:.3e} in training, at {seq} tokens a sequence", flops, 3.0 * flops));
        line(format!("memory to train with IVON in f32, micro-batches of {} x {seq} tokens:", self.batch));
        line(format!("  mean, Hessian, momentum, sample  {:>10.1} MiB", mib((BUFFERS - 1) * 4 * layout.padded())));
        line(format!("  gradient                         {:>10.1} MiB", mib(4 * layout.padded())));
        line(format!("  arena of {:>5} values            {:>10.1} MiB", plan.lifetimes.len(), mib(plan.bytes)));
        line(format!("  the least that any plan needs    {:>10.1} MiB", mib(plan.lower_bound())));
        // Whoever reads this may stop reading.
        let _ = std::io::stdout().write_all(text.as_bytes());
    }
}

/// The memory plan of a training step.
fn plan(model: &Gpt2, layout: &Rc<Layout>, batch: usize, seq: usize) -> Result<Plan> {
    let cx = Context::new(Device::Cpu, DType::F32)?;
    // Zeroed memory that nothing touches takes no space.
    cx.set_weights(&Flat::zeros(layout, DType::F32));
    cx.set_gradient(Some(&Flat::zeros(layout, DType::F32)));
    cx.set_training(true);
    let Some(elements) = batch.checked_mul(seq).filter(|n| *n < 1 << 32) else {
        return Err(Error::config(format!("--batch {batch} of {seq} tokens is more than a step can take; make it smaller")));
    };
    let ids = Tensor::from_slice(&vec![0u32; elements], [batch, seq])?;
    cx.plan(|cx| model.loss_gradient(cx, &ids, &ids))
}

fn json(
    dimensions: &Dimensions,
    step: Option<u32>,
    rows: &[(&Parameter, Option<Spread>)],
    layout: &Layout,
    plan: &Plan,
    seq: usize,
) -> Value {
    let row = |(p, spread): &(&Parameter, Option<Spread>)| {
        let mut row = json!({"name": p.name(), "shape": p.shape().to_vec(), "elements": p.shape().elements()});
        if let Some(s) = spread {
            row["h"] = s.h.into();
            row["sigma"] = s.sigma.into();
            row["signal_to_noise"] = s.signal_to_noise.into();
        }
        row
    };
    json!({
        "model": "gpt2", "dimensions": dimensions, "step": step, "params": layout.elements(), "seq": seq,
        "flops_per_token": dimensions.flops(seq), "training_flops_per_token": 3.0 * dimensions.flops(seq),
        "state_bytes": (BUFFERS - 1) * 4 * layout.padded(), "gradient_bytes": 4 * layout.padded(),
        "arena_bytes": plan.bytes, "arena_lower_bound": plan.lower_bound(), "values": plan.lifetimes.len(),
        "parameters": rows.iter().map(row).collect::<Vec<_>>(),
    })
}
