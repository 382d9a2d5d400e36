//! `ivon gradients gpt2`: in Hugging Face's names and layouts.

use crate::command::flags::{DeviceFlags, SizeFlags};
use crate::gpt2::{self, Convention, Gpt2};
use crate::weights::{self, Precision, Values};
use clap::Args;
use ivon_runtime::{Context, DType, Error, Flat, Layout, Model, Result, Tensor, disk};
use std::path::PathBuf;

/// Weights and batch of a language model, in Hugging Face's names and layouts.
#[derive(Args, Debug)]
pub struct Text {
    #[command(flatten)]
    size: SizeFlags,

    /// Weights: a safetensors file with Hugging Face's names, with or without `transformer.`
    #[arg(long, value_name = "FILE")]
    weights: PathBuf,

    /// Batch: a safetensors file with input_ids [B, T] and labels [B, T]; labels[b, t] is the target at position t
    #[arg(long, value_name = "FILE")]
    batch: PathBuf,

    /// Output file: `loss` [1] and a gradient for every tensor of the weights
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    /// Write the logits [B, T, VOCAB] too
    #[arg(long)]
    logits: bool,

    #[command(flatten)]
    device: DeviceFlags,
}

impl Text {
    /// Computes and writes them.
    ///
    /// # Errors
    /// If a file does not fit the model.
    pub fn run(&self) -> Result<()> {
        disk::apart(&self.out, [self.weights.as_path(), &self.batch])?;
        let dimensions = self.size.dimensions(None)?;
        let (device, dtype) = (self.device.start()?, self.device.any_dtype()?);
        let model = Gpt2::of(&dimensions)?;
        let layout = Layout::of(&model);

        let values = gpt2::import(&model.parameters(), weights::read_with_notes(&self.weights)?.0)
            .map_err(|e| Error::file(&self.weights, e))?;
        let mean = Flat::zeros(&layout, dtype)?;
        for (entry, values) in layout.entries().iter().zip(&values) {
            weights::fill(&mut mean.tensor(&entry.parameter), values);
        }
        let (ids, targets) = self.read_batch(dimensions.context)?;

        let cx = Context::new(device, dtype)?;
        let gradient = Flat::zeros_in(&cx, &layout, cx.dtype())?;
        cx.set_weights(&mean);
        cx.set_gradient(Some(&gradient));
        let loss = model.loss_gradient(&cx, &ids, &targets)?;

        let gradients = layout.entries().iter().map(|e| (&e.parameter, gradient.tensor(&e.parameter).to_f64()));
        let mut table = gpt2::export(gradients, Convention::HuggingFace)?;
        table.insert("loss".into(), Values { shape: vec![1], data: vec![loss] });
        if self.logits {
            let logits = model.forward(&cx, &ids)?;
            table.insert("logits".into(), Values { shape: logits.shape().to_vec(), data: logits.to_f64() });
        }
        let precision = if dtype == DType::F64 { Precision::F64 } else { Precision::F32 };
        weights::write(&self.out, &table, precision, None)?;
        say!("loss {loss:.6}; {} gradients in {}", layout.entries().len(), self.out.display())?;
        Ok(())
    }

    fn read_batch(&self, context: usize) -> Result<(Tensor, Tensor)> {
        let table = weights::read::<f64>(&self.batch)?;
        let wrong = |message: String| Error::file(&self.batch, message);
        let ids = |name: &str| {
            let Some(values) = table.get(name) else {
                let found: Vec<&str> = table.keys().map(String::as_str).collect();
                return Err(wrong(format!(
                    "has no tensor `{name}` (it has {}); expected input_ids and labels, [B, T]",
                    found.join(", ")
                )));
            };
            match values.shape[..] {
                [b, t] if b > 0 && t > 0 && t <= context => {}
                [_, t] if t > context => {
                    return Err(wrong(format!("`{name}` has {t} positions but the model's context is {context}")));
                }
                _ => return Err(wrong(format!("`{name}` is {:?}; expected [B, T]", values.shape))),
            }
            if let Some(x) = values.data.iter().find(|x| !(0.0..=f64::from(u32::MAX)).contains(*x) || x.fract() != 0.0) {
                return Err(wrong(format!("`{name}` holds {x}, which is no token id")));
            }
            let data: Vec<u32> = values.data.iter().map(|x| *x as u32).collect();
            Tensor::from_slice(&data, &values.shape[..])
        };
        let (inputs, labels) = (ids("input_ids")?, ids("labels")?);
        if inputs.shape() != labels.shape() {
            return Err(wrong(format!("input_ids is {} but labels is {}", inputs.shape(), labels.shape())));
        }
        Ok((inputs, labels))
    }
}
