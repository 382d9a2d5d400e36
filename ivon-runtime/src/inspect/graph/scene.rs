//! Turns the steps of methods into boxes and edges. A layer that does more than one thing becomes a box with its own scene.

use crate::tensor::graph::sizes::{Dim, Known, show};
use crate::tensor::graph::{Graph, Method, Name, Part, Step, Value};
use std::collections::BTreeMap;

/// The nodes and edges drawn at one level.
#[derive(Debug, Default)]
pub(super) struct Scene {
    pub nodes: Vec<Node>,
    pub edges: Vec<Edge>,
}

/// An edge from an output of one node to an input of another. Outputs and inputs are numbered from the left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Edge {
    pub from: End,
    pub to: End,
}

/// A node and the number of one of its inputs or outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    pub node: usize,
    pub slot: usize,
}

/// A node of the drawing.
#[derive(Debug)]
pub(super) struct Node {
    pub kind: Kind,
    /// The name that the user gave it.
    pub name: String,
    /// Its type, drawn behind the name.
    pub ty: String,
    /// The shapes of its outputs.
    pub shape: String,
    /// The text that a viewer shows under the pointer.
    pub tooltip: String,
    /// The number of repetitions, for an array of layers.
    pub repeated: Option<usize>,
    /// The inner scene, if it is drawn. Its inputs are the first nodes, followed by its outputs.
    pub inside: Option<Scene>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An argument or a result. The outermost scene draws it as a pill; a box marks its place on the border.
    Input,
    Output,
    Layer,
    Op,
    Kernel,
    Parameter,
}

/// A formula longer than this is replaced by the name of its function.
const LONG: usize = 30;

/// The scene of a method, with the known dimensions filled in.
pub(super) fn of(graph: &Graph, method: &Method, known: Known) -> Scene {
    let mut drawing = Drawing { graph, known, scene: Scene::default() };
    let mut scope = drawing.ports(Kind::Input, method.inputs);
    let first = drawing.scene.nodes.len();
    let outputs: Vec<Value> = method.outputs.iter().map(|_| (method.name, "")).collect();
    drawing.ports(Kind::Output, &outputs);
    drawing.steps(method.steps, &mut scope);
    drawing.connect_outputs(first, method.outputs, &scope);
    drawing.scene
}

/// Maps each value of a method to the node that makes it, and to its shape.
type Scope = BTreeMap<Name, (End, Vec<Dim>)>;

struct Drawing<'a> {
    graph: &'a Graph,
    known: Known,
    scene: Scene,
}

impl Drawing<'_> {
    fn node(&mut self, node: Node) -> usize {
        self.scene.nodes.push(node);
        self.scene.nodes.len() - 1
    }

    /// Adds a node for each value and records where each value is found.
    fn ports(&mut self, kind: Kind, values: &[Value]) -> Scope {
        let one = |(name, shape): &Value| {
            let dims = self.known.shape(shape);
            let shape = if shape.is_empty() { String::new() } else { show(&dims) };
            let port = Node { shape, ..leaf(kind, name) };
            (*name, (End { node: self.node(port), slot: 0 }, dims))
        };
        values.iter().map(one).collect()
    }

    fn connect_outputs(&mut self, first: usize, outputs: &[Name], scope: &Scope) {
        for (i, name) in outputs.iter().enumerate() {
            self.connect(scope, &[name], first + i);
        }
    }

    /// Adds edges from values to the inputs of a node.
    fn connect(&mut self, scope: &Scope, reads: &[Name], node: usize) {
        for (slot, name) in reads.iter().enumerate() {
            if let Some((from, _)) = scope.get(name) {
                self.scene.edges.push(Edge { from: *from, to: End { node, slot } });
            }
        }
    }

    fn steps(&mut self, steps: &[Step], scope: &mut Scope) {
        for step in steps {
            self.step(step, scope);
        }
    }

    fn step(&mut self, step: &Step, scope: &mut Scope) {
        match step {
            Step::Layer(field, method, reads, makes) => {
                let part = self.graph.field(field);
                let node = layer(part, field, method, &shapes_of(reads, scope));
                self.add(Node { shape: self.shapes(makes), ..node }, reads, makes, scope);
            }
            Step::Own(method, reads, makes) => {
                let Some(method) = self.graph.method(method) else {
                    return;
                };
                let arguments = method.inputs.iter().zip(*reads);
                let mut inner = arguments.filter_map(|((name, _), read)| Some((*name, scope.get(read)?.clone()))).collect();
                // The callee has its own names of dimensions.
                let known = bound(self.graph, method, &shapes_of(reads, scope));
                let outer = std::mem::replace(&mut self.known, known);
                self.steps(method.steps, &mut inner);
                self.known = outer;
                let results = makes.iter().zip(method.outputs);
                scope.extend(results.filter_map(|((name, _), output)| Some((*name, inner.get(output)?.clone()))));
            }
            Step::Op(label, reads, makes) => {
                let node = leaf(Kind::Op, &self.known.replaced(label, &self.graph.sizes));
                self.add(Node { shape: self.shapes(makes), ..node }, reads, makes, scope);
            }
            Step::Kernel(formula, reads, makes) => {
                let formula = self.known.replaced(formula, &self.graph.sizes);
                let name = match makes.first() {
                    Some((name, _)) if formula.chars().count() > LONG => (*name).to_string(),
                    _ => formula.clone(),
                };
                let node = Node { shape: self.shapes(makes), tooltip: formula, ..leaf(Kind::Kernel, &name) };
                self.add(node, reads, makes, scope);
            }
            Step::Parameter(name, shape) => {
                let node = Node { shape: self.shapes(&[(*name, *shape)]), ..leaf(Kind::Parameter, name) };
                self.add(node, &[], &[(*name, *shape)], scope);
            }
            Step::Loop(field, carried, steps) => self.repeat(field, carried, steps, scope),
        }
    }

    fn add(&mut self, node: Node, reads: &[Name], makes: &[Value], scope: &mut Scope) {
        let node = self.node(node);
        self.connect(scope, reads, node);
        let made = makes.iter().enumerate();
        scope.extend(made.map(|(slot, (name, shape))| (*name, (End { node, slot }, self.known.shape(shape)))));
    }

    fn shapes(&self, makes: &[Value]) -> String {
        makes.iter().map(|(_, shape)| show(&self.known.shape(shape))).collect::<Vec<_>>().join(" ")
    }

    /// One box stands for all iterations of a loop.
    fn repeat(&mut self, field: &str, carried: &[(Name, Name, Name)], steps: &[Step], scope: &mut Scope) {
        let part = self.graph.field(field);
        let count = part.and_then(|p| p.count);
        // If the loop body is one call, the box is that of the called layer.
        if let [Step::Layer(of, method, reads, makes)] = steps
            && *of == field
            && makes.iter().zip(carried).all(|((made, _), (_, _, next))| made == next)
        {
            let before = |read: &Name| carried.iter().find(|(turn, ..)| turn == read).map_or(*read, |(_, start, _)| *start);
            let reads: Vec<Name> = reads.iter().map(before).collect();
            let after: Vec<Value> = carried.iter().zip(*makes).map(|((turn, ..), (_, shape))| (*turn, *shape)).collect();
            let node =
                Node { shape: self.shapes(makes), repeated: count, ..layer(part, field, method, &shapes_of(&reads, scope)) };
            return self.add(node, &reads, &after, scope);
        }
        let turns: Vec<Value> = carried.iter().map(|(turn, ..)| (*turn, "")).collect();
        let captured = captured(steps, carried);
        let outside: Vec<Value> = captured.iter().map(|name| (*name, "")).collect();
        let mut inner = Drawing { graph: self.graph, known: self.known.clone(), scene: Scene::default() };
        let mut inner_scope = inner.ports(Kind::Input, &turns);
        inner_scope.extend(inner.ports(Kind::Input, &outside));
        // A loop keeps the shapes of the values that it carries.
        let starts = carried.iter().map(|(turn, start, _)| (*turn, *start)).chain(captured.iter().map(|name| (*name, *name)));
        for (name, start) in starts {
            if let (Some((_, shape)), Some((_, inside))) = (scope.get(start), inner_scope.get_mut(name)) {
                inside.clone_from(shape);
            }
        }
        let first = inner.scene.nodes.len();
        inner.ports(Kind::Output, &turns);
        inner.steps(steps, &mut inner_scope);
        let nexts: Vec<Name> = carried.iter().map(|(.., next)| *next).collect();
        inner.connect_outputs(first, &nexts, &inner_scope);
        let node = Node { repeated: count, inside: Some(inner.scene), ..leaf(Kind::Layer, field) };
        let reads: Vec<Name> = carried.iter().map(|(_, start, _)| *start).chain(captured).collect();
        self.add(node, &reads, &turns, scope);
        for (turn, start, _) in carried {
            if let Some((_, shape)) = scope.get(start).cloned()
                && let Some((_, after)) = scope.get_mut(turn)
            {
                *after = shape;
            }
        }
    }
}

/// The shapes of values, as far as they are known.
fn shapes_of(reads: &[Name], scope: &Scope) -> Vec<Option<Vec<Dim>>> {
    reads.iter().map(|name| scope.get(name).map(|(_, shape)| shape.clone())).collect()
}

/// The values of a method's dimensions, given the shapes of its arguments.
fn bound(graph: &Graph, method: &Method, shapes: &[Option<Vec<Dim>>]) -> Known {
    let mut known = graph.known();
    for ((_, promised), found) in method.inputs.iter().zip(shapes) {
        if let Some(found) = found {
            known.bind(promised, found);
        }
    }
    known
}

/// The values from outside a loop that its body reads.
fn captured(steps: &[Step], carried: &[(Name, Name, Name)]) -> Vec<Name> {
    let mut inside: Vec<Name> = carried.iter().map(|(turn, ..)| *turn).collect();
    let mut captured = vec![];
    let mut note = |name: Name, inside: &[Name]| {
        if !inside.contains(&name) && !captured.contains(&name) {
            captured.push(name);
        }
    };
    for step in steps {
        let (reads, makes): (Vec<Name>, Vec<Name>) = match step {
            Step::Layer(_, _, reads, makes)
            | Step::Own(_, reads, makes)
            | Step::Op(_, reads, makes)
            | Step::Kernel(_, reads, makes) => (reads.to_vec(), makes.iter().map(|m| m.0).collect()),
            Step::Parameter(name, _) => (vec![], vec![*name]),
            Step::Loop(_, inner, steps) => {
                let starts = inner.iter().map(|(_, start, _)| *start);
                (starts.chain(self::captured(steps, inner)).collect(), inner.iter().map(|c| c.0).collect())
            }
        };
        reads.into_iter().for_each(|name| note(name, &inside));
        inside.extend(makes);
    }
    carried.iter().for_each(|(.., next)| note(next, &inside));
    captured
}

/// The box of a call of a layer's method with arguments of these shapes. The inner scene is drawn unless it is one op, or one op followed
/// by a kernel.
fn layer(part: Option<&Part>, field: &str, method: &str, shapes: &[Option<Vec<Dim>>]) -> Node {
    let Some(graph) = part.and_then(|p| p.graph.as_ref()) else {
        return leaf(Kind::Layer, field);
    };
    let name = if method == "forward" { field.to_string() } else { format!("{field}.{method}") };
    let inside = graph.method(method).filter(|m| !is_simple(graph, m)).map(|m| of(graph, m, bound(graph, m, shapes)));
    Node { ty: graph.type_text(), inside, ..leaf(Kind::Layer, &name) }
}

/// True if a method is at most one op and one kernel.
fn is_simple(graph: &Graph, method: &Method) -> bool {
    fn count(graph: &Graph, method: &Method) -> Option<(usize, usize)> {
        method.steps.iter().try_fold((0, 0), |(ops, kernels), step| match step {
            Step::Layer(..) | Step::Loop(..) => None,
            Step::Parameter(..) => Some((ops, kernels)),
            Step::Op(..) => Some((ops + 1, kernels)),
            Step::Kernel(..) => Some((ops, kernels + 1)),
            Step::Own(called, ..) => {
                let (o, k) = graph.method(called).map_or(Some((0, 0)), |m| count(graph, m))?;
                Some((ops + o, kernels + k))
            }
        })
    }
    count(graph, method).is_some_and(|(ops, kernels)| ops <= 1 && kernels <= 1)
}

fn leaf(kind: Kind, name: &str) -> Node {
    let empty = String::new;
    Node { kind, name: name.to_string(), ty: empty(), shape: empty(), tooltip: empty(), repeated: None, inside: None }
}
