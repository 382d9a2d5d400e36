//! Windows of a text: random ones to train on, fixed ones to validate with.

use super::{Corpus, Tokens};
use ivon_runtime::noise::philox;
use ivon_runtime::{Result, Tensor};

/// Sequences of ids, and at every position the id that comes next.
#[derive(Clone, Debug)]
pub struct Batch {
    /// `[B, T]`, u32.
    pub ids: Tensor,
    /// `[B, T]`, u32.
    pub targets: Tensor,
}

impl Batch {
    /// The windows of `seq` tokens that start at `starts`.
    fn of(text: &Tokens, starts: &[usize], seq: usize) -> Result<Batch> {
        let gather = |shift: usize| {
            let mut ids = Vec::with_capacity(starts.len() * seq);
            starts.iter().for_each(|s| text.read_into(s + shift..s + shift + seq, &mut ids));
            Tensor::from_slice(&ids, [starts.len(), seq])
        };
        Ok(Batch { ids: gather(0)?, targets: gather(1)? })
    }
}

/// Told apart from the noise of the posterior and of dropout, which are keyed by the same seed.
const KEY: u32 = 0xDA7A_5EED;

/// Windows of the training part at uniformly random places: a function of seed, step and row alone, so that a run can be taken up
/// again anywhere and the batch can be cut in any way. `rows` are the numbers of the rows in the step's batch.
///
/// The corpus must have passed [`Corpus::check_seq`].
///
/// # Errors
/// If there are no rows.
pub fn training_batch(corpus: &Corpus, seed: u64, step: u64, rows: std::ops::Range<usize>, seq: usize) -> Result<Batch> {
    let places = (corpus.training.len() - seq) as u64;
    let key = [seed as u32 ^ KEY, (seed >> 32) as u32];
    let start = |row: usize| {
        let word = philox(key, [row as u32, (row as u64 >> 32) as u32, step as u32, (step >> 32) as u32]);
        let uniform = u64::from(word[0]) | u64::from(word[1]) << 32;
        ((u128::from(uniform) * u128::from(places)) >> 64) as usize
    };
    let starts: Vec<usize> = rows.map(start).collect();
    Batch::of(&corpus.training, &starts, seq)
}

/// Windows of the validation part that do not overlap, evenly spread over it: about `tokens` in all, in batches of `batch`. They
/// depend on nothing else, so that losses of different runs can be compared.
///
/// The corpus must have passed [`Corpus::check_seq`].
///
/// # Errors
/// If `batch` is 0.
pub fn validation_batches(corpus: &Corpus, tokens: usize, batch: usize, seq: usize) -> Result<Vec<Batch>> {
    let text = &corpus.validation;
    let all = (text.len() - 1) / seq;
    let count = all.min(tokens.div_ceil(seq)).max(1);
    let starts: Vec<usize> = (0..count).map(|i| i * all / count * seq).collect();
    starts.chunks(batch).map(|starts| Batch::of(text, starts, seq)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Document, Input, Marks, Tokenizer};

    fn corpus(length: usize) -> Corpus {
        let bytes = (0..length).map(|i| (i % 251) as u8).collect();
        let text = Input::Text(Document::new("test", bytes));
        Corpus::new(vec![text], vec![], Tokenizer::Bytes, 256, Marks::Text).unwrap()
    }

    fn ids(tensor: &Tensor) -> Vec<u32> {
        tensor.as_slice().to_vec()
    }

    #[test]
    fn a_target_is_the_next_id() {
        let corpus = corpus(1000);
        let batch = training_batch(&corpus, 1, 1, 0..3, 16).unwrap();
        let (ids, targets) = (ids(&batch.ids), ids(&batch.targets));
        for row in 0..3 {
            assert_eq!(ids[16 * row + 1..16 * (row + 1)], targets[16 * row..16 * (row + 1) - 1]);
        }
        assert_eq!(**batch.ids.shape(), [3, 16]);
    }

    #[test]
    fn training_windows_depend_on_seed_step_and_row_alone() {
        let corpus = corpus(5000);
        let draw = |seed, step, rows| ids(&training_batch(&corpus, seed, step, rows, 8).unwrap().ids);
        assert_eq!(draw(1, 7, 0..4), [draw(1, 7, 0..1), draw(1, 7, 1..4)].concat());
        assert_ne!(draw(1, 7, 0..4), draw(2, 7, 0..4));
        assert_ne!(draw(1, 7, 0..4), draw(1, 8, 0..4));
    }

    #[test]
    fn training_windows_reach_every_place() {
        let corpus = corpus(40); // 36 to train on: places 0 to 31 for windows of 4 and the target
        let batch = training_batch(&corpus, 3, 1, 0..2000, 4).unwrap();
        let mut starts: Vec<u32> = ids(&batch.ids).chunks(4).map(|w| w[0]).collect();
        starts.sort();
        starts.dedup();
        assert_eq!(starts, (0..32).collect::<Vec<_>>());
    }

    #[test]
    fn validation_windows_are_spread_and_do_not_overlap() {
        let corpus = corpus(2000); // 200 to validate with: 12 whole windows of 16
        let starts = |tokens| -> Vec<u32> {
            let batches = validation_batches(&corpus, tokens, 5, 16).unwrap();
            batches.iter().flat_map(|b| ids(&b.ids).chunks(16).map(|w| w[0]).collect::<Vec<_>>()).collect()
        };
        let place = |window: usize| (1800 + 16 * window) as u32 % 251;
        assert_eq!(starts(usize::MAX), (0..12).map(place).collect::<Vec<_>>());
        assert_eq!(starts(64), [0, 3, 6, 9].map(place));
    }
}
