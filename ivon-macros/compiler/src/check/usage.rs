//! Every parameter reaches an output: one that does not has no gradient, and its posterior could not be learned. So does every buffer.

use crate::errors::Errors;
use crate::ir::*;
use crate::parse::{FieldKind, Model};
use std::collections::BTreeSet;

/// Checks the fields of a model against all its methods. `mentioned`: fields that a method names, misspelt ones included.
pub fn check_usage(model: &Model, programs: &[Option<Program>], mentioned: &BTreeSet<usize>, errors: &Errors) {
    // Where something is wrong already, it is not known what reaches an output.
    let reached = errors.is_empty().then(|| programs.iter().flatten().flat_map(reached).collect::<BTreeSet<_>>());
    let names: Vec<String> = model.functions.iter().map(|f| format!("`{}`", f.name)).collect();
    let methods = names.join(" and ");
    for (i, field) in model.fields.iter().enumerate() {
        if matches!(field.kind, FieldKind::Setting { .. }) {
            continue;
        }
        let name = &field.name;
        let why = match field.kind {
            FieldKind::Buffer { .. } => "nothing would come of keeping it",
            _ => "its posterior could not be learned",
        };
        if !mentioned.contains(&i) {
            errors.at(name, format!("`{name}` is never used by {methods}: {why}"));
        } else if reached.as_ref().is_some_and(|r| !r.contains(&i)) {
            errors.at(name, format!("`{name}` never reaches the output of {methods}: {why}"));
        }
    }
}

/// The fields that contribute to an output.
fn reached(program: &Program) -> BTreeSet<usize> {
    let mut live: BTreeSet<ValueId> = program.outputs.iter().copied().collect();
    let mut fields = BTreeSet::new();
    walk(&program.body, &mut live, &mut fields);
    let parameters = live.iter().filter_map(|v| match program.values[*v].role {
        Role::Parameter { field, .. } | Role::Buffer { field } => Some(field),
        _ => None,
    });
    fields.extend(parameters);
    fields
}

/// Backwards from what is live; collects the fields of layers whose result is live.
fn walk(body: &[Instruction], live: &mut BTreeSet<ValueId>, fields: &mut BTreeSet<usize>) {
    for instruction in body.iter().rev() {
        if let Op::Loop(l) = &instruction.op {
            for (c, result) in l.carried.iter().zip(&instruction.results) {
                if live.contains(result) {
                    live.extend([c.next, c.start]);
                }
            }
            // What one turn leaves is live in the next one: until nothing changes.
            loop {
                let before = live.len();
                walk(&l.body, live, fields);
                for c in l.carried.iter().filter(|c| live.contains(&c.turn)).collect::<Vec<_>>() {
                    live.extend([c.next, c.start]);
                }
                if live.len() == before {
                    break;
                }
            }
            continue;
        }
        if !instruction.results.iter().any(|r| live.contains(r)) {
            continue;
        }
        if let Op::Layer { target: Target::Field(field) | Target::Element { field, .. }, .. } = &instruction.op {
            fields.insert(*field);
        }
        live.extend(instruction.reads());
    }
}
