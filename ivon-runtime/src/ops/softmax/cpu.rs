use crate::device::cpu::parallel::{pieces, rows_a_task};
use crate::device::cpu::real::Real;
use crate::ops::shared::reduce::{log_sum_exp, max_of, sum_of, sum_of2};
use crate::versions;

/// Rows of `width` elements, cut into pieces for threads.
fn piece(width: usize) -> usize {
    rows_a_task(width) * width.max(1)
}

/// y = softmax of every row of x, or its logarithm.
pub(super) fn forward<E: Real>(x: &[E], y: &mut [E], width: usize, log: bool) {
    let piece = piece(width);
    pieces(y, piece, |i, y| {
        let x = &x[i * piece..][..y.len()];
        if log { logarithms(x, y, width) } else { probabilities(x, y, width) }
    });
}

/// d_x = the gradient of [`forward`] with the result y, or += it.
pub(super) fn backward<E: Real>(y: &[E], d_y: &[E], d_x: &mut [E], width: usize, log: bool, add: bool) {
    let piece = piece(width);
    pieces(d_x, piece, |i, d_x| {
        let range = i * piece..i * piece + d_x.len();
        let rows = (&y[range.clone()], &d_y[range]);
        if log { of_logarithms(rows, d_x, width, add) } else { of_probabilities(rows, d_x, width, add) }
    });
}

versions! {
    fn probabilities<{E: Real} {E}>(x: &[E], y: &mut [E], width: usize) {
        for (x, y) in x.chunks_exact(width).zip(y.chunks_exact_mut(width)) {
            let max = max_of(x);
            for (y, x) in y.iter_mut().zip(x) {
                *y = (*x - max).exp();
            }
            let scale = E::of(1.0) / sum_of(y, |y| y);
            for y in y.iter_mut() {
                *y *= scale;
            }
        }
    }
}

versions! {
    fn logarithms<{E: Real} {E}>(x: &[E], y: &mut [E], width: usize) {
        for (x, y) in x.chunks_exact(width).zip(y.chunks_exact_mut(width)) {
            let lse = log_sum_exp(x);
            for (y, x) in y.iter_mut().zip(x) {
                *y = *x - lse;
            }
        }
    }
}

versions! {
    fn of_probabilities<{E: Real} {E}>(rows: (&[E], &[E]), d_x: &mut [E], width: usize, add: bool) {
        let rows = rows.0.chunks_exact(width).zip(rows.1.chunks_exact(width));
        for ((y, d_y), d_x) in rows.zip(d_x.chunks_exact_mut(width)) {
            let sum = sum_of2(y, d_y, |y, d_y| y * d_y);
            for ((d_x, y), d_y) in d_x.iter_mut().zip(y).zip(d_y) {
                let value = *y * (*d_y - sum);
                *d_x = if add { *d_x + value } else { value };
            }
        }
    }
}

versions! {
    fn of_logarithms<{E: Real} {E}>(rows: (&[E], &[E]), d_x: &mut [E], width: usize, add: bool) {
        let rows = rows.0.chunks_exact(width).zip(rows.1.chunks_exact(width));
        for ((y, d_y), d_x) in rows.zip(d_x.chunks_exact_mut(width)) {
            let sum = sum_of(d_y, |d_y| d_y);
            for ((d_x, y), d_y) in d_x.iter_mut().zip(y).zip(d_y) {
                let value = *d_y - y.exp() * sum;
                *d_x = if add { *d_x + value } else { value };
            }
        }
    }
}
