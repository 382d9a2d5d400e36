//! Rotary positions: pairs of elements turned by angles that grow with the position (Su et al. 2021).

pub(crate) mod cuda;
#[cfg(test)]
mod tests;

use crate::context::adjoint::Adjoint;
use crate::context::profile::Cost;
use crate::context::{Compute, Context};
use crate::core::error::{Error, Result};
use crate::core::shape::Shape;
use crate::device::cpu::parallel::{pieces, rows_a_task};
use crate::device::cpu::real::Real;
use crate::ops::shared::check;
use crate::tensor::Tensor;

const AT: &str = "rotary";

/// The angles, and the shape of `x`.
#[derive(Debug)]
pub struct Saved {
    turn: Turn,
    x: Shape,
}

/// The angles: of position p and pair i of a head, p · base^(−2 i / SIZE).
#[derive(Clone, Copy, Debug)]
struct Turn {
    heads: usize,
    /// The position of the first row.
    first: usize,
    base: f64,
    /// True for the transpose, which turns back.
    back: bool,
}

/// Per head, (x\[i\], x\[i + SIZE / 2\]) turned by the angle t · `base`^(−2 i / SIZE), for i < SIZE / 2 and the position t. This is the
/// layout of Llama in Hugging Face's library. `base` is 10000 in most models.
///
/// `x` is \[B, T, HEADS · SIZE\], and so is the output. Positions are counted from 0; inside of [`Context::cached`] from the number of
/// positions in the cache.
///
/// # Errors
/// If `x` does not have three dimensions, the last of them a multiple of 2 · `heads`, or `base` is not above 0.
pub fn forward(cx: &Context, heads: usize, x: &Tensor, base: f64) -> Result<Tensor> {
    Ok(forward_saving(cx, heads, x, base)?.0)
}

/// [`forward`], and what [`backward`] reads.
///
/// # Errors
/// As [`forward`].
pub fn forward_saving(cx: &Context, heads: usize, x: &Tensor, base: f64) -> Result<(Tensor, Saved)> {
    check::float(AT, cx, &[("x", x)])?;
    check::dimensions(AT, ("x", x.shape()), &["B", "T", "HEADS * SIZE"])?;
    check::number(AT, "base", base, base > 0.0 && base.is_finite(), "a number above 0")?;
    let columns = x.dim(2);
    if heads == 0 || heads > columns.max(1) || !columns.is_multiple_of(2 * heads) {
        let message = format!("`x` is {}: its last dimension must be HEADS = {heads} times an even number", x.shape());
        return Err(Error::shape(AT, message));
    }
    let first = cx.cache().as_ref().map_or(0, |cache| cache.len());
    let turn = Turn { heads, first, base, back: false };
    let mut y = cx.empty(*x.shape())?;
    run(cx, turn, x, &mut y, false)?;
    Ok((y, Saved { turn, x: *x.shape() }))
}

/// `d_x += d_y`, turned back.
///
/// # Errors
/// As [`Adjoint::target`].
pub fn backward(cx: &Context, saved: Saved, d_y: Tensor, d_x: &mut Adjoint) -> Result<()> {
    check::gradient(AT, cx, ("d_y", &d_y), saved.x)?;
    let Some((d_x, add)) = d_x.target(cx, saved.x)? else { return Ok(()) };
    run(cx, Turn { back: true, ..saved.turn }, &d_y, d_x, add)
}

/// y = x turned, or += it.
fn run(cx: &Context, turn: Turn, x: &Tensor, y: &mut Tensor, add: bool) -> Result<()> {
    // Cosine and sine of every position and pair: they are the same for all sequences and heads.
    let mut table = cx.scratch([x.dim(1), x.dim(2) / turn.heads])?;
    cx.run(AT, Rotate { turn, x, y, table: &mut table, add })
}

struct Rotate<'a> {
    turn: Turn,
    x: &'a Tensor,
    y: &'a mut Tensor,
    table: &'a mut Tensor,
    add: bool,
}

impl Compute for Rotate<'_> {
    fn cost(&self, _: &Context) -> Cost {
        Cost::each(self.x, 3).reads([self.x]).writes(self.y, self.add)
    }

    fn cpu<E: Real>(self) {
        let Rotate { turn, x, y, table, add } = self;
        let (length, columns) = (x.dim(1), x.dim(2));
        let size = columns / turn.heads;
        if x.shape().elements() == 0 {
            return;
        }
        let rows = rows_a_task(size);
        pieces(table.as_mut_slice::<E>(), rows * size, |task, table| {
            for (t, row) in table.chunks_exact_mut(size).enumerate() {
                turn.angles(turn.first + task * rows + t, row);
            }
        });
        let (x, table) = (x.as_slice::<E>(), table.as_slice::<E>());
        let rows = rows_a_task(columns);
        pieces(y.as_mut_slice::<E>(), rows * columns, |task, y| {
            for (i, y) in y.chunks_exact_mut(columns).enumerate() {
                let row = task * rows + i;
                let (x, angles) = (&x[row * columns..][..columns], &table[row % length * size..][..size]);
                for (x, y) in x.chunks_exact(size).zip(y.chunks_exact_mut(size)) {
                    rotate(x, angles, y, add);
                }
            }
        });
    }

    fn cuda(self, cx: &Context) -> Result<()> {
        cuda::rotate(cx, self.turn, self.x, self.y, self.add)
    }
}

impl Turn {
    /// The cosines, then the sines, of a position's pairs.
    fn angles<E: Real>(&self, position: usize, row: &mut [E]) {
        let half = row.len() / 2;
        let (cosines, sines) = row.split_at_mut(half);
        for (i, (cosine, sine)) in cosines.iter_mut().zip(sines).enumerate() {
            let (s, c) = (position as f64 * self.base.powf(-(i as f64) / half as f64)).sin_cos();
            (*cosine, *sine) = (E::of(c), E::of(if self.back { -s } else { s }));
        }
    }
}

/// One head of one position.
fn rotate<E: Real>(x: &[E], angles: &[E], y: &mut [E], add: bool) {
    let half = x.len() / 2;
    let ((x, z), (cosines, sines), (y, w)) = (x.split_at(half), angles.split_at(half), y.split_at_mut(half));
    for i in 0..half {
        let (first, second) = (x[i] * cosines[i] - z[i] * sines[i], z[i] * cosines[i] + x[i] * sines[i]);
        (y[i], w[i]) = if add { (y[i] + first, w[i] + second) } else { (first, second) };
    }
}
