//! The positions and taps that meet along each axis, computed once for a pass.

use crate::ops::shared::window::{Axis, Sliding, Window};

/// A tap of a target position, and the source position that it multiplies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub source: usize,
    pub tap: usize,
}

/// Target columns `first`, `first + step`, .. that see the same taps. From one to the next, each source moves by [`Plan::advance`].
#[derive(Debug)]
pub(super) struct Run {
    pub first: usize,
    pub count: usize,
    /// The sources of the first column.
    pub seen: Vec<Seen>,
}

/// Images that are written, the images that they are computed from, and the taps between them. The forward pass and the gradient
/// of the weights write to output pixels and read input pixels; the gradient of the input does the opposite.
#[derive(Debug)]
pub(super) struct Plan {
    pub window: Window,
    pub images: usize,
    /// Height and width of an image that is written.
    pub target: [usize; 2],
    /// Height and width of an image that is read.
    pub source: [usize; 2],
    /// Taps of each target row.
    pub rows: Vec<Vec<Seen>>,
    pub runs: Vec<Run>,
    /// Distance of the target columns of a run.
    pub step: usize,
    /// Distance of the source columns of a run.
    pub advance: usize,
}

impl Plan {
    /// Output pixels from the input pixels under their window.
    pub fn outputs(s: &Sliding) -> Plan {
        let seen = |size: usize| {
            move |position: usize, axis: Axis| -> Vec<Seen> {
                let seen = |tap| axis.tap(position, tap, size).map(|source| Seen { source, tap });
                (0..axis.kernel).filter_map(seen).collect()
            }
        };
        let (target, source) = ([s.out_height, s.out_width], [s.height, s.width]);
        Plan::new(s, target, source, [1, s.window.columns.stride], [&seen(s.height), &seen(s.width)])
    }

    /// Input pixels from the output pixels whose window they are in.
    pub fn inputs(s: &Sliding) -> Plan {
        let seen = |positions: usize| {
            move |at: usize, axis: Axis| -> Vec<Seen> {
                let seen = |tap| axis.position(at, tap, positions).map(|source| Seen { source, tap });
                (0..axis.kernel).filter_map(seen).collect()
            }
        };
        let (target, source) = ([s.height, s.width], [s.out_height, s.out_width]);
        Plan::new(s, target, source, [s.window.columns.stride, 1], [&seen(s.out_height), &seen(s.out_width)])
    }

    fn new(
        s: &Sliding,
        target: [usize; 2],
        source: [usize; 2],
        [step, advance]: [usize; 2],
        seen: [&dyn Fn(usize, Axis) -> Vec<Seen>; 2],
    ) -> Plan {
        let rows = (0..target[0]).map(|row| seen[0](row, s.window.rows)).collect();
        let mut runs: Vec<Run> = vec![];
        for residue in 0..step.min(target[1]) {
            let mut open = false;
            for column in (residue..target[1]).step_by(step) {
                let seen = seen[1](column, s.window.columns);
                match runs.last_mut() {
                    Some(run) if open && run.continues(&seen, advance) => run.count += 1,
                    _ => runs.push(Run { first: column, count: 1, seen }),
                }
                open = true;
            }
        }
        Plan { window: s.window, images: s.batch, target, source, rows, runs, step, advance }
    }

    /// Rows of all images that are written.
    pub fn target_rows(&self) -> usize {
        self.images * self.target[0]
    }

    /// Pixels that are written.
    pub fn targets(&self) -> usize {
        self.target_rows() * self.target[1]
    }

    /// Pixels that are read.
    pub fn sources(&self) -> usize {
        self.images * self.source[0] * self.source[1]
    }

    pub fn taps(&self) -> usize {
        self.window.rows.kernel * self.window.columns.kernel
    }
}

impl Run {
    fn continues(&self, seen: &[Seen], advance: usize) -> bool {
        let distance = self.count * advance;
        let moved = self.seen.iter().map(|first| Seen { source: first.source + distance, ..*first });
        self.seen.len() == seen.len() && moved.eq(seen.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sliding(window: Window, size: usize) -> Sliding {
        let x = crate::core::shape::Shape::new(&[1, size, size, 1]);
        window.over("test", &x).unwrap()
    }

    /// Every pair of positions with its tap is in both plans, once.
    #[test]
    fn both_plans_hold_the_same_triples() {
        for (kernel, stride, padding, dilation) in
            [(3, 1, 1, 1), (3, 2, 1, 1), (5, 2, 0, 2), (2, 3, 1, 1), (1, 2, 0, 1), (3, 2, 3, 2)]
        {
            let s = sliding(Window::square(kernel, stride, padding, dilation), 11);
            let triples = |plan: &Plan, exchange: bool| {
                let mut all = vec![];
                for run in &plan.runs {
                    for (i, seen) in (0..run.count).flat_map(|i| run.seen.iter().map(move |seen| (i, seen))) {
                        let pair = [run.first + i * plan.step, seen.source + i * plan.advance];
                        all.push((if exchange { [pair[1], pair[0]] } else { pair }, seen.tap));
                    }
                }
                all.sort_unstable();
                all
            };
            let (outputs, inputs) = (Plan::outputs(&s), Plan::inputs(&s));
            assert_eq!(triples(&outputs, false), triples(&inputs, true), "{:?}", s.window);
            let columns = |plan: &Plan| plan.runs.iter().map(|run| run.count).sum::<usize>();
            assert_eq!([columns(&outputs), columns(&inputs)], [s.out_width, s.width]);
        }
    }
}
