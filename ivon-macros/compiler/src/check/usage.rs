//! Every parameter reaches an output: one that does not has no gradient, and its posterior could not be learned. So does every buffer.

use crate::errors::Errors;
use crate::ir::*;
use crate::parse::{FieldKind, Model};
use std::collections::BTreeSet;

/// Checks the fields of a model against all its methods. `mentioned`: fields that a method names, misspelt ones included.
pub fn check_usage(model: &Model, programs: &[Option<Program>], mentioned: &BTreeSet<usize>, errors: &Errors) {
    // After an earlier error it is unknown which fields reach an output.
    let fields = |all: bool| programs.iter().flatten().flat_map(move |p| reached(p, all)).collect::<BTreeSet<_>>();
    let reached = errors.is_empty().then(|| fields(false));
    // Frozen parameters learn nothing, and may be read through `stop_gradient`.
    let read = errors.is_empty().then(|| fields(true));
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
        } else if read.as_ref().is_some_and(|r| r.contains(&i)) && reached.as_ref().is_some_and(|r| !r.contains(&i)) {
            if !field.options.frozen {
                let text = format!(
                    "`{name}` reaches the output of {methods} only through `stop_gradient`: {why}; if it is to stay as it is, say `#[parameter(frozen)]`"
                );
                errors.at(name, text);
            }
        } else if reached.as_ref().is_some_and(|r| !r.contains(&i)) {
            errors.at(name, format!("`{name}` never reaches the output of {methods}: {why}"));
        }
    }
}

/// The fields that contribute to an output; `all`: through `stop_gradient`, too.
fn reached(program: &Program, all: bool) -> BTreeSet<usize> {
    let mut live: BTreeSet<ValueId> = program.outputs.iter().copied().collect();
    let mut fields = BTreeSet::new();
    walk(&program.body, &mut live, &mut fields, all);
    let parameters = live.iter().filter_map(|v| match program.values[*v].role {
        Role::Parameter { field, .. } | Role::Buffer { field } => Some(field),
        _ => None,
    });
    fields.extend(parameters);
    fields
}

/// Backwards from what is live; collects the fields of layers whose result is live.
fn walk(body: &[Instruction], live: &mut BTreeSet<ValueId>, fields: &mut BTreeSet<usize>, all: bool) {
    for instruction in body.iter().rev() {
        if let Op::Loop(l) = &instruction.op {
            for (c, result) in l.carried.iter().zip(&instruction.results) {
                if live.contains(result) {
                    live.extend([c.next, c.start]);
                }
            }
            // The values that one iteration leaves are live in the next one. Repeats until nothing changes.
            loop {
                let before = live.len();
                walk(&l.body, live, fields, all);
                for c in l.carried.iter().filter(|c| live.contains(&c.turn)).collect::<Vec<_>>() {
                    live.extend([c.next, c.start]);
                }
                if live.len() == before {
                    break;
                }
            }
            continue;
        }
        if let Op::Branch(b) = &instruction.op {
            for block in [&b.then, &b.otherwise] {
                let handed_on = block.results.iter().zip(&instruction.results).filter(|(_, r)| live.contains(r)).map(|(v, _)| *v);
                let handed_on: Vec<ValueId> = handed_on.collect();
                live.extend(handed_on);
                walk(&block.body, live, fields, all);
            }
            continue;
        }
        let pushed_to = matches!(instruction.op, Op::Push) && instruction.arguments[0].value().is_some_and(|v| live.contains(&v));
        if !pushed_to && !instruction.results.iter().any(|r| live.contains(r)) {
            continue;
        }
        if let Op::Layer { target, .. } = &instruction.op {
            fields.extend(target.field());
        }
        if all || !matches!(instruction.op, Op::Detach) {
            live.extend(instruction.reads());
        }
    }
}
