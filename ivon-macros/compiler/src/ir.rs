//! The program between parsing and emission: SSA. Every value is made once, by one instruction, and keeps the span of the
//! expression that made it and the name that the person gave it.

use crate::dims::Shape;
use crate::errors::Place;
use crate::fuse::Kernel;
use crate::parse::{Intrinsic, Reduction};
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
}

pub struct Value {
    /// Its name in generated code: the person's where there is one. Unique within the function after `fuse`.
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
}

impl Kind {
    pub fn text(self) -> &'static str {
        match self {
            Kind::Float => "a tensor",
            Kind::Ids => "ids",
            Kind::Buffer => "a buffer",
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
    /// Changes from turn to turn of a loop.
    Carried,
}

pub struct Instruction {
    pub op: Op,
    pub arguments: Vec<Argument>,
    /// Where each argument stands.
    pub argument_places: Vec<Place>,
    pub results: Vec<ValueId>,
    pub place: Place,
    /// As the person wrote it.
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
    /// Over all axes where there is none.
    Reduce {
        reduction: Reduction,
        axes: Vec<Expr>,
        keep: bool,
    },
    /// One elementwise step; `fuse` turns them into kernels.
    Pointwise(Primitive),
    /// Several of them as one.
    Kernel(Kernel),
    /// `for block in &self.blocks`
    Loop(Loop),
}

#[derive(Clone)]
pub enum Target {
    /// `self.norm`
    Field(usize),
    /// `block` of `for block in &self.blocks`
    Element { variable: Ident, field: usize },
    /// `self`
    Own,
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

pub struct Loop {
    pub field: usize,
    pub variable: Ident,
    pub carried: Vec<Carried>,
    pub body: Vec<Instruction>,
}

/// A value that each turn of a loop rebinds. The loop's result `i` is the last `next` of `carried[i]`.
pub struct Carried {
    /// Before the first turn.
    pub start: ValueId,
    /// At the beginning of a turn.
    pub turn: ValueId,
    /// At its end.
    pub next: ValueId,
    /// The name the person rebinds.
    pub name: String,
}

impl Instruction {
    /// The values that it reads, those of a loop's body from outside included.
    pub fn reads(&self) -> Vec<ValueId> {
        let mut reads: Vec<ValueId> = self.arguments.iter().filter_map(Argument::value).collect();
        match &self.op {
            Op::Loop(l) => {
                reads.extend(l.carried.iter().map(|c| c.start));
                reads.extend(l.captured());
            }
            Op::Kernel(k) => reads.extend(&k.inputs),
            _ => {}
        }
        reads
    }
}

impl Loop {
    /// Values from outside that the body reads.
    pub fn captured(&self) -> Vec<ValueId> {
        let mut inside: BTreeSet<ValueId> = self.carried.iter().map(|c| c.turn).collect();
        inside.extend(self.body.iter().flat_map(|i| &i.results));
        let nexts = self.carried.iter().map(|c| c.next);
        let read: BTreeSet<ValueId> = self.body.iter().flat_map(Instruction::reads).chain(nexts).collect();
        read.difference(&inside).copied().collect()
    }
}

impl Argument {
    pub fn value(&self) -> Option<ValueId> {
        match self {
            Argument::Value(v) => Some(*v),
            Argument::Number(_) | Argument::Flag(_) | Argument::Absent => None,
        }
    }
}
