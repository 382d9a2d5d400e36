//! `ivon bench resnet50` and the like: on random images.

use super::{Measurement, Subject};
use crate::classifier::{Architecture, Classifier, Design, Norm, Visitor};
use crate::command::flags::{Defaults, rows, values};
use crate::command::memory;
use clap::Args;
use ivon_runtime::noise::philox;
use ivon_runtime::{Result, Tensor};
use serde_json::json;

/// Size of model and batch.
#[derive(Args, Debug)]
#[command(allow_negative_numbers = true)] // so that they reach the check that says what is allowed
pub struct Pictures {
    /// How activations are normalised
    #[arg(long, value_enum, default_value = "batch", help_heading = "Model")]
    norm: Norm,

    /// Rows and columns of the images [default: 28 for lenet, 32 for resnet20, else 224]
    #[arg(long, value_name = "PIXELS", value_parser = values::count, help_heading = "Data")]
    size: Option<usize>,

    /// Classes [default: 10 for lenet and resnet20, else 1000]
    #[arg(long, value_name = "N", value_parser = values::count, help_heading = "Data")]
    classes: Option<usize>,

    /// Pictures per update
    #[arg(long, value_name = "N", default_value = "8", value_parser = values::count, help_heading = "Data")]
    batch: usize,

    /// Parts that a batch is worked through in, to save memory; they divide the batch
    #[arg(long, value_name = "N", default_value = "1", value_parser = values::count, help_heading = "Data")]
    micro_batches: usize,

    #[command(flatten)]
    measurement: Measurement,
}

/// The number of training images that a bench assumes: ImageNet's.
const EXAMPLES: usize = 1_281_167;

impl Pictures {
    /// Measures and prints.
    ///
    /// # Errors
    /// If flags and model do not go together.
    pub fn run(&self, architecture: Architecture) -> Result<()> {
        let design = Design {
            architecture,
            norm: self.norm,
            channels: if architecture == Architecture::Lenet { 1 } else { 3 },
            size: self.size.unwrap_or(architecture.usual_size()),
            classes: self.classes.unwrap_or(if architecture.is_small() { 10 } else { 1000 }),
        };
        design.build(Measure { flags: self, design })
    }
}

struct Measure<'a> {
    flags: &'a Pictures,
    design: Design,
}

impl Visitor for Measure<'_> {
    type Output = ();

    fn visit<M: Classifier + 'static>(self, model: M) -> Result<()> {
        let Design { architecture, norm, channels, size, classes } = self.design;
        let Pictures { batch, micro_batches, .. } = *self.flags;
        let rows = rows(batch, micro_batches, "images")?;
        memory::check_pictures(rows, size, channels)?;
        self.design.trains_on(rows)?;
        let (images, labels) = (random_images([rows, size, size, channels])?, random_labels(rows, classes)?);
        let subject = Subject {
            model: &model,
            about: json!({"model": architecture.name(), "norm": norm, "batch": batch, "size": size, "classes": classes}),
            name: self.design.summary(),
            micro_batches,
            examples: (batch, "images"),
            gradient: &|cx| model.loss_gradient(cx, &images, &labels),
        };
        let defaults = Defaults::pictures(architecture, EXAMPLES, usize::MAX);
        self.flags.measurement.run(&subject, &defaults)
    }
}

/// Uniform on [-1, 1).
fn random_images(shape: [usize; 4]) -> Result<Tensor> {
    let value = |i: usize| philox([1; 2], [i as u32, (i >> 32) as u32, 0, 0])[0] as f32 / (1u64 << 31) as f32 - 1.0;
    let values: Vec<f32> = (0..shape.iter().product()).map(value).collect();
    Tensor::from_slice(&values, shape)
}

fn random_labels(rows: usize, classes: usize) -> Result<Tensor> {
    let label = |i: usize| ((u64::from(philox([2; 2], [i as u32, 0, 0, 0])[0]) * classes as u64) >> 32) as u32;
    let labels: Vec<u32> = (0..rows).map(label).collect();
    Tensor::from_slice(&labels, [rows])
}
