//! Methods and functions that move the elements of tensors.

use super::*;

impl Lower<'_> {
    /// An expression that changes a shape and computes nothing.
    pub(super) fn shaped(&mut self, e: &Expression) -> Option<Operand> {
        match &e.kind {
            ExpressionKind::Reshape(of, dims) => {
                let (dims, of) = (self.dimensions(dims), self.tensor(of)?);
                self.one(Op::Reshape(dims?), vec![Argument::Value(of)], "reshaped", e)
            }
            ExpressionKind::Expand(of, dims) => {
                let (dims, of) = (self.dimensions(dims), self.tensor(of)?);
                self.one(Op::Expand(dims?), vec![Argument::Value(of)], "expanded", e)
            }
            ExpressionKind::Squeeze(of, axis) => {
                let of = self.tensor(of)?;
                self.one(Op::Squeeze(axis.clone()), vec![Argument::Value(of)], "squeezed", e)
            }
            ExpressionKind::Unsqueeze(of, axis) => {
                let of = self.tensor(of)?;
                self.one(Op::Unsqueeze(axis.clone()), vec![Argument::Value(of)], "unsqueezed", e)
            }
            ExpressionKind::Permute(of, order) => {
                let of = self.tensor(of)?;
                self.one(Op::Permute(order.clone()), vec![Argument::Value(of)], "permuted", e)
            }
            ExpressionKind::Transpose(of, a, b) => {
                let of = self.tensor(of)?;
                self.one(Op::Transpose(a.clone(), b.clone()), vec![Argument::Value(of)], "transposed", e)
            }
            ExpressionKind::Slice(of, axis, range) => {
                let (range, of) = (self.dimensions([&range.0, &range.1]), self.tensor(of)?);
                let [start, end] = <[syn::Expr; 2]>::try_from(range?).ok()?;
                self.one(Op::Slice(axis.clone(), start, end), vec![Argument::Value(of)], "slice", e)
            }
            ExpressionKind::At(of, axis, place) => {
                let (place, of) = (self.dimensions([place]), self.tensor(of)?);
                self.one(Op::At(axis.clone(), place?.pop()?), vec![Argument::Value(of)], "place", e)
            }
            ExpressionKind::Detach(of) => {
                let of = self.tensor(of)?;
                self.one(Op::Detach, vec![Argument::Value(of)], "detached", e)
            }
            ExpressionKind::Concat(list, axis) => {
                let all = self.tensors(list)?;
                if all.is_empty() {
                    self.errors.at(self.place(e.place), "`concat` needs at least one tensor");
                    return None;
                }
                self.one(Op::Concat(axis.clone()), all, "joined", e)
            }
            ExpressionKind::Stack(list, axis) => {
                let all = self.tensors(list)?;
                let length = crate::dims::Dim::constant(all.len() as i64);
                if all.is_empty() {
                    self.errors.at(self.place(e.place), "`stack` needs at least one tensor");
                    return None;
                }
                self.one(Op::Stack(axis.clone(), length), all, "stacked", e)
            }
            _ => None,
        }
    }

    /// Several tensors; all are read, so that all mistakes are reported.
    fn tensors(&mut self, list: &[Expression]) -> Option<Vec<Argument>> {
        let all: Vec<_> = list.iter().map(|x| self.tensor(x).map(Argument::Value)).collect();
        all.into_iter().collect()
    }
}
