//! The kernels: \[n, C\], one channel a column, so that the innermost loops run over channels.
//!
//! Mean and variance come from one reading of `x`: a group of rows that fits a core's cache is read twice, for its mean and for the
//! deviations from that, whose sum corrects the mean's rounding; the groups are then put together in f64 (Chan, Golub and LeVeque
//! 1983). So nothing cancels, however far the mean is from zero. The groups depend on the shape alone.

use crate::device::cpu::parallel::{pieces, pieces2, rows_a_task};
use crate::device::cpu::real::Real;
use crate::versions;

/// Rows of a group: few enough for a core's cache, enough that what is known of a group is small beside it.
fn rows(channels: usize) -> usize {
    rows_a_task(channels).max(32)
}

/// The number of groups of rows.
pub(super) fn groups(count: usize, channels: usize) -> usize {
    count.div_ceil(rows(channels))
}

/// Mean and variance (divided by n) of every channel. `partial`, \[groups, 3, C\], is room for what is known of every group.
pub(super) fn moments<E: Real>(x: &[E], partial: &mut [E], statistics: &mut [E]) {
    let channels = statistics.len() / 2;
    if channels == 0 {
        return;
    }
    let count = x.len() / channels;
    let rows = rows(channels);
    pieces(partial, 3 * channels, |i, partial| {
        let end = ((i + 1) * rows).min(count);
        moments_of_group(&x[i * rows * channels..end * channels], partial);
    });
    let (means, variances) = statistics.split_at_mut(channels);
    combine(partial, (rows, count), means, variances);
}

/// Calls `$block::<E, N, FLAG>(first, ..)` for columns `first .. first + N` until all are done: sums of N columns stay in registers.
macro_rules! in_blocks {
    ($channels:expr, $first:ident => $block:ident$(<$flag:ident>)?($($argument:expr),*)) => {
        let mut $first = 0;
        while $first < $channels {
            match $channels - $first {
                64.. => {
                    $block::<E, 64 $(, $flag)?>($first, $($argument),*);
                    $first += 64;
                }
                16.. => {
                    $block::<E, 16 $(, $flag)?>($first, $($argument),*);
                    $first += 16;
                }
                _ => {
                    $block::<E, 1 $(, $flag)?>($first, $($argument),*);
                    $first += 1;
                }
            }
        }
    };
}

versions! {
    /// Rounded means, then sums of deviations from them and of their squares.
    fn moments_of_group<{E: Real} {E}>(x: &[E], partial: &mut [E]) {
        let channels = partial.len() / 3;
        in_blocks!(channels, first => moments_of_columns(x, partial));
    }
}

#[inline(always)]
fn moments_of_columns<E: Real, const N: usize>(first: usize, x: &[E], partial: &mut [E]) {
    let channels = partial.len() / 3;
    let rows = || x.chunks_exact(channels).filter_map(|row| row[first..].first_chunk::<N>());
    let share = E::of(channels as f64 / x.len() as f64);
    let mut mean = [E::default(); N];
    for x in rows() {
        for c in 0..N {
            mean[c] += x[c];
        }
    }
    mean.iter_mut().for_each(|mean| *mean *= share);
    let (mut sums, mut squares) = ([E::default(); N], [E::default(); N]);
    for x in rows() {
        for c in 0..N {
            let deviation = x[c] - mean[c];
            sums[c] += deviation;
            squares[c] += deviation * deviation;
        }
    }
    for (row, values) in [mean, sums, squares].iter().enumerate() {
        partial[row * channels + first..][..N].copy_from_slice(values);
    }
}

versions! {
    /// Combines the groups g of `rows` (the last one shorter): mean_g = rounded mean + sum / n_g, mean = Σ n_g mean_g / n and
    /// variance = Σ (squares - sum² / n_g + n_g (mean_g - mean)²) / n.
    fn combine<{E: Real} {E}>(partial: &[E], sizes: (usize, usize), means: &mut [E], variances: &mut [E]) {
        const LANES: usize = 64;
        let (rows, count) = sizes;
        let channels = means.len();
        let groups = || partial.chunks_exact(3 * channels).enumerate().map(|(g, p)| (rows.min(count - g * rows) as f64, p));
        for first in (0..channels).step_by(LANES) {
            let width = LANES.min(channels - first);
            let (mut mean, mut total) = ([0.0; LANES], [0.0; LANES]);
            for (n, group) in groups() {
                let (rounded, sum) = (&group[first..][..width], &group[channels + first..][..width]);
                for c in 0..width {
                    mean[c] += n * rounded[c].to_f64() + sum[c].to_f64();
                }
            }
            mean.iter_mut().for_each(|mean| *mean /= count as f64);
            for (n, group) in groups() {
                let (rounded, sum) = (&group[first..][..width], &group[channels + first..][..width]);
                let squares = &group[2 * channels + first..][..width];
                for c in 0..width {
                    let sum = sum[c].to_f64();
                    let apart = rounded[c].to_f64() + sum / n - mean[c];
                    total[c] += squares[c].to_f64() - sum * sum / n + n * apart * apart;
                }
            }
            for c in 0..width {
                means[first + c] = E::of(mean[c]);
                variances[first + c] = E::of(total[c] / count as f64);
            }
        }
    }
}

/// The running mean and variance in the compute type.
pub(super) fn read<E: Real>(mean: &[f32], variance: &[f32], statistics: &mut [E]) {
    statistics.iter_mut().zip(mean.iter().chain(variance)).for_each(|(s, x)| *s = E::of(*x as f64));
}

/// Every variance becomes 1 / sqrt(variance + eps).
pub(super) fn invert<E: Real>(statistics: &mut [E], eps: f64) {
    let channels = statistics.len() / 2;
    statistics[channels..].iter_mut().for_each(|v| *v = E::of(1.0) / (*v + E::of(eps)).sqrt());
}

/// running = (1 - momentum) · running + momentum · factor · of the batch
pub(super) fn follow<E: Real>(batch: &[E], (momentum, factor): (f64, f64), running: &mut [f32]) {
    for (running, batch) in running.iter_mut().zip(batch) {
        *running = ((1.0 - momentum) * *running as f64 + momentum * factor * batch.to_f64()) as f32;
    }
}

/// y = (x - mean) · factor + shift, channel by channel: these three.
pub(super) fn line<E: Real>(statistics: &[E], gain: &[E], bias: Option<&[E]>, line: &mut [E]) {
    let channels = gain.len();
    let (mean, r) = statistics.split_at(channels);
    line[..channels].copy_from_slice(mean);
    line[channels..2 * channels].iter_mut().zip(r).zip(gain).for_each(|((factor, r), gain)| *factor = *r * *gain);
    match bias {
        Some(bias) => line[2 * channels..].copy_from_slice(bias),
        None => line[2 * channels..].fill(E::default()),
    }
}

/// y, or max(y, 0) with RELU.
pub(super) fn normalize<E: Real, const RELU: bool>(x: &[E], line: &[E], y: &mut [E]) {
    let channels = (line.len() / 3).max(1);
    let task = rows_a_task(channels) * channels;
    pieces(y, task, |i, y| normalize_rows::<E, RELU>(&x[i * task..][..y.len()], line, y));
}

/// max(y + residual, 0)
pub(super) fn normalize_add_relu<E: Real>((x, residual): (&[E], &[E]), line: &[E], y: &mut [E]) {
    let channels = (line.len() / 3).max(1);
    let task = rows_a_task(channels) * channels;
    pieces(y, task, |i, y| {
        let range = i * task..i * task + y.len();
        normalize_add_relu_rows((&x[range.clone()], &residual[range]), line, y);
    });
}

#[inline(always)]
fn split<E, const N: usize>(line: &[E]) -> (usize, [&[E]; N]) {
    let channels = line.len() / N;
    (channels, std::array::from_fn(|i| &line[i * channels..][..channels]))
}

versions! {
    fn normalize_rows<{E: Real, const RELU: bool} {E, RELU}>(x: &[E], line: &[E], y: &mut [E]) {
        let (channels, [mean, factor, shift]) = split(line);
        for (x, y) in x.chunks_exact(channels).zip(y.chunks_exact_mut(channels)) {
            for c in 0..channels {
                let value = (x[c] - mean[c]) * factor[c] + shift[c];
                y[c] = if RELU { value.relu() } else { value };
            }
        }
    }
}

versions! {
    fn normalize_add_relu_rows<{E: Real} {E}>(inputs: (&[E], &[E]), line: &[E], y: &mut [E]) {
        let (x, residual) = inputs;
        let (channels, [mean, factor, shift]) = split(line);
        for ((x, residual), y) in x.chunks_exact(channels).zip(residual.chunks_exact(channels)).zip(y.chunks_exact_mut(channels)) {
            for c in 0..channels {
                y[c] = ((x[c] - mean[c]) * factor[c] + shift[c] + residual[c]).relu();
            }
        }
    }
}

/// Computes the sums of d_y and of d_y · x̂ over the rows of every group. With the forward pass's line in `relu`, d_y counts where ReLU let it
/// through: the same operations give the same bits here.
pub(super) fn sum_gradients<E: Real>((x, d_y): (&[E], &[E]), relu: Option<&[E]>, statistics: &[E], partial: &mut [E]) {
    let channels = statistics.len() / 2;
    let group = rows(channels) * channels;
    pieces(partial, (2 * channels).max(1), |i, sums| {
        let range = i * group..((i + 1) * group).min(x.len());
        let inputs = (&x[range.clone()], &d_y[range]);
        match relu {
            None => sum_gradients_of_group::<E, false>(inputs, &[], statistics, sums),
            Some(line) => sum_gradients_of_group::<E, true>(inputs, line, statistics, sums),
        }
    });
}

/// [`sum_gradients`] after d_y was made zero where y <= 0, group by group.
pub(super) fn mask_and_sum_gradients<E: Real>((x, y): (&[E], &[E]), d_y: &mut [E], statistics: &[E], partial: &mut [E]) {
    let channels = (statistics.len() / 2).max(1);
    let group = rows(channels) * channels;
    pieces2((d_y, group), (partial, 2 * channels), |i, d_y, sums| {
        let range = i * group..i * group + d_y.len();
        mask(&y[range.clone()], d_y);
        sum_gradients_of_group::<E, false>((&x[range], d_y), &[], statistics, sums);
    });
}

versions! {
    fn mask<{E: Real} {E}>(y: &[E], d_y: &mut [E]) {
        for (y, d_y) in y.iter().zip(d_y) {
            *d_y = y.gate(*d_y);
        }
    }
}

versions! {
    fn sum_gradients_of_group<{E: Real, const RELU: bool} {E, RELU}>(
        inputs: (&[E], &[E]),
        relu: &[E],
        statistics: &[E],
        sums: &mut [E],
    ) {
        let (channels, statistics) = (sums.len() / 2, (statistics, relu));
        in_blocks!(channels, first => sum_gradients_of_columns<RELU>(inputs, statistics, sums));
    }
}

#[inline(always)]
fn sum_gradients_of_columns<E: Real, const N: usize, const RELU: bool>(
    first: usize,
    (x, d_y): (&[E], &[E]),
    (statistics, relu): (&[E], &[E]),
    sums: &mut [E],
) {
    let channels = sums.len() / 2;
    let (Some(mean), Some(r)) = (statistics[first..].first_chunk::<N>(), statistics[channels + first..].first_chunk::<N>())
    else {
        return;
    };
    let (mut factor, mut shift) = ([E::default(); N], [E::default(); N]);
    if RELU {
        let (_, [_, factors, shifts]) = split(relu);
        factor.copy_from_slice(&factors[first..][..N]);
        shift.copy_from_slice(&shifts[first..][..N]);
    }
    let (mut sum, mut product) = ([E::default(); N], [E::default(); N]);
    for (x, d_y) in x.chunks_exact(channels).zip(d_y.chunks_exact(channels)) {
        let (Some(x), Some(d_y)) = (x[first..].first_chunk::<N>(), d_y[first..].first_chunk::<N>()) else { continue };
        for c in 0..N {
            let apart = x[c] - mean[c];
            let d_y = if RELU { (apart * factor[c] + shift[c]).gate(d_y[c]) } else { d_y[c] };
            sum[c] += d_y;
            product[c] += d_y * apart;
        }
    }
    product.iter_mut().zip(r).for_each(|(product, r)| *product *= *r);
    sums[first..][..N].copy_from_slice(&sum);
    sums[channels + first..][..N].copy_from_slice(&product);
}

/// Overwrites or adds.
pub(super) fn put<E: Real>(from: &[E], to: &mut [E], add: bool) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = if add { *to + *from } else { *from };
    }
}

/// d_x = gain r (d_y - mean(d_y) - x̂ mean(d_y x̂)), channel by channel, is `of_d_y · d_y + of_x · (x - mean) + constant`: these four.
/// `sums`: of d_y and of d_y x̂; `share`: 1 / n, or 0 where mean and r do not depend on x.
pub(super) fn backward_line<E: Real>(statistics: &[E], gain: &[E], sums: &[E], share: f64, line: &mut [E]) {
    let channels = gain.len();
    for c in 0..channels {
        let (r, mean_d, mean_dx) =
            (statistics[channels + c].to_f64(), sums[c].to_f64() * share, sums[channels + c].to_f64() * share);
        let of_d_y = gain[c].to_f64() * r;
        line[c] = E::of(of_d_y);
        line[channels + c] = E::of(-of_d_y * r * mean_dx);
        line[2 * channels + c] = statistics[c];
        line[3 * channels + c] = E::of(-of_d_y * mean_d);
    }
}

/// With the forward pass's line in `relu`, of the d_y that [`sum_gradients`] counts.
pub(super) fn differentiate<E: Real>((x, d_y): (&[E], &[E]), relu: Option<&[E]>, line: &[E], d_x: &mut [E], add: bool) {
    let channels = (line.len() / 4).max(1);
    let task = rows_a_task(channels) * channels;
    pieces(d_x, task, |i, d_x| {
        let range = i * task..i * task + d_x.len();
        let inputs = (&x[range.clone()], &d_y[range]);
        match relu {
            None => differentiate_rows::<E, false>(inputs, &[], line, d_x, add),
            Some(relu) => differentiate_rows::<E, true>(inputs, relu, line, d_x, add),
        }
    });
}

/// [`differentiate`] with the gradient in the place of `d_y`.
pub(super) fn differentiate_in_place<E: Real>(x: &[E], relu: Option<&[E]>, line: &[E], d_y: &mut [E]) {
    let channels = (line.len() / 4).max(1);
    let task = rows_a_task(channels) * channels;
    pieces(d_y, task, |i, d_y| {
        let x = &x[i * task..][..d_y.len()];
        match relu {
            None => differentiate_rows_in_place::<E, false>(x, &[], line, d_y),
            Some(relu) => differentiate_rows_in_place::<E, true>(x, relu, line, d_y),
        }
    });
}

/// Both lines, row by row; without RELU any numbers in the place of its factor and shift.
#[inline(always)]
fn split_lines<'a, E, const RELU: bool>(line: &'a [E], relu: &'a [E]) -> (usize, [&'a [E]; 6]) {
    let (channels, [of_d_y, of_x, mean, constant]) = split(line);
    let (factor, shift) = match RELU {
        true => (&relu[channels..][..channels], &relu[2 * channels..][..channels]),
        false => (mean, mean),
    };
    (channels, [of_d_y, of_x, mean, constant, factor, shift])
}

versions! {
    fn differentiate_rows<{E: Real, const RELU: bool} {E, RELU}>(
        inputs: (&[E], &[E]),
        relu: &[E],
        line: &[E],
        d_x: &mut [E],
        add: bool,
    ) {
        let (x, d_y) = inputs;
        let (channels, [of_d_y, of_x, mean, constant, factor, shift]) = split_lines::<E, RELU>(line, relu);
        for ((x, d_y), d_x) in x.chunks_exact(channels).zip(d_y.chunks_exact(channels)).zip(d_x.chunks_exact_mut(channels)) {
            for c in 0..channels {
                let apart = x[c] - mean[c];
                let d_y = if RELU { (apart * factor[c] + shift[c]).gate(d_y[c]) } else { d_y[c] };
                let value = of_d_y[c] * d_y + of_x[c] * apart + constant[c];
                d_x[c] = if add { d_x[c] + value } else { value };
            }
        }
    }
}

versions! {
    fn differentiate_rows_in_place<{E: Real, const RELU: bool} {E, RELU}>(x: &[E], relu: &[E], line: &[E], d_y: &mut [E]) {
        let (channels, [of_d_y, of_x, mean, constant, factor, shift]) = split_lines::<E, RELU>(line, relu);
        for (x, d_y) in x.chunks_exact(channels).zip(d_y.chunks_exact_mut(channels)) {
            for c in 0..channels {
                let apart = x[c] - mean[c];
                let through = if RELU { (apart * factor[c] + shift[c]).gate(d_y[c]) } else { d_y[c] };
                d_y[c] = of_d_y[c] * through + of_x[c] * apart + constant[c];
            }
        }
    }
}
