//! Elementwise arithmetic: shapes broadcast.

use super::{Checker, countable};
use crate::dims::{Dim, Shape, show};
use crate::errors::Place;
use crate::ir::*;
use crate::lower::buffer_misuse;

impl Checker<'_> {
    /// All arguments broadcast to the shape of the result: `[B, T, WIDTH] + [WIDTH]`, `[B, T, WIDTH] - [B, T, 1]`.
    pub(super) fn pointwise(&self, instruction: &Instruction, values: &[Value]) -> Option<Shape> {
        let mut result: Option<Shape> = None;
        for argument in &instruction.arguments {
            let Argument::Value(v) = argument else { continue };
            let value = &values[*v];
            if value.kind == Kind::Ids {
                self.errors.at(
                    instruction.place,
                    format!(
                        "`{}` holds ids, and there is no arithmetic on ids: look them up with an embedding first",
                        value.name
                    ),
                );
                return None;
            }
            if value.kind == Kind::Buffer {
                self.errors.at(instruction.place, buffer_misuse(&value.name));
                return None;
            }
            if let Role::Parameter { optional: true, field } = value.role {
                self.errors.at(
                    instruction.place,
                    format!("`{}` may be absent: only ops with an optional argument take it", self.model.fields[field].name),
                );
                return None;
            }
            let shape = value.shape.as_ref()?;
            result = match result {
                None => Some(shape.clone()),
                Some(other) => match self.broadcast(&other, shape, instruction.place) {
                    Some(shape) => Some(shape),
                    None => {
                        let hint = match [&other, shape].map(|s| s.as_slice()) {
                            [long, short] | [short, long] if short.len() < long.len() && long.starts_with(short) => {
                                ": `.unsqueeze(-1)` gives the shorter one a last dimension of 1, and a reduction that is to keep one is \
                                 written `x.sum_keep(-1)`"
                            }
                            _ => "",
                        };
                        let text = format!(
                            "{} and {} do not fit together: counted from the last, dimensions must be equal, or one of them 1{hint}",
                            show(&other),
                            show(shape)
                        );
                        self.errors.at(instruction.place, text);
                        return None;
                    }
                },
            };
        }
        result
    }

    /// The shape of an elementwise step of two: counted from the last, dimensions are equal, or one is 1 or missing.
    fn broadcast(&self, left: &Shape, right: &Shape, place: Place) -> Option<Shape> {
        let (long, short) = if right.len() > left.len() { (right, left) } else { (left, right) };
        let (lead, tail) = long.split_at(long.len() - short.len());
        // The dimensions that a pack stands for cannot be counted: it meets itself, or nothing.
        let [of_long, of_short] = [long, short].map(|s| countable(self, s).is_none());
        let meets_itself = lead.is_empty() && long.first() == short.first();
        if of_short && !meets_itself || of_long && lead.is_empty() && !meets_itself {
            return None;
        }
        let one = Dim::constant(1);
        let mut shape = lead.to_vec();
        for (wanted, found) in tail.iter().zip(short) {
            let text = format!("{wanted} is expected here, but this is {found}");
            shape.push(match (wanted, found) {
                (wanted, found) if *wanted == one => found.clone(),
                (wanted, found) if *found == one || self.same(wanted, found, place, &text) => wanted.clone(),
                _ => return None,
            });
        }
        Some(shape)
    }
}
