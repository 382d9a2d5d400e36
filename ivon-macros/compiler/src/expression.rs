//! Elementwise expressions as a graph: equal parts are one node, so that nothing is computed twice. One graph is printed as a
//! Rust loop's body and as CUDA C++.

use crate::intrinsics::{INTRINSICS, Intrinsic};
use proc_macro2::{Literal, TokenStream};
use quote::{format_ident, quote};
use std::cell::Cell;
use std::collections::BTreeMap;

/// The most nodes in the text of an expression.
const LONGEST_TEXT: usize = 200;

/// A node: an index into the graph.
pub type NodeId = usize;

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Node {
    /// An element of an input tensor.
    Input(usize),
    /// A number that is the same for all elements and known when the model runs.
    Number(usize),
    Constant(f64),
    Negate(NodeId),
    Add(NodeId, NodeId),
    Subtract(NodeId, NodeId),
    Multiply(NodeId, NodeId),
    Divide(NodeId, NodeId),
    Call(Intrinsic, NodeId),
    /// 1 where the first is greater than the second, else 0.
    Greater(NodeId, NodeId),
    /// 1 where the first is at least the second, else 0.
    AtLeast(NodeId, NodeId),
    /// 1 where both are equal, else 0.
    Equal(NodeId, NodeId),
    /// The second where the first is not 0, else the third.
    Select(NodeId, NodeId, NodeId),
    Max(NodeId, NodeId),
    Min(NodeId, NodeId),
    /// x^p for a number p.
    Power(NodeId, NodeId),
    /// The gradient of relu(x), of x (or of its result) and of the gradient of the result: 0 where x <= 0, else that.
    Gate(NodeId, NodeId),
    /// The part of the third that goes to the larger of the first two, if that is the first: all where it is larger, half where they are equal, else 0.
    Share(NodeId, NodeId, NodeId),
}

use Node::*;

/// Nodes, each after those it reads.
#[derive(Clone, Default, Debug)]
pub struct Graph {
    nodes: Vec<Node>,
}

impl Graph {
    /// Adds a node, or finds the one that is equal.
    pub fn add(&mut self, node: Node) -> NodeId {
        if let Some(known) = self.nodes.iter().position(|n| *n == node) {
            return known;
        }
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    pub fn node(&self, id: NodeId) -> Node {
        self.nodes[id]
    }

    pub fn constant(&mut self, value: f64) -> NodeId {
        self.add(Constant(value))
    }

    fn value(&self, id: NodeId) -> Option<f64> {
        match self.nodes[id] {
            Constant(c) => Some(c),
            _ => None,
        }
    }

    // Constructors that leave out what has no effect: x + 0, x * 1, --x. x * 0 stays: it is not 0 where x is infinite or not a number.

    pub fn negate(&mut self, x: NodeId) -> NodeId {
        match self.nodes[x] {
            Constant(c) => self.constant(-c),
            Negate(inner) => inner,
            _ => self.add(Negate(x)),
        }
    }

    pub fn plus(&mut self, x: NodeId, y: NodeId) -> NodeId {
        match (self.value(x), self.value(y), self.nodes[y]) {
            (Some(a), Some(b), _) => self.constant(a + b),
            (Some(0.0), _, _) => y,
            (_, Some(0.0), _) => x,
            (_, _, Negate(inner)) => self.minus(x, inner),
            _ => self.add(Add(x, y)),
        }
    }

    pub fn minus(&mut self, x: NodeId, y: NodeId) -> NodeId {
        match (self.value(x), self.value(y), self.nodes[y]) {
            (Some(a), Some(b), _) => self.constant(a - b),
            (Some(0.0), _, _) => self.negate(y),
            (_, Some(0.0), _) => x,
            (_, _, Negate(inner)) => self.plus(x, inner),
            _ => self.add(Subtract(x, y)),
        }
    }

    pub fn times(&mut self, x: NodeId, y: NodeId) -> NodeId {
        match (self.value(x), self.value(y)) {
            (Some(a), Some(b)) => self.constant(a * b),
            (Some(1.0), _) => y,
            (_, Some(1.0)) => x,
            (Some(-1.0), _) => self.negate(y),
            (_, Some(-1.0)) => self.negate(x),
            (_, Some(_)) => self.times(y, x), // constants in front
            _ => self.add(Multiply(x, y)),
        }
    }

    pub fn over(&mut self, x: NodeId, y: NodeId) -> NodeId {
        match (self.value(x), self.value(y)) {
            (Some(a), Some(b)) if b != 0.0 => self.constant(a / b),
            (_, Some(1.0)) => x,
            _ => self.add(Divide(x, y)),
        }
    }

    pub fn call(&mut self, intrinsic: Intrinsic, x: NodeId) -> NodeId {
        match intrinsic {
            Intrinsic::IsPositive => {
                let zero = self.constant(0.0);
                self.add(Greater(x, zero))
            }
            _ => self.add(Call(intrinsic, x)),
        }
    }

    /// Returns the number of operations for one element: additions and the like, and calls, each counted as one.
    pub fn operations(&self, roots: &[NodeId]) -> usize {
        let (needed, ..) = self.extract(roots);
        needed.nodes.iter().filter(|n| !matches!(n, Input(_) | Number(_) | Constant(_))).count()
    }

    /// The nodes that a node reads.
    pub fn reads(&self, id: NodeId) -> Vec<NodeId> {
        match self.nodes[id] {
            Input(_) | Number(_) | Constant(_) => vec![],
            Negate(x) | Call(_, x) => vec![x],
            Add(x, y)
            | Subtract(x, y)
            | Multiply(x, y)
            | Divide(x, y)
            | Greater(x, y)
            | AtLeast(x, y)
            | Equal(x, y)
            | Max(x, y)
            | Min(x, y)
            | Power(x, y)
            | Gate(x, y) => vec![x, y],
            Share(x, y, d) | Select(x, y, d) => vec![x, y, d],
        }
    }

    /// Makes the result `y` an input of its own, for the nodes after it. With y = relu(x), x <= 0 where y <= 0.
    pub fn read_result(&mut self, y: NodeId, slot: usize) {
        if let Call(Intrinsic::Relu, x) = self.nodes[y] {
            for node in &mut self.nodes[y + 1..] {
                match *node {
                    Gate(of, d) if of == x => *node = Gate(y, d),
                    _ => {}
                }
            }
        }
        self.nodes[y] = Input(slot);
    }

    /// The graph of `roots` alone, with inputs and numbers renumbered in order of use: (graph, roots, inputs, numbers).
    pub fn extract(&self, roots: &[NodeId]) -> (Graph, Vec<NodeId>, Vec<usize>, Vec<usize>) {
        let mut needed = vec![false; self.nodes.len()];
        roots.iter().for_each(|r| needed[*r] = true);
        for id in (0..self.nodes.len()).rev() {
            if needed[id] {
                self.reads(id).into_iter().for_each(|r| needed[r] = true);
            }
        }
        let (mut graph, mut map) = (Graph::default(), BTreeMap::new());
        let (mut inputs, mut numbers) = (vec![], vec![]);
        let slot = |used: &mut Vec<usize>, i: usize| {
            used.iter().position(|u| *u == i).unwrap_or_else(|| {
                used.push(i);
                used.len() - 1
            })
        };
        for id in (0..self.nodes.len()).filter(|id| needed[*id]) {
            let at = |x: NodeId| map[&x];
            let node = match self.nodes[id] {
                Input(i) => Input(slot(&mut inputs, i)),
                Number(i) => Number(slot(&mut numbers, i)),
                Constant(c) => Constant(c),
                Negate(x) => Negate(at(x)),
                Call(f, x) => Call(f, at(x)),
                Add(x, y) => Add(at(x), at(y)),
                Subtract(x, y) => Subtract(at(x), at(y)),
                Multiply(x, y) => Multiply(at(x), at(y)),
                Divide(x, y) => Divide(at(x), at(y)),
                Greater(x, y) => Greater(at(x), at(y)),
                AtLeast(x, y) => AtLeast(at(x), at(y)),
                Equal(x, y) => Equal(at(x), at(y)),
                Select(m, x, y) => Select(at(m), at(x), at(y)),
                Max(x, y) => Max(at(x), at(y)),
                Min(x, y) => Min(at(x), at(y)),
                Power(x, y) => Power(at(x), at(y)),
                Gate(x, d) => Gate(at(x), at(d)),
                Share(x, y, d) => Share(at(x), at(y), at(d)),
            };
            let new = graph.add(node);
            map.insert(id, new);
        }
        let roots = roots.iter().map(|r| map[r]).collect();
        (graph, roots, inputs, numbers)
    }

    /// Nodes that are read more than once get a name.
    fn named(&self, roots: &[NodeId]) -> BTreeMap<NodeId, usize> {
        let mut uses = vec![0; self.nodes.len()];
        (0..self.nodes.len()).flat_map(|id| self.reads(id)).chain(roots.iter().copied()).for_each(|r| uses[r] += 1);
        let shared = |id: &NodeId| uses[*id] > 1 && !matches!(self.nodes[*id], Input(_) | Number(_) | Constant(_));
        (0..self.nodes.len()).filter(shared).enumerate().map(|(i, id)| (id, i)).collect()
    }

    /// The body of a Rust function that is generic over a real number `R`: `let` lines and the roots.
    pub fn rust(&self, roots: &[NodeId], inputs: &[String], numbers: usize) -> TokenStream {
        let named = self.named(roots);
        let names = RustNames { inputs, numbers, named: &named };
        let lets = named.keys().map(|id| {
            let name = format_ident!("t{}", named[id]);
            let value = self.rust_node(*id, &names, true, 0);
            quote!(let #name = #value;)
        });
        let roots = roots.iter().map(|r| self.rust_node(*r, &names, false, 0));
        quote!(#(#lets)* [#(#roots),*])
    }

    /// `level`: 0 for any expression, 1 for a term of a sum, 2 for a factor; parentheses where precedence asks for them.
    fn rust_node(&self, id: NodeId, names: &RustNames, define: bool, level: u8) -> TokenStream {
        if let (Some(name), false) = (names.named.get(&id), define) {
            let name = format_ident!("t{name}");
            return quote!(#name);
        }
        let at = |x: NodeId, level: u8| self.rust_node(x, names, false, level);
        let (own, tokens) = match self.nodes[id] {
            Input(i) => {
                let name = format_ident!("{}", names.inputs[i]);
                (3, quote!(#name))
            }
            Number(i) => {
                debug_assert!(i < names.numbers);
                let name = format_ident!("s{i}");
                (3, quote!(#name))
            }
            Constant(c) => {
                let value = Literal::f64_unsuffixed(c.abs());
                (3, if c < 0.0 { quote!(R::of(-#value)) } else { quote!(R::of(#value)) })
            }
            Negate(x) => {
                let x = at(x, 3);
                (1, quote!(-#x))
            }
            Add(x, y) => {
                let (x, y) = (at(x, 0), at(y, 1));
                (0, quote!(#x + #y))
            }
            Subtract(x, y) => {
                let (x, y) = (at(x, 0), at(y, 2));
                (0, quote!(#x - #y))
            }
            Multiply(x, y) => {
                let (x, y) = (at(x, 1), at(y, 3));
                (1, quote!(#x * #y))
            }
            Divide(x, y) => {
                let (x, y) = (at(x, 1), at(y, 3));
                (1, quote!(#x / #y))
            }
            Call(f, x) => {
                let (x, f) = (at(x, 3), format_ident!("{}", name_of(f)));
                (3, quote!(#x.#f()))
            }
            Greater(x, y) => {
                let (x, y) = (at(x, 3), at(y, 0));
                (3, quote!(#x.greater(#y)))
            }
            AtLeast(x, y) => {
                let (x, y) = (at(x, 3), at(y, 0));
                (3, quote!(#x.at_least(#y)))
            }
            Equal(x, y) => {
                let (x, y) = (at(x, 3), at(y, 0));
                (3, quote!(#x.equals(#y)))
            }
            Select(m, x, y) => {
                let (m, x, y) = (at(m, 3), at(x, 0), at(y, 0));
                (3, quote!(#m.select(#x, #y)))
            }
            Max(x, y) => {
                let (x, y) = (at(x, 3), at(y, 0));
                (3, quote!(#x.max(#y)))
            }
            Min(x, y) => {
                let (x, y) = (at(x, 3), at(y, 0));
                (3, quote!(#x.min(#y)))
            }
            Power(x, y) => {
                let x = at(x, 3);
                let y = match self.nodes[y] {
                    Constant(c) => {
                        let c = Literal::f64_unsuffixed(c);
                        quote!(#c)
                    }
                    _ => {
                        let y = at(y, 3);
                        quote!(#y.to_f64())
                    }
                };
                (3, quote!(#x.powf(#y)))
            }
            Gate(x, d) => {
                let (x, d) = (at(x, 3), at(d, 0));
                (3, quote!(#x.gate(#d)))
            }
            Share(x, y, d) => {
                let (x, y, d) = (at(x, 3), at(y, 0), at(d, 0));
                (3, quote!(#x.share(#y, #d)))
            }
        };
        if own < level { quote!((#tokens)) } else { tokens }
    }

    /// The same body in CUDA C++: `const float t0 = ..;` lines and one assignment for each root, to `y0`, `y1`, ... The inputs are `x0`, `x1`, ... and
    /// the numbers `s0`, `s1`, ..., whatever the user called them: a user's name may be a keyword of C++.
    pub fn cuda(&self, roots: &[NodeId]) -> String {
        let named = self.named(roots);
        let mut text = String::new();
        for (id, name) in &named {
            text += &format!("const float t{name} = {};\n", self.cuda_node(*id, &named, true, 0));
        }
        for (i, root) in roots.iter().enumerate() {
            text += &format!("y{i} = {};\n", self.cuda_node(*root, &named, false, 0));
        }
        text
    }

    /// `level` as in [`Graph::rust_node`].
    fn cuda_node(&self, id: NodeId, named: &BTreeMap<NodeId, usize>, define: bool, level: u8) -> String {
        if let (Some(name), false) = (named.get(&id), define) {
            return format!("t{name}");
        }
        let at = |x: NodeId, level: u8| self.cuda_node(x, named, false, level);
        let (own, text) = match self.nodes[id] {
            Input(i) => (3, format!("x{i}")),
            Number(i) => (3, format!("s{i}")),
            // The sign stays apart from one in front of it.
            Constant(c) => (if c.is_sign_negative() { 1 } else { 3 }, cuda_constant(c)),
            Negate(x) => (1, format!("-{}", at(x, 3))),
            Add(x, y) => (0, format!("{} + {}", at(x, 0), at(y, 1))),
            Subtract(x, y) => (0, format!("{} - {}", at(x, 0), at(y, 2))),
            Multiply(x, y) => (1, format!("{} * {}", at(x, 1), at(y, 3))),
            Divide(x, y) => (1, format!("{} / {}", at(x, 1), at(y, 3))),
            Call(Intrinsic::Sigmoid, x) => (1, format!("1.0f / (1.0f + expf(-{}))", at(x, 3))),
            Call(f, x) => {
                let name = match f {
                    Intrinsic::Ln => "logf".to_string(),
                    Intrinsic::Abs => "fabsf".to_string(),
                    Intrinsic::Relu => "relu".to_string(),
                    other => format!("{}f", name_of(other)),
                };
                (3, format!("{name}({})", at(x, 0)))
            }
            Greater(x, y) => (3, format!("({} > {} ? 1.0f : 0.0f)", at(x, 0), at(y, 0))),
            AtLeast(x, y) => (3, format!("({} >= {} ? 1.0f : 0.0f)", at(x, 0), at(y, 0))),
            Equal(x, y) => (3, format!("({} == {} ? 1.0f : 0.0f)", at(x, 0), at(y, 0))),
            Select(m, x, y) => (3, format!("({} != 0.0f ? {} : {})", at(m, 0), at(x, 0), at(y, 0))),
            Max(x, y) => (3, format!("larger({}, {})", at(x, 0), at(y, 0))),
            Min(x, y) => (3, format!("smaller({}, {})", at(x, 0), at(y, 0))),
            Power(x, y) => (3, format!("powf({}, {})", at(x, 0), at(y, 0))),
            Gate(x, d) => (3, format!("gate({}, {})", at(x, 0), at(d, 0))),
            Share(x, y, d) => (3, format!("share({}, {}, {})", at(x, 0), at(y, 0), at(d, 0))),
        };
        if own < level { format!("({text})") } else { text }
    }

    /// As a user would write it; a long one ends in `..`.
    pub fn text(&self, id: NodeId, inputs: &[String], numbers: &[String]) -> String {
        self.text_node(id, inputs, numbers, 0, &Cell::new(LONGEST_TEXT))
    }

    /// `left`: how many more nodes are written. Without names for what is read twice, there may be very many.
    fn text_node(&self, id: NodeId, inputs: &[String], numbers: &[String], level: u8, left: &Cell<usize>) -> String {
        if left.get() == 0 {
            return "..".into();
        }
        left.set(left.get() - 1);
        let at = |x: NodeId, level: u8| self.text_node(x, inputs, numbers, level, left);
        let (own, text) = match self.nodes[id] {
            Input(i) => (3, inputs[i].clone()),
            Number(i) => (3, numbers[i].clone()),
            Constant(c) => (3, c.to_string()),
            Negate(x) => (1, format!("-{}", at(x, 3))),
            Add(x, y) => (0, format!("{} + {}", at(x, 0), at(y, 1))),
            Subtract(x, y) => (0, format!("{} - {}", at(x, 0), at(y, 2))),
            Multiply(x, y) => (1, format!("{} * {}", at(x, 1), at(y, 3))),
            Divide(x, y) => (1, format!("{} / {}", at(x, 1), at(y, 3))),
            Call(f, x) => (3, format!("{}({})", name_of(f), at(x, 0))),
            Greater(x, y) => (3, format!("greater({}, {})", at(x, 0), at(y, 0))),
            AtLeast(x, y) => (3, format!("at_least({}, {})", at(x, 0), at(y, 0))),
            Equal(x, y) => (3, format!("equal({}, {})", at(x, 0), at(y, 0))),
            Select(m, x, y) => (3, format!("select({}, {}, {})", at(m, 0), at(x, 0), at(y, 0))),
            Max(x, y) => (3, format!("max({}, {})", at(x, 0), at(y, 0))),
            Min(x, y) => (3, format!("min({}, {})", at(x, 0), at(y, 0))),
            Power(x, y) => (3, format!("powf({}, {})", at(x, 0), at(y, 0))),
            Gate(x, d) => (3, format!("gate({}, {})", at(x, 0), at(d, 0))),
            Share(x, y, d) => (3, format!("share({}, {}, {})", at(x, 0), at(y, 0), at(d, 0))),
        };
        if own < level { format!("({text})") } else { text }
    }
}

struct RustNames<'a> {
    inputs: &'a [String],
    numbers: usize,
    named: &'a BTreeMap<NodeId, usize>,
}

/// A number of f32. What overflows f32 is infinity there, which C++ has no literal for.
fn cuda_constant(c: f64) -> String {
    let c = c as f32;
    match c.classify() {
        std::num::FpCategory::Infinite if c > 0.0 => "INFINITY".into(),
        std::num::FpCategory::Infinite => "-INFINITY".into(),
        std::num::FpCategory::Nan => "(INFINITY - INFINITY)".into(),
        _ => format!("{c:?}f"),
    }
}

fn name_of(intrinsic: Intrinsic) -> &'static str {
    INTRINSICS.iter().find(|(i, _, _)| *i == intrinsic).map_or("abs", |(_, name, _)| name)
}
