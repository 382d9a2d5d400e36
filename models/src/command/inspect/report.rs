//! The report on a model, whatever its kind.

use crate::command::output;
use ivon_runtime::memory::Plan;
use ivon_runtime::{Context, DType, Device, Flat, Layout, Model, Parameter, Posterior, Result, disk, running_statistics};
use serde_json::{Value, json};
use std::path::Path;

/// Flat buffers of IVON in f32: mean, Hessian, momentum, sample, gradient.
const BUFFERS: usize = 5;

/// Statistics of one parameter's posterior.
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

/// Everything that is reported of a model and of a training step.
pub struct Report<'a, M> {
    pub model: &'a M,
    pub posterior: Option<&'a Posterior<'static>>,
    /// The model in words.
    pub title: String,
    /// The same as JSON.
    pub about: Value,
    /// Updates that a run had done.
    pub step: Option<u32>,
    /// Floating point operations of a forward pass over one example.
    pub flops: f64,
    /// The name of an example, and what else the operations depend on.
    pub example: (&'static str, String),
    /// A micro-batch in words.
    pub batch: String,
    /// The memory plan of a training step.
    pub plan: Plan,
}

impl<M: Model> Report<'_, M> {
    /// Prints, as text or as one line of JSON.
    ///
    /// # Errors
    /// If the posterior is of another model.
    pub fn print(&self, as_json: bool) -> Result<()> {
        let spread = |p: &Parameter| self.posterior.map_or(Ok(None), |q| Spread::of(q, p.name()));
        let rows = self.model.parameters().into_iter().map(|p| Ok((p, spread(p)?))).collect::<Result<Vec<_>>>()?;
        let text = match as_json {
            true => format!("{}\n", self.json(&rows)),
            false => self.text(&rows),
        };
        output::text_now(&text)
    }

    fn text(&self, rows: &[(&Parameter, Option<Spread>)]) -> String {
        let layout = Layout::of(self.model);
        let mut text = String::new();
        let mut line = |l: String| text += &(l + "\n");
        let after = self.step.map_or(String::new(), |step| format!(", after {step} updates"));
        line(format!("{}{after}\n", self.title));
        let width = rows.iter().map(|(p, _)| p.name().len()).max().unwrap_or(0);
        let with_posterior = rows.iter().any(|(_, spread)| spread.is_some());
        let heading = if with_posterior { "         h      sigma  signal/noise" } else { "" };
        line(format!("{:width$}  {:>16}  {:>10}{heading}", "parameter", "shape", "elements"));
        for (p, spread) in rows {
            let figures = spread
                .as_ref()
                .map_or(String::new(), |s| format!("  {:>8.2e}  {:>9.2e}  {:>12.3}", s.h, s.sigma, s.signal_to_noise));
            line(format!("{:width$}  {:>16}  {:>10}{figures}", p.name(), p.shape().to_string(), p.shape().elements()));
        }
        let mib = |bytes: usize| bytes as f64 / (1u64 << 20) as f64;
        let (flops, (example, at)) = (self.flops, &self.example);
        line(format!("\n{} parameters", layout.elements()));
        let buffers = Layout::of_buffers(self.model);
        if buffers.elements() > 0 {
            line(format!("{} running statistics, in {} buffers", buffers.elements(), buffers.entries().len()));
        }
        line(format!("{flops:.3e} operations per {example} forward, {:.3e} in training, at {at}", 3.0 * flops));
        line(format!("memory to train with IVON in f32, micro-batches of {}:", self.batch));
        line(format!("  mean, Hessian, momentum, sample  {:>10.1} MiB", mib((BUFFERS - 1) * 4 * layout.padded())));
        line(format!("  gradient                         {:>10.1} MiB", mib(4 * layout.padded())));
        line(format!("  arena of {:>5} values            {:>10.1} MiB", self.plan.lifetimes.len(), mib(self.plan.bytes)));
        line(format!("  the least that any plan needs    {:>10.1} MiB", mib(self.plan.lower_bound())));
        text
    }

    fn json(&self, rows: &[(&Parameter, Option<Spread>)]) -> Value {
        let layout = Layout::of(self.model);
        let row = |(p, spread): &(&Parameter, Option<Spread>)| {
            let mut row = json!({"name": p.name(), "shape": p.shape().to_vec(), "elements": p.shape().elements()});
            if let Some(s) = spread {
                row["h"] = s.h.into();
                row["sigma"] = s.sigma.into();
                row["signal_to_noise"] = s.signal_to_noise.into();
            }
            row
        };
        let buffers = self.model.buffers();
        let buffer = |b: &&ivon_runtime::Buffer| json!({"name": b.name(), "shape": b.shape().to_vec()});
        let (flops, example) = (self.flops, self.example.0);
        let mut all = json!({
            "step": self.step, "params": layout.elements(),
            format!("flops_per_{example}"): flops, format!("training_flops_per_{example}"): 3.0 * flops,
            "state_bytes": (BUFFERS - 1) * 4 * layout.padded(), "gradient_bytes": 4 * layout.padded(),
            "arena_bytes": self.plan.bytes, "arena_lower_bound": self.plan.lower_bound(), "values": self.plan.lifetimes.len(),
            "parameters": rows.iter().map(row).collect::<Vec<_>>(), "buffers": buffers.iter().map(buffer).collect::<Vec<_>>(),
        });
        if let (Value::Object(all), Value::Object(about)) = (&mut all, &self.about) {
            all.extend(about.clone());
        }
        all
    }
}

/// The memory plan of a training step.
///
/// # Errors
/// Those of `gradient`.
pub fn plan<M: Model>(model: &M, gradient: impl FnOnce(&Context) -> Result<f64>) -> Result<Plan> {
    let cx = Context::new(Device::Cpu, DType::F32)?;
    let layout = Layout::of(model);
    // Zeroed memory that nothing touches takes no space.
    cx.set_weights(&Flat::zeros(&layout, DType::F32)?);
    cx.set_gradient(Some(&Flat::zeros(&layout, DType::F32)?));
    cx.set_running_statistics(Some(&running_statistics(model)?));
    cx.set_training(true);
    cx.plan(gradient)
}

/// Draws a method of a model into an SVG file.
///
/// # Errors
/// If the method is not found, or the file cannot be written.
pub fn draw<M: Model>(model: &M, method: &str, dims: &[(&str, usize)], file: &Path) -> Result<()> {
    let svg = model.graph().svg_of(method, dims)?;
    disk::write_bytes(file, svg.as_bytes())
}
