//! Every parameter reaches an output: one that does not has no gradient, and its posterior could not be learned.

use crate::errors::Errors;
use crate::ir::*;
use crate::parse::{FieldKind, Model};
use std::collections::BTreeSet;

/// Checks the fields of a model against all its methods.
pub fn check_usage(model: &Model, programs: &[Option<Program>], errors: &Errors) {
    // A method with a mistake may have used what it could not name.
    let Some(programs) = programs.iter().map(Option::as_ref).collect::<Option<Vec<_>>>() else { return };
    if !errors.is_empty() {
        return;
    }
    let (mut mentioned, mut reached) = (BTreeSet::new(), BTreeSet::new());
    for program in &programs {
        let mut live: BTreeSet<ValueId> = program.outputs.iter().copied().collect();
        walk(&program.body, &mut live, &mut mentioned, &mut reached);
        for (v, value) in program.values.iter().enumerate() {
            if let Role::Parameter { field, .. } = value.role {
                mentioned.insert(field);
                if live.contains(&v) {
                    reached.insert(field);
                }
            }
        }
    }
    let names: Vec<String> = model.functions.iter().map(|f| format!("`{}`", f.name)).collect();
    let methods = names.join(" and ");
    for (i, field) in model.fields.iter().enumerate() {
        if matches!(field.kind, FieldKind::Setting { .. }) || reached.contains(&i) {
            continue;
        }
        let name = &field.name;
        match mentioned.contains(&i) {
            true => {
                errors.at(name, format!("`{name}` never reaches the output of {methods}: its posterior could not be learned"))
            }
            false => errors.at(name, format!("`{name}` is never used by {methods}: its posterior could not be learned")),
        }
    }
}

/// Backwards from what is live; the fields of layers that are called, and of those whose result is live.
fn walk(body: &[Instruction], live: &mut BTreeSet<ValueId>, mentioned: &mut BTreeSet<usize>, reached: &mut BTreeSet<usize>) {
    for instruction in body.iter().rev() {
        let mut is_live = instruction.results.iter().any(|r| live.contains(r));
        if let Op::Loop(l) = &instruction.op {
            mentioned.insert(l.field);
            // What one turn leaves is live in the next one: until nothing changes.
            for (c, result) in l.carried.iter().zip(&instruction.results) {
                if live.contains(result) {
                    live.insert(c.next);
                }
            }
            loop {
                let before = live.len();
                walk(&l.body, live, mentioned, reached);
                for c in &l.carried {
                    if live.contains(&c.turn) {
                        live.insert(c.next);
                        live.insert(c.start);
                    }
                }
                if live.len() == before {
                    break;
                }
            }
            is_live = false; // what the body reads is marked already
        }
        if let Op::Layer { target: Target::Field(field) | Target::Element { field, .. }, .. } = &instruction.op {
            mentioned.insert(*field);
            if is_live {
                reached.insert(*field);
            }
        }
        if is_live {
            live.extend(instruction.reads());
        }
    }
}
