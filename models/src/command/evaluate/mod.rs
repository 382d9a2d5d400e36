//! `ivon evaluate`: how good trained models are, and how well they know it, at the mean and over growing numbers of posterior samples.

mod pictures;
mod text;

use super::flags::{DeviceFlags, Opened, PixelBound, each_once, open, values};
use super::transfer::Model;
use clap::Args;
use ivon_runtime::{Error, Result};
use std::path::PathBuf;

/// Likelihood, calibration and uncertainty of trained models, at the mean and averaged over posterior samples
#[derive(Args, Debug)]
pub struct Evaluate {
    /// The directory of a run or of one of its checkpoints, or whatever else `ivon import` takes. Several predict together: a mixture of
    /// their posteriors
    #[arg(value_name = "RUN", required = true, num_args = 1..)]
    runs: Vec<PathBuf>,

    /// The checkpoint with the lowest validation loss, instead of the last one of a run
    #[arg(long)]
    best: bool,

    /// Posterior samples of each run to average over; smaller numbers are shown on the way [default: 16 on text, 64 on images]
    #[arg(long, value_name = "N", value_parser = values::samples_or_none, allow_negative_numbers = true)]
    samples: Option<usize>,

    /// Temperature of the posterior: its covariance is multiplied by it
    #[arg(long, value_name = "T", default_value = "1", value_parser = values::non_negative, allow_negative_numbers = true)]
    temperature: f64,

    /// Data to evaluate with: text, whose last tenth is taken, or images, whose validation part is taken [default: the run's]
    #[arg(long, value_name = "PATH", num_args = 1.., help_heading = "Data")]
    data: Vec<PathBuf>,

    /// Text to evaluate with instead of the last tenth of --data
    #[arg(long, value_name = "PATH", num_args = 1.., requires = "data", help_heading = "Data")]
    validation_data: Vec<PathBuf>,

    /// Images out of distribution, in any form that --data has and without classes too; or `glyphs` or `shapes`, which are generated
    #[arg(long, value_name = "PATH", help_heading = "Data")]
    ood: Option<PathBuf>,

    /// The most images to look at, of each set [default: the run's]
    #[arg(long, value_name = "N", value_parser = values::count, help_heading = "Data")]
    eval_examples: Option<usize>,

    /// Sequences or images at a time [default: the run's]
    #[arg(long, value_name = "N", value_parser = values::rows, help_heading = "Data")]
    batch: Option<usize>,

    /// Tokens per sequence [default: the run's, or the model's context]
    #[arg(long, value_name = "TOKENS", value_parser = values::count, help_heading = "Data")]
    seq: Option<usize>,

    /// About how many tokens of the validation text to look at [default: the run's, or 131072]
    #[arg(long, value_name = "TOKENS", value_parser = values::count, help_heading = "Data")]
    eval_tokens: Option<usize>,

    #[command(flatten)]
    bound: PixelBound,

    /// Folder for metrics.json and the images of a classifier's evaluation [default: that of the run, if it is one]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Print the result as one line of JSON, the last of standard output
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    device: DeviceFlags,
}

impl Evaluate {
    /// Evaluates and prints.
    ///
    /// # Errors
    /// If the model is not found, or data and models do not go together.
    pub fn run(&self) -> Result<()> {
        self.device.training_dtype()?;
        each_once(&self.runs, self.best)?;
        self.check_out()?;
        let opened = self.runs.iter().map(|path| open(path, self.best)).collect::<Result<Vec<_>>>()?;
        let of_text = |o: &Opened<Model>| matches!(o.stored, Model::Text(_));
        if let Some(i) = opened.iter().position(|o| of_text(o) != of_text(&opened[0])) {
            let kind = |i: usize| if of_text(&opened[i]) { "of text" } else { "of images" };
            let (first, other) = (self.runs[0].display(), self.runs[i].display());
            return Err(Error::config(format!("{first} is {}, {other} {}: evaluate them one by one", kind(0), kind(i))));
        }
        let (mut text, mut pictures) = (vec![], vec![]);
        for Opened { stored, told, seed, step } in opened {
            match stored {
                Model::Text(stored) => text.push(Opened { stored: *stored, told, seed, step }),
                Model::Pictures(stored) => pictures.push(Opened { stored: *stored, told, seed, step }),
            }
        }
        if text.is_empty() { self.pictures(pictures) } else { self.text(text) }
    }
}
