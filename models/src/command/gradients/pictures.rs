//! `ivon gradients resnet50` and the like: in torchvision's names and layouts.

use crate::classifier::{Architecture, Classifier, Design, Norm, Visitor};
use crate::command::flags::DeviceFlags;
use crate::resnet::{self, Tensors, channels_last};
use crate::weights::{self, Precision, Table, Values};
use clap::Args;
use ivon_runtime::{Context, DType, Error, Flat, Layout, Result, Tensor, disk};
use std::path::PathBuf;

/// Weights and batch of a classifier, in torchvision's names and layouts.
#[derive(Args, Debug)]
pub struct Pictures {
    /// Weights: a safetensors file with torchvision's names
    #[arg(long, value_name = "FILE")]
    weights: PathBuf,

    /// Batch: a safetensors file with image [B, C, H, W] and label [B]
    #[arg(long, value_name = "FILE")]
    batch: PathBuf,

    /// Output file: `loss` [1], a gradient for every parameter, and the running statistics after the batch
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    /// Write the logits [B, CLASSES] too, those of training
    #[arg(long)]
    logits: bool,

    #[command(flatten)]
    device: DeviceFlags,
}

impl Pictures {
    /// Computes and writes them.
    ///
    /// # Errors
    /// If a file does not fit the model.
    pub fn run(&self, architecture: Architecture) -> Result<()> {
        if architecture.is_small() {
            let name = architecture.name();
            return Err(Error::config(format!("torchvision has no {name} to compare with: use resnet18, resnet34 or resnet50")));
        }
        disk::apart(&self.out, [self.weights.as_path(), &self.batch])?;
        let weights = weights::read_with_notes(&self.weights)?.0;
        let (images, labels) = self.read_batch()?;
        let classes = weights.get("fc.bias").map_or(1000, |v| v.shape.iter().product());
        let (size, channels) = (images.shape[1], images.shape[3]);
        let design = Design { architecture, norm: Norm::Batch, channels, size, classes };
        design.trains_on(labels.len())?;
        design.build(Differentiate { flags: self, weights, images, labels })
    }

    /// The images, channels last, and the labels.
    fn read_batch(&self) -> Result<(Values, Vec<u32>)> {
        let mut table = weights::read::<f64>(&self.batch)?;
        let wrong = |message: String| Error::file(&self.batch, message);
        let found = table.keys().cloned().collect::<Vec<_>>().join(", ");
        let mut tensor = |name: &str| {
            table.remove(name).ok_or_else(|| {
                wrong(format!("has no tensor `{name}` (it has {found}); expected image [B, C, H, W] and label [B]"))
            })
        };
        let (images, labels) = (tensor("image")?, tensor("label")?);
        match (&images.shape[..], &labels.shape[..]) {
            ([b, c, h, w], [n]) if b == n && b * c * h * w > 0 => {}
            (images, labels) => {
                return Err(wrong(format!("image is {images:?} and label {labels:?}; expected [B, C, H, W] and [B]")));
            }
        }
        if let Some(x) = labels.data.iter().find(|x| !(0.0..=f64::from(u32::MAX)).contains(*x) || x.fract() != 0.0) {
            return Err(wrong(format!("`label` holds {x}, which is no class")));
        }
        Ok((channels_last(images), labels.data.iter().map(|x| *x as u32).collect()))
    }
}

struct Differentiate<'a> {
    flags: &'a Pictures,
    weights: Table,
    images: Values,
    labels: Vec<u32>,
}

impl Visitor for Differentiate<'_> {
    type Output = ();

    fn visit<M: Classifier + 'static>(self, model: M) -> Result<()> {
        let (device, dtype) = (self.flags.device.start()?, self.flags.device.any_dtype()?);
        let start = resnet::import(&model, self.weights).map_err(|e| Error::file(&self.flags.weights, e))?;
        let layout = Layout::of(&model);
        let mean = Flat::zeros(&layout, dtype)?;
        for (entry, values) in layout.entries().iter().zip(&start.parameters) {
            weights::fill(&mut mean.tensor(&entry.parameter), values);
        }
        let statistics = Layout::of_buffers(&model);
        let running = Flat::zeros(&statistics, DType::F32)?;
        for (entry, values) in statistics.entries().iter().zip(&start.buffers) {
            weights::fill(&mut running.tensor(&entry.parameter), values);
        }
        let cx = Context::new(device, dtype)?;
        let gradient = Flat::zeros_in(&cx, &layout, cx.dtype())?;
        let running = running.moved_to(&cx)?;
        cx.set_weights(&mean);
        cx.set_running_statistics(Some(&running));
        cx.set_gradient(Some(&gradient));
        cx.set_training(true);
        let images = match dtype {
            DType::F64 => Tensor::from_slice(&self.images.data, &self.images.shape[..])?,
            _ => Tensor::from_slice(&self.images.data.iter().map(|x| *x as f32).collect::<Vec<_>>(), &self.images.shape[..])?,
        };
        let labels = Tensor::from_slice(&self.labels, [self.labels.len()])?;
        let loss = model.loss_gradient(&cx, &images, &labels)?;

        let all = |flat: &Flat| flat.layout().entries().iter().map(|e| flat.tensor(&e.parameter).to_f64()).collect::<Vec<_>>();
        let mut table = resnet::export(&model, Tensors { parameters: all(&gradient), buffers: all(&running) })?;
        table.insert("loss".into(), Values { shape: vec![1], data: vec![loss] });
        if self.flags.logits {
            let logits = model.logits(&cx, &images)?;
            table.insert("logits".into(), Values { shape: logits.shape().to_vec(), data: logits.to_f64() });
        }
        let precision = if dtype == DType::F64 { Precision::F64 } else { Precision::F32 };
        weights::write(&self.flags.out, &table, precision, None)?;
        say!("loss {loss:.6}; {} gradients in {}", layout.entries().len(), self.flags.out.display())?;
        Ok(())
    }
}
