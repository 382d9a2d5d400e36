//! The axes that a reduction works over, and a tensor as groups of axes.

use super::check;
use crate::core::error::Result;
use crate::core::shape::{MAX_RANK, Shape};

/// The axes of a reduction: all of them (`None`), one (`Some(1)`) or several (`[1, 2]`). The result lacks them, or has them with size 1: [`Axes::keep`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Axes {
    /// A bit for each axis; `None` for all.
    chosen: Option<u64>,
    keep: bool,
}

impl From<Option<usize>> for Axes {
    fn from(axis: Option<usize>) -> Self {
        Axes { chosen: axis.map(bit), keep: false }
    }
}

impl<const N: usize> From<[usize; N]> for Axes {
    fn from(axes: [usize; N]) -> Self {
        Axes { chosen: Some(axes.into_iter().map(bit).fold(0, |all, one| all | one)), keep: false }
    }
}

/// No tensor has as many axes as there are bits.
fn bit(axis: usize) -> u64 {
    1 << axis.min(63)
}

impl Axes {
    /// The same axes, with size 1 in the result.
    pub fn keep(self) -> Self {
        Axes { keep: true, ..self }
    }

    pub(crate) fn has(self, axis: usize) -> bool {
        self.chosen.is_none_or(|chosen| chosen & bit(axis) != 0)
    }

    /// Checks that `x` has these axes.
    pub(crate) fn check(self, at: &str, x: &Shape) -> Result<()> {
        let beyond = self.chosen.map_or(0, |chosen| chosen >> x.rank());
        if beyond == 0 { Ok(()) } else { check::axis(at, x, x.rank() + beyond.trailing_zeros() as usize) }
    }

    /// The shape of the result.
    pub(crate) fn result(self, x: &Shape) -> Shape {
        let (mut dims, mut rank) = ([0; MAX_RANK], 0);
        for (axis, size) in x.iter().enumerate() {
            if !self.has(axis) || self.keep {
                dims[rank] = if self.has(axis) { 1 } else { *size };
                rank += 1;
            }
        }
        Shape::new(&dims[..rank])
    }

    /// The axes over which a tensor of shape `from` repeats where it is broadcast to `to`.
    pub(crate) fn broadcast(from: &Shape, to: &Shape) -> Axes {
        let missing = to.rank() - from.rank();
        let repeats = |axis: &usize| *axis < missing || from[axis - missing] != to[*axis];
        Axes { chosen: Some((0..to.rank()).filter(repeats).map(bit).fold(0, |all, one| all | one)), keep: false }
    }
}

/// A tensor as \[outer, axis, inner\].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Parts {
    pub outer: usize,
    pub axis: usize,
    pub inner: usize,
}

impl Parts {
    /// The steps that take `axes` out of a tensor of shape `x`, a group of neighbouring axes each, innermost first: each step finds what the steps before it
    /// have left. There is at least one step.
    pub fn steps(x: &Shape, axes: Axes) -> Vec<Parts> {
        let mut groups: Vec<(usize, bool)> = vec![];
        for (axis, size) in x.iter().enumerate() {
            match groups.last_mut() {
                Some((group, chosen)) if *chosen == axes.has(axis) => *group = group.saturating_mul(*size),
                _ => groups.push((*size, axes.has(axis))),
            }
        }
        let mut steps = vec![];
        while let Some(at) = groups.iter().rposition(|(_, chosen)| *chosen) {
            let product = |groups: &[(usize, bool)]| groups.iter().map(|(size, _)| size).product();
            steps.push(Parts { outer: product(&groups[..at]), axis: groups[at].0, inner: product(&groups[at + 1..]) });
            groups.remove(at);
        }
        if steps.is_empty() {
            steps.push(Parts { outer: 1, axis: 1, inner: x.elements() });
        }
        steps
    }
}

/// How a tensor repeats along a larger one: as a whole, and each of its parts of `inner` elements `axis` times in place. Element i of the larger one reads
/// element i / inner / axis % outer * inner + i % inner, with `outer` such parts in the tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Repeats {
    pub axis: usize,
    pub inner: usize,
}

impl Repeats {
    /// `None` where it repeats along more axes than that.
    pub fn of(from: &Shape, to: &Shape) -> Option<Repeats> {
        if to.ends_with(from) {
            return Some(Repeats { axis: 1, inner: from.elements() });
        }
        let whole = |step: &Parts| step.outer == 1;
        match Parts::steps(to, Axes::broadcast(from, to)).as_slice() {
            [step] if whole(step) => Some(Repeats { axis: 1, inner: step.inner }),
            [step] => Some(Repeats { axis: step.axis, inner: step.inner }),
            [step, outermost] if whole(outermost) => Some(Repeats { axis: step.axis, inner: step.inner }),
            _ => None,
        }
    }

    /// True if it repeats as a whole alone.
    pub fn is_whole(self) -> bool {
        self.axis == 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tensor_repeats_along_one_axis_and_as_a_whole() {
        let to = Shape::new(&[2, 3, 4, 5]);
        let of = |from: &[usize]| Repeats::of(&Shape::new(from), &to).map(|r| [r.axis, r.inner]);
        assert_eq!(of(&[2, 3, 4, 5]), Some([1, 120]));
        assert_eq!(of(&[4, 5]), Some([1, 20]));
        assert_eq!(of(&[]), Some([1, 1]));
        assert_eq!(of(&[2, 3, 4, 1]), Some([5, 1]));
        assert_eq!(of(&[2, 1, 1, 5]), Some([12, 5]));
        assert_eq!(of(&[3, 4, 1]), Some([5, 1]));
        assert_eq!(of(&[1, 3, 1, 5]), Some([4, 5]));
        assert_eq!(of(&[2, 1, 4, 1]), None);
    }

    #[test]
    fn neighbouring_axes_are_one_step() {
        let x = Shape::new(&[2, 3, 4, 5]);
        let steps = |axes: Axes| Parts::steps(&x, axes).iter().map(|p| [p.outer, p.axis, p.inner]).collect::<Vec<_>>();
        assert_eq!(steps(None.into()), [[1, 120, 1]]);
        assert_eq!(steps(Some(1).into()), [[2, 3, 20]]);
        assert_eq!(steps([2, 1].into()), [[2, 12, 5]]);
        assert_eq!(steps([0, 2].into()), [[6, 4, 5], [1, 2, 15]]);
        assert_eq!(steps([].into()), [[1, 1, 120]]);
        assert_eq!(Parts::steps(&Shape::default(), None.into()), [Parts { outer: 1, axis: 1, inner: 1 }]);
    }

    #[test]
    fn a_result_lacks_or_keeps_the_axes() {
        let x = Shape::new(&[2, 3, 4]);
        assert_eq!(Axes::from([0, 2]).result(&x), Shape::new(&[3]));
        assert_eq!(Axes::from([0, 2]).keep().result(&x), Shape::new(&[1, 3, 1]));
        assert_eq!(Axes::from(None).result(&x), Shape::default());
        assert!(Axes::from([0, 3]).check("sum", &x).is_err());
        assert!(Axes::from(Some(70)).check("sum", &x).is_err());
        assert_eq!(Axes::broadcast(&Shape::new(&[3, 1]), &x), [0, 2].into());
    }
}
