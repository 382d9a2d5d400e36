//! Operations on shapes: reshape, transpose, slice, concat, sum and mean.

use super::{Checker, countable};
use crate::dims::{Dim, Shape, show};
use crate::errors::Place;
use crate::ir::*;
use crate::lower::buffer_misuse;
use crate::parse::expr_text;
use syn::Expr;

impl Checker<'_> {
    pub(super) fn structural(&self, instruction: &Instruction, values: &[Value]) -> Option<Shape> {
        let mut shapes = vec![];
        for v in instruction.arguments.iter().filter_map(Argument::value) {
            if values[v].kind == Kind::Ids {
                self.errors.at(instruction.place, format!("`{}` holds ids, and this is for tensors of numbers", values[v].name));
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
        if countable(self, shape).is_none() && !matches!(instruction.op, Op::Reduce { axis: None, .. }) {
            self.errors.at(
                place,
                format!("the dimensions of {} cannot be counted: name them one by one instead of `Rest: Dims`", show(shape)),
            );
            return None;
        }
        match &instruction.op {
            Op::Reshape(dims) => {
                let new: Shape = dims.iter().map(|d| self.number(d)).collect::<Option<_>>()?;
                if new.len() > 6 {
                    self.errors.at(place, format!("a tensor has at most 6 dimensions, not {}", new.len()));
                    return None;
                }
                let product = |s: &Shape| s.iter().fold(Dim::constant(1), |p, d| p.times(d));
                let (before, after) = (product(shape), product(&new));
                if !self.same(
                    &before,
                    &after,
                    place,
                    &format!("a reshape keeps the number of elements: {before} before, {after} after"),
                ) {
                    self.errors.at(
                        place,
                        format!(
                            "a reshape keeps the number of elements, but {} has {before} and {} has {after}",
                            show(shape),
                            show(&new)
                        ),
                    );
                    return None;
                }
                Some(new)
            }
            Op::Transpose(a, b) => {
                let (a, b) = (self.axis(a, shape)?, self.axis(b, shape)?);
                let mut new = shape.clone();
                new.swap(a, b);
                Some(new)
            }
            Op::Slice(axis, start, end) => {
                let axis = self.axis(axis, shape)?;
                let (from, to) = (self.number(start)?, self.number(end)?);
                let size = to.minus(&from);
                let has = &shape[axis];
                let beyond = to.minus(has).is_positive();
                if size.as_number().is_some_and(|n| n < 0) || from.minus(&to).is_positive() || beyond {
                    let range = format!("{}..{}", expr_text(start), expr_text(end));
                    self.errors
                        .at(place, format!("`{range}` does not lie in dimension {axis} of {}, which is {has}", show(shape)));
                    return None;
                }
                let mut new = shape.clone();
                new[axis] = size;
                Some(new)
            }
            Op::Concat(axis) => {
                let axis = self.axis(axis, shape)?;
                let mut new = shape.clone();
                for other in &shapes[1..] {
                    let fits = other.len() == shape.len()
                        && (0..shape.len()).all(|i| {
                            i == axis || self.same(&shape[i], &other[i], place, "concat: the other dimensions must be equal")
                        });
                    if !fits {
                        self.errors.at(
                            place,
                            format!(
                                "{} and {} cannot be joined along dimension {axis}: all others must be equal",
                                show(shape),
                                show(other)
                            ),
                        );
                        return None;
                    }
                    new[axis] = new[axis].plus(&other[axis]);
                }
                Some(new)
            }
            Op::Reduce { axis: None, .. } => Some(vec![]),
            Op::Reduce { axis: Some(axis), .. } => {
                let axis = self.axis(axis, shape)?;
                let mut new = shape.clone();
                new.remove(axis);
                Some(new)
            }
            _ => None,
        }
    }

    /// An axis is a literal number within the shape.
    fn axis(&self, axis: &Expr, shape: &Shape) -> Option<usize> {
        let number = match crate::parse::bare(axis) {
            Expr::Lit(syn::ExprLit { lit: syn::Lit::Int(n), .. }) => n.base10_parse::<usize>().ok(),
            _ => None,
        };
        match number {
            Some(n) if n < shape.len() => Some(n),
            Some(n) => {
                self.errors.at(Place::of(axis), format!("there is no dimension {n} in {}: they are counted from 0", show(shape)));
                None
            }
            None => {
                self.errors.at(Place::of(axis), "an axis is a number, counted from 0 at the outermost dimension");
                None
            }
        }
    }
}
