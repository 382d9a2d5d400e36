//! Sums over taps for some neighbouring channels, in registers.

use super::plan::{Plan, Run, Seen};
use crate::device::cpu::real::Real;
use crate::device::cpu::simd::{Instructions, Level, multiply_add};
use crate::versions;

/// Target columns of a register tile.
const COLUMNS: usize = 4;
/// Channels of a register tile: with four columns they fill half of the registers of AVX-512 or of AVX2. LLVM does not vectorise
/// all numbers between.
const WIDE: usize = 64;
const NARROW: usize = 16;
/// Channels of a task in the gradient of the weights.
pub(super) const GROUP: usize = 64;

/// Images, channels last.
#[derive(Clone, Copy)]
struct Images<'a, E> {
    data: &'a [E],
    channels: usize,
}

/// Calls `$f::<Set, E, L>(first channel, ..)` for parts of `$channels` in the widest `L` that fits, and for each channel that is left.
macro_rules! in_parts {
    ($channels:expr, $at:ident, $L:ident => $call:expr) => {{
        let mut $at = 0;
        in_parts!(@width WIDE, Set::LEVEL >= Level::Avx512, $channels, $at, $L => $call);
        in_parts!(@width 32, Set::LEVEL >= Level::Avx512, $channels, $at, $L => $call);
        in_parts!(@width NARROW, true, $channels, $at, $L => $call);
        in_parts!(@width 1, true, $channels, $at, $L => $call);
    }};
    (@width $width:expr, $if:expr, $channels:expr, $at:ident, $L:ident => $call:expr) => {
        if $if {
            const $L: usize = $width;
            while $channels - $at >= $L {
                $call;
                $at += $L;
            }
        }
    };
}

versions! {
    /// y (+)= bias + the sum over taps of weight · source, for the rows of `y` from `first` on, counted over all images. `weight` is
    /// \[taps, channels\].
    pub(super) fn rows<{E: Real} {E}>(plan: &Plan, first: usize, x: &[E], weight: &[E], bias: Option<&[E]>, y: &mut [E], add: bool) {
        let channels = weight.len() / plan.taps();
        let row = plan.target[1] * channels;
        assert_eq!((x.len(), weight.len()), (plan.sources() * channels, plan.taps() * channels));
        assert!(y.len().is_multiple_of(row) && bias.is_none_or(|bias| bias.len() == channels));
        in_parts!(channels, at, L => {
            for (i, y) in y.chunks_exact_mut(row).enumerate() {
                part_of_row::<Set, E, L>(plan, first + i, Images { data: x, channels }, weight, bias, y, add, at);
            }
        });
    }
}

/// A row of targets, for the `L` channels from `at` on.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn part_of_row<Set: Instructions, E: Real, const L: usize>(
    plan: &Plan,
    row: usize,
    x: Images<E>,
    weight: &[E],
    bias: Option<&[E]>,
    y: &mut [E],
    add: bool,
    at: usize,
) {
    let (image, seen) = (row / plan.target[0], &plan.rows[row % plan.target[0]]);
    let start = if let Some(bias) = bias { lanes(&bias[at..]) } else { [E::default(); L] };
    for run in &plan.runs {
        let mut i = 0;
        while run.count - i >= COLUMNS {
            tile::<Set, E, L, COLUMNS>(plan, (image, seen), (run, i), x, weight, (start, add), y, at);
            i += COLUMNS;
        }
        while run.count > i {
            tile::<Set, E, L, 1>(plan, (image, seen), (run, i), x, weight, (start, add), y, at);
            i += 1;
        }
    }
}

/// `P` columns of a run, from its column `i` on.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn tile<Set: Instructions, E: Real, const L: usize, const P: usize>(
    plan: &Plan,
    (image, rows): (usize, &[Seen]),
    (run, i): (&Run, usize),
    x: Images<E>,
    weight: &[E],
    (start, add): ([E; L], bool),
    y: &mut [E],
    at: usize,
) {
    let Images { data, channels } = x;
    let [height, width] = plan.source;
    let mut sums = [start; P];
    for row in rows {
        for column in &run.seen {
            let (tap, source) = (
                plan.window.number(row.tap, column.tap),
                (image * height + row.source) * width + column.source + i * plan.advance,
            );
            debug_assert!((source + (P - 1) * plan.advance) * channels + at + L <= data.len());
            // SAFETY: rows, columns and taps of a plan lie in the images and the window, whose sizes `rows` compares with the slices; the
            // callers see to at + L <= channels.
            let (w, x) = unsafe {
                (&*weight.as_ptr().add(tap * channels + at).cast::<[E; L]>(), data.as_ptr().add(source * channels + at))
            };
            for (p, sums) in sums.iter_mut().enumerate() {
                // SAFETY: as above: column p is one of the run.
                let x = unsafe { &*x.add(p * plan.advance * channels).cast::<[E; L]>() };
                for l in 0..L {
                    sums[l] = multiply_add::<Set, E>(x[l], w[l], sums[l]);
                }
            }
        }
    }
    for (p, sums) in sums.iter().enumerate() {
        let y = &mut y[(run.first + (i + p) * plan.step) * channels + at..][..L];
        if add {
            for l in 0..L {
                y[l] += sums[l];
            }
        } else {
            y.copy_from_slice(sums);
        }
    }
}

/// The first `L` elements.
#[inline(always)]
fn lanes<E: Copy + Default, const L: usize>(from: &[E]) -> [E; L] {
    let mut lanes = [E::default(); L];
    lanes.copy_from_slice(&from[..L]);
    lanes
}

/// Rows of output pixels, counted over all images.
#[derive(Clone, Copy)]
pub(super) struct Rows {
    pub first: usize,
    pub count: usize,
}

versions! {
    /// sums\[tap, channel\] += the sum over the pixels of these rows of d_y · x under the tap, for the [`GROUP`] channels from `first` on,
    /// or as many as there are. The plan is that of the outputs.
    pub(super) fn products<{E: Real} {E}>(plan: &Plan, part: Rows, x: &[E], d_y: &[E], channels: usize, first: usize, sums: &mut [E]) {
        assert_eq!((x.len(), d_y.len(), sums.len()), (plan.sources() * channels, plan.targets() * channels, plan.taps() * GROUP));
        assert!(part.first + part.count <= plan.target_rows());
        let (x, d_y) = (Images { data: x, channels }, Images { data: d_y, channels });
        in_parts!(GROUP.min(channels - first), at, L => {
            for u in 0..plan.window.rows.kernel {
                for run in &plan.runs {
                    let mut seen = &run.seen[..];
                    // Taps in groups: of four the registers hold the sums.
                    while seen.len() > 4 {
                        taps::<Set, E, L, 3>(plan, part, [x, d_y], u, run, seen, sums, [first, at]);
                        seen = &seen[3..];
                    }
                    match seen.len() {
                        4 => taps::<Set, E, L, 4>(plan, part, [x, d_y], u, run, seen, sums, [first, at]),
                        3 => taps::<Set, E, L, 3>(plan, part, [x, d_y], u, run, seen, sums, [first, at]),
                        2 => taps::<Set, E, L, 2>(plan, part, [x, d_y], u, run, seen, sums, [first, at]),
                        1 => taps::<Set, E, L, 1>(plan, part, [x, d_y], u, run, seen, sums, [first, at]),
                        _ => {}
                    }
                }
            }
        });
    }
}

/// [`products`] for row `u` of the window and the first `T` of these taps, over all columns of a run.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn taps<Set: Instructions, E: Real, const L: usize, const T: usize>(
    plan: &Plan,
    part: Rows,
    [x, d_y]: [Images<E>; 2],
    u: usize,
    run: &Run,
    seen: &[Seen],
    total: &mut [E],
    [first, at]: [usize; 2],
) {
    let channels = x.channels;
    let place = |t: usize| plan.window.number(u, seen[t].tap) * GROUP + at;
    let mut sums: [[E; L]; T] = std::array::from_fn(|t| lanes(&total[place(t)..]));
    let offsets: [usize; T] = std::array::from_fn(|t| seen[t].source * channels + first + at);
    for row in part.first..part.first + part.count {
        let (image, i) = (row / plan.target[0], row % plan.target[0]);
        let Some(source) = plan.rows[i].iter().find(|seen| seen.tap == u) else { continue };
        let x_row = (image * plan.source[0] + source.source) * plan.source[1] * channels;
        let d_y_row = (row * plan.target[1] + run.first) * channels + first + at;
        for j in 0..run.count {
            // SAFETY: rows, columns and taps of a plan lie in the images and the window, whose sizes `products` compares with the slices;
            // the callers see to first + at + L <= channels.
            let (d_y, x) = unsafe {
                (
                    &*d_y.data.as_ptr().add(d_y_row + j * channels).cast::<[E; L]>(),
                    x.data.as_ptr().add(x_row + j * plan.advance * channels),
                )
            };
            for (sums, offset) in sums.iter_mut().zip(offsets) {
                // SAFETY: as above.
                let x = unsafe { &*x.add(offset).cast::<[E; L]>() };
                for l in 0..L {
                    sums[l] = multiply_add::<Set, E>(x[l], d_y[l], sums[l]);
                }
            }
        }
    }
    for (t, sums) in sums.iter().enumerate() {
        total[place(t)..][..L].copy_from_slice(sums);
    }
}
