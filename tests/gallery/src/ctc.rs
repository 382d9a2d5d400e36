//! Connectionist temporal classification (Graves et al. 2006): labels of sequences whose alignment to the frames is unknown.

use crate::lstm::Lstm;
use crate::{Batch, Example, uniform};
use ivon_runtime::layers::Linear;
use ivon_runtime::ops::{length_mask, log_softmax, one_hot};
use ivon_runtime::prelude::*;

/// Class 0 is the blank.
#[variational]
pub struct Recognizer<const IN: usize, const H: usize, const CLASSES: usize> {
    recurrent: Lstm<IN, H>,
    out: Linear<H, CLASSES>,
}

#[variational]
impl<const IN: usize, const H: usize, const CLASSES: usize> Recognizer<IN, H, CLASSES> {
    /// -log P(labels | frames), the mean over sequences. `blank[u]` and `label[u]` are log probabilities of all ways to end at
    /// frame t in the blank before label u, or in label u (equations 5 to 8).
    pub fn loss<B, T, U>(&self, x: Tensor<B, T, IN>, frames: Ids<B>, labels: Ids<B, U>, lengths: Ids<B>) -> Tensor {
        let p = log_softmax(self.out.forward(self.recurrent.forward(x)));
        let real = length_mask::<T>(frames);
        let truth = one_hot::<CLASSES>(labels);
        let never = full([B, 1], -1e30);

        // A label follows the one before it directly, unless both are equal.
        let equal = (truth.slice(1, 1..U) * truth.slice(1, 0..U - 1)).sum(2);
        let first = p.at(1, 0);
        let mut blank = concat([first.slice(1, 0..1), full([B, U], -1e30)], 1);
        let mut label = concat([(truth.at(1, 0) * first).sum_keep(1), full([B, U - 1], -1e30)], 1);
        for t in 1..T {
            let on = real.slice(1, t..t + 1) > 0.0;
            let here = p.at(1, t);
            let spoken = (truth * here.unsqueeze(1)).sum(2);
            let before = label.slice(1, 0..U - 1);
            let skip = concat([never, select(equal > 0.0, -1e30, before)], 1);
            let next = stack([label, blank.slice(1, 0..U), skip], 2).logsumexp(2) + spoken;
            let silent = stack([blank, concat([never, label], 1)], 2).logsumexp(2) + here.slice(1, 0..1);
            label = select(on, next, label);
            blank = select(on, silent, blank);
        }
        let end = one_hot::<{ U + 1 }>(lengths);
        let in_blank = (end * blank).sum(1);
        let in_label = (end.slice(1, 1..U + 1) * label).sum(1);
        -stack([in_blank, in_label], 1).logsumexp(1).mean()
    }
}

/// Three sequences of up to eight frames, with up to three labels.
pub fn example() -> impl Example {
    Batch::new(Recognizer::<5, 8, 4>::new(), |model, cx| {
        let labels = Tensor::from_slice(&[1u32, 2, 3, 2, 2, 1, 3, 1, 1], [3, 3])?;
        let (frames, lengths) = (Tensor::from_slice(&[8u32, 7, 5], [3])?, Tensor::from_slice(&[3u32, 3, 1], [3])?);
        model.loss_gradient(cx, &uniform(cx, "frames", [3, 8, 5])?, &frames, &labels, &lengths)
    })
}
