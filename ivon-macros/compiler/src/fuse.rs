//! Fuse: neighbouring elementwise steps become one kernel. A value that only one kernel needs is never stored.
//! Then a layer takes in the kernel after it, where it has a method for that.

mod replace;

use crate::expression::{Graph, Node, NodeId};
use crate::intrinsics::Intrinsic;
use crate::ir::*;
use crate::syntax::constant;
use proc_macro2::TokenStream;
use std::collections::{BTreeMap, BTreeSet};

pub use replace::replace;

/// The most elementwise steps in one kernel: a longer chain is cut, and what stands at the cut is stored.
const MOST_STEPS: usize = 128;

/// Turns the elementwise steps of a program into kernels.
pub fn fuse(program: &mut Program) {
    let Program { values, body, outputs, .. } = program;
    let needed = outputs.iter().copied().collect();
    block(body, values, &needed);
}

/// `needed`: values that are read after the block.
fn block(body: &mut Vec<Instruction>, values: &[Value], needed: &BTreeSet<ValueId>) {
    for instruction in body.iter_mut() {
        for (body, needed) in instruction.blocks_mut() {
            block(body, values, &needed);
        }
    }
    let roots = roots(body, values, needed);
    let producers: BTreeMap<ValueId, usize> = body
        .iter()
        .enumerate()
        .filter(|(_, i)| matches!(i.op, Op::Pointwise(_)))
        .flat_map(|(at, i)| i.results.iter().map(move |r| (*r, at)))
        .collect();
    let kernels: Vec<(usize, Kernel)> = producers
        .iter()
        .filter(|(value, _)| roots.get(value) == Some(value))
        .map(|(value, at)| {
            let mut fusion = Fusion {
                body,
                producers: &producers,
                roots: &roots,
                root: *value,
                graph: Graph::default(),
                inputs: vec![],
                numbers: vec![],
                taken: BTreeMap::new(),
            };
            let root = fusion.step(*at);
            (*at, Kernel { inputs: fusion.inputs, numbers: fusion.numbers, graph: fusion.graph, root })
        })
        .collect();
    for (at, kernel) in kernels {
        body[at].op = Op::Kernel(kernel);
        body[at].arguments.clear();
    }
    body.retain(|i| !matches!(i.op, Op::Pointwise(_)));
}

/// For each elementwise value the value that is stored in its place: itself, or the one kernel that absorbs it.
fn roots(body: &[Instruction], values: &[Value], needed: &BTreeSet<ValueId>) -> BTreeMap<ValueId, ValueId> {
    let mut users: BTreeMap<ValueId, Vec<&Instruction>> = BTreeMap::new();
    for instruction in body {
        instruction.reads().into_iter().for_each(|v| users.entry(v).or_default().push(instruction));
    }
    let mut roots = BTreeMap::new();
    let mut sizes: BTreeMap<ValueId, usize> = BTreeMap::new();
    for instruction in body.iter().rev().filter(|i| matches!(i.op, Op::Pointwise(_))) {
        let value = instruction.results[0];
        let mut root = None;
        let mut alone = needed.contains(&value);
        for user in users.get(&value).map_or(&[][..], Vec::as_slice) {
            let elementwise = matches!(user.op, Op::Pointwise(_));
            // A value that is broadcast is cheaper to store than to compute again for every row.
            let same_shape = elementwise && values[user.results[0]].shape == values[value].shape;
            let theirs = user.results.first().and_then(|r| roots.get(r)).copied();
            alone |= !same_shape || (root.is_some() && root != theirs);
            root = theirs;
        }
        let root = root.filter(|root| !alone && sizes.get(root).is_none_or(|size| *size < MOST_STEPS)).unwrap_or(value);
        *sizes.entry(root).or_default() += 1;
        roots.insert(value, root);
    }
    roots
}

struct Fusion<'a> {
    body: &'a [Instruction],
    producers: &'a BTreeMap<ValueId, usize>,
    roots: &'a BTreeMap<ValueId, ValueId>,
    root: ValueId,
    graph: Graph,
    inputs: Vec<ValueId>,
    numbers: Vec<TokenStream>,
    /// The nodes of values that were taken in.
    taken: BTreeMap<ValueId, NodeId>,
}

impl Fusion<'_> {
    fn step(&mut self, at: usize) -> NodeId {
        let body = self.body;
        let instruction = &body[at];
        let arguments: Vec<NodeId> = instruction.arguments.iter().map(|a| self.argument(a)).collect();
        let g = &mut self.graph;
        let Op::Pointwise(primitive) = instruction.op else { return g.constant(0.0) };
        match (primitive, arguments.as_slice()) {
            (Primitive::Negate, [x]) => g.negate(*x),
            (Primitive::Add, [x, y]) => g.plus(*x, *y),
            (Primitive::Subtract, [x, y]) => g.minus(*x, *y),
            (Primitive::Multiply, [x, y]) => g.times(*x, *y),
            (Primitive::Divide, [x, y]) => g.over(*x, *y),
            (Primitive::Call(Intrinsic::Max), [x, y]) => g.add(Node::Max(*x, *y)),
            (Primitive::Call(Intrinsic::Min), [x, y]) => g.add(Node::Min(*x, *y)),
            (Primitive::Call(Intrinsic::Gt), [x, y]) => g.add(Node::Greater(*x, *y)),
            (Primitive::Call(Intrinsic::Lt), [x, y]) => g.add(Node::Greater(*y, *x)),
            (Primitive::Call(Intrinsic::Ge), [x, y]) => g.add(Node::AtLeast(*x, *y)),
            (Primitive::Call(Intrinsic::Le), [x, y]) => g.add(Node::AtLeast(*y, *x)),
            (Primitive::Call(Intrinsic::Eq), [x, y]) => g.add(Node::Equal(*x, *y)),
            (Primitive::Call(Intrinsic::Ne), [x, y]) => {
                let (one, equal) = (g.constant(1.0), g.add(Node::Equal(*x, *y)));
                g.minus(one, equal)
            }
            (Primitive::Call(Intrinsic::Select), [m, x, y]) => g.add(Node::Select(*m, *x, *y)),
            (Primitive::Call(Intrinsic::Powf), [x, y]) => g.add(Node::Power(*x, *y)),
            (Primitive::Call(f), [x]) => g.call(f, *x),
            // Arity was checked when it was parsed.
            _ => g.constant(0.0),
        }
    }

    fn argument(&mut self, argument: &Argument) -> NodeId {
        match argument {
            Argument::Value(v) => match self.producers.get(v) {
                Some(at) if *v != self.root && self.roots.get(v) == Some(&self.root) => {
                    if let Some(node) = self.taken.get(v) {
                        return *node;
                    }
                    let node = self.step(*at);
                    self.taken.insert(*v, node);
                    node
                }
                _ => {
                    let slot = self.inputs.iter().position(|i| i == v).unwrap_or_else(|| {
                        self.inputs.push(*v);
                        self.inputs.len() - 1
                    });
                    self.graph.add(Node::Input(slot))
                }
            },
            // Arithmetic takes tensors and numbers only; `lower` has seen to it.
            Argument::Absent | Argument::Flag(_) => self.graph.constant(0.0),
            Argument::Number(tokens) => match constant(tokens) {
                Some(c) => self.graph.constant(c),
                None => {
                    let text = tokens.to_string();
                    let slot = self.numbers.iter().position(|n| n.to_string() == text).unwrap_or_else(|| {
                        self.numbers.push(tokens.clone());
                        self.numbers.len() - 1
                    });
                    self.graph.add(Node::Number(slot))
                }
            },
        }
    }
}
