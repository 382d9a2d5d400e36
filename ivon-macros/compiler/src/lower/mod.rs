//! Lower: the model language to SSA. Names are resolved here; shapes come in `check`.

mod branch;
mod call;
mod expression;
mod list;
mod loops;
mod number;
mod scope;
mod shape;
mod statement;

pub use call::{buffer_misuse, not_of_type, wrong_count};
pub use number::{is_no_count, no_count};

use crate::callee::Callees;
use crate::errors::{Errors, Place, did_you_mean, nearest};
use crate::ir::*;
use crate::library::foreign;
use crate::parse::{self, Expression, ExpressionKind, FieldKind, InputKind, Model, Pattern, Statement};
use crate::syntax::path_text;
use list::List;
use number::{Number, Whole};
use proc_macro2::{Ident, TokenStream};
use quote::quote;
use scope::Scope;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

/// The meaning of a name.
#[derive(Clone)]
enum Binding {
    Value {
        value: ValueId,
        mutable: bool,
    },
    Number(Number),
    /// A bool: a flag of the model, a setting or an argument.
    Flag(TokenStream),
    /// The element of a loop over this field, and its variable in generated code.
    Element(usize, Ident),
    /// The number of a loop's iteration, in terms of its counter in generated code.
    Index(syn::Expr),
    List {
        list: ValueId,
        mutable: bool,
    },
    /// Bound by an expression with a mistake: silent from here on.
    Unknown,
}

/// The result of lowering an expression.
enum Operand {
    Value(ValueId),
    Number(Number),
    Flag(TokenStream),
    Tuple(Vec<Operand>),
    List(ValueId),
    /// `None`
    Absent,
}

impl Operand {
    fn text(&self) -> &'static str {
        match self {
            Operand::Value(_) => "a tensor",
            Operand::Number(_) => "a number",
            Operand::Flag(_) => "true or false",
            Operand::Tuple(_) => "a tuple",
            Operand::List(_) => "a list",
            Operand::Absent => "`None`",
        }
    }
}

struct Lower<'a> {
    model: &'a Model,
    callees: &'a Callees,
    errors: &'a Errors,
    /// Values that a `let` has named.
    given: BTreeSet<ValueId>,
    values: Vec<Value>,
    body: Vec<Instruction>,
    scope: Scope,
    /// Generics and dimensions, which a variable of the same name hides. They have no hygiene.
    dims: BTreeMap<String, Binding>,
    /// Parameters and buffers that were read, by field.
    parameters: BTreeMap<usize, ValueId>,
    /// Fields that are named, misspelt ones included.
    mentioned: &'a RefCell<BTreeSet<usize>>,
    /// Functions that the language has, too, where they are called: the user's own, and those of the language.
    own: Vec<Ident>,
    built_in: Vec<Ident>,
    /// The variables of the loops around, in generated code.
    loops: Vec<Ident>,
    /// Counters of loops and layers that may be absent: each has its name for itself.
    variables: Vec<Ident>,
    /// Names of generated code that a variable cannot have: numbers, dimensions.
    taken: BTreeSet<String>,
    /// The lists so far.
    lists: BTreeMap<ValueId, List>,
    /// How deep pointwise functions are inlined into each other.
    depth: usize,
    /// The place of the call of inlined code.
    home: Option<Place>,
}

/// Lowers one function of a model.
pub fn lower(
    model: &Model,
    function: &parse::Function,
    callees: &Callees,
    mentioned: &RefCell<BTreeSet<usize>>,
    errors: &Errors,
) -> Option<Program> {
    let mut lower = Lower {
        model,
        callees,
        errors,
        given: BTreeSet::new(),
        values: vec![],
        body: vec![],
        scope: Scope::default(),
        dims: BTreeMap::new(),
        parameters: BTreeMap::new(),
        mentioned,
        own: vec![],
        built_in: vec![],
        loops: vec![],
        variables: vec![],
        taken: taken(model, function),
        lists: BTreeMap::new(),
        depth: 0,
        home: None,
    };
    for generic in model.generics.iter().chain(&function.consts) {
        let name = &generic.name;
        let binding = if generic.flag { Binding::Flag(quote!(#name)) } else { Binding::Number(Number::unsigned(quote!(#name))) };
        lower.dims.insert(name.to_string(), binding);
    }
    for variable in function.variables.iter().filter(|v| !v.pack) {
        let name = &variable.name;
        lower.dims.insert(name.to_string(), Binding::Number(Number::unsigned(quote!(#name))));
    }
    let mut inputs = vec![];
    for input in &function.inputs {
        let (kind, shape) = match &input.kind {
            InputKind::Tensor { shape, .. } | InputKind::Optional { shape } => (Kind::Float, shape.clone()),
            InputKind::Ids { shape, .. } => (Kind::Ids, shape.clone()),
            // In signatures of ops, which have no body.
            InputKind::Buffer { shape } => (Kind::Buffer, shape.clone()),
            InputKind::Number(ty) => {
                let name = &input.name;
                let binding = match ty.to_string().as_str() {
                    "usize" => Binding::Number(Number::unsigned(quote!(#name))),
                    "bool" => Binding::Flag(quote!(#name)),
                    _ => Binding::Number(Number::float(quote!(#name))),
                };
                lower.scope.declare(name, binding);
                inputs.push(None);
                continue;
            }
        };
        let value =
            lower.value(Value { name: input.name.to_string(), kind, role: Role::Input, shape: Some(shape), place: input.place });
        lower.scope.declare(&input.name, Binding::Value { value, mutable: input.mutable });
        inputs.push(Some(value));
    }
    function.wrong.iter().for_each(|name| lower.scope.declare(name, Binding::Unknown));
    lower.statements(&function.body);
    let Some(result) = &function.result else {
        // A mistake in the result expression was reported when it was parsed; an absent one was not.
        if errors.is_empty() {
            errors.at(function.place, format!("`{}` has no result: end it with an expression, without `;`", function.name));
        }
        return None;
    };
    let outputs = match lower.expression(result) {
        // The body is checked all the same.
        None => vec![],
        Some(Operand::Value(v)) => vec![v],
        Some(Operand::Tuple(parts)) => {
            let mut outputs = vec![];
            for part in parts {
                match part {
                    Operand::Value(v) => outputs.push(v),
                    _ => errors.at(result.place, "the result is a tuple of tensors, and one part of this is none"),
                }
            }
            outputs
        }
        Some(Operand::List(list)) => {
            let name = &lower.values[list].name;
            errors.at(result.place, format!("`{name}` is a list: make one tensor of it, `stack({name}, 1)`"));
            vec![]
        }
        Some(Operand::Number(_) | Operand::Flag(_) | Operand::Absent) => {
            errors.at(result.place, "the result is a number, not a tensor: it does not depend on the model");
            vec![]
        }
    };
    if lower.body.is_empty() && errors.is_empty() {
        errors.at(result.place, format!("`{}` computes nothing: its result is an argument", function.name));
        return None;
    }
    let Lower { values, body, own, built_in, variables, .. } = lower;
    Some(Program { values, inputs, body, outputs, result: result.place, own, built_in, variables })
}

/// Names that generated code gives to numbers and dimensions.
fn taken(model: &Model, function: &parse::Function) -> BTreeSet<String> {
    let numbers = function.inputs.iter().filter(|i| matches!(i.kind, InputKind::Number(_))).map(|i| &i.name);
    let generics = model.generics.iter().chain(&function.consts).map(|g| &g.name);
    let dims = generics.chain(function.variables.iter().map(|v| &v.name));
    numbers.chain(dims).map(crate::names::plain).chain(crate::names::RESERVED.iter().map(|n| n.to_string())).collect()
}

impl Lower<'_> {
    fn value(&mut self, value: Value) -> ValueId {
        self.values.push(value);
        self.values.len() - 1
    }

    fn place(&self, place: Place) -> Place {
        self.home.unwrap_or(place)
    }

    fn field(&mut self, name: &Ident) -> Option<usize> {
        let fields: Vec<String> = self.model.fields.iter().map(|f| f.name.to_string()).collect();
        let found = fields.iter().position(|f| name == f);
        let near = nearest(&name.to_string(), fields.iter().map(String::as_str));
        self.mentioned.borrow_mut().extend(found.or_else(|| fields.iter().position(|f| Some(f.as_str()) == near)));
        if found.is_none() && !self.model.wrong.contains(name) {
            let hint = match foreign::field(&name.to_string()) {
                Some(hint) => format!(": {hint}"),
                None => did_you_mean(&name.to_string(), fields.iter().map(String::as_str)),
            };
            self.errors.at(name, format!("`{}` has no field `{name}`{hint}", self.model.name));
        }
        found
    }

    fn unknown_name(&mut self, name: &Ident) {
        if self.scope.names().any(|known| name == known) {
            let text = format!(
                "the `{name}` that is bound here comes from another macro expansion, so it is another variable: give the name to the macro, \
                 `$x:ident`"
            );
            return self.errors.at(name, text);
        }
        let known = self.scope.names().chain(self.dims.keys().map(String::as_str));
        let hint = did_you_mean(&name.to_string(), known);
        let field = self.model.fields.iter().position(|f| f.name == *name);
        self.mentioned.borrow_mut().extend(field);
        let hint = if field.is_some() { format!(": a field is read as `self.{name}`") } else { hint };
        self.errors.at(name, format!("there is no value `{name}` here{hint}"));
    }

    /// A new value, made by a new instruction.
    fn push(&mut self, op: Op, arguments: Vec<Argument>, hint: &str, results: usize, e: &Expression) -> Vec<ValueId> {
        let place = self.place(e.place);
        let saved = hint.to_string();
        let kind = match arguments[..] {
            [Argument::Value(of)] if op.moves_ids() && self.values[of].kind == Kind::Ids => Kind::Ids,
            _ => Kind::Float,
        };
        let results: Vec<ValueId> = (0..results)
            .map(|_| self.value(Value { name: hint.to_string(), kind, role: Role::Local, shape: None, place }))
            .collect();
        let argument_places = e.arguments().iter().map(|a| self.place(a.place)).collect();
        let (results_, text) = (results.clone(), e.text.clone());
        self.body.push(Instruction { op, arguments, argument_places, results: results_, place, text, saved });
        results
    }

    fn one(&mut self, op: Op, arguments: Vec<Argument>, hint: &str, e: &Expression) -> Option<Operand> {
        self.push(op, arguments, hint, 1, e).first().map(|v| Operand::Value(*v))
    }
}
