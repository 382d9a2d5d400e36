//! How good predictions are, and how well they know it: accuracy, likelihood, calibration, the parts of uncertainty, detection of foreign inputs.
//!
//! Predictions are averaged over posterior samples, of one posterior or of several: an [`Ensemble`]. Examples come in batches and samples one after the
//! other, so that memory holds one batch's probabilities and a few numbers an example, whatever their number. It works for every
//! annotated model with logits:
//!
//! ```text
//! let mut ensemble = Ensemble::of(ivon.posterior(), seed)?;
//! let mut found = Classification::new(&[1, 4, 16, 64])?;
//! for (x, labels) in &test {
//!     found.add(&mut ensemble, Some(labels), |cx, _| model.logits(cx, x))?;
//! }
//! println!("NLL {:.3} at the mean, {:.3} over 64 samples", found.mean().scores()?.nll, found.samples(64).scores()?.nll);
//! ```
//!
//! and, with [`Regression`], for every one that predicts a mean and a variance. Formulas and conventions are those of scikit-learn 1.9 and
//! torchmetrics 1.9, whose numbers `tests/uncertainty.rs` compares with.

mod calibration;
mod classification;
mod detection;
mod ensemble;
#[cfg(feature = "run")]
pub mod figures;
mod predictions;
mod predictive;
mod regression;
mod rejection;

pub use calibration::{Bin, Calibration};
pub use classification::Classification;
pub use detection::{Detection, Detections};
pub use ensemble::{Ensemble, growing};
pub use predictions::{Predictions, Scores};
pub use predictive::Predictive;
pub use regression::{Regression, RegressionScores};
pub use rejection::Rejection;
