//! `ivon inspect`: what a model is made of, what it costs, and what a run knows of its weights.

mod report;

use super::flags::{NAMES, SizeFlags, refuse, values};
use super::transfer;
use crate::classifier::{Architecture, Classifier, Design, Norm, StoredClassifier, Visitor};
use crate::gpt2::{Gpt2, Stored};
use clap::{Args, ValueEnum};
use ivon_runtime::{Error, Result, Tensor, disk};
use report::{Report, draw, plan};
use serde_json::json;
use std::path::PathBuf;

/// Show a model's layers, parameters, operations and memory; of a run also h, sigma and signal to noise
#[derive(Args, Debug)]
pub struct Inspect {
    /// A model by name (gpt2, resnet50, ...), a run, one of its checkpoints, or weights as `import` takes them
    #[arg(value_name = "MODEL")]
    what: PathBuf,

    #[command(flatten)]
    size: SizeFlags,

    /// Sequences or images in a micro-batch, for the memory plan
    #[arg(long, value_name = "N", default_value = "1", value_parser = values::count)]
    batch: usize,

    /// Tokens per sequence, for operations and memory plan [default: the context]
    #[arg(long, value_name = "TOKENS", value_parser = values::count)]
    seq: Option<usize>,

    /// Rows and columns of images, for operations and memory plan [default: those of the run, or the model's usual ones]
    #[arg(long = "size", value_name = "PIXELS", value_parser = values::count)]
    pixels: Option<usize>,

    /// The norm of resnet20 by name [default: batch]
    #[arg(long, value_enum)]
    norm: Option<Norm>,

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

/// The model to inspect.
enum Subject {
    /// A language model by name, or stored.
    Text(Option<Box<Stored>>),
    /// A classifier by name, or stored.
    Pictures(Design, Option<Box<StoredClassifier>>),
}

impl Inspect {
    /// Looks and prints.
    ///
    /// # Errors
    /// If the model is not found, or the flags do not fit it.
    pub fn run(&self) -> Result<()> {
        if let Some(graph) = &self.graph {
            disk::apart(graph, transfer::sources(&self.what).iter().map(PathBuf::as_path))?;
        }
        let Inspect { size, seq, pixels, norm, .. } = self;
        match self.subject()? {
            Subject::Text(stored) => {
                refuse("language models", &[("--size", pixels.is_some()), ("--norm", norm.is_some())])?;
                self.text(stored.as_deref())
            }
            Subject::Pictures(design, stored) => {
                refuse("classifiers", &size.given())?;
                refuse("classifiers", &[("--seq", seq.is_some())])?;
                if stored.is_some() {
                    refuse("a stored model, which has its own", &[("--norm", norm.is_some())])?;
                }
                let design = Design { size: self.pixels.unwrap_or(design.size), ..design };
                design.build(Look { flags: self, design, stored: stored.as_deref() })
            }
        }
    }

    fn subject(&self) -> Result<Subject> {
        let name = self.what.to_str().unwrap_or_default();
        if NAMES.contains(&name) && !self.what.exists() {
            return Ok(match Architecture::from_str(name, false) {
                Ok(architecture) => Subject::Pictures(self.design(architecture), None),
                Err(_) => Subject::Text(None),
            });
        }
        if !self.what.exists() {
            let names = NAMES.join(", ");
            return Err(Error::file(&self.what, format!("is neither a model ({names}) nor a run or weights file that exists")));
        }
        Ok(match transfer::Model::open(&self.what, self.size.heads)? {
            transfer::Model::Text(stored) => Subject::Text(Some(stored)),
            transfer::Model::Pictures(stored) => Subject::Pictures(stored.design, Some(stored)),
        })
    }

    fn design(&self, architecture: Architecture) -> Design {
        let (channels, classes) = match architecture {
            Architecture::Lenet => (1, 10),
            Architecture::Resnet20 => (3, 10),
            _ => (3, 1000),
        };
        Design { architecture, norm: self.norm.unwrap_or_default(), channels, size: architecture.usual_size(), classes }
    }

    fn text(&self, stored: Option<&Stored>) -> Result<()> {
        let dimensions = match stored {
            Some(stored) => self.size.dimensions_of(&stored.dimensions)?,
            None => self.size.dimensions(None)?,
        };
        let (seq, batch) = (self.seq.unwrap_or(dimensions.context), self.batch);
        if seq > dimensions.context {
            return Err(Error::config(format!("--seq {seq} is longer than the model's context of {}", dimensions.context)));
        }
        let model = Gpt2::of(&dimensions)?;
        if let Some(file) = &self.graph {
            let dims: Vec<_> = self.seq.iter().map(|seq| ("T", *seq)).collect();
            draw(&model, &self.method, &dims, file)?;
        }
        let Some(elements) = batch.checked_mul(seq).filter(|n| *n < MOST) else {
            return Err(Error::config(format!("--batch {batch} of {seq} tokens is more than a step can take; make it smaller")));
        };
        let ids = Tensor::from_slice(&vec![0u32; elements], [batch, seq])?;
        let report = Report {
            plan: plan(&model, |cx| model.loss_gradient(cx, &ids, &ids))?,
            model: &model,
            posterior: stored.map(|s| &s.posterior),
            title: format!("GPT-2 of {}", dimensions.summary()),
            about: json!({"model": "gpt2", "dimensions": dimensions, "seq": seq}),
            step: stored.and_then(|s| s.step),
            flops: dimensions.flops(seq),
            example: ("token", format!("{seq} tokens a sequence")),
            batch: format!("{batch} x {seq} tokens"),
        };
        report.print(self.json)
    }
}

/// Elements of a batch beyond which no memory holds what is made of them.
const MOST: usize = 1 << 32;

/// Looks at a classifier, whatever its type.
struct Look<'a> {
    flags: &'a Inspect,
    design: Design,
    stored: Option<&'a StoredClassifier>,
}

impl Visitor for Look<'_> {
    type Output = ();

    fn visit<M: Classifier + 'static>(self, model: M) -> Result<()> {
        let (batch, design) = (self.flags.batch, self.design);
        let Design { architecture, size, channels, .. } = design;
        if let Some(file) = &self.flags.graph {
            draw(&model, &self.flags.method, &[("H", size), ("W", size)], file)?;
        }
        let pixels = size.checked_mul(size).and_then(|n| n.checked_mul(channels));
        let Some(elements) = pixels.and_then(|n| n.checked_mul(batch)).filter(|n| *n < MOST) else {
            return Err(Error::config(format!(
                "--batch {batch} of {size} x {size} pixels is more than a step can take; make it smaller"
            )));
        };
        design.trains_on(batch)?;
        let images = Tensor::from_slice(&vec![0f32; elements], [batch, size, size, channels])?;
        let labels = Tensor::from_slice(&vec![0u32; batch], [batch])?;
        let report = Report {
            plan: plan(&model, |cx| model.loss_gradient(cx, &images, &labels))?,
            model: &model,
            posterior: self.stored.map(|s| &s.posterior),
            title: design.summary(),
            about: json!({"model": architecture.name(), "design": design, "classes": self.stored.and_then(|s| s.classes.as_ref())}),
            step: self.stored.and_then(|s| s.step),
            flops: design.flops(&model.parameters()),
            example: ("image", format!("{size} x {size} pixels")),
            batch: format!("{batch} image{}", if batch == 1 { "" } else { "s" }),
        };
        report.print(self.flags.json)
    }
}
