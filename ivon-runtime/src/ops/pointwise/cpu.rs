//! The loops: tiles that fit the first-level cache, in chunks that threads share.

use super::Kernel;
use crate::device::cpu::parallel::CHUNK;
use crate::device::cpu::real::Real;
use crate::device::cpu::threads::each;
use crate::ops::shared::axes::Repeats;
use crate::versions;

/// Elements a tile. A tile's inputs and outputs lie in arrays on the stack: LLVM knows their length and that they do not
/// overlap, so that it vectorises whatever the kernel; and broadcasting is no concern of the inner loop.
const TILE: usize = 256;

/// The elements of an input, and how they repeat along the output.
#[derive(Clone, Copy)]
pub(super) struct Input<'a, E> {
    pub x: &'a [E],
    pub repeats: Repeats,
}

/// outputs\[j\] = K(inputs)\[j\] or += where it says so; each that is there has `elements` elements.
pub(super) fn evaluate<E: Real, K: Kernel<I, S, O>, const I: usize, const S: usize, const O: usize>(
    inputs: [Input<E>; I],
    scalars: [f64; S],
    outputs: [Option<(&mut [E], bool)>; O],
    elements: usize,
) {
    let scalars = scalars.map(E::of);
    if elements <= CHUNK {
        return chunk::<E, K, I, S, O>(inputs, scalars, 0, outputs);
    }
    let mut outputs = outputs.map(|y| y.map(|(y, add)| (y.chunks_mut(CHUNK), add)));
    let chunks = (0..elements)
        .step_by(CHUNK)
        .map(|start| (start, outputs.each_mut().map(|y| y.as_mut().and_then(|(y, add)| Some((y.next()?, *add))))));
    each(chunks, |(start, y)| chunk::<E, K, I, S, O>(inputs, scalars, start, y));
}

versions! {
    /// One chunk, from element `start` of the whole.
    fn chunk<
        {E: Real, K: Kernel<I, S, O>, const I: usize, const S: usize, const O: usize} {E, K, I, S, O}
    >(inputs: [Input<E>; I], scalars: [E; S], start: usize, outputs: [Option<(&mut [E], bool)>; O]) {
        let mut outputs = outputs;
        let length = outputs.iter().flatten().map(|(y, _)| y.len()).next().unwrap_or(0);
        let mut x = [[E::default(); TILE]; I];
        let mut y = [[E::default(); TILE]; O];
        let mut at = 0;
        while at < length {
            let n = TILE.min(length - at);
            for i in 0..I {
                load(inputs[i], start + at, &mut x[i][..n]);
            }
            for j in 0..TILE {
                let mut inputs = [E::default(); I];
                for i in 0..I {
                    inputs[i] = x[i][j];
                }
                let results = K::apply::<E>(inputs, scalars);
                for o in 0..O {
                    y[o][j] = results[o];
                }
            }
            for o in 0..O {
                if let Some((to, add)) = &mut outputs[o] {
                    let to = &mut to[at..at + n];
                    if *add {
                        for j in 0..n {
                            to[j] += y[o][j];
                        }
                    } else {
                        to.copy_from_slice(&y[o][..n]);
                    }
                }
            }
            at += n;
        }
    }
}

/// The elements from `at` of an input that repeats.
#[inline(always)]
fn load<E: Real>(input: Input<E>, at: usize, tile: &mut [E]) {
    let x = input.x;
    if x.len() == 1 {
        return tile.fill(x[0]);
    }
    if !input.repeats.is_whole() {
        return load_along(input, at, tile);
    }
    let mut from = at % x.len();
    let mut filled = 0;
    while filled < tile.len() {
        let n = (x.len() - from).min(tile.len() - filled);
        tile[filled..filled + n].copy_from_slice(&x[from..from + n]);
        filled += n;
        from = 0;
    }
}

/// The same of one that repeats along an axis.
fn load_along<E: Real>(input: Input<E>, mut at: usize, tile: &mut [E]) {
    let Input { x, repeats: Repeats { axis, inner } } = input;
    let outer = x.len() / inner;
    let mut filled = 0;
    while filled < tile.len() {
        let (row, column) = (at / inner, at % inner);
        let (from, left) = (row / axis % outer * inner + column, tile.len() - filled);
        let n = match inner {
            1 => {
                let n = left.min(axis - row % axis);
                tile[filled..filled + n].fill(x[from]);
                n
            }
            _ => {
                let n = left.min(inner - column);
                tile[filled..filled + n].copy_from_slice(&x[from..from + n]);
                n
            }
        };
        filled += n;
        at += n;
    }
}
