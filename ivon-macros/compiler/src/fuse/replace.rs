//! A call of a layer and the kernel after it become one call, where the layer has a method that says so: with
//! `#[replaces(relu(self.forward(x) + residual))]` on its `activated_sum`, `relu(self.norm.forward(x) + y)` becomes
//! `self.norm.activated_sum(x, y)`.

use super::Kernel;
use crate::callee::Callees;
use crate::expression::{Graph, Node, NodeId};
use crate::ir::*;
use crate::parse::{FieldKind, Function, Model};
use std::collections::BTreeSet;

/// Joins calls and kernels of a program whose elementwise steps are kernels.
pub fn replace(program: &mut Program, model: &Model, callees: &Callees) {
    let Program { values, body, outputs, .. } = program;
    let needed = outputs.iter().copied().collect();
    Replace { values, model, callees }.block(body, &needed);
}

struct Replace<'a> {
    values: &'a [Value],
    model: &'a Model,
    callees: &'a Callees,
}

impl Replace<'_> {
    /// `needed`: values that are read after the block.
    fn block(&self, body: &mut Vec<Instruction>, needed: &BTreeSet<ValueId>) {
        for instruction in body.iter_mut() {
            for (body, needed) in instruction.blocks_mut() {
                self.block(body, &needed);
            }
        }
        let mut at = 0;
        while at < body.len() {
            match self.joined(body, at, needed) {
                // The call moves down to where all that it reads now is known.
                Some((call, joined)) => {
                    body[at] = joined;
                    body.remove(call);
                }
                None => at += 1,
            }
        }
    }

    /// The call that can take in the kernel at `at`, the nearest one, and the two as one.
    fn joined(&self, body: &[Instruction], at: usize, needed: &BTreeSet<ValueId>) -> Option<(usize, Instruction)> {
        let Op::Kernel(kernel) = &body[at].op else { return None };
        let shape = self.values[body[at].results[0]].shape.as_ref()?;
        // Broadcasting is the kernel's own.
        if kernel.inputs.iter().any(|v| self.values[*v].shape.as_ref() != Some(shape)) {
            return None;
        }
        let alone = |v: ValueId| !needed.contains(&v) && body.iter().filter(|i| i.reads().contains(&v)).count() == 1;
        (0..at).rev().find_map(|call| {
            let Op::Layer { target, method } = &body[call].op else { return None };
            let [value] = body[call].results[..] else { return None };
            let slot = kernel.inputs.iter().position(|v| *v == value).filter(|_| alone(value))?;
            let (function, bound) = self.methods(target).iter().find_map(|function| {
                let replaces = function.replaces.as_ref()?;
                if replaces.method != *method || replaces.arguments != body[call].arguments.len() {
                    return None;
                }
                let further = function.inputs.len() - replaces.arguments;
                let mut bound = vec![None; further + 1];
                bound[0] = Some(slot);
                matches(kernel, kernel.root, &replaces.graph, replaces.root, &mut bound).then_some((function, bound))
            })?;
            let further: Vec<ValueId> = bound[1..].iter().flatten().map(|slot| kernel.inputs[*slot]).collect();
            let (call_, kernel_) = (&body[call], &body[at]);
            let joined = Instruction {
                op: Op::Layer { target: target.clone(), method: function.name.clone() },
                arguments: call_.arguments.iter().cloned().chain(further.iter().map(|v| Argument::Value(*v))).collect(),
                argument_places: call_.argument_places.iter().copied().chain(further.iter().map(|_| kernel_.place)).collect(),
                results: kernel_.results.clone(),
                place: kernel_.place,
                text: kernel_.text.clone(),
                saved: call_.saved.clone(),
            };
            Some((call, joined))
        })
    }

    /// The methods of what is called.
    fn methods(&self, target: &Target) -> &[Function] {
        // A method of the model itself that replaces an expression may be written as that expression.
        let Some(field) = target.field().map(|field| &self.model.fields[field]) else { return &[] };
        match &field.kind {
            FieldKind::Layer(layer) | FieldKind::Array { of: layer, .. } => {
                self.callees.model(&layer.signature).map_or(&[], |model| &model.functions)
            }
            _ => &[],
        }
    }
}

/// True if a kernel computes what a pattern does, with the pattern's input i being input `bound[i]`, which is found here.
fn matches(kernel: &Kernel, node: NodeId, pattern: &Graph, wanted: NodeId, bound: &mut Vec<Option<usize>>) -> bool {
    let mut both = |pairs: [(NodeId, NodeId); 2]| {
        let before = bound.clone();
        let found = pairs.into_iter().all(|(node, wanted)| matches(kernel, node, pattern, wanted, bound));
        if !found {
            *bound = before;
        }
        found
    };
    match (kernel.graph.node(node), pattern.node(wanted)) {
        (Node::Input(slot), Node::Input(i)) => match bound[i] {
            Some(known) => known == slot,
            None if bound.contains(&Some(slot)) => false,
            None => {
                bound[i] = Some(slot);
                true
            }
        },
        (Node::Constant(c), Node::Constant(d)) => c == d,
        (Node::Negate(x), Node::Negate(a)) => matches(kernel, x, pattern, a, bound),
        (Node::Call(f, x), Node::Call(g, a)) if f == g => matches(kernel, x, pattern, a, bound),
        (Node::Add(x, y), Node::Add(a, b)) | (Node::Multiply(x, y), Node::Multiply(a, b)) => {
            both([(x, a), (y, b)]) || both([(x, b), (y, a)])
        }
        (Node::Subtract(x, y), Node::Subtract(a, b))
        | (Node::Divide(x, y), Node::Divide(a, b))
        | (Node::Max(x, y), Node::Max(a, b))
        | (Node::Min(x, y), Node::Min(a, b)) => both([(x, a), (y, b)]),
        _ => false,
    }
}
