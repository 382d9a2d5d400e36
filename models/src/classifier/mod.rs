//! Models that tell images apart, by name.

mod committee;
mod stored;
#[cfg(test)]
mod tests;

pub use committee::{Candidate, Committee};
pub use stored::{StoredClassifier, architecture, is_ours, is_torchvision};

use crate::lenet::LeNet;
use crate::resnet::{ResNet18, ResNet20, ResNet50};
use clap::ValueEnum;
use ivon_runtime::layers::{BatchNorm2d, FilterResponseNorm, GroupNorm};
use ivon_runtime::{Context, Error, Model, Parameter, Result, Tensor};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// The networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Architecture {
    /// LeNet-5.
    Lenet,
    /// ResNet-20, for small images.
    Resnet20,
    /// ResNet-18.
    Resnet18,
    /// ResNet-34.
    Resnet34,
    /// ResNet-50.
    Resnet50,
}

impl Architecture {
    /// As on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Architecture::Lenet => "lenet",
            Architecture::Resnet20 => "resnet20",
            Architecture::Resnet18 => "resnet18",
            Architecture::Resnet34 => "resnet34",
            Architecture::Resnet50 => "resnet50",
        }
    }

    /// True if it is made for small images, of about 32 × 32 pixels, and not for photographs.
    pub fn is_small(self) -> bool {
        matches!(self, Architecture::Lenet | Architecture::Resnet20)
    }

    /// Rows and columns of the images it is usually trained on.
    pub fn usual_size(self) -> usize {
        match self {
            Architecture::Lenet => 28,
            Architecture::Resnet20 => 32,
            _ => 224,
        }
    }
}

/// How activations are normalised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Norm {
    /// Batch norm
    #[default]
    Batch,
    /// Group norm, of 8 groups of channels, which does not mix the images of a batch (resnet20)
    Group,
    /// Filter response norm, which does not mix the images of a batch (resnet20)
    Frn,
}

impl Norm {
    /// As on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Norm::Batch => "batch",
            Norm::Group => "group",
            Norm::Frn => "frn",
        }
    }
}

/// The dimensions that a classifier is built from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Design {
    /// Which network.
    pub architecture: Architecture,
    /// Its norm; LeNet has none.
    pub norm: Norm,
    /// Numbers a pixel.
    pub channels: usize,
    /// Rows and columns of the images.
    pub size: usize,
    /// Classes to tell apart.
    pub classes: usize,
}

/// A model of images with logits and a loss.
pub trait Classifier: Model {
    /// The score of every class, `[B, CLASSES]`, of `images` `[B, H, W, C]`.
    ///
    /// # Errors
    /// If the images do not fit the model.
    fn logits(&self, cx: &Context, images: &Tensor) -> Result<Tensor>;

    /// Adds the gradient of the mean negative log-likelihood of `labels` `[B]`, in planned memory; the loss, in nats.
    ///
    /// # Errors
    /// If the images do not fit the model, or a label is not a class.
    fn loss_gradient(&self, cx: &Context, images: &Tensor, labels: &Tensor) -> Result<f64>;

    /// Log-probabilities of the classes, `[B, CLASSES]`, row-major.
    ///
    /// # Errors
    /// If the images do not fit the model.
    fn log_probabilities(&self, cx: &Context, images: &Tensor) -> Result<Vec<f64>> {
        cx.planned("Classifier::log_probabilities", &[images], |cx| {
            let logits = self.logits(cx, images)?;
            if cx.planning() {
                return Ok(vec![]);
            }
            let classes = logits.shape().last();
            let mut all = logits.to_f64();
            all.par_chunks_mut(classes.max(1)).for_each(|row| {
                let largest = row.iter().fold(f64::NEG_INFINITY, |m, x| m.max(*x));
                let total = largest + row.iter().map(|x| (x - largest).exp()).sum::<f64>().ln();
                row.iter_mut().for_each(|x| *x -= total);
            });
            Ok(all)
        })
    }
}

/// The methods that `#[variational]` made of `logits` and `loss`.
macro_rules! classifiers {
    ($($model:ty),*) => {$(
        impl Classifier for $model {
            fn logits(&self, cx: &Context, images: &Tensor) -> Result<Tensor> {
                <$model>::logits(self, cx, &cx.input(images)?)
            }

            fn loss_gradient(&self, cx: &Context, images: &Tensor, labels: &Tensor) -> Result<f64> {
                <$model>::loss_gradient(self, cx, images, labels)
            }
        }
    )*};
}
classifiers!(LeNet, ResNet20<BatchNorm2d>, ResNet20<GroupNorm>, ResNet20<FilterResponseNorm>, ResNet18<BatchNorm2d>, ResNet50);

/// Something to do with a classifier, whatever its type.
pub trait Visitor {
    /// The result of the visit.
    type Output;

    /// Does it.
    ///
    /// # Errors
    /// Whatever can fail.
    fn visit<M: Classifier + 'static>(self, model: M) -> Result<Self::Output>;
}

impl Design {
    /// Builds the model and hands it to a visitor.
    ///
    /// # Errors
    /// If no such model exists, and those of the visitor.
    pub fn build<V: Visitor>(&self, visitor: V) -> Result<V::Output> {
        self.check()?;
        let Design { architecture, norm, channels, size, classes } = *self;
        match (architecture, norm) {
            (Architecture::Lenet, _) => visitor.visit(LeNet::build(channels, size, classes)?),
            (Architecture::Resnet20, Norm::Batch) => visitor.visit(ResNet20::<BatchNorm2d>::build(channels, classes, 3)?),
            (Architecture::Resnet20, Norm::Group) => visitor.visit(ResNet20::<GroupNorm>::build(channels, classes, 3)?),
            (Architecture::Resnet20, Norm::Frn) => visitor.visit(ResNet20::<FilterResponseNorm>::build(channels, classes, 3)?),
            (Architecture::Resnet18, _) => visitor.visit(ResNet18::<BatchNorm2d>::build(classes, 2, 2, 2, 2)?),
            (Architecture::Resnet34, _) => visitor.visit(ResNet18::<BatchNorm2d>::build(classes, 3, 4, 6, 3)?),
            (Architecture::Resnet50, _) => visitor.visit(ResNet50::build(classes)?),
        }
    }

    /// # Errors
    /// If no such model exists.
    pub fn check(&self) -> Result<()> {
        /// Beyond these no memory holds an image or the last layer.
        const MOST: usize = 1 << 20;
        let Design { architecture, norm, channels, size, classes } = *self;
        let name = architecture.name();
        let least = if architecture == Architecture::Lenet { 12 } else { 1 };
        if !(least..=MOST).contains(&size) {
            return Err(Error::config(format!(
                "{name} sees images of at least {least} x {least} pixels, not of {size} x {size}"
            )));
        }
        if !(1..=MOST).contains(&classes) {
            return Err(Error::config(format!("{name} cannot tell {classes} classes apart; one or more are needed")));
        }
        if !architecture.is_small() && channels != 3 {
            return Err(Error::config(format!("{name} sees images of 3 channels, not of {channels}")));
        }
        if norm != Norm::Batch && architecture != Architecture::Resnet20 {
            return Err(Error::config(format!(
                "--norm {} is for resnet20; {name} has {}",
                norm.name(),
                match architecture {
                    Architecture::Lenet => "no norm",
                    _ => "batch norm",
                }
            )));
        }
        Ok(())
    }

    /// Batch norm in training wants more than one value of each channel, and small images end as one pixel.
    ///
    /// # Errors
    /// If the network cannot be trained on so many images at once.
    pub fn trains_on(&self, pictures: usize) -> Result<()> {
        let halvings = if self.architecture.is_small() { 2 } else { 5 };
        let normalised = self.norm == Norm::Batch && self.architecture != Architecture::Lenet;
        if !normalised || pictures > 1 || self.size > 1 << halvings {
            return Ok(());
        }
        let Design { architecture, size, .. } = self;
        Err(Error::config(format!(
            "{} makes one pixel of {size} x {size}, and batch norm cannot train on one value of a channel: use --batch 2 or more at \
             once, or images of {least} x {least} pixels or more",
            architecture.name(),
            least = (1 << halvings) + 1
        )))
    }

    /// One line: `resnet50, images of 224 x 224 x 3, 1000 classes`.
    pub fn summary(&self) -> String {
        let Design { architecture, norm, channels, size, classes } = self;
        let norm = match norm {
            Norm::Batch => "",
            Norm::Group => " with group norm",
            Norm::Frn => " with filter response norm",
        };
        format!("{}{norm}, images of {size} x {size} x {channels}, {classes} classes", architecture.name())
    }

    /// Floating point operations of a forward pass over one image: two for every weight of a convolution or a product at every place it is applied.
    pub fn flops(&self, parameters: &[&Parameter]) -> f64 {
        let each = parameters.iter().filter(|p| p.shape().rank() >= 2).map(|p| {
            let side = if p.shape().rank() == 4 { self.side(p.name()) } else { 1 };
            2.0 * p.shape().elements() as f64 * (side * side) as f64
        });
        each.sum()
    }

    /// Rows (and columns) of what the convolution of this name gives.
    fn side(&self, name: &str) -> usize {
        let halved = |times: u32| (0..times).fold(self.size, |side, _| side.div_ceil(2));
        let before = if self.architecture.is_small() { 0 } else { 2 };
        let stage = name.strip_prefix("stage").and_then(|rest| rest[..1].parse::<u32>().ok());
        match (self.architecture, stage) {
            (Architecture::Lenet, _) if name.starts_with("conv2") => (self.size / 2).saturating_sub(4),
            (Architecture::Lenet, _) => self.size,
            // The stem of a large network halves, and the pooling after it does.
            (_, None) => halved(before / 2),
            // The convolution before the one with the stride.
            (Architecture::Resnet50, Some(stage)) if name.contains(".first.conv1.") => halved(before + stage.saturating_sub(2)),
            (_, Some(stage)) => halved(before + stage.saturating_sub(1)),
        }
    }
}
