//! Copies between a tensor and a stretch of one of its axes: what slice and concat are made of.

pub(crate) mod cuda;

use crate::context::profile::Cost;
use crate::context::{Compute, Context};
use crate::core::dtype::DType;
use crate::core::error::Result;
use crate::core::shape::Shape;
use crate::device::cpu::parallel::{pieces, rows_a_task};
use crate::device::cpu::real::Real;
use crate::tensor::Tensor;

/// A stretch of an axis: of `rows` rows of `length` elements, the `width` elements from `start`.
#[derive(Clone, Copy)]
pub(crate) struct Strip {
    length: usize,
    start: usize,
    width: usize,
}

impl Strip {
    /// The `count` entries from `start` of an axis of a tensor of this shape.
    pub(crate) fn of(whole: &Shape, axis: usize, start: usize, count: usize) -> Strip {
        let inner: usize = whole[axis + 1..].iter().product();
        Strip { length: whole[axis] * inner, start: start * inner, width: count * inner }
    }

    /// Takes the strip out of `whole`: `part` is overwritten or added to.
    pub(crate) fn take<E: Real>(self, whole: &[E], part: &mut [E], add: bool) {
        self.for_each_row(whole, part, |from, to| put(from, to, add));
    }

    /// Calls `row(from, to)` with each row of the strip of `whole` and that of `part`, on all threads.
    fn for_each_row<T: Sync + Send>(self, whole: &[T], part: &mut [T], row: impl Fn(&[T], &mut [T]) + Sync) {
        if self.width == 0 {
            return;
        }
        let rows = rows_a_task(self.width);
        pieces(part, rows * self.width, |task, part| {
            for (i, part) in part.chunks_exact_mut(self.width).enumerate() {
                row(&whole[(task * rows + i) * self.length + self.start..][..self.width], part);
            }
        });
    }

    /// Puts `part` into the strip of `whole`, which is overwritten or added to; the rest of `whole` stays.
    pub(crate) fn put<E: Real>(self, part: &[E], whole: &mut [E], add: bool) {
        if self.width == 0 {
            return;
        }
        let rows = rows_a_task(self.width);
        pieces(whole, rows * self.length, |task, whole| {
            for (i, whole) in whole.chunks_exact_mut(self.length).enumerate() {
                put(&part[(task * rows + i) * self.width..][..self.width], &mut whole[self.start..][..self.width], add);
            }
        });
    }
}

/// The strip of `x`, numbers or ids, as a tensor of this shape. `at` names the op.
///
/// # Errors
/// As [`Context::empty`].
pub(crate) fn taken(cx: &Context, at: &str, strip: Strip, x: &Tensor, shape: Shape) -> Result<Tensor> {
    let mut y = cx.empty_of(x.dtype(), shape)?;
    cx.run(at, Taken { strip, x, y: &mut y })?;
    Ok(y)
}

struct Taken<'a> {
    strip: Strip,
    x: &'a Tensor,
    y: &'a mut Tensor,
}

impl Compute for Taken<'_> {
    fn cost(&self, _: &Context) -> Cost {
        Cost::default().moves(2 * self.y.bytes())
    }

    fn cpu<E: Real>(self) {
        match self.x.dtype() {
            DType::U32 => {
                self.strip.for_each_row::<u32>(self.x.as_slice(), self.y.as_mut_slice(), |from, to| to.copy_from_slice(from))
            }
            _ => self.strip.take::<E>(self.x.as_slice(), self.y.as_mut_slice(), false),
        }
    }

    fn cuda(self, cx: &Context) -> Result<()> {
        match self.x.dtype() {
            DType::U32 => cuda::take_ids(cx, self.strip, self.x, self.y),
            _ => cuda::take(cx, self.strip, self.x, self.y, false),
        }
    }
}

fn put<E: Real>(from: &[E], to: &mut [E], add: bool) {
    if add {
        to.iter_mut().zip(from).for_each(|(to, from)| *to += *from);
    } else {
        to.copy_from_slice(from);
    }
}
