//! Copies between a tensor and a stretch of one of its axes: what slice and concat are made of.

pub(crate) mod cuda;

use crate::core::shape::Shape;
use crate::device::cpu::parallel::{pieces, rows_a_task};
use crate::device::cpu::real::Real;

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
        if self.width == 0 {
            return;
        }
        let rows = rows_a_task(self.width);
        pieces(part, rows * self.width, |task, part| {
            for (i, part) in part.chunks_exact_mut(self.width).enumerate() {
                put(&whole[(task * rows + i) * self.length + self.start..][..self.width], part, add);
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

fn put<E: Real>(from: &[E], to: &mut [E], add: bool) {
    if add {
        to.iter_mut().zip(from).for_each(|(to, from)| *to += *from);
    } else {
        to.copy_from_slice(from);
    }
}
