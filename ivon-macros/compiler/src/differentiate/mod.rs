//! Differentiate: reverse mode on SSA. Which values have an adjoint, what each kernel's backward kernel is, and what must be
//! saved for it. Adjoints that reach no parameter and no argument are never computed.

mod table;

use crate::callee::{Callee, Callees};
use crate::expression::{Graph, Node, NodeId};
use crate::ir::Kernel;
use crate::ir::*;
use crate::parse::InputKind;
use std::collections::{BTreeMap, BTreeSet};

/// The facts about a program that its backward pass needs.
pub struct Derivative {
    /// True if each value has an adjoint.
    pub active: Vec<bool>,
    /// True if its adjoint is wanted whatever the arguments: it depends on a parameter.
    pub learned: Vec<bool>,
    /// True if its adjoint surely has a contribution, whatever the number of iterations of loops.
    pub sure: Vec<bool>,
    /// True if a value depends on an argument of the function, a tensor or ids.
    pub given: Vec<bool>,
    /// The backward kernels, by the value that the kernel makes.
    pub kernels: BTreeMap<ValueId, BackwardKernel>,
}

/// The derivative of a kernel `y = f(inputs)`.
pub struct BackwardKernel {
    /// Inputs whose gradient is that of y itself.
    pub passes: Vec<ValueId>,
    /// Inputs whose gradient is computed, and its node.
    pub computed: Vec<(ValueId, NodeId)>,
    /// The operands of the computed gradients, in the order of the graph's inputs: values of the forward pass, or the gradient of y.
    pub reads: Vec<Read>,
    /// Indices into the forward kernel's numbers.
    pub numbers: Vec<usize>,
    pub graph: Graph,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Read {
    Value(ValueId),
    Gradient,
}

impl BackwardKernel {
    /// The values of the forward pass that are read.
    pub fn values(&self) -> impl Iterator<Item = ValueId> {
        self.reads.iter().filter_map(|r| match r {
            Read::Value(v) => Some(*v),
            Read::Gradient => None,
        })
    }
}

/// Differentiates a program.
pub fn differentiate(program: &Program, callees: &Callees) -> Derivative {
    let count = program.values.len();
    let mut depends = vec![false; count];
    let mut learned = vec![false; count];
    for (v, value) in program.values.iter().enumerate() {
        depends[v] = value.kind == Kind::Float && matches!(value.role, Role::Input | Role::Parameter { .. });
        learned[v] = matches!(value.role, Role::Parameter { .. });
    }
    forward(&program.body, &mut depends, &mut learned, callees);
    let mut live = vec![false; count];
    program.outputs.iter().for_each(|o| live[*o] = true);
    backward(&program.body, &mut live, &depends, callees);
    let active: Vec<bool> =
        (0..count).map(|v| depends[v] && live[v] && matches!(program.values[v].kind, Kind::Float | Kind::List)).collect();
    let mut sure = vec![false; count];
    program.outputs.iter().for_each(|o| sure[*o] = true);
    contributions(&program.body, &mut sure, &active, callees);
    let mut kernels = BTreeMap::new();
    collect(&program.body, &program.values, &active, &mut kernels);
    let given = given(program);
    Derivative { active, learned, sure, given, kernels }
}

/// Which values depend on a parameter or a tensor argument.
fn forward(body: &[Instruction], depends: &mut [bool], learned: &mut [bool], callees: &Callees) {
    for instruction in body {
        match &instruction.op {
            Op::Loop(l) => {
                // Each iteration begins with the values that the previous one leaves. Repeats until nothing changes.
                loop {
                    let before = (depends.to_vec(), learned.to_vec());
                    for c in &l.carried {
                        depends[c.turn] |= depends[c.start] || depends[c.next];
                        learned[c.turn] |= learned[c.start] || learned[c.next];
                    }
                    forward(&l.body, depends, learned, callees);
                    if before == (depends.to_vec(), learned.to_vec()) {
                        break;
                    }
                }
                for (c, result) in l.carried.iter().zip(&instruction.results) {
                    depends[*result] = depends[c.start] || depends[c.next];
                    learned[*result] = learned[c.start] || learned[c.next];
                }
            }
            Op::Branch(b) => {
                for block in [&b.then, &b.otherwise] {
                    forward(&block.body, depends, learned, callees);
                    for (v, result) in block.results.iter().zip(&instruction.results) {
                        depends[*result] |= depends[*v];
                        learned[*result] |= learned[*v];
                    }
                }
            }
            Op::Push => {
                if let [Argument::Value(list), Argument::Value(pushed)] = instruction.arguments[..] {
                    depends[list] |= depends[pushed];
                    learned[list] |= learned[pushed];
                }
            }
            // A list depends on what is pushed to it.
            Op::List => {}
            op => {
                let parameters = matches!(op, Op::Layer { .. });
                let reads = differentiable(instruction, callees);
                for result in &instruction.results {
                    depends[*result] = parameters || reads.iter().any(|v| depends[*v]);
                    learned[*result] = parameters || reads.iter().any(|v| learned[*v]);
                }
            }
        }
    }
}

/// Which values depend on an argument of the function.
fn given(program: &Program) -> Vec<bool> {
    let mut given: Vec<bool> = program.values.iter().map(|value| value.role == Role::Input).collect();
    loop {
        let before = given.clone();
        spread_given(&program.body, &mut given);
        if given == before {
            return given;
        }
    }
}

/// Marks what the instructions make of values that are marked.
fn spread_given(body: &[Instruction], given: &mut [bool]) {
    for instruction in body {
        instruction.blocks().into_iter().for_each(|block| spread_given(block, given));
        match &instruction.op {
            Op::Loop(l) => {
                for (c, result) in l.carried.iter().zip(&instruction.results) {
                    given[c.turn] |= given[c.start] || given[c.next];
                    given[*result] |= given[c.turn];
                }
            }
            Op::Branch(b) => {
                for block in [&b.then, &b.otherwise] {
                    block.results.iter().zip(&instruction.results).for_each(|(v, result)| given[*result] |= given[*v]);
                }
            }
            Op::Push => {
                if let [Argument::Value(list), Argument::Value(pushed)] = instruction.arguments[..] {
                    given[list] |= given[pushed];
                }
            }
            _ => {
                let is_given = instruction.reads().iter().any(|v| given[*v]);
                instruction.results.iter().for_each(|result| given[*result] |= is_given);
            }
        }
    }
}

/// The arguments that an instruction has a gradient for.
pub fn differentiable(instruction: &Instruction, callees: &Callees) -> Vec<ValueId> {
    match &instruction.op {
        Op::Call { path, .. } => match callees.get(path) {
            Some(Callee::Op(f) | Callee::Composed(f) | Callee::Pointwise(f)) => f
                .inputs
                .iter()
                .zip(&instruction.arguments)
                .filter(|(input, _)| matches!(input.kind, InputKind::Tensor { .. } | InputKind::Optional { .. }))
                .filter_map(|(_, argument)| argument.value())
                .collect(),
            _ => vec![],
        },
        Op::Kernel(kernel) => kernel.inputs.clone(),
        Op::Reduce { reduction, .. } if reduction.is_place() => vec![],
        Op::Detach => vec![],
        Op::CompareIds(_) => vec![],
        _ => instruction.reads(),
    }
}

/// Which values contribute to an output.
fn backward(body: &[Instruction], live: &mut [bool], depends: &[bool], callees: &Callees) {
    for instruction in body.iter().rev() {
        if let Op::Loop(l) = &instruction.op {
            for (c, result) in l.carried.iter().zip(&instruction.results) {
                live[c.next] |= live[*result];
            }
            loop {
                let before = live.iter().filter(|l| **l).count();
                backward(&l.body, live, depends, callees);
                for c in &l.carried {
                    live[c.next] |= live[c.turn];
                    live[c.start] |= live[c.turn];
                }
                if live.iter().filter(|l| **l).count() == before {
                    break;
                }
            }
            // Without any iteration the start is the result.
            for (c, result) in l.carried.iter().zip(&instruction.results) {
                live[c.start] |= live[*result];
            }
        } else if let Op::Branch(b) = &instruction.op {
            for block in [&b.then, &b.otherwise] {
                block.results.iter().zip(&instruction.results).for_each(|(v, result)| live[*v] |= live[*result]);
                backward(&block.body, live, depends, callees);
            }
        } else if let (Op::Push, [Argument::Value(list), Argument::Value(pushed)]) = (&instruction.op, &instruction.arguments[..])
        {
            live[*pushed] |= live[*list];
        } else if instruction.results.iter().any(|r| live[*r] && depends[*r]) {
            differentiable(instruction, callees).into_iter().for_each(|v| live[v] = true);
        }
    }
}

/// Finds the adjoints that surely have a contribution: a loop may have no iteration, and an iteration may rebind a value that it has not read.
fn contributions(body: &[Instruction], sure: &mut [bool], active: &[bool], callees: &Callees) {
    for instruction in body.iter().rev() {
        if let Op::Branch(b) = &instruction.op {
            let sides = [&b.then, &b.otherwise].map(|block| {
                let mut inside = vec![false; sure.len()];
                for (v, result) in block.results.iter().zip(&instruction.results) {
                    inside[*v] |= active[*result] && sure[*result];
                }
                contributions(&block.body, &mut inside, active, callees);
                inside
            });
            // One of the blocks is executed: what both contribute to is sure.
            (0..sure.len()).for_each(|v| sure[v] |= sides[0][v] && sides[1][v]);
            for (block, inside) in [&b.then, &b.otherwise].into_iter().zip(&sides) {
                made(&block.body).into_iter().for_each(|v| sure[v] |= inside[v]);
            }
            continue;
        }
        // A list has a contribution for each of its tensors, or none.
        if matches!(instruction.op, Op::Push) {
            continue;
        }
        let Op::Loop(l) = &instruction.op else {
            if instruction.results.iter().any(|r| active[*r] && sure[*r]) {
                differentiable(instruction, callees).into_iter().for_each(|v| sure[v] = true);
            }
            continue;
        };
        // Inside, suppose that every iteration hands on an adjoint; what does not hold then does not hold at all.
        let mut inside: Vec<bool> = vec![false; sure.len()];
        let mut handed_on: Vec<bool> = vec![true; l.carried.len()];
        loop {
            inside.fill(false);
            for (c, on) in l.carried.iter().zip(&handed_on) {
                inside[c.next] |= on;
            }
            contributions(&l.body, &mut inside, active, callees);
            // The last iteration gets the result's adjoint (zeros where it has none), each other one gets that of the iteration after it.
            let result_sure = |r: ValueId| sure[r] || !active[r];
            let now: Vec<bool> = l
                .carried
                .iter()
                .zip(&instruction.results)
                .map(|(c, r)| result_sure(*r) && (inside[c.turn] || c.next == c.turn))
                .collect();
            if now == handed_on {
                break;
            }
            handed_on = now;
        }
        for v in made(&l.body).into_iter().chain(l.carried.iter().map(|c| c.turn)) {
            sure[v] |= inside[v];
        }
        for (c, r) in l.carried.iter().zip(&instruction.results) {
            // Without any iteration the result's adjoint is the start's.
            sure[c.start] |= (sure[*r] || !active[*r]) && (inside[c.turn] || c.next == c.turn);
        }
    }
}

/// The values that a block makes, those of the blocks in it included.
fn made(body: &[Instruction]) -> Vec<ValueId> {
    let inner = |i: &Instruction| -> Vec<ValueId> {
        let turns = match &i.op {
            Op::Loop(l) => l.carried.iter().map(|c| c.turn).collect(),
            _ => vec![],
        };
        i.blocks().into_iter().flat_map(made).chain(turns).collect()
    };
    body.iter().flat_map(|i| i.results.iter().copied().chain(inner(i))).collect()
}

/// The backward kernels. A gradient that can be computed from the output, as that of `relu` and `tanh`, reads the output where that spares an input: the next op
/// mostly keeps the output anyway.
fn collect(body: &[Instruction], values: &[Value], active: &[bool], kernels: &mut BTreeMap<ValueId, BackwardKernel>) {
    for instruction in body {
        instruction.blocks().into_iter().for_each(|body| collect(body, values, active, kernels));
        match &instruction.op {
            Op::Kernel(kernel) if active[instruction.results[0]] => {
                let result = instruction.results[0];
                // Whoever reads an input as well may keep it anyway.
                let alone = |v: ValueId| {
                    !matches!(values[v].role, Role::Parameter { .. })
                        && body.iter().filter(|i| i.reads().contains(&v)).count() == 1
                };
                let from_inputs = kernel_backward(kernel, None, active);
                let from_output = kernel_backward(kernel, Some(result), active);
                let spared = |v: &ValueId| alone(*v) && !from_output.values().any(|other| other == *v);
                let better = from_inputs.values().collect::<Vec<_>>().iter().any(spared);
                kernels.insert(result, if better { from_output } else { from_inputs });
            }
            _ => {}
        }
    }
}

/// Reverse mode within one kernel's graph; with an `output`, the value of the kernel itself is read instead of made again.
fn kernel_backward(kernel: &Kernel, output: Option<ValueId>, active: &[bool]) -> BackwardKernel {
    let mut g = kernel.graph.clone();
    let (gradient_slot, output_slot) = (kernel.inputs.len(), kernel.inputs.len() + 1);
    let d_y = g.add(Node::Input(gradient_slot));
    let mut adjoints: BTreeMap<NodeId, NodeId> = [(kernel.root, d_y)].into();
    // Nodes stand after what they read, so going down visits every user first.
    for node in (0..=kernel.root).rev() {
        let Some(d) = adjoints.get(&node).copied() else { continue };
        for (read, contribution) in table::contributions(&mut g, node, d) {
            let sum = match adjoints.get(&read) {
                Some(known) => {
                    let known = *known;
                    g.plus(known, contribution)
                }
                None => contribution,
            };
            adjoints.insert(read, sum);
        }
    }
    let (mut passes, mut computed) = (vec![], vec![]);
    for (slot, input) in kernel.inputs.iter().enumerate().filter(|(_, v)| active[**v]) {
        let node = g.add(Node::Input(slot));
        match adjoints.get(&node) {
            Some(d) if *d == d_y => passes.push(*input),
            Some(d) => computed.push((*input, *d)),
            None => {}
        }
    }
    if output.is_some() {
        g.read_result(kernel.root, output_slot);
    }
    let roots: Vec<NodeId> = computed.iter().map(|(_, node)| *node).collect();
    let (graph, roots, slots, numbers) = g.extract(&roots);
    let computed = computed.iter().zip(roots).map(|((input, _), root)| (*input, root)).collect();
    let value = |slot: &usize| kernel.inputs.get(*slot).copied().or(output.filter(|_| *slot == output_slot));
    let reads = slots.iter().map(|slot| value(slot).map_or(Read::Gradient, Read::Value)).collect();
    BackwardKernel { passes, computed, reads, numbers, graph }
}

/// Values of the forward pass that the backward pass of a block reads, in order of appearance; parameters are read again instead.
pub fn saved_values(body: &[Instruction], values: &[Value], derivative: &Derivative) -> Vec<ValueId> {
    let mut seen = BTreeSet::new();
    let mut saved = vec![];
    for result in body.iter().filter(|i| matches!(i.op, Op::Kernel(_))).flat_map(|i| &i.results) {
        let Some(kernel) = derivative.kernels.get(result) else { continue };
        for v in kernel.values() {
            if !matches!(values[v].role, Role::Parameter { .. }) && seen.insert(v) {
                saved.push(v);
            }
        }
    }
    saved
}
