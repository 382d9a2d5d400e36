//! Branches: `if` on a flag or on a layer that may be absent. Both blocks are lowered, and one of them is executed.

use super::scope::Slot;
use super::*;
use crate::ir;
use crate::parse::{Body, Condition, If};

/// A block of an `if` in SSA.
struct Side {
    body: Vec<Instruction>,
    /// Its last expression, if it ends with one that was understood.
    result: Option<Operand>,
    /// The variables that either block rebinds.
    bindings: Vec<Binding>,
}

impl Lower<'_> {
    pub(super) fn if_statement(&mut self, i: &If) {
        if let Some(result) = i.then.result.iter().chain(i.otherwise.iter().filter_map(|b| b.result.as_ref())).next() {
            self.errors.at(result.place, "the value of this `if` is dropped: bind it with `let`, or rebind a value in it");
            return;
        }
        let rebound = self.scope.rebound_in(i);
        let mut pushes = i.then.statements.iter().chain(i.otherwise.iter().flat_map(|b| &b.statements));
        if rebound.is_empty() && !pushes.any(|s| matches!(s, Statement::Push { .. } | Statement::If(_) | Statement::For(_))) {
            self.errors.at(
                i.place,
                "this `if` changes nothing: rebind a value in it, `x = self.norm.forward(x);` with `let mut x` before",
            );
        }
        self.branch(i, &rebound);
    }

    /// An `if` that is an expression.
    pub(super) fn if_expression(&mut self, i: &If) -> Option<Operand> {
        if i.otherwise.is_none() {
            self.errors.at(i.place, "an `if` with a value has an `else`, for the value that it has otherwise");
            return None;
        }
        if let Some(name) = self.scope.rebound_in(i).first() {
            let text = format!(
                "an `if` with a value rebinds nothing: let it be a statement, `if .. {{ {name} = ..; }}`, or give the value to `{name}`"
            );
            self.errors.at(name, text);
            return None;
        }
        self.branch(i, &[])
    }

    fn branch(&mut self, i: &If, rebound: &[Ident]) -> Option<Operand> {
        // Anything else that is rebound is reported by `assign`.
        let slots: Vec<Slot> = rebound.iter().filter_map(|name| self.scope.find(name)).collect();
        let around = self.loops.len();
        let condition = self.condition(&i.condition);
        let variable = match (&i.condition, &condition) {
            (Condition::Present { variable, .. }, Some(ir::Condition::Present { field, variable: named })) => {
                Some((variable, Binding::Element(*field, named.clone())))
            }
            (Condition::Present { variable, .. }, None) => Some((variable, Binding::Unknown)),
            _ => None,
        };
        let before = self.lengths();
        let then = self.side(Some(&i.then), variable, &slots);
        self.loops.truncate(around);
        let after_then = self.lengths();
        self.restore(&before);
        let otherwise = self.side(i.otherwise.as_ref(), None, &slots);
        let after_otherwise = self.lengths();
        self.restore(&after_then);
        if let Some(list) = before.keys().find(|list| after_then.get(list) != after_otherwise.get(list)) {
            let name = &self.values[*list].name;
            self.errors.at(
                i.place,
                format!("`{name}` has another number of tensors after this `if` than after its `else`: push to it in both"),
            );
        }
        let (mut results, mut merged) = (vec![], vec![]);
        let both = match (then.result, otherwise.result) {
            (Some(a), Some(b)) => self.merge(a, b, condition.as_ref(), i, &mut results, &mut merged),
            _ => None,
        };
        for ((slot, name), (a, b)) in slots.iter().zip(rebound).zip(then.bindings.into_iter().zip(otherwise.bindings)) {
            let binding = match (a, b) {
                (Binding::Value { value: a, mutable }, Binding::Value { value: b, .. }) if a == b => {
                    Binding::Value { value: a, mutable }
                }
                (Binding::Value { value: a, mutable: true }, Binding::Value { value: b, mutable: true }) => {
                    match self.merge_values(a, b, &name.to_string(), i, &mut results, &mut merged) {
                        Some(value) => Binding::Value { value, mutable: true },
                        None => Binding::Unknown,
                    }
                }
                _ => Binding::Unknown,
            };
            self.scope.set(*slot, binding);
        }
        let (of_then, of_otherwise) = merged.into_iter().unzip();
        let branch = Branch {
            condition: condition?,
            then: Block { body: then.body, results: of_then },
            otherwise: Block { body: otherwise.body, results: of_otherwise },
        };
        // One whose values are known numbers computes nothing.
        if results.is_empty() && branch.then.body.is_empty() && branch.otherwise.body.is_empty() {
            return both;
        }
        let saved = match &branch.condition {
            ir::Condition::Present { field, .. } => format!("if_{}", crate::names::plain(&self.model.fields[*field].name)),
            ir::Condition::Flag(_) => "branch".into(),
        };
        let (text, place) = (i.text.clone(), self.place(i.place));
        self.body.push(Instruction {
            op: Op::Branch(branch),
            arguments: vec![],
            argument_places: vec![],
            results,
            place,
            text,
            saved,
        });
        both
    }

    /// Lowers a block; afterwards all variables from outside are what they were.
    fn side(&mut self, body: Option<&Body>, variable: Option<(&Ident, Binding)>, slots: &[Slot]) -> Side {
        let before: Vec<Binding> = slots.iter().map(|slot| self.scope.at(*slot).clone()).collect();
        let outer = std::mem::take(&mut self.body);
        let block = self.scope.enter();
        if let Some((name, binding)) = variable {
            self.scope.declare(name, binding);
        }
        let mut result = None;
        if let Some(body) = body {
            self.statements(&body.statements);
            result = body.result.as_ref().and_then(|e| self.expression(e));
        }
        self.scope.leave(block);
        let body = std::mem::replace(&mut self.body, outer);
        let bindings = slots.iter().map(|slot| self.scope.at(*slot).clone()).collect();
        slots.iter().zip(before).for_each(|(slot, binding)| self.scope.set(*slot, binding));
        Side { body, result, bindings }
    }

    fn condition(&mut self, condition: &Condition) -> Option<ir::Condition> {
        match condition {
            Condition::Flag(e) => match self.expression(e)? {
                Operand::Flag(tokens) => Some(ir::Condition::Flag(tokens)),
                _ => {
                    let text = "an `if` asks for what is true or false before the model runs: a flag `const FLAG: bool`, a setting or an argument \
                                of type bool; between tensors choose with `select(mask, a, b)`";
                    self.errors.at(e.place, text);
                    None
                }
            },
            Condition::Present { variable, field } => {
                let index = self.field(field)?;
                let of = &self.model.fields[index];
                if of.when.is_none() || !matches!(of.kind, FieldKind::Layer(_)) {
                    let text = format!("`{field}` is always there: `if let Some(..)` is for a field of type `Option<Layer<..>>`");
                    self.errors.at(field, text);
                    return None;
                }
                Some(ir::Condition::Present { field: index, variable: self.variable(variable) })
            }
        }
    }

    /// Makes one operand of the last expressions of both blocks.
    fn merge(
        &mut self,
        then: Operand,
        otherwise: Operand,
        condition: Option<&ir::Condition>,
        i: &If,
        results: &mut Vec<ValueId>,
        merged: &mut Vec<(ValueId, ValueId)>,
    ) -> Option<Operand> {
        let flag = match condition? {
            ir::Condition::Flag(tokens) => tokens.clone(),
            ir::Condition::Present { field, .. } => {
                let name = &self.model.fields[*field].name;
                quote!(self.#name.is_some())
            }
        };
        match (then, otherwise) {
            (Operand::Value(a), Operand::Value(b)) => self.merge_values(a, b, "chosen", i, results, merged).map(Operand::Value),
            (Operand::Number(a), Operand::Number(b)) => Some(Operand::Number(a.or(b, &flag))),
            (Operand::Flag(a), Operand::Flag(b)) => Some(Operand::Flag(quote!((if #flag { #a } else { #b })))),
            (Operand::Tuple(a), Operand::Tuple(b)) if a.len() == b.len() => {
                let parts: Vec<_> = a.into_iter().zip(b).map(|(a, b)| self.merge(a, b, condition, i, results, merged)).collect();
                Some(Operand::Tuple(parts.into_iter().collect::<Option<_>>()?))
            }
            (a, b) => {
                let text = format!(
                    "this is {} where the condition holds, and {} where not: an `if` has values of one kind",
                    a.text(),
                    b.text()
                );
                self.errors.at(i.place, text);
                None
            }
        }
    }

    /// A value that is one of two.
    fn merge_values(
        &mut self,
        then: ValueId,
        otherwise: ValueId,
        name: &str,
        i: &If,
        results: &mut Vec<ValueId>,
        merged: &mut Vec<(ValueId, ValueId)>,
    ) -> Option<ValueId> {
        let kinds = [then, otherwise].map(|v| self.values[v].kind);
        if kinds[0] != kinds[1] {
            let [a, b] = kinds.map(Kind::text);
            self.errors
                .at(i.place, format!("this is {a} where the condition holds, and {b} where not: an `if` has values of one kind"));
            return None;
        }
        if kinds[0] == Kind::Buffer
            || [then, otherwise].iter().any(|v| matches!(self.values[*v].role, Role::Parameter { optional: true, .. }))
        {
            self.errors.at(i.place, "an `if` has tensors as its value: no buffer, and no parameter that may be absent");
            return None;
        }
        let place = self.place(i.place);
        let result = self.value(Value { name: name.to_string(), kind: kinds[0], role: Role::Local, shape: None, place });
        results.push(result);
        merged.push((then, otherwise));
        Some(result)
    }
}
