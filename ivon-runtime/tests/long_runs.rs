//! A long run on few examples stays stable with the settings of a plan, and with those of `Ivon::suggest` for its length. With the `beta2` of a short
//! run, 0.999, it diverges: h forgets its initial value and falls towards 0. Steps say so.

use ivon_runtime::layers::Linear;
use ivon_runtime::ops::cross_entropy;
use ivon_runtime::optimizers::Sign;
use ivon_runtime::prelude::*;

#[variational]
struct Net {
    up: Linear<2, 50>,
    down: Linear<50, 2>,
}

#[variational]
impl Net {
    fn logits<B>(&self, x: Tensor<B, 2>) -> Tensor<B, 2> {
        self.down.forward(tanh(self.up.forward(x)))
    }
    fn loss<B>(&self, x: Tensor<B, 2>, labels: Ids<B>) -> Tensor {
        cross_entropy(self.logits(x), labels)
    }
}

const EXAMPLES: usize = 200;
const BATCH: usize = 50;
const STEPS: usize = 20_000;

/// Two interleaved half circles with noise.
fn moons(first: usize) -> (Tensor, Tensor) {
    let random = |i: usize, k: usize| {
        let x = (((first + i) * 12 + k) as f64 * 78.233 + 0.5).sin() * 43_758.545_3;
        x - x.floor()
    };
    let noise = |i: usize, k: usize| (0..4).map(|j| random(i, 3 + 4 * k + j)).sum::<f64>() - 2.0;
    let (mut x, mut labels) = (vec![], vec![]);
    for i in 0..EXAMPLES {
        let (label, angle) = (i % 2, std::f64::consts::PI * random(i, 0));
        let place = if label == 0 { [angle.cos(), angle.sin()] } else { [1.0 - angle.cos(), 0.5 - angle.sin()] };
        x.extend((0..2).map(|k| (place[k] + 0.35 * noise(i, k)) as f32));
        labels.push(label as u32);
    }
    (Tensor::from_slice(&x, [EXAMPLES, 2]).unwrap(), Tensor::from_slice(&labels, [EXAMPLES]).unwrap())
}

/// The negative log-likelihood of new examples after the run, averaged over 16 samples and at the mean, and the signs of the run.
fn train(config: IvonConfig, schedule: Schedule, model: &Net) -> Result<([f64; 2], Vec<Sign>)> {
    let mut ivon = Ivon::new(model, config, Settings::default().seed(3))?;
    let mut signs = vec![];
    let (x, labels) = moons(0);
    let (x, labels) = (x.as_slice::<f32>(), labels.as_slice::<u32>());
    let batches: Vec<_> = (0..EXAMPLES / BATCH)
        .map(|b| {
            let x = Tensor::from_slice(&x[2 * b * BATCH..][..2 * BATCH], [BATCH, 2]).unwrap();
            (x, Tensor::from_slice(&labels[b * BATCH..][..BATCH], [BATCH]).unwrap())
        })
        .collect();
    for step in 0..STEPS {
        let (x, labels) = &batches[step * 7 % batches.len()];
        ivon.step(schedule.at(step), |cx| model.loss_gradient(cx, x, labels))?;
        signs.extend(std::iter::from_fn(|| ivon.take_warning()).map(|warning| warning.sign));
    }
    let (x, labels) = moons(100_000);
    let nll = |log: &[f64]| {
        let of = |(i, label): (usize, &u32)| -log[2 * i + *label as usize];
        labels.as_slice::<u32>().iter().enumerate().map(of).sum::<f64>() / EXAMPLES as f64
    };
    let average = ivon.posterior().predict(16, 0, |cx| model.logits(cx, &x))?;
    let mean = ivon.at_mean(|cx| model.loss(cx, &x, &labels)?.item())?;
    Ok(([nll(&average.log_probabilities().collect::<Vec<_>>()), mean], signs))
}

#[test]
fn a_long_run_on_few_examples_stays_better_than_chance() {
    let model = Net::build().unwrap();
    let suggested = Ivon::suggest(EXAMPLES, &model).for_steps(STEPS);
    let schedule = Schedule::cosine(suggested.lr, 0.0, STEPS / 20, STEPS);
    let ([average, mean], _) = train(suggested.config, schedule, &model).unwrap();
    assert!(average < 0.3 && mean < 0.3, "{average} averaged, {mean} at the mean, where chance is 0.693");
}

#[test]
fn a_long_run_with_a_plan_is_good_and_gives_no_warning() {
    let plan = Plan { examples: EXAMPLES, batch: BATCH, steps: STEPS };
    let model = Net::build().unwrap();
    let ([average, mean], signs) = train(plan.config(), plan.schedule(), &model).unwrap();
    assert!(average < 0.2 && mean < 0.2, "{average} averaged, {mean} at the mean");
    assert_eq!(signs, []);
}

#[test]
fn a_long_run_with_the_settings_of_a_short_one_says_that_it_goes_wrong() {
    let model = Net::build().unwrap();
    let suggested = Ivon::suggest(EXAMPLES, &model);
    let mut ivon = Ivon::new(&model, suggested.config, Settings::default().seed(3)).unwrap();
    let schedule = Schedule::cosine(suggested.lr, 0.0, STEPS / 20, STEPS);
    let (x, labels) = moons(0);
    let mut signs = vec![];
    for step in 0..STEPS {
        ivon.step(schedule.at(step), |cx| model.loss_gradient(cx, &x, &labels)).unwrap();
        signs.extend(std::iter::from_fn(|| ivon.take_warning()).map(|warning| warning.sign));
        if signs.len() == 2 {
            break;
        }
    }
    assert_eq!(signs, [Sign::LossRising, Sign::LossAboveStart]);
}
