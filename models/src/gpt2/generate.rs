//! Text of a model's own, token by token: each costs one position, because keys and values of the ones before are kept.

use super::{Dimensions, Gpt2};
use ivon_runtime::noise::philox;
use ivon_runtime::{Cache, Context, Error, Result, Tensor};

/// How the next token is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    /// Divides the logarithm of the probabilities; 0 takes the likeliest token.
    pub temperature: f64,
    /// Only this many of the likeliest tokens.
    pub top_k: Option<usize>,
    /// Only the likeliest tokens that together have this share of the probability.
    pub top_p: f64,
    /// Key of the stream of random numbers.
    pub seed: u64,
    /// Only ids below this: those of the tokenizer, where the model has more rows.
    pub ids: usize,
}

impl Sampling {
    /// # Errors
    /// If a number is out of range.
    pub fn check(&self) -> Result<()> {
        if !(self.temperature >= 0.0 && self.temperature.is_finite()) {
            return Err(Error::config(format!("the temperature is {}; expected a finite number, 0 or above", self.temperature)));
        }
        if !(self.top_p > 0.0 && self.top_p <= 1.0) {
            return Err(Error::config(format!("top-p is {}; expected a share above 0, at most 1", self.top_p)));
        }
        match self.top_k {
            Some(0) => Err(Error::config("top-k is 0; expected at least 1: 1 takes the likeliest token")),
            _ => Ok(()),
        }
    }

    /// The id at which the cumulative probability passes `uniform`, which lies in 0..1: temperature first, then top-k, then top-p.
    fn draw(&self, probabilities: &[f64], uniform: f64) -> usize {
        let mut order: Vec<usize> = (0..probabilities.len()).collect();
        order.sort_by(|a, b| probabilities[*b].total_cmp(&probabilities[*a]).then(a.cmp(b)));
        let largest = order.first().map_or(1.0, |i| probabilities[*i]);
        if self.temperature == 0.0 {
            return order.first().copied().unwrap_or(0);
        }
        order.truncate(self.top_k.unwrap_or(usize::MAX));
        let weight = |i: &usize| (probabilities[*i] / largest).powf(1.0 / self.temperature);
        let mut weights: Vec<f64> = order.iter().map(weight).collect();
        let nucleus = self.top_p * weights.iter().sum::<f64>();
        let mut sum = 0.0;
        let whole = |w: &f64| {
            sum += w;
            sum >= nucleus
        };
        let kept = weights.iter().position(whole).map_or(weights.len(), |last| last + 1);
        weights.truncate(kept);
        let mut left = uniform * weights.iter().sum::<f64>();
        let passes = |w: &f64| {
            left -= w;
            left < 0.0
        };
        order[weights.iter().position(passes).unwrap_or(kept - 1)]
    }
}

/// One set of weights that reads a text, and what it remembers of it.
pub struct Reader<'a> {
    cx: &'a Context,
    cache: Cache,
    /// The position in the text at which the cache begins.
    start: usize,
}

impl<'a> Reader<'a> {
    /// A reader with the weights of a context, of a model with this many positions.
    pub fn new(cx: &'a Context, positions: usize) -> Reader<'a> {
        Reader { cx, cache: Cache::new(positions), start: 0 }
    }

    /// Forgets the text, so that the next one is read from its beginning: after a change of the weights.
    pub fn forget(&mut self) {
        self.cache.clear();
        self.start = 0;
    }

    /// Log-probabilities of the token after `text`, which must begin as the one before did. A text longer than the model's positions is read from
    /// later on; then half of the positions are left free, so that this is seldom done.
    ///
    /// # Errors
    /// If the text is empty or holds ids that the model does not have.
    pub fn log_probabilities(&mut self, model: &Gpt2, text: &[u16]) -> Result<Vec<f64>> {
        if text.is_empty() {
            return Err(Error::config("there is no text to continue: give at least one token"));
        }
        let positions = self.cache.capacity();
        if text.len() - self.start > positions {
            self.cache.clear();
            self.start = text.len() - positions.div_ceil(2);
        }
        let first = self.cache.len();
        let ids: Vec<u32> = text[self.start + first..].iter().map(|id| u32::from(*id)).collect();
        let places: Vec<u32> = (first..first + ids.len()).map(|place| place as u32).collect();
        let (ids, places) = (Tensor::from_slice(&ids, [1, ids.len()])?, Tensor::from_slice(&places, [places.len()])?);
        let read = |cx: &Context| {
            cx.planned("Gpt2::step", &[&ids, &places], |cx| {
                let logits = model.step(cx, &ids, &places)?; // [1, 1, VOCAB]
                Ok(if cx.planning() { vec![] } else { logits.to_host()?.to_f64() })
            })
        };
        let logits = self.cx.cached(&mut self.cache, read)?;
        let total = log_sum_exp(&logits);
        Ok(logits.into_iter().map(|x| x - total).collect())
    }
}

/// A token that was drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drawn {
    /// Its id.
    pub id: u16,
    /// Its probability, averaged over the readers.
    pub probability: f64,
    /// Entropy of the averaged distribution, in nats: all that is uncertain about the token.
    pub entropy: f64,
    /// Mutual information of token and weights, in nats: the entropy of the average less the average of the entropies. What
    /// more data could settle.
    pub epistemic: f64,
}

/// Draws the token after `text` from the probabilities averaged over the readers. `number` counts the tokens of a seed.
///
/// # Errors
/// As [`Reader::log_probabilities`].
pub fn next(readers: &mut [Reader], model: &Gpt2, text: &[u16], sampling: &Sampling, number: usize) -> Result<Drawn> {
    let mut each = readers.iter_mut().map(|reader| reader.log_probabilities(model, text));
    next_of(&mut each, sampling, number)
}

/// [`next`], from the log-probabilities of each reader, one after the other.
///
/// # Errors
/// Those of `each`, and if probabilities are not finite.
pub fn next_of(each: &mut dyn ExactSizeIterator<Item = Result<Vec<f64>>>, sampling: &Sampling, number: usize) -> Result<Drawn> {
    let n = each.len() as f64;
    let (mut average, mut entropies) = (vec![], 0.0);
    for log in each {
        let mut log = log?;
        if log.len() > sampling.ids {
            log.truncate(sampling.ids);
            let total = log_sum_exp(&log);
            log.iter_mut().for_each(|x| *x -= total);
        }
        let probabilities = log.iter().map(|x| x.exp());
        entropies += entropy(log.iter().map(|x| x.exp())) / n;
        average.resize(log.len(), 0.0);
        average.iter_mut().zip(probabilities).for_each(|(a, p): (&mut f64, f64)| *a += p / n);
    }
    if average.iter().any(|p| !p.is_finite()) {
        return Err(Error::value(
            "generate",
            "the model's probabilities are not finite: its weights are damaged, or its training diverged",
        ));
    }
    let seed = sampling.seed;
    let [word, ..] = philox([seed as u32, (seed >> 32) as u32 ^ 0x7E47_5EED], [number as u32, 0, 0, 0]);
    let id = sampling.draw(&average, f64::from(word) / 2f64.powi(32));
    let entropy = entropy(average.iter().copied());
    Ok(Drawn { id: id as u16, probability: average[id], entropy, epistemic: (entropy - entropies).max(0.0) })
}

impl Gpt2 {
    /// Continues `prompt` by `count` tokens with the weights of a context.
    ///
    /// # Errors
    /// If the prompt is empty or holds ids that the model does not have, or the sampling makes no sense.
    pub fn generate(
        &self,
        cx: &Context,
        prompt: &[u16],
        count: usize,
        dimensions: &Dimensions,
        sampling: &Sampling,
    ) -> Result<Vec<u16>> {
        sampling.check()?;
        let mut readers = [Reader::new(cx, dimensions.context)];
        let mut text = prompt.to_vec();
        for number in 0..count {
            text.push(next(&mut readers, self, &text, sampling, number)?.id);
        }
        Ok(text.split_off(prompt.len()))
    }
}

fn entropy(probabilities: impl Iterator<Item = f64>) -> f64 {
    -probabilities.filter(|p| *p > 0.0).map(|p| p * p.ln()).sum::<f64>()
}

fn log_sum_exp(row: &[f64]) -> f64 {
    let largest = row.iter().fold(f64::NEG_INFINITY, |m, x| m.max(*x));
    largest + row.iter().map(|x| (x - largest).exp()).sum::<f64>().ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Sampling = Sampling { temperature: 1.0, top_k: None, top_p: 1.0, seed: 1, ids: usize::MAX };

    #[test]
    fn draws_follow_the_probabilities_from_the_likeliest_on() {
        let p = [0.25, 0.125, 0.5, 0.125];
        let at = |sampling: Sampling| [0.0, 0.49, 0.51, 0.74, 0.76, 0.99].map(|uniform| sampling.draw(&p, uniform));
        assert_eq!(at(PLAIN), [2, 2, 0, 0, 1, 3]);
        assert_eq!(at(Sampling { temperature: 0.0, ..PLAIN }), [2; 6]);
        assert_eq!(at(Sampling { top_k: Some(1), ..PLAIN }), [2; 6]);
        assert_eq!(at(Sampling { top_k: Some(2), ..PLAIN }), [2, 2, 2, 0, 0, 0]); // 2/3, 1/3
        assert_eq!(at(Sampling { top_p: 0.75, ..PLAIN }), [2, 2, 2, 0, 0, 0]);
        assert_eq!(at(Sampling { top_p: 1e-9, ..PLAIN }), [2; 6]);
        // At half the temperature the odds are squared: 16, 4, 1, 1 of 22.
        assert_eq!(at(Sampling { temperature: 0.5, ..PLAIN }), [2, 2, 2, 0, 0, 3]);
    }

    #[test]
    fn sampling_that_makes_no_sense_is_refused() {
        let wrong = [
            Sampling { temperature: f64::NAN, ..PLAIN },
            Sampling { temperature: -1.0, ..PLAIN },
            Sampling { top_p: 0.0, ..PLAIN },
            Sampling { top_p: 1.1, ..PLAIN },
            Sampling { top_k: Some(0), ..PLAIN },
        ];
        assert!(wrong.iter().all(|s| s.check().is_err()));
    }

    #[test]
    fn ids_beyond_the_tokenizer_are_never_drawn() {
        let log = || vec![0.1f64.ln(), 0.3f64.ln(), 0.6f64.ln()];
        let draw = |ids| next_of(&mut [Ok(log())].into_iter(), &Sampling { temperature: 0.0, ids, ..PLAIN }, 0).unwrap();
        assert_eq!(draw(3).id, 2);
        let drawn = draw(2);
        assert_eq!(drawn.id, 1);
        assert!((drawn.probability - 0.75).abs() < 1e-12, "{drawn:?}");
    }
}
