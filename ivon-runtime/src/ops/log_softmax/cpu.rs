use crate::device::cpu::real::Real;
use crate::ops::shared::reduce::{log_sum_exp, sum_of};
use crate::versions;

versions! {
    pub(super) fn forward<{E: Real} {E}>(x: &[E], y: &mut [E], width: usize) {
        for (x, y) in x.chunks_exact(width).zip(y.chunks_exact_mut(width)) {
            let lse = log_sum_exp(x);
            for (y, x) in y.iter_mut().zip(x) {
                *y = *x - lse;
            }
        }
    }
}

versions! {
    pub(super) fn backward<{E: Real} {E}>(rows: (&[E], &[E]), d_x: &mut [E], width: usize, add: bool) {
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
