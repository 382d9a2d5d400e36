//! Operations on shapes: reshape, expand, squeeze, unsqueeze, transpose, permute, slice, concat and reductions.

use super::{Checker, countable};
use crate::dims::{Dim, Division, MAX_RANK, Shape, show};
use crate::errors::Place;
use crate::ir::*;
use crate::lower::buffer_misuse;
use crate::syntax::{axis_number, expr_text, is_left_open};
use syn::Expr;

impl Checker<'_> {
    pub(super) fn structural(&self, instruction: &Instruction, values: &[Value]) -> Option<Shape> {
        match &instruction.op {
            Op::Fill(dims) => return dims.iter().map(|d| self.number(d)).collect(),
            Op::CompareIds(_) => return self.compared_ids(instruction, values),
            _ => {}
        }
        let mut shapes = vec![];
        for v in instruction.arguments.iter().filter_map(Argument::value) {
            if values[v].kind == Kind::Ids && !instruction.op.moves_ids() {
                let message = format!(
                    "`{}` holds ids, and this is for tensors of numbers: ids have `at`, `slice`, `reshape`, `squeeze`, `unsqueeze` and comparisons",
                    values[v].name
                );
                self.errors.at(instruction.place, message);
                return None;
            }
            if values[v].kind == Kind::Buffer {
                self.errors.at(instruction.place, buffer_misuse(&values[v].name));
                return None;
            }
            if let Role::Parameter { optional: true, field } = values[v].role {
                self.errors.at(
                    instruction.place,
                    format!("`{}` may be absent: only ops with an optional argument take it", self.model.fields[field].name),
                );
                return None;
            }
            shapes.push(values[v].shape.clone()?);
        }
        let shape = shapes.first()?;
        let place = instruction.place;
        match &instruction.op {
            Op::Reshape(dims) => self.reshape(dims, shape, place),
            Op::Expand(dims) => self.expand(dims, shape, place),
            Op::Squeeze(axis) => self.squeeze(axis, shape),
            Op::Unsqueeze(axis) => {
                let mut new = shape.clone();
                new.insert(self.axis(axis, shape, 1)?, Dim::constant(1));
                Some(new)
            }
            Op::Permute(order) => self.permute(order, shape, place),
            Op::Transpose(a, b) => {
                let mut new = shape.clone();
                new.swap(self.axis(a, shape, 0)?, self.axis(b, shape, 0)?);
                Some(new)
            }
            Op::Slice(axis, start, end) => self.slice(axis, (start, end), shape, place),
            Op::At(axis, at) => self.at(axis, at, shape, place),
            Op::Detach => Some(shape.clone()),
            Op::Stack(axis, length) => self.stack(axis, length, &shapes, place),
            Op::Concat(axis) => self.concat(axis, &shapes, place),
            Op::Reduce { axes, .. } if axes.is_empty() => Some(vec![]),
            Op::Reduce { axes, keep, .. } => self.reduce(axes, *keep, shape),
            _ => None,
        }
    }

    fn expand(&self, dims: &[Expr], shape: &Shape, place: Place) -> Option<Shape> {
        let new: Shape = dims.iter().map(|d| self.number(d)).collect::<Option<_>>()?;
        let tail = new.len().checked_sub(shape.len()).map(|missing| &new[missing..]);
        let fits = |tail: &[Dim]| {
            let one = |(from, to): (&Dim, &Dim)| *from == Dim::constant(1) || self.same(to, from, place, &mismatch(shape, &new));
            shape.iter().zip(tail).all(one)
        };
        if self.is_counted(shape, place) && !tail.is_some_and(fits) {
            self.errors.at(place, mismatch(shape, &new));
            return None;
        }
        Some(new)
    }

    fn squeeze(&self, axis: &Expr, shape: &Shape) -> Option<Shape> {
        let at = self.axis(axis, shape, 0)?;
        let mut new = shape.clone();
        if new.remove(at) != Dim::constant(1) {
            let (all, size) = (show(shape), &shape[at]);
            let text = format!("`squeeze` takes out a dimension of size 1, and dimension {at} of {all} is {size}");
            self.errors.at(Place::of(axis), text);
            return None;
        }
        Some(new)
    }

    fn permute(&self, order: &[Expr], shape: &Shape, place: Place) -> Option<Shape> {
        let order: Vec<usize> = order.iter().map(|axis| self.axis(axis, shape, 0)).collect::<Option<_>>()?;
        let mut sorted = order.clone();
        sorted.sort_unstable();
        if !self.is_counted(shape, place) {
            return None;
        }
        if !sorted.into_iter().eq(0..shape.len()) {
            let (all, count) = (show(shape), shape.len());
            let text = format!("`permute` names each dimension of {all} once, in their new order: {count} of them");
            self.errors.at(place, text);
            return None;
        }
        Some(order.iter().map(|axis| shape[*axis].clone()).collect())
    }

    fn slice(&self, axis: &Expr, (start, end): (&Expr, &Expr), shape: &Shape, place: Place) -> Option<Shape> {
        let axis = self.axis(axis, shape, 0)?;
        let (from, to) = (self.number(start)?, self.number(end)?);
        let size = to.minus(&from);
        let has = &shape[axis];
        let beyond = to.minus(has).is_positive();
        if size.as_number().is_some_and(|n| n < 0) || from.minus(&to).is_positive() || beyond {
            let range = format!("{}..{}", expr_text(start), expr_text(end));
            let text = format!("`{range}` does not lie in dimension {axis} of {}, which is {has}", show(shape));
            self.errors.at(place, text);
            return None;
        }
        let mut new = shape.clone();
        new[axis] = size;
        Some(new)
    }

    fn at(&self, axis: &Expr, at: &Expr, shape: &Shape, place: Place) -> Option<Shape> {
        let axis = self.axis(axis, shape, 0)?;
        let (at, has) = (self.number(at)?, &shape[axis]);
        if at.minus(has).as_number().is_some_and(|n| n >= 0) {
            let text = format!("place {at} does not lie in dimension {axis} of {}, which is {has}", show(shape));
            self.errors.at(place, text);
            return None;
        }
        let mut new = shape.clone();
        new.remove(axis);
        Some(new)
    }

    fn stack(&self, axis: &Expr, length: &Dim, shapes: &[Shape], place: Place) -> Option<Shape> {
        let shape = shapes.first()?;
        for other in &shapes[1..] {
            if !self.same_shape(shape, other, place) {
                let (a, b) = (show(shape), show(other));
                self.errors.at(place, format!("{a} and {b} cannot be stacked: all must have one shape"));
                return None;
            }
        }
        let mut new = shape.clone();
        new.insert(self.axis(axis, shape, 1)?, length.clone());
        Some(new)
    }

    fn concat(&self, axis: &Expr, shapes: &[Shape], place: Place) -> Option<Shape> {
        let shape = shapes.first()?;
        let axis = self.axis(axis, shape, 0)?;
        let mut new = shape.clone();
        for other in &shapes[1..] {
            let text = "concat: the other dimensions must be equal";
            let fits =
                other.len() == shape.len() && (0..shape.len()).all(|i| i == axis || self.same(&shape[i], &other[i], place, text));
            if !fits {
                let (a, b) = (show(shape), show(other));
                let text = format!("{a} and {b} cannot be joined along dimension {axis}: all others must be equal");
                self.errors.at(place, text);
                return None;
            }
            new[axis] = new[axis].plus(&other[axis]);
        }
        Some(new)
    }

    fn reduce(&self, axes: &[Expr], keep: bool, shape: &Shape) -> Option<Shape> {
        let mut chosen = vec![];
        for axis in axes {
            let at = self.axis(axis, shape, 0)?;
            if chosen.contains(&at) {
                self.errors.at(Place::of(axis), format!("dimension {at} of {} is named twice", show(shape)));
                return None;
            }
            chosen.push(at);
        }
        let one = |(at, dim): (usize, &Dim)| match chosen.contains(&at) {
            false => Some(dim.clone()),
            true => keep.then(|| Dim::constant(1)),
        };
        Some(shape.iter().enumerate().filter_map(one).collect())
    }

    fn compared_ids(&self, instruction: &Instruction, values: &[Value]) -> Option<Shape> {
        let mut shapes = instruction.arguments.iter().filter_map(Argument::value).map(|v| values[v].shape.as_ref());
        let (shape, other) = (shapes.next()??, shapes.next());
        if let Some(other) = other
            && !self.same_shape(shape, other?, instruction.place)
        {
            let text =
                format!("{} and {} do not fit together: ids are compared with ids of the same shape", show(shape), show(other?));
            self.errors.at(instruction.place, text);
            return None;
        }
        Some(shape.clone())
    }

    fn reshape(&self, dims: &[Expr], shape: &Shape, place: Place) -> Option<Shape> {
        if !self.is_counted(shape, place) {
            return None;
        }
        let product = |dims: &[Dim]| dims.iter().fold(Dim::constant(1), |p, d| p.times(d));
        let before = product(shape);
        let known: Vec<Option<Dim>> =
            dims.iter().map(|d| if is_left_open(d) { Some(None) } else { self.number(d).map(Some) }).collect::<Option<_>>()?;
        let open: Vec<usize> = (0..known.len()).filter(|i| known[*i].is_none()).collect();
        if let [_, again, ..] = open[..] {
            self.errors
                .at(Place::of(&dims[again]), "one dimension of a reshape may be left open, `_`, and this is the second one");
            return None;
        }
        let others = product(&known.iter().flatten().cloned().collect::<Vec<_>>());
        let rest = before.over(&others);
        if let [open] = open[..] {
            let place = Place::of(&dims[open]);
            if rest.is_impossible() || others == Dim::default() {
                let text = format!("{} has {before} elements, which is not a multiple of {others}", show(shape));
                self.errors.at(place, text);
                return None;
            }
            self.divisible(Division { numerator: before.clone(), denominator: others, span: place.first() });
        }
        let new: Shape = known.into_iter().map(|d| d.unwrap_or_else(|| rest.clone())).collect();
        if new.len() > MAX_RANK {
            self.errors.at(place, format!("a tensor has at most {MAX_RANK} dimensions, not {}", new.len()));
            return None;
        }
        if !open.is_empty() {
            return Some(new);
        }
        let after = product(&new);
        if !self.same(&before, &after, place, &format!("a reshape keeps the number of elements: {before} before, {after} after"))
        {
            let (from, to) = (show(shape), show(&new));
            self.errors
                .at(place, format!("a reshape keeps the number of elements, but {from} has {before} and {to} has {after}"));
            return None;
        }
        Some(new)
    }

    /// True if there is no pack in front; else that is reported.
    fn is_counted(&self, shape: &Shape, place: Place) -> bool {
        let counted = countable(self, shape).is_some();
        if !counted {
            let text = format!(
                "the dimensions of {} cannot be counted: name them one by one instead of `Rest: Dims`, or count from the last, `-1`",
                show(shape)
            );
            self.errors.at(place, text);
        }
        counted
    }

    /// An axis is a literal number within the shape, which may have `more` dimensions; a negative one counts from the last.
    fn axis(&self, axis: &Expr, shape: &Shape, more: usize) -> Option<usize> {
        let place = Place::of(axis);
        let Some(number) = axis_number(axis) else {
            self.errors.at(place, "an axis is a number, counted from 0 at the outermost dimension, or from -1 at the innermost");
            return None;
        };
        let pack = countable(self, shape).is_none();
        if pack && number >= 0 {
            self.is_counted(shape, place);
            return None;
        }
        let rank = shape.len() + more;
        let at = if number < 0 { number.checked_add_unsigned(rank as u64)? } else { number };
        match usize::try_from(at).ok().filter(|at| *at < rank && *at >= usize::from(pack)) {
            Some(at) => Some(at),
            None => {
                let from = if number < 0 { "from -1 at the last" } else { "from 0" };
                self.errors.at(place, format!("there is no dimension {number} in {}: they are counted {from}", show(shape)));
                None
            }
        }
    }
}

fn mismatch(from: &Shape, to: &Shape) -> String {
    format!("{} does not expand to {}: a dimension is that one, or 1", show(from), show(to))
}
