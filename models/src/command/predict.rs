//! `ivon predict`: the classes that trained classifiers give to images, with their uncertainty.

use super::flags::{DeviceFlags, Opened, PixelBound, each_once, open, values};
use super::transfer::Model;
use crate::classifier::{Candidate, Committee};
use crate::data::images;
use clap::Args;
use ivon_runtime::uncertainty::Predictions;
use ivon_runtime::{Error, Result};
use serde_json::json;
use std::path::PathBuf;

/// The most probable classes of images, with their probability and its uncertainty
#[derive(Args, Debug)]
pub struct Predict {
    /// The directory of a run of a classifier, one of its checkpoints, or a weights file of ours
    #[arg(value_name = "RUN")]
    run: PathBuf,

    /// Images (JPEG, PNG)
    #[arg(value_name = "IMAGE", required = true, num_args = 1..)]
    pictures: Vec<PathBuf>,

    /// Another run that predicts together with the first; may be given several times
    #[arg(long, value_name = "RUN")]
    with: Vec<PathBuf>,

    /// The checkpoint with the lowest validation loss, instead of the last one of the run
    #[arg(long)]
    best: bool,

    /// Posterior samples to average over; 0 for the mean alone
    #[arg(long, value_name = "N", default_value = "64", value_parser = values::samples_or_none, allow_negative_numbers = true)]
    samples: usize,

    /// Temperature of the posterior: its covariance is multiplied by it
    #[arg(long, value_name = "T", default_value = "1", value_parser = values::non_negative, allow_negative_numbers = true)]
    temperature: f64,

    /// Classes to show
    #[arg(long, value_name = "N", default_value = "5", value_parser = values::count)]
    top: usize,

    /// Print a line of JSON for every image
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    bound: PixelBound,

    #[command(flatten)]
    device: DeviceFlags,
}

impl Predict {
    /// Predicts and prints.
    ///
    /// # Errors
    /// If the classifier is not found, or an image cannot be read.
    pub fn run(&self) -> Result<()> {
        let dtype = self.device.training_dtype()?;
        let candidate = |path: &PathBuf| {
            let opened = open(path, self.best)?;
            self.bound.set(opened.number("max-pixels"));
            let Opened { stored, seed, .. } = opened;
            match stored {
                Model::Pictures(stored) => Ok(Candidate { name: path.display().to_string(), stored: *stored, seed }),
                Model::Text(_) => Err(Error::file(path, "is of text: `ivon generate` goes on with one")),
            }
        };
        let runs: Vec<PathBuf> = [&self.run].into_iter().chain(&self.with).cloned().collect();
        each_once(&runs, self.best)?;
        let candidates = runs.iter().map(candidate).collect::<Result<Vec<_>>>()?;
        let mut committee = Committee::new(candidates, self.temperature, (self.device.start()?, dtype))?;
        for path in &self.pictures {
            let picture = images::read(path)?;
            picture.remark().iter().for_each(|remark| tell!("{}: {remark}", path.display()));
            let found = committee.predict(&picture, self.samples).map_err(|e| Error::file(path, e))?;
            let mut known = Predictions::default();
            found.record(&mut known);
            if found.probabilities().any(f64::is_nan) {
                let message = "its probabilities are not numbers: the run has diverged, or --temperature is too large";
                return Err(Error::file(path, message));
            }
            let (total, aleatoric) = (known.total[0], known.aleatoric[0]);
            let mut classes: Vec<(&String, f64)> = committee.classes().iter().zip(found.probabilities()).collect();
            classes.sort_by(|a, b| b.1.total_cmp(&a.1));
            classes.truncate(self.top);
            if self.json {
                let top: Vec<_> = classes.iter().map(|(class, p)| json!({"class": class, "probability": p})).collect();
                let line = json!({
                    "picture": path, "class": classes[0].0, "probability": classes[0].1, "entropy": total, "aleatoric": aleatoric,
                    "epistemic": total - aleatoric, "samples": found.samples(), "top": top,
                });
                say!("{line}")?;
                continue;
            }
            say!("{}", path.display())?;
            let width = classes.iter().map(|(class, _)| class.chars().count()).max().unwrap_or(0);
            for (class, p) in classes {
                let bar = "█".repeat((24.0 * p).round() as usize);
                say!("  {class:<width$}  {:6.2} %  {bar}", 100.0 * p)?;
            }
            let epistemic = total - aleatoric;
            say!("  entropy {total:.3} nats: {aleatoric:.3} aleatoric and {epistemic:.3} epistemic\n")?;
        }
        Ok(())
    }
}
