use super::Parts;
use crate::device::cpu::parallel::{pieces, rows_a_task};
use crate::device::cpu::real::Real;

/// Elements of a row of `y` that are gathered while the lines of `x` they come from are in cache.
const BLOCK: usize = 16;

/// y\[o, b, m, a, i\] = x\[o, a, m, b, i\], or += it.
pub(super) fn transpose<E: Real>(x: &[E], y: &mut [E], parts: Parts, add: bool) {
    let Parts { a, middle, b, inner } = parts;
    let put = |to: &mut [E], from: &[E]| {
        if add {
            to.iter_mut().zip(from).for_each(|(y, x)| *y += *x);
        } else {
            to.copy_from_slice(from);
        }
    };
    if inner == 0 || a == 0 || middle == 0 || b == 0 {
        return;
    }
    // A task is some planes (o, b) of y, each [middle, a, inner].
    let plane = middle * a * inner;
    let planes = rows_a_task(plane).next_multiple_of(if inner == 1 { BLOCK } else { 1 });
    pieces(y, planes * plane, |task, y| {
        let first = task * planes;
        let count = y.len() / plane;
        let from = |p: usize, m: usize, i: usize| {
            let (o, j) = ((first + p) / b, (first + p) % b);
            (((o * a + i) * middle + m) * b + j) * inner
        };
        for block in (0..count).step_by(BLOCK) {
            for m in 0..middle {
                for i in 0..a {
                    for p in block..(block + BLOCK).min(count) {
                        let source = from(p, m, i);
                        put(&mut y[p * plane + (m * a + i) * inner..][..inner], &x[source..source + inner]);
                    }
                }
            }
        }
    });
}
