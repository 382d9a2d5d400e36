//! The program between parsing and emission: SSA. Every value is made once, by one instruction, and keeps the span of the
//! expression that made it and the name that the user gave it.

use crate::dims::{Dim, Shape};
use crate::errors::Place;
use crate::expression::{Graph, NodeId};
use crate::intrinsics::{Intrinsic, Reduction};
use proc_macro2::{Ident, TokenStream};
use std::collections::BTreeSet;
use syn::{Expr, Path};

/// A value: an index into [`Program::values`].
pub type ValueId = usize;

/// A method or function in SSA.
pub struct Program {
    pub values: Vec<Value>,
    /// One for each argument; `None` for numbers, which are no values.
    pub inputs: Vec<Option<ValueId>>,
    pub body: Vec<Instruction>,
    pub outputs: Vec<ValueId>,
    /// Place of the result expression.
    pub result: Place,
    /// Calls of functions by a name that the language has, too: the user's own, and those of the language.
    pub own: Vec<Ident>,
    pub built_in: Vec<Ident>,
    /// Variables of generated code that lowering has named: counters of loops, and layers that may be absent.
    pub variables: Vec<Ident>,
}

pub struct Value {
    /// Its name in generated code: the user's if it has one. Unique within the function after `fuse`.
    pub name: String,
    pub kind: Kind,
    pub role: Role,
    /// Known after `check`; `None` where a mistake makes it unknown, which silences what would follow.
    pub shape: Option<Shape>,
    pub place: Place,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Float,
    Ids,
    /// A buffer of the model: an argument of ops, nothing else.
    Buffer,
    /// Tensors of one shape that a pass collects: `Vec::new()`. The value's shape is that of one of them. Unlike other values it changes: `push`
    /// adds to it.
    List,
}

impl Kind {
    pub fn text(self) -> &'static str {
        match self {
            Kind::Float => "a tensor",
            Kind::Ids => "ids",
            Kind::Buffer => "a buffer",
            Kind::List => "a list",
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    Input,
    /// A parameter of the model, by its field's index.
    Parameter {
        field: usize,
        optional: bool,
    },
    /// A buffer of the model, by its field's index.
    Buffer {
        field: usize,
    },
    Local,
    /// Changes from iteration to iteration of a loop.
    Carried,
}

pub struct Instruction {
    pub op: Op,
    pub arguments: Vec<Argument>,
    /// The place of each argument.
    pub argument_places: Vec<Place>,
    pub results: Vec<ValueId>,
    pub place: Place,
    /// As the user wrote it.
    pub text: String,
    /// The name under which generated code keeps what its backward pass needs.
    pub saved: String,
}

#[derive(Clone)]
pub enum Argument {
    Value(ValueId),
    /// A number, as tokens of type f64.
    Number(TokenStream),
    /// True or false, as tokens of type bool.
    Flag(TokenStream),
    /// `None`, for an optional tensor.
    Absent,
}

#[allow(clippy::large_enum_variant)] // there are few instructions
pub enum Op {
    /// A method of a layer.
    Layer {
        target: Target,
        method: Ident,
    },
    /// An op or a function.
    Call {
        path: Path,
        dims: Vec<Expr>,
    },
    Reshape(Vec<Expr>),
    Expand(Vec<Expr>),
    Squeeze(Expr),
    Unsqueeze(Expr),
    Transpose(Expr, Expr),
    Permute(Vec<Expr>),
    Slice(Expr, Expr, Expr),
    Concat(Expr),
    /// A tensor of one number.
    Fill(Vec<Expr>),
    /// Ids, compared with a number or with other ids.
    CompareIds(Intrinsic),
    /// Over all axes if `axes` is empty.
    Reduce {
        reduction: Reduction,
        axes: Vec<Expr>,
        keep: bool,
    },
    /// One elementwise step; `fuse` turns them into kernels.
    Pointwise(Primitive),
    /// Several of them as one.
    Kernel(Kernel),
    /// `x.at(1, t)`: one place of an axis.
    At(Expr, Expr),
    /// `stop_gradient(x)`
    Detach,
    /// `Vec::new()`
    List,
    /// `list.push(x)`: the arguments are the list and the tensor; there is no result.
    Push,
    /// `list[i]`
    Item(Expr),
    /// `stack(list, 1)`, and how many tensors the list has; or `stack([x, y], 1)`.
    Stack(Expr, Dim),
    /// `for block in &self.blocks`
    Loop(Loop),
    /// `if FLAG { .. } else { .. }`
    Branch(Branch),
}

#[derive(Clone)]
pub enum Target {
    /// `self.norm`
    Field(usize),
    /// `self.blocks[i]`
    Item { field: usize, index: Expr },
    /// `block` of `for block in &self.blocks`, or `norm` of `if let Some(norm) = &self.norm`
    Element { variable: Ident, field: usize },
    /// `self`
    Own,
}

impl Target {
    /// The field of the layer; `None` for a method of the model itself.
    pub fn field(&self) -> Option<usize> {
        match self {
            Target::Field(field) | Target::Item { field, .. } | Target::Element { field, .. } => Some(*field),
            Target::Own => None,
        }
    }
}

/// An elementwise step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Primitive {
    Negate,
    Add,
    Subtract,
    Multiply,
    Divide,
    Call(Intrinsic),
}

/// A loop over arrays of layers, over a range, or over both at once. It has at least one of them.
pub struct Loop {
    /// The arrays, each with the variable that is its layer.
    pub elements: Vec<Element>,
    /// The counter of iterations; `None` if neither the body nor an array needs it.
    pub counter: Option<Counter>,
    /// Lengths that are equal: those of arrays that are walked in pairs.
    pub lengths: Vec<(Dim, Dim, Place)>,
    pub carried: Vec<Carried>,
    pub body: Vec<Instruction>,
}

/// One elementwise kernel.
pub struct Kernel {
    /// The tensors it reads.
    pub inputs: Vec<ValueId>,
    /// The numbers it reads, as tokens of type f64.
    pub numbers: Vec<TokenStream>,
    pub graph: Graph,
    pub root: NodeId,
}

/// `block` in `&self.blocks`
pub struct Element {
    pub field: usize,
    pub variable: Ident,
    pub reversed: bool,
}

/// `i` in `0..N`
pub struct Counter {
    pub index: Ident,
    pub start: Expr,
    pub end: Expr,
    pub reversed: bool,
}

/// One of two blocks is executed.
pub struct Branch {
    pub condition: Condition,
    pub then: Block,
    pub otherwise: Block,
}

pub enum Condition {
    /// Tokens of type bool.
    Flag(TokenStream),
    /// `if let Some(norm) = &self.norm`: a layer that may be absent.
    Present { field: usize, variable: Ident },
}

/// The instructions of a block, and what it hands on: result `i` of its branch is the `i`-th of these.
pub struct Block {
    pub body: Vec<Instruction>,
    pub results: Vec<ValueId>,
}

/// A value that each iteration of a loop rebinds. The loop's result `i` is the last `next` of `carried[i]`.
pub struct Carried {
    /// Before the first iteration.
    pub start: ValueId,
    /// At the beginning of an iteration.
    pub turn: ValueId,
    /// At its end.
    pub next: ValueId,
    /// The name that the user rebinds.
    pub name: String,
}

impl Op {
    /// True for what ids have, too: parts of a tensor, and other shapes of it.
    pub fn moves_ids(&self) -> bool {
        matches!(self, Op::At(..) | Op::Slice(..) | Op::Reshape(_) | Op::Squeeze(_) | Op::Unsqueeze(_))
    }
}

impl Instruction {
    /// The values that it reads, those of its blocks from outside included.
    pub fn reads(&self) -> Vec<ValueId> {
        let mut reads: Vec<ValueId> = self.arguments.iter().filter_map(Argument::value).collect();
        match &self.op {
            Op::Loop(l) => {
                reads.extend(l.carried.iter().map(|c| c.start));
                reads.extend(l.captured());
            }
            Op::Branch(b) => reads.extend(b.captured()),
            Op::Kernel(k) => reads.extend(&k.inputs),
            _ => {}
        }
        reads
    }

    /// The instructions within it, a list for each of its blocks.
    pub fn blocks(&self) -> Vec<&[Instruction]> {
        match &self.op {
            Op::Loop(l) => vec![&l.body],
            Op::Branch(b) => vec![&b.then.body, &b.otherwise.body],
            _ => vec![],
        }
    }

    /// The same to change, each with the values that are read after it.
    pub fn blocks_mut(&mut self) -> Vec<(&mut Vec<Instruction>, BTreeSet<ValueId>)> {
        match &mut self.op {
            Op::Loop(l) => vec![(&mut l.body, l.carried.iter().map(|c| c.next).collect())],
            Op::Branch(b) => [&mut b.then, &mut b.otherwise].map(|b| (&mut b.body, b.results.iter().copied().collect())).into(),
            _ => vec![],
        }
    }
}

impl Loop {
    /// Values from outside that the body reads.
    pub fn captured(&self) -> Vec<ValueId> {
        let inside = self.carried.iter().map(|c| c.turn);
        captured(&self.body, inside, self.carried.iter().map(|c| c.next))
    }
}

impl Branch {
    /// Values from outside that one of the blocks reads or hands on.
    pub fn captured(&self) -> Vec<ValueId> {
        let blocks = [&self.then, &self.otherwise].map(|b| captured(&b.body, std::iter::empty(), b.results.iter().copied()));
        let all: BTreeSet<ValueId> = blocks.into_iter().flatten().collect();
        all.into_iter().collect()
    }
}

/// Values from outside that a block reads or hands on.
fn captured(
    body: &[Instruction],
    inside: impl Iterator<Item = ValueId>,
    handed_on: impl Iterator<Item = ValueId>,
) -> Vec<ValueId> {
    let inside: BTreeSet<ValueId> = inside.chain(body.iter().flat_map(|i| i.results.iter().copied())).collect();
    let read: BTreeSet<ValueId> = body.iter().flat_map(Instruction::reads).chain(handed_on).collect();
    read.difference(&inside).copied().collect()
}

impl Argument {
    pub fn value(&self) -> Option<ValueId> {
        match self {
            Argument::Value(v) => Some(*v),
            Argument::Number(_) | Argument::Flag(_) | Argument::Absent => None,
        }
    }
}
