//! The pass that gives every value, saved field and loop variable its unique name.

use crate::ir::*;
use crate::names::{RESERVED, adjoint, camel, saved_variable, unique};
use crate::parse::{Function, Generic, InputKind};
use proc_macro2::Ident;
use std::collections::BTreeSet;

/// Makes the names of values, of saved fields and of loops' variables unique, in order of appearance.
pub fn assign(program: &mut Program, function: &Function, generics: &[Generic]) {
    let mut names = Names { used: RESERVED.iter().map(|n| n.to_string()).collect(), loops: BTreeSet::new() };
    let numbers = function.inputs.iter().filter(|i| matches!(i.kind, InputKind::Number(_))).map(|i| &i.name);
    let dims = generics.iter().chain(&function.consts).map(|g| &g.name).chain(function.variables.iter().map(|v| &v.name));
    names.used.extend(numbers.chain(dims).map(Ident::to_string));
    let Program { values, inputs, body, variables, .. } = program;
    names.used.extend(variables.iter().map(Ident::to_string));
    for v in inputs.iter().flatten() {
        values[*v].name = names.fresh(&values[*v].name);
    }
    for value in values.iter_mut().filter(|v| matches!(v.role, Role::Parameter { .. })) {
        value.name = names.fresh(&value.name);
    }
    names.block(body, values);
}

/// Names in use within one function.
struct Names {
    used: BTreeSet<String>,
    /// Those of them that are variables of loops, and nothing else.
    loops: BTreeSet<String>,
}

impl Names {
    fn block(&mut self, body: &mut [Instruction], values: &mut [Value]) {
        for instruction in body {
            instruction.saved = self.saved(&instruction.saved);
            if let Op::Loop(l) = &mut instruction.op {
                for element in &mut l.elements {
                    let variable = self.variable(&element.variable.to_string());
                    if element.variable != variable {
                        let variable = Ident::new(&variable, element.variable.span());
                        rename_elements(&mut l.body, &element.variable, &variable);
                        element.variable = variable;
                    }
                }
                for (c, result) in l.carried.iter().zip(&instruction.results) {
                    // One variable of generated code, before, in and after an iteration.
                    let name = self.fresh(&values[c.turn].name);
                    values[c.turn].name = name.clone();
                    values[*result].name = name;
                }
                self.block(&mut l.body, values);
                continue;
            }
            for result in &instruction.results {
                values[*result].name = self.fresh(&values[*result].name);
            }
            if let Op::Branch(b) = &mut instruction.op {
                self.block(&mut b.then.body, values);
                self.block(&mut b.otherwise.body, values);
            }
        }
    }

    /// `hint`, or `hint_2`, `hint_3` where it is taken. Its adjoint's name is taken with it, and that of its kernel, which `h2` and
    /// `h_2` would share.
    fn fresh(&mut self, hint: &str) -> String {
        let name = unique(hint, |n| is_ours(n) || [n, &adjoint(n), &camel(n)].into_iter().any(|n| self.used.contains(n)));
        self.used.extend([adjoint(&name), camel(&name), format!("{}Backward", camel(&name)), name.clone()]);
        name
    }

    /// A loop's variable ends with the loop: another loop's may have its name, a value may not.
    fn variable(&mut self, hint: &str) -> String {
        let name = match self.loops.contains(hint) {
            true => hint.to_string(),
            false => unique(hint, |n| is_ours(n) || self.used.contains(n)),
        };
        self.used.insert(name.clone());
        self.loops.insert(name.clone());
        name
    }

    /// The name under which the saved values of a call are kept: the field `up`, the variable `up_saved`.
    fn saved(&mut self, hint: &str) -> String {
        let name = unique(hint, |n| self.used.contains(&saved_variable(n)));
        self.used.insert(saved_variable(&name));
        name
    }
}

/// Calls the layers of a loop by another name.
fn rename_elements(body: &mut [Instruction], old: &Ident, new: &Ident) {
    for instruction in body {
        match &mut instruction.op {
            Op::Layer { target: Target::Element { variable, .. }, .. } if variable == old => *variable = new.clone(),
            // Another variable of that name hides this one.
            Op::Loop(l) if l.elements.iter().any(|e| e.variable == *old) => {}
            _ => instruction.blocks_mut().into_iter().for_each(|(body, _)| rename_elements(body, old, new)),
        }
    }
}

/// True if generated code makes names of this form beside values': `t0` and `s0` inside of kernels, `x_shape` and `x_after` outside. None may be
/// what [`unique`] makes of a name, `x_2`, or it would never find one.
fn is_ours(name: &str) -> bool {
    let inside = name.strip_prefix(['t', 's']).is_some_and(|n| !n.is_empty() && n.chars().all(|c| c.is_ascii_digit()));
    inside || name.ends_with("_shape") || name.ends_with("_after")
}
