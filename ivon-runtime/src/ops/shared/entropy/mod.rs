//! Cross-entropy fused with softmax: what both forms of it are made of.
//!
//! Per row of logits z with target t and smoothing s: loss = lse(z) - (1 - s) z_t - s mean(z), and
//! d_z = softmax(z) - (1 - s) onehot(t) - s / CLASSES. Rows whose target is [`IGNORE`] count nothing.

pub(crate) mod cuda;

use super::reduce::{log_sum_exp, sum_of};
use super::{check, with_real};
use crate::context::Context;
use crate::context::adjoint::Adjoint;
use crate::context::profile::Cost;
use crate::core::error::{Error, Result};
use crate::core::shape::Shape;
use crate::device::cpu::parallel::{pieces, pieces2, rows_a_task};
use crate::device::cpu::real::Real;
use crate::tensor::Tensor;
use crate::versions;

/// The target of a row that does not count: what padding is labelled with.
pub const IGNORE: u32 = u32::MAX;

/// The values that the backward pass reads.
#[derive(Debug)]
pub(crate) struct Saved {
    logits: Tensor,
    /// The number of logits at the start of each row; the rest of a row aligns the rows.
    classes: usize,
    targets: Tensor,
    /// ln of the sum of e^z, for every row.
    lse: Tensor,
    smoothing: f64,
    /// On a GPU, the number of rows that count.
    counted: Option<Tensor>,
}

/// Checks the operands; how many rows there are.
fn checked(at: &str, cx: &Context, logits: &Tensor, classes: usize, targets: &Tensor) -> Result<usize> {
    check::float(at, cx, &[("logits", logits)])?;
    check::ids(at, "targets", targets)?;
    check::rank(at, ("logits", logits.shape()), 1)?;
    let lead = Shape::new(&logits.shape()[..logits.shape().rank() - 1]);
    check::shape(at, ("targets", targets.shape()), lead, ("logits", logits.shape()))?;
    check::ids_below(at, cx, targets, classes, Some(IGNORE))?;
    Ok(lead.elements())
}

/// The loss of each row, 0 where it does not count.
pub(crate) fn rows(at: &str, cx: &Context, logits: &Tensor, targets: &Tensor) -> Result<Tensor> {
    let classes = logits.shape().last();
    let rows = checked(at, cx, logits, classes, targets)?;
    let mut lse = cx.empty_of(cx.dtype().sums(), [rows])?;
    let mut losses = cx.empty_of(cx.dtype().sums(), [rows])?;
    match cx.cuda() {
        Some(_) => cuda::rows(cx, logits, cuda::Targets { classes, ids: targets, smoothing: 0.0 }, [&mut lse, &mut losses])?,
        None if cx.planning() => {}
        None => with_real!(cx.dtype(), E => {
            let (lse, losses) = (lse.as_mut_slice::<E>(), losses.as_mut_slice::<E>());
            lose_all(logits.as_slice(), targets.as_slice(), lse, losses, 0.0);
        }),
    }
    Ok(losses)
}

pub(crate) fn forward(at: &str, cx: &Context, logits: &Tensor, targets: &Tensor, smoothing: f64) -> Result<(Tensor, Saved)> {
    check::rank(at, ("logits", logits.shape()), 1)?;
    forward_of_first(at, cx, logits, logits.shape().last(), targets, smoothing)
}

/// [`forward`] with the first `classes` numbers of each row. The gradient of the others is zero. Only on a GPU may there be others.
pub(crate) fn forward_of_first(
    at: &str,
    cx: &Context,
    logits: &Tensor,
    classes: usize,
    targets: &Tensor,
    smoothing: f64,
) -> Result<(Tensor, Saved)> {
    let rows = checked(at, cx, logits, classes, targets)?;
    let mut loss = cx.empty_of(cx.dtype().sums(), [])?;
    let mut lse = cx.empty_of(cx.dtype().sums(), [rows])?;
    let mut losses = cx.empty_of(cx.dtype().sums(), [rows])?;
    // The largest, and the sum of e^(z - largest).
    let _op = cx.op("cross_entropy", || Cost::each(logits, 4).reads([logits]));
    if cx.cuda().is_some() {
        // A step that is replayed as a graph is seen by its dry run alone.
        match targets.on_host::<u32>() {
            Some(ids) => cx.counted(at, counted(ids))?,
            None if cx.in_micro_batches() => {
                let message = "`targets` lies on the GPU, where the targets that count cannot be counted in time: with micro-batches give it in the \
                               memory of the CPU";
                return Err(Error::value(at, message));
            }
            None => {}
        }
        let mut counted = cx.empty_of(cx.dtype().sums(), [])?;
        let targets_of_rows = cuda::Targets { classes, ids: targets, smoothing };
        cuda::forward(cx, logits, targets_of_rows, [&mut loss, &mut lse, &mut losses, &mut counted])?;
        let saved = Saved { logits: logits.clone(), classes, targets: targets.clone(), lse, smoothing, counted: Some(counted) };
        return Ok((loss, saved));
    }
    assert_eq!(logits.shape().last(), classes, "{at}: rows have other numbers than classes, which only a GPU's kernels know");
    if !cx.planning() {
        let ids = targets.as_slice::<u32>();
        let counted = counted(ids);
        cx.counted(at, counted)?;
        with_real!(cx.dtype(), E => {
            let (lse, losses) = (lse.as_mut_slice::<E>(), losses.as_mut_slice::<E>());
            lose_all(logits.as_slice::<E>(), ids, lse, losses, smoothing);
            // In f64: the sum of many losses.
            let sum: f64 = losses.iter().map(|loss| loss.to_f64()).sum();
            loss.as_mut_slice::<E>()[0] = E::of(if counted == 0 { 0.0 } else { sum / counted as f64 });
        });
    }
    Ok((loss, Saved { logits: logits.clone(), classes, targets: targets.clone(), lse, smoothing, counted: None }))
}

fn counted(ids: &[u32]) -> usize {
    ids.iter().filter(|id| **id != IGNORE).count()
}

/// The losses of all rows, by threads.
fn lose_all<E: Real>(logits: &[E], ids: &[u32], lse: &mut [E], losses: &mut [E], smoothing: f64) {
    let classes = (logits.len() / ids.len().max(1)).max(1);
    let task = rows_a_task(classes);
    pieces2((lse, task), (losses, task), |i, lse, losses| {
        let rows = i * task..i * task + lse.len();
        lose(&logits[rows.start * classes..rows.end * classes], &ids[rows], lse, losses, E::of(smoothing));
    });
}

versions! {
    fn lose<{E: Real} {E}>(logits: &[E], ids: &[u32], lse: &mut [E], losses: &mut [E], smoothing: E) {
        let classes = logits.len() / ids.len();
        for (((z, id), lse), loss) in logits.chunks_exact(classes).zip(ids).zip(lse).zip(losses) {
            if *id == IGNORE {
                (*lse, *loss) = (E::default(), E::default());
                continue;
            }
            *lse = log_sum_exp(z);
            let target = z[*id as usize];
            *loss = *lse - target;
            if smoothing > E::default() {
                let mean = sum_of(z, |z| z) / E::of(classes as f64);
                *loss = *lse - (E::of(1.0) - smoothing) * target - smoothing * mean;
            }
        }
    }
}

/// In place of the logits, where nothing else reads them.
pub(crate) fn backward(at: &str, cx: &Context, saved: Saved, d_loss: Tensor, d_logits: &mut Adjoint) -> Result<()> {
    let Saved { mut logits, classes, targets, lse, smoothing, counted } = saved;
    check::gradient(at, cx, ("d_loss", &d_loss), [])?;
    if !d_logits.wanted() {
        return Ok(());
    }
    let _op = cx.op("cross_entropy", || Cost::each(&logits, 4).reads([&logits]).writes(&logits, !d_logits.is_empty()));
    if let Some(counted) = counted {
        let rows = cuda::Targets { classes, ids: &targets, smoothing };
        if d_logits.is_empty() && logits.is_unique() {
            cuda::backward(cx, (None, &mut logits), rows, [&lse, &d_loss, &counted], false)?;
            return d_logits.add(cx, logits);
        }
        return match d_logits.target(cx, *logits.shape())? {
            Some((d_logits, add)) => cuda::backward(cx, (Some(&logits), d_logits), rows, [&lse, &d_loss, &counted], add),
            None => Ok(()),
        };
    }
    if d_logits.is_empty() && logits.is_unique() {
        if !cx.planning() {
            with_real!(cx.dtype(), E => {
                let rows = Rows::<E>::new(&targets, &lse, &d_loss, smoothing, classes);
                let task = rows_a_task(classes);
                pieces(logits.as_mut_slice::<E>(), task * classes.max(1), |i, z| rows.in_place(i * task, z, classes));
            });
        }
        return d_logits.add(cx, logits);
    }
    if let Some((d_logits, add)) = d_logits.target(cx, *logits.shape())?
        && !cx.planning()
    {
        with_real!(cx.dtype(), E => {
            let rows = Rows::<E>::new(&targets, &lse, &d_loss, smoothing, classes);
            let (z, task) = (logits.as_slice::<E>(), rows_a_task(classes));
            pieces(d_logits.as_mut_slice::<E>(), task * classes.max(1), |i, d_z| {
                rows.aside(i * task, &z[i * task * classes..][..d_z.len()], d_z, classes, add);
            });
        });
    }
    Ok(())
}

/// Everything besides the logits that the gradient of a row depends on.
struct Rows<'a, E> {
    targets: &'a [u32],
    lse: &'a [E],
    /// (scale, scale · s / CLASSES, scale · (1 - s)) with scale = d_loss / counted, for
    /// d_z = scale · (softmax(z) - s / CLASSES - (1 - s) onehot(t)).
    weights: [E; 3],
}

impl<'a, E: Real> Rows<'a, E> {
    fn new(targets: &'a Tensor, lse: &'a Tensor, d_loss: &Tensor, smoothing: f64, classes: usize) -> Self {
        let targets = targets.as_slice();
        let scale = d_loss.as_slice::<E>()[0].to_f64() / counted(targets) as f64;
        let weights = [scale, scale * smoothing / classes as f64, scale * (1.0 - smoothing)].map(E::of);
        Rows { targets, lse: lse.as_slice(), weights }
    }

    fn in_place(&self, first: usize, z: &mut [E], classes: usize) {
        for (row, z) in z.chunks_exact_mut(classes).enumerate() {
            match self.targets[first + row] {
                IGNORE => z.fill(E::default()),
                target => {
                    soften(z, self.lse[first + row], self.weights);
                    z[target as usize] -= self.weights[2];
                }
            }
        }
    }

    fn aside(&self, first: usize, z: &[E], d_z: &mut [E], classes: usize, add: bool) {
        if !add {
            d_z.fill(E::default());
        }
        for (row, (z, d_z)) in z.chunks_exact(classes).zip(d_z.chunks_exact_mut(classes)).enumerate() {
            let target = self.targets[first + row];
            if target != IGNORE {
                soften_aside(z, d_z, self.lse[first + row], self.weights);
                d_z[target as usize] -= self.weights[2];
            }
        }
    }
}

versions! {
    fn soften<{E: Real} {E}>(z: &mut [E], lse: E, weights: [E; 3]) {
        for z in z.iter_mut() {
            *z = (*z - lse).exp() * weights[0] - weights[1];
        }
    }
}

versions! {
    fn soften_aside<{E: Real} {E}>(z: &[E], d_z: &mut [E], lse: E, weights: [E; 3]) {
        for (d_z, z) in d_z.iter_mut().zip(z) {
            *d_z += (*z - lse).exp() * weights[0] - weights[1];
        }
    }
}
