//! Sums in a fixed order.

pub mod cuda;

use crate::context::profile::Cost;
use crate::context::{Compute, Context};
use crate::core::error::Result;
use crate::device::cpu::parallel::{pieces, rows_a_task};
use crate::device::cpu::real::Real;
use crate::tensor::Tensor;
use crate::versions;

/// The lanes in which a row is summed: whole vectors of every instruction set, so that all give the same bits.
pub(crate) const LANES: usize = 64;

/// sum over i of map(x\[i\]), in `LANES` interleaved sums that are then added pairwise.
#[inline(always)]
pub fn sum_of<E: Real>(x: &[E], map: impl Fn(E) -> E) -> E {
    let mut sums = [E::default(); LANES];
    let (whole, rest) = x.as_chunks::<LANES>();
    for chunk in whole {
        for i in 0..LANES {
            sums[i] += map(chunk[i]);
        }
    }
    for (sum, x) in sums.iter_mut().zip(rest) {
        *sum += map(*x);
    }
    fold(sums, |a, b| a + b)
}

/// sum over i of map(x\[i\], y\[i\]), likewise.
#[inline(always)]
pub fn sum_of2<E: Real>(x: &[E], y: &[E], map: impl Fn(E, E) -> E) -> E {
    let mut sums = [E::default(); LANES];
    let (x_whole, x_rest) = x.as_chunks::<LANES>();
    let (y_whole, y_rest) = y.as_chunks::<LANES>();
    for (x, y) in x_whole.iter().zip(y_whole) {
        for i in 0..LANES {
            sums[i] += map(x[i], y[i]);
        }
    }
    for ((sum, x), y) in sums.iter_mut().zip(x_rest).zip(y_rest) {
        *sum += map(*x, *y);
    }
    fold(sums, |a, b| a + b)
}

/// sum over i of map(x\[i\], y\[i\], z\[i\]), likewise.
#[inline(always)]
pub fn sum_of3<E: Real>([x, y, z]: [&[E]; 3], map: impl Fn(E, E, E) -> E) -> E {
    let mut sums = [E::default(); LANES];
    let (x_whole, x_rest) = x.as_chunks::<LANES>();
    let (y_whole, y_rest) = y.as_chunks::<LANES>();
    let (z_whole, z_rest) = z.as_chunks::<LANES>();
    for ((x, y), z) in x_whole.iter().zip(y_whole).zip(z_whole) {
        for i in 0..LANES {
            sums[i] += map(x[i], y[i], z[i]);
        }
    }
    for (((sum, x), y), z) in sums.iter_mut().zip(x_rest).zip(y_rest).zip(z_rest) {
        *sum += map(*x, *y, *z);
    }
    fold(sums, |a, b| a + b)
}

/// Returns the largest element; -infinity if `x` is empty.
#[inline(always)]
pub fn max_of<E: Real>(x: &[E]) -> E {
    fold_of(x, E::of(f64::NEG_INFINITY), |x| x, |x, largest| x.max(largest))
}

/// f(map(x\[i\]), ..) over all i, from `start`, in `LANES` interleaved parts that are then joined pairwise.
#[inline(always)]
pub fn fold_of<E: Real>(x: &[E], start: E, map: impl Fn(E) -> E, f: impl Fn(E, E) -> E) -> E {
    let mut lanes = [start; LANES];
    let (whole, rest) = x.as_chunks::<LANES>();
    for chunk in whole {
        for i in 0..LANES {
            lanes[i] = f(map(chunk[i]), lanes[i]);
        }
    }
    for (lane, x) in lanes.iter_mut().zip(rest) {
        *lane = f(map(*x), *lane);
    }
    fold(lanes, f)
}

/// ln of the sum of e^x, without overflow.
#[inline(always)]
pub fn log_sum_exp<E: Real>(x: &[E]) -> E {
    let max = max_of(x);
    max + sum_of(x, |x| (x - max).exp()).ln()
}

#[inline(always)]
fn fold<E: Real>(mut lanes: [E; LANES], f: impl Fn(E, E) -> E) -> E {
    let mut n = LANES / 2;
    while n > 0 {
        for i in 0..n {
            lanes[i] = f(lanes[i], lanes[i + n]);
        }
        n /= 2;
    }
    lanes[0]
}

/// The sum over the leading dimensions that `y` lacks: `x` is [.., y's shape], `y` is overwritten or added to.
///
/// Rows are summed in groups, whose number depends on the shape alone; then the groups' sums.
pub fn sum_rows(cx: &Context, x: &Tensor, y: &mut Tensor, add: bool) -> Result<()> {
    let width = y.shape().elements();
    let rows = x.shape().elements().checked_div(width).unwrap_or(0);
    let group = rows_a_task(width).max(rows.div_ceil(64));
    let groups = rows.div_ceil(group.max(1));
    let mut partial = if groups > 1 { Some(cx.scratch([groups, width])?) } else { None };
    cx.run("sum_rows", SumRows { x, y, partial: partial.as_mut(), group, add })
}

struct SumRows<'a> {
    x: &'a Tensor,
    y: &'a mut Tensor,
    /// Memory for the sums of groups of `group` rows, if there are several groups.
    partial: Option<&'a mut Tensor>,
    group: usize,
    add: bool,
}

impl Compute for SumRows<'_> {
    fn cost(&self, _: &Context) -> Cost {
        Cost::each(self.x, 1).reads([self.x]).writes(self.y, self.add)
    }

    fn cpu<E: Real>(self) {
        let (x, y) = (self.x.as_slice::<E>(), self.y.as_mut_slice::<E>());
        let Some(partial) = self.partial else { return sum_columns(x, y, self.add) };
        let (partial, width) = (partial.as_mut_slice::<E>(), y.len());
        pieces(partial, width, |i, sum| {
            let end = ((i + 1) * self.group * width).min(x.len());
            sum_block(&x[i * self.group * width..end], width, 0, sum, false);
        });
        sum_columns(partial, y, self.add);
    }

    fn cuda(self, cx: &Context) -> Result<()> {
        let width = self.y.shape().elements();
        let rows = self.x.shape().elements().checked_div(width).unwrap_or(0);
        cuda::sum(cx, self.x, self.y, [1, rows, width], 1.0, self.add)
    }
}

/// The sum of all rows, threads sharing the columns.
fn sum_columns<E: Real>(x: &[E], y: &mut [E], add: bool) {
    let width = y.len();
    pieces(y, 4096, |i, y| sum_block(x, width, i * 4096, y, add));
}

versions! {
    /// y\[j\] = sum over rows i of x\[i, first + j\], in the order of the rows; of single numbers in lanes.
    fn sum_block<{E: Real} {E}>(x: &[E], width: usize, first: usize, y: &mut [E], add: bool) {
        if width == 1 {
            let sum = sum_of(x, |x| x);
            y[0] = if add { y[0] + sum } else { sum };
            return;
        }
        if !add {
            y.fill(E::default());
        }
        for row in x.chunks_exact(width) {
            for (y, x) in y.iter_mut().zip(&row[first..]) {
                *y += *x;
            }
        }
    }
}
