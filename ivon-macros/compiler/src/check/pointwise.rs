//! Elementwise arithmetic: shapes broadcast over leading dimensions.

use super::Checker;
use crate::dims::{Shape, show};
use crate::ir::*;
use crate::lower::buffer_misuse;

impl Checker<'_> {
    /// The longest shape wins; every other one must be its end: `[B, T, WIDTH] + [WIDTH]`.
    pub(super) fn pointwise(&self, instruction: &Instruction, values: &[Value]) -> Option<Shape> {
        let mut result: Option<&Shape> = None;
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
            match result {
                None => result = Some(shape),
                Some(other) => {
                    let (long, short) = if shape.len() > other.len() { (shape, other) } else { (other, shape) };
                    let tail = &long[long.len() - short.len()..];
                    // `[Rest, N] + [Rest]`: a pack in the tail can only meet the same pack at the front.
                    let pack = tail.first().and_then(|d| d.as_name()).is_some_and(|n| self.packs.contains(n))
                        && long.len() != short.len();
                    if pack || !self.same_shape(tail, short, instruction.place) {
                        self.errors.at(
                            instruction.place,
                            format!(
                                "{} and {} do not fit together: shapes must be equal, or one the end of the other",
                                show(other),
                                show(shape)
                            ),
                        );
                        return None;
                    }
                    if long == shape {
                        result = Some(shape);
                    }
                }
            }
        }
        result.cloned()
    }
}
