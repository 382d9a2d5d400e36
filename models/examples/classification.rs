//! A user-defined classifier and its uncertainty: scores at the mean and over posterior samples, out-of-distribution inputs, images.
//!
//! `cargo run --release --example classification` trains on a few clusters of points for a second or two, and writes `runs/classification/*.svg`.

use ivon_runtime::layers::Linear;
use ivon_runtime::noise::Noise;
use ivon_runtime::ops::{cross_entropy, gelu};
use ivon_runtime::prelude::*;
use ivon_runtime::uncertainty::{Classification, Ensemble, figures, growing};
use std::path::Path;

/// Tells the class of a point.
#[variational]
pub struct Classifier<const WIDTH: usize> {
    embed: Linear<COLUMNS, WIDTH>,
    mix: Linear<WIDTH, WIDTH>,
    head: Linear<WIDTH, CLASSES>,
}

#[variational]
impl<const WIDTH: usize> Classifier<WIDTH> {
    pub fn logits<B>(&self, x: Tensor<B, COLUMNS>) -> Tensor<B, CLASSES> {
        self.head.forward(gelu(self.mix.forward(gelu(self.embed.forward(x)))))
    }

    pub fn loss<B>(&self, x: Tensor<B, COLUMNS>, labels: Ids<B>) -> Tensor {
        cross_entropy(self.logits(x), labels)
    }
}

const COLUMNS: usize = 16;
const CLASSES: usize = 5;
/// Three of each class.
const CLUSTERS: usize = 15;
/// Deviation of the points around their center; the centers' own is 1.
const SPREAD: f32 = 0.9;
const TRAINING: usize = 400;
const TEST: usize = 3000;
const SAMPLES: usize = 64;

/// Points around the centers of this seed, `[count, COLUMNS]`, and the class of each.
fn points(centers: u64, seed: u64, count: usize) -> (Vec<f32>, Vec<u32>) {
    let (mut places, mut points) = (vec![0f32; CLUSTERS * COLUMNS], vec![0f32; count * COLUMNS]);
    Noise::of(centers, 0, 0).fill_normals(0, &mut places);
    Noise::of(seed, 1, 0).fill_normals(0, &mut points);
    for (i, point) in points.chunks_mut(COLUMNS).enumerate() {
        let center = &places[i % CLUSTERS * COLUMNS..][..COLUMNS];
        point.iter_mut().zip(center).for_each(|(x, c)| *x = SPREAD * *x + c);
    }
    (points, (0..count).map(|i| (i % CLUSTERS % CLASSES) as u32).collect())
}

fn main() -> Result<()> {
    let model = Classifier::<64>::new();
    let config = IvonConfig::new(TRAINING as f64).hess_init(0.1).beta2(0.999).weight_decay(1e-3);
    let mut ivon = Ivon::new(&model, config, Settings::default())?;
    let (x, labels) = points(1, 1, TRAINING);
    let (x, y) = (Tensor::from_slice(&x, [TRAINING, COLUMNS])?, Tensor::from_slice(&labels, [TRAINING])?);
    let schedule = Schedule::cosine(0.5, 0.0, 100, 2000);
    for step in 0..schedule.steps {
        ivon.step(schedule.at(step), |cx| model.loss_gradient(cx, &x, &y))?;
    }

    // Examples come in batches of any size; each is predicted at the mean and by all samples before the next.
    let mut ensemble = Ensemble::of(ivon.posterior(), ivon.state().seed())?;
    let mut test = Classification::new(&growing(SAMPLES))?;
    let (x, labels) = points(1, 2, TEST);
    for (x, labels) in x.chunks(500 * COLUMNS).zip(labels.chunks(500)) {
        let x = Tensor::from_slice(x, [labels.len(), COLUMNS])?;
        test.add(&mut ensemble, Some(labels), |cx, _| model.logits(cx, &x))?;
    }
    let mut outside = Classification::new(&growing(SAMPLES))?;
    // Points of other clusters: out of distribution.
    let x = Tensor::from_slice(&points(3, 3, 1000).0, [1000, COLUMNS])?;
    outside.add(&mut ensemble, None, |cx, _| model.logits(cx, &x))?;

    println!("  samples  accuracy     NLL     ECE   Brier  aleatoric  epistemic  AUROC by entropy  by information");
    let rows = test.counts().map(|n| (n.to_string(), test.samples(n), outside.samples(n)));
    for (name, found, foreign) in [("mean".to_string(), test.mean(), outside.mean())].into_iter().chain(rows) {
        let (s, detection) = (found.scores()?, found.detection(foreign)?);
        println!(
            "{name:>9}  {:8.4}  {:6.4}  {:6.4}  {:6.4}  {:9.4}  {:9.4}  {:16.4}  {:14.4}",
            s.accuracy,
            s.nll,
            s.ece,
            s.brier,
            s.aleatoric,
            s.epistemic,
            detection.entropy.auroc,
            detection.mutual_information.auroc
        );
    }

    let folder = Path::new("runs/classification");
    let samples = format!("over {SAMPLES} samples");
    let (both, outside) = ([("at the mean", test.mean()), (samples.as_str(), test.most())], [outside.mean(), outside.most()]);
    std::fs::create_dir_all(folder).map_err(|e| Error::file(folder, e))?;
    for (name, svg) in [
        ("reliability.svg", figures::reliability(&both)?),
        ("confidence.svg", figures::confidence(&both)?),
        ("rejection.svg", figures::rejection(&both)?),
        ("entropy.svg", figures::entropies(&both, &outside)?),
    ] {
        let path = folder.join(name);
        std::fs::write(&path, svg).map_err(|e| Error::file(&path, e))?;
        println!("{}", path.display());
    }
    Ok(())
}
