//! A model of one's own in a run that can be left alone: checkpoints, going on after an interruption, metrics, TensorBoard, progress.
//!
//! `cargo run --release --example own_model` trains; end it at any time and start it again, and it goes on with the same bits.
//! `tensorboard --logdir runs` and `runs/two-moons/loss.svg` show it.

use ivon_runtime::layers::Linear;
use ivon_runtime::noise::philox;
use ivon_runtime::ops::{cross_entropy, gelu};
use ivon_runtime::prelude::*;
use ivon_runtime::trainer::Lines;
use std::f64::consts::PI;

/// Tells points of two half moons apart.
#[variational]
pub struct Moons<const WIDTH: usize> {
    embed: Linear<2, WIDTH>,
    mix: Linear<WIDTH, WIDTH>,
    head: Linear<WIDTH, 2>,
}

#[variational]
impl<const WIDTH: usize> Moons<WIDTH> {
    pub fn forward<B>(&self, x: Tensor<B, 2>) -> Tensor<B, 2> {
        self.head.forward(gelu(self.mix.forward(gelu(self.embed.forward(x)))))
    }

    pub fn loss<B>(&self, x: Tensor<B, 2>, labels: Ids<B>) -> Tensor {
        cross_entropy(self.forward(x), labels)
    }
}

const BATCH: usize = 32;

/// Batch number `number`: a function of its number alone, which is what makes a run repeatable.
fn batch(number: u32) -> Result<(Tensor, Tensor)> {
    let (mut x, mut labels) = (vec![], vec![]);
    for row in 0..BATCH as u32 {
        let [a, b, c, d] = philox([7, 7], [number, row, 0, 0]).map(|word| f64::from(word) / 2f64.powi(32));
        let (angle, upper) = (PI * a, b < 0.5);
        let (px, py) = if upper { (angle.cos(), angle.sin()) } else { (1.0 - angle.cos(), 0.5 - angle.sin()) };
        x.extend([(px + 0.9 * (c - 0.5)) as f32, (py + 0.9 * (d - 0.5)) as f32]);
        labels.push(u32::from(upper));
    }
    Ok((Tensor::from_slice(&x, [BATCH, 2])?, Tensor::from_slice(&labels, [BATCH])?))
}

fn main() -> Result<()> {
    let model = Moons::<32>::new();
    let config = IvonConfig::new(5000.0).hess_init(0.1).beta2(0.999);
    let mut optimizer = Ivon::new(&model, config, Settings::default())?;

    let mut run = Run::open("runs/two-moons", &mut optimizer)?;
    run.checkpoint_every = 200;
    let trainer = Trainer::new(Schedule::cosine(1.0, 0.01, 50, 3000)).evaluate_every(250).examples(BATCH);
    let summary = trainer.run(
        &mut optimizer,
        |cx, at| {
            let (x, labels) = batch(at.step as u32)?;
            model.loss_gradient(cx, &x, &labels)
        },
        |cx| log_likelihoods(&model, cx),
        &mut (run, Lines::every(250, std::io::stderr())),
    )?;
    let found = summary.evaluation;
    println!("validation loss {:.4} at the mean, {:.4} averaged over {} samples", found.mean, found.posterior, found.samples);
    Ok(())
}

/// log p(label | point) of every point of some batches that are never trained on.
fn log_likelihoods(model: &Moons, cx: &Context) -> Result<Vec<f64>> {
    let mut all = vec![];
    for number in 1_000_000..1_000_016 {
        let (x, labels) = batch(number)?;
        let logits = model.forward(cx, &x)?.to_f64();
        for (row, label) in logits.chunks(2).zip(labels.as_slice::<u32>()) {
            let [own, other] = [row[*label as usize], row[1 - *label as usize]];
            all.push(-(other - own).exp().ln_1p());
        }
    }
    Ok(all)
}
