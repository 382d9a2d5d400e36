//! Lower: the model language to SSA. Names are resolved here; shapes come in `check`.

use crate::callee::Callees;
use crate::errors::{Errors, Place, did_you_mean, nearest};
use crate::ir::*;
use crate::parse::{self, Expression, ExpressionKind, FieldKind, InputKind, Model, Pattern, Statement, path_text};
use proc_macro2::{Ident, TokenStream};
use quote::quote;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

/// What a name stands for.
#[derive(Clone)]
enum Binding {
    Value {
        value: ValueId,
        mutable: bool,
    },
    Number(TokenStream),
    /// A bool: a flag of the model, a setting or an argument.
    Flag(TokenStream),
    /// The element of a loop over this field.
    Element(usize),
    /// Bound by an expression with a mistake: silent from here on.
    Unknown,
}

/// What an expression becomes.
enum Operand {
    Value(ValueId),
    Number(TokenStream),
    Flag(TokenStream),
    Tuple(Vec<Operand>),
    /// `None`
    Absent,
}

struct Lower<'a> {
    model: &'a Model,
    callees: &'a Callees,
    errors: &'a Errors,
    /// Values that a `let` has named.
    given: BTreeSet<ValueId>,
    values: Vec<Value>,
    body: Vec<Instruction>,
    scope: BTreeMap<String, Binding>,
    /// Parameters and buffers that were read, by field.
    parameters: BTreeMap<usize, ValueId>,
    /// Fields that are named, misspelt ones included.
    mentioned: &'a RefCell<BTreeSet<usize>>,
    /// How deep pointwise functions are inlined into each other.
    depth: usize,
    /// Where inlined code was called.
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
        scope: BTreeMap::new(),
        parameters: BTreeMap::new(),
        mentioned,
        depth: 0,
        home: None,
    };
    for generic in model.generics.iter().chain(&function.consts) {
        let name = &generic.name;
        let binding = if generic.flag { Binding::Flag(quote!(#name)) } else { Binding::Number(quote!((#name as f64))) };
        lower.scope.insert(name.to_string(), binding);
    }
    for variable in function.variables.iter().filter(|v| !v.pack) {
        let name = &variable.name;
        lower.scope.insert(name.to_string(), Binding::Number(quote!((#name as f64))));
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
                    "usize" => Binding::Number(quote!((#name as f64))),
                    "bool" => Binding::Flag(quote!(#name)),
                    _ => Binding::Number(quote!(#name)),
                };
                lower.scope.insert(name.to_string(), binding);
                inputs.push(None);
                continue;
            }
        };
        let value =
            lower.value(Value { name: input.name.to_string(), kind, role: Role::Input, shape: Some(shape), place: input.place });
        lower.bind(&input.name, Binding::Value { value, mutable: false });
        inputs.push(Some(value));
    }
    function.wrong.iter().for_each(|name| lower.bind(name, Binding::Unknown));
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
        Some(Operand::Number(_) | Operand::Flag(_) | Operand::Absent) => {
            errors.at(result.place, "the result is a number, not a tensor: it does not depend on the model");
            vec![]
        }
    };
    if lower.body.is_empty() && errors.is_empty() {
        errors.at(result.place, format!("`{}` computes nothing: its result is an argument", function.name));
        return None;
    }
    Some(Program { values: lower.values, inputs, body: lower.body, outputs, result: result.place })
}

impl Lower<'_> {
    fn value(&mut self, value: Value) -> ValueId {
        self.values.push(value);
        self.values.len() - 1
    }

    fn bind(&mut self, name: &Ident, binding: Binding) {
        self.scope.insert(name.to_string(), binding);
    }

    fn place(&self, place: Place) -> Place {
        self.home.unwrap_or(place)
    }

    fn statements(&mut self, statements: &[Statement]) {
        for statement in statements {
            match statement {
                Statement::Let { pattern, value } => self.binding(pattern, value),
                Statement::Assign { name, value } => self.assign(name, value),
                Statement::For { variable, field, body, place } => self.for_loop(variable, field, body, *place),
            }
        }
    }

    fn binding(&mut self, pattern: &Pattern, value: &Expression) {
        let operand = self.expression(value);
        match (pattern, operand) {
            (Pattern::Name(name, mutable), Some(operand)) => {
                // A `mut` name belongs to the loop that rebinds it; see `Names`.
                if let (Operand::Value(v), false) = (&operand, *mutable) {
                    self.rename(*v, name);
                }
                let binding = self.binding_of(operand, *mutable, value.place);
                self.bind(name, binding);
            }
            (Pattern::Name(name, _), None) => self.bind(name, Binding::Unknown),
            (Pattern::Tuple(names, place), Some(Operand::Tuple(parts))) => {
                if names.len() != parts.len() {
                    self.errors.at(*place, format!("this names {} values, but the expression has {}", names.len(), parts.len()));
                }
                let mut parts = parts.into_iter();
                for name in names {
                    let part = parts.next();
                    let Some(name) = name else { continue };
                    let binding = match part {
                        Some(part) => {
                            if let Operand::Value(v) = part {
                                self.rename(v, name);
                            }
                            self.binding_of(part, false, *place)
                        }
                        None => Binding::Unknown,
                    };
                    self.bind(name, binding);
                }
            }
            (Pattern::Tuple(names, place), other) => {
                if other.is_some() {
                    self.errors.at(*place, "this is a tuple, but the expression is a single value");
                }
                names.iter().flatten().for_each(|name| self.bind(name, Binding::Unknown));
            }
            (Pattern::Ignored, _) => {}
        }
    }

    fn binding_of(&mut self, operand: Operand, mutable: bool, place: Place) -> Binding {
        match operand {
            Operand::Value(value) => Binding::Value { value, mutable },
            Operand::Number(tokens) => Binding::Number(tokens),
            Operand::Flag(tokens) => Binding::Flag(tokens),
            Operand::Tuple(_) => {
                self.errors.at(place, "this is a tuple: name its parts, `let (a, b) = ..`");
                Binding::Unknown
            }
            Operand::Absent => {
                self.errors.at(place, "`None` stands for an optional argument of an op, and nowhere else");
                Binding::Unknown
            }
        }
    }

    /// A `let` names the value of its expression, unless that has a name already.
    fn rename(&mut self, value: ValueId, name: &Ident) {
        if self.values[value].role == Role::Local && self.home.is_none() && self.given.insert(value) {
            self.values[value].name = name.to_string();
        }
    }

    fn assign(&mut self, name: &Ident, value: &Expression) {
        let operand = self.expression(value);
        match self.scope.get(&name.to_string()) {
            Some(Binding::Value { mutable: true, .. }) => {
                if let Some(Operand::Value(v)) = &operand {
                    self.rename(*v, &Ident::new(&format!("next_{name}"), name.span()));
                }
                let binding = match operand {
                    Some(operand) => self.binding_of(operand, true, value.place),
                    None => Binding::Unknown,
                };
                self.bind(name, binding);
            }
            Some(Binding::Value { .. }) => {
                self.errors.at(name, format!("`{name}` cannot be rebound: declare it with `let mut {name} = ..`"));
            }
            Some(Binding::Unknown) => {}
            Some(_) => self.errors.at(name, format!("`{name}` is no tensor and cannot be rebound")),
            None => self.unknown_name(name),
        }
    }

    fn for_loop(&mut self, variable: &Ident, field: &Ident, statements: &[Statement], place: Place) {
        let Some(index) = self.field(field) else { return };
        if !matches!(self.model.fields[index].kind, FieldKind::Array { .. }) {
            self.errors.at(place, format!("`{field}` is no array: a loop goes over `[Layer<..>; COUNT]`"));
            return;
        }
        let before = self.scope.clone();
        let mut carried = vec![];
        for name in rebound(statements) {
            // Anything else that is rebound is reported by `assign`.
            let Some(Binding::Value { value: start, mutable: true }) = before.get(&name).cloned() else { continue };
            let Value { kind, place, .. } = self.values[start];
            let turn = self.value(Value { name: name.clone(), kind, role: Role::Carried, shape: None, place });
            self.scope.insert(name.clone(), Binding::Value { value: turn, mutable: true });
            carried.push(Carried { start, turn, next: turn, name });
        }
        self.bind(variable, Binding::Element(index));
        let outer = std::mem::take(&mut self.body);
        self.statements(statements);
        let body = std::mem::replace(&mut self.body, outer);
        let mut results = vec![];
        let after = std::mem::replace(&mut self.scope, before);
        for c in &mut carried {
            if let Some(Binding::Value { value, .. }) = after.get(&c.name) {
                c.next = *value;
            }
            let Value { kind, place, .. } = self.values[c.turn];
            let name = self.values[c.turn].name.clone();
            let result = self.value(Value { name, kind, role: Role::Carried, shape: None, place });
            self.scope.insert(c.name.clone(), Binding::Value { value: result, mutable: true });
            results.push(result);
        }
        if rebound(statements).is_empty() {
            self.errors.at(
                place,
                format!("this loop changes nothing: rebind a value in it, `x = {variable}.forward(x);` with `let mut x` before"),
            );
        }
        let saved = field.to_string();
        let text = format!("for {variable} in &self.{field}");
        self.body.push(Instruction {
            op: Op::Loop(Loop { field: index, variable: variable.clone(), carried, body }),
            arguments: vec![],
            argument_places: vec![],
            results,
            place,
            text,
            saved,
        });
    }

    fn field(&mut self, name: &Ident) -> Option<usize> {
        let fields: Vec<String> = self.model.fields.iter().map(|f| f.name.to_string()).collect();
        let found = fields.iter().position(|f| name == f);
        let near = nearest(&name.to_string(), fields.iter().map(String::as_str));
        self.mentioned.borrow_mut().extend(found.or_else(|| fields.iter().position(|f| Some(f.as_str()) == near)));
        if found.is_none() && !self.model.wrong.contains(name) {
            let hint = did_you_mean(&name.to_string(), fields.iter().map(String::as_str));
            self.errors.at(name, format!("`{}` has no field `{name}`{hint}", self.model.name));
        }
        found
    }

    fn unknown_name(&mut self, name: &Ident) {
        let hint = did_you_mean(&name.to_string(), self.scope.keys().map(String::as_str));
        let field = self.model.fields.iter().position(|f| f.name == *name);
        self.mentioned.borrow_mut().extend(field);
        let hint = if field.is_some() { format!(": a field is read as `self.{name}`") } else { hint };
        self.errors.at(name, format!("there is no value `{name}` here{hint}"));
    }

    /// A new value, made by a new instruction.
    fn push(&mut self, op: Op, arguments: Vec<Argument>, hint: &str, results: usize, e: &Expression) -> Vec<ValueId> {
        let place = self.place(e.place);
        let saved = hint.to_string();
        let results: Vec<ValueId> = (0..results)
            .map(|_| self.value(Value { name: hint.to_string(), kind: Kind::Float, role: Role::Local, shape: None, place }))
            .collect();
        let argument_places = e.arguments().iter().map(|a| self.place(a.place)).collect();
        let (results_, text) = (results.clone(), e.text.clone());
        self.body.push(Instruction { op, arguments, argument_places, results: results_, place, text, saved });
        results
    }

    fn one(&mut self, op: Op, arguments: Vec<Argument>, hint: &str, e: &Expression) -> Option<Operand> {
        self.push(op, arguments, hint, 1, e).first().map(|v| Operand::Value(*v))
    }

    /// A tensor.
    fn tensor(&mut self, e: &Expression) -> Option<ValueId> {
        match self.expression(e)? {
            Operand::Value(v) => Some(v),
            Operand::Number(_) | Operand::Flag(_) => {
                self.errors.at(self.place(e.place), "a tensor is needed here, and this is a number");
                None
            }
            Operand::Tuple(_) | Operand::Absent => {
                self.errors.at(self.place(e.place), "a tensor is needed here, and this is none");
                None
            }
        }
    }

    fn arguments(&mut self, list: &[Expression]) -> Option<Vec<Argument>> {
        // All are lowered before giving up, so that every mistake is reported.
        let all: Vec<Option<Argument>> = list
            .iter()
            .map(|e| match self.expression(e)? {
                Operand::Value(v) => Some(Argument::Value(v)),
                Operand::Number(n) => Some(Argument::Number(n)),
                Operand::Flag(f) => Some(Argument::Flag(f)),
                Operand::Absent => Some(Argument::Absent),
                Operand::Tuple(_) => {
                    self.errors.at(
                        self.place(e.place),
                        "an argument is a single value, and this is a tuple: name its parts with `let (a, b) = ..`",
                    );
                    None
                }
            })
            .collect();
        all.into_iter().collect()
    }

    fn expression(&mut self, e: &Expression) -> Option<Operand> {
        match &e.kind {
            ExpressionKind::Wrong => None,
            ExpressionKind::Flag(value) => Some(Operand::Flag(quote!(#value))),
            ExpressionKind::Number(tokens) => Some(Operand::Number(tokens.clone())),
            ExpressionKind::Name(name) if name == "None" => Some(Operand::Absent),
            ExpressionKind::Name(name) => match self.scope.get(&name.to_string()) {
                Some(Binding::Value { value, .. }) => Some(Operand::Value(*value)),
                Some(Binding::Number(tokens)) => Some(Operand::Number(tokens.clone())),
                Some(Binding::Flag(tokens)) => Some(Operand::Flag(tokens.clone())),
                Some(Binding::Unknown) => None,
                Some(Binding::Element(_)) => {
                    self.errors.at(name, format!("`{name}` is a layer: call it, `{name}.forward(x)`"));
                    None
                }
                // A constant of the module.
                None if name.to_string().chars().all(|c| c.is_uppercase() || c == '_' || c.is_numeric()) => {
                    Some(Operand::Number(quote!((#name as f64))))
                }
                None => {
                    self.unknown_name(name);
                    None
                }
            },
            ExpressionKind::Field(name) => self.read_field(name, e),
            ExpressionKind::Tuple(parts) => {
                let parts: Vec<_> = parts.iter().map(|p| self.expression(p)).collect();
                Some(Operand::Tuple(parts.into_iter().collect::<Option<_>>()?))
            }
            ExpressionKind::Negate(inner) => match self.expression(inner)? {
                Operand::Number(n) => Some(Operand::Number(quote!((-#n)))),
                Operand::Value(v) => self.one(Op::Pointwise(Primitive::Negate), vec![Argument::Value(v)], "negated", e),
                Operand::Flag(_) => self.no_flag(inner),
                Operand::Tuple(_) | Operand::Absent => self.no_arithmetic(e),
            },
            ExpressionKind::Binary(operator, left, right) => {
                let places = (&**left, &**right);
                let (left, right) = (self.expression(left), self.expression(right));
                let (primitive, hint) = match operator {
                    '+' => (Primitive::Add, "sum"),
                    '-' => (Primitive::Subtract, "difference"),
                    '*' => (Primitive::Multiply, "product"),
                    _ => (Primitive::Divide, "quotient"),
                };
                match (left?, right?) {
                    (Operand::Flag(_), _) => self.no_flag(places.0),
                    (_, Operand::Flag(_)) => self.no_flag(places.1),
                    (Operand::Number(l), Operand::Number(r)) => {
                        let operator: proc_macro2::Punct = proc_macro2::Punct::new(*operator, proc_macro2::Spacing::Alone);
                        Some(Operand::Number(quote!((#l #operator #r))))
                    }
                    (Operand::Tuple(_) | Operand::Absent, _) | (_, Operand::Tuple(_) | Operand::Absent) => self.no_arithmetic(e),
                    (left, right) => {
                        let arguments = [left, right].into_iter().filter_map(argument).collect();
                        self.one(Op::Pointwise(primitive), arguments, hint, e)
                    }
                }
            }
            ExpressionKind::Intrinsic(intrinsic, list) => {
                let arguments = self.arguments(list)?;
                if let Some(flag) = arguments.iter().position(|a| matches!(a, Argument::Flag(_))) {
                    return self.no_flag(&list[flag]);
                }
                let name = parse::INTRINSICS.iter().find(|(i, _, _)| i == intrinsic).map_or("value", |(_, n, _)| n);
                if arguments.iter().all(|a| a.value().is_none()) {
                    let numbers: Vec<_> =
                        arguments.iter().filter_map(|a| if let Argument::Number(n) = a { Some(n) } else { None }).collect();
                    let method = Ident::new(name, e.place.first());
                    return match numbers.as_slice() {
                        [x] => Some(Operand::Number(quote!(ivon::Real::#method(#x)))),
                        [x, y] => Some(Operand::Number(quote!(ivon::Real::#method(#x, #y)))),
                        _ => None,
                    };
                }
                if *intrinsic == parse::Intrinsic::Powf && arguments.get(1).is_some_and(|a| a.value().is_some()) {
                    self.errors
                        .at(self.place(e.place), "the exponent of `powf` is a number: for a tensor write `exp(y * ln(x))`");
                    return None;
                }
                self.one(Op::Pointwise(Primitive::Call(*intrinsic)), arguments, name, e)
            }
            ExpressionKind::Layer { field, method, arguments } => {
                let index = self.field(field);
                let arguments = self.arguments(arguments);
                let index = index?;
                match self.model.fields[index].kind {
                    FieldKind::Layer(_) => {}
                    FieldKind::Array { .. } => {
                        self.errors.at(
                            self.place(e.place),
                            format!("`{field}` is an array: `for layer in &self.{field} {{ x = layer.{method}(x); }}`"),
                        );
                        return None;
                    }
                    FieldKind::Parameter { .. } | FieldKind::Buffer { .. } | FieldKind::Setting { .. } => {
                        let known = parse::INTRINSICS.iter().map(|(_, n, _)| *n).chain(parse::SHAPE_METHODS.iter().copied());
                        let hint = did_you_mean(&method.to_string(), known);
                        self.errors.at(method, format!("`{field}` is no layer and has no method `{method}`{hint}"));
                        return None;
                    }
                }
                let hint = if method == "forward" { field.to_string() } else { method.to_string() };
                self.layer_call(Target::Field(index), method, arguments?, &hint, e)
            }
            ExpressionKind::Element { variable, method, arguments } => {
                let list = self.arguments(arguments);
                match self.scope.get(&variable.to_string()).cloned() {
                    Some(Binding::Element(field)) => self.layer_call(
                        Target::Element { variable: variable.clone(), field },
                        method,
                        list?,
                        &variable.to_string(),
                        e,
                    ),
                    Some(Binding::Value { .. }) => {
                        let known = parse::INTRINSICS.iter().map(|(_, n, _)| *n).chain(parse::SHAPE_METHODS.iter().copied());
                        let hint = did_you_mean(&method.to_string(), known);
                        self.errors.at(method, format!("a tensor has no method `{method}`{hint}"));
                        None
                    }
                    Some(Binding::Unknown) => None,
                    Some(Binding::Number(_) | Binding::Flag(_)) => {
                        self.errors.at(method, format!("`{variable}` is a number and has no method `{method}`"));
                        None
                    }
                    None => {
                        self.unknown_name(variable);
                        None
                    }
                }
            }
            ExpressionKind::Own { method, arguments } => {
                let arguments = self.arguments(arguments)?;
                self.layer_call(Target::Own, method, arguments, &method.to_string(), e)
            }
            ExpressionKind::Call { path, dims, arguments } => self.call(path, dims, arguments, e),
            ExpressionKind::Reshape(of, dims) => {
                let of = self.tensor(of)?;
                self.one(Op::Reshape(dims.clone()), vec![Argument::Value(of)], "reshaped", e)
            }
            ExpressionKind::Transpose(of, a, b) => {
                let of = self.tensor(of)?;
                self.one(Op::Transpose(a.clone(), b.clone()), vec![Argument::Value(of)], "transposed", e)
            }
            ExpressionKind::Slice(of, axis, range) => {
                let of = self.tensor(of)?;
                self.one(Op::Slice(axis.clone(), range.0.clone(), range.1.clone()), vec![Argument::Value(of)], "slice", e)
            }
            ExpressionKind::Concat(list, axis) => {
                let all: Vec<_> = list.iter().map(|x| self.tensor(x).map(Argument::Value)).collect();
                let all: Vec<_> = all.into_iter().collect::<Option<_>>()?;
                if all.is_empty() {
                    self.errors.at(self.place(e.place), "`concat` needs at least one tensor");
                    return None;
                }
                self.one(Op::Concat(axis.clone()), all, "joined", e)
            }
            ExpressionKind::Reduce { mean, of, axis } => {
                let of = self.tensor(of)?;
                let hint = if *mean { "mean" } else { "total" };
                self.one(Op::Reduce { mean: *mean, axis: axis.clone() }, vec![Argument::Value(of)], hint, e)
            }
        }
    }

    fn no_arithmetic(&mut self, e: &Expression) -> Option<Operand> {
        self.errors
            .at(self.place(e.place), "arithmetic is for tensors and numbers: name the parts of a tuple with `let (a, b) = ..`");
        None
    }

    fn no_flag(&mut self, e: &Expression) -> Option<Operand> {
        let message = format!("`{}` is true or false: there is no arithmetic with it, give it to an op or a layer", e.text);
        self.errors.at(self.place(e.place), message);
        None
    }

    fn read_field(&mut self, name: &Ident, e: &Expression) -> Option<Operand> {
        let index = self.field(name)?;
        match &self.model.fields[index].kind {
            FieldKind::Setting { ty, .. } if ty == "bool" => Some(Operand::Flag(quote!(self.#name))),
            FieldKind::Setting { .. } => Some(Operand::Number(quote!((self.#name as f64)))),
            FieldKind::Parameter { shape, when, .. } => {
                if let Some(value) = self.parameters.get(&index) {
                    return Some(Operand::Value(*value));
                }
                let role = Role::Parameter { field: index, optional: when.is_some() };
                let shape = Some(shape.clone());
                let value = self.value(Value { name: name.to_string(), kind: Kind::Float, role, shape, place: e.place });
                self.parameters.insert(index, value);
                Some(Operand::Value(value))
            }
            FieldKind::Buffer { shape, .. } => {
                if let Some(value) = self.parameters.get(&index) {
                    return Some(Operand::Value(*value));
                }
                let (role, shape) = (Role::Buffer { field: index }, Some(shape.clone()));
                let value = self.value(Value { name: name.to_string(), kind: Kind::Buffer, role, shape, place: e.place });
                self.parameters.insert(index, value);
                Some(Operand::Value(value))
            }
            FieldKind::Layer(_) => {
                self.errors.at(e.place, format!("`self.{name}` is a layer: call it, `self.{name}.forward(x)`"));
                None
            }
            FieldKind::Array { .. } => {
                self.errors.at(e.place, format!("`self.{name}` is an array of layers: `for layer in &self.{name} {{ .. }}`"));
                None
            }
        }
    }

    fn layer_call(
        &mut self,
        target: Target,
        method: &Ident,
        arguments: Vec<Argument>,
        hint: &str,
        e: &Expression,
    ) -> Option<Operand> {
        let results = match &target {
            Target::Own => {
                let Some(own) = self.model.functions.iter().find(|f| f.name == *method) else {
                    let methods: Vec<String> = self.model.functions.iter().map(|f| f.name.to_string()).collect();
                    let hint = did_you_mean(&method.to_string(), methods.iter().map(String::as_str));
                    self.errors.at(method, format!("`{}` has no annotated method `{method}`{hint}", self.model.name));
                    return None;
                };
                if own.returns_tuple { Some(own.outputs.len()) } else { None }
            }
            Target::Field(field) | Target::Element { field, .. } => {
                let path = match &self.model.fields[*field].kind {
                    FieldKind::Layer(l) | FieldKind::Array { of: l, .. } => &l.path,
                    _ => return None,
                };
                // A callee that is not known or has no such method is reported in `check`.
                self.callees.method(path, method).filter(|f| f.returns_tuple).map(|f| f.outputs.len())
            }
        };
        self.call_results(Op::Layer { target, method: method.clone() }, arguments, hint, results, e)
    }

    fn call_results(
        &mut self,
        op: Op,
        arguments: Vec<Argument>,
        hint: &str,
        tuple: Option<usize>,
        e: &Expression,
    ) -> Option<Operand> {
        let results = self.push(op, arguments, hint, tuple.unwrap_or(1), e);
        match tuple {
            Some(_) => Some(Operand::Tuple(results.into_iter().map(Operand::Value).collect())),
            None => results.first().map(|v| Operand::Value(*v)),
        }
    }

    fn call(&mut self, path: &syn::Path, dims: &[syn::Expr], list: &[Expression], e: &Expression) -> Option<Operand> {
        match path.get_ident().and_then(|name| self.scope.get(&name.to_string())) {
            Some(Binding::Unknown) => return None,
            Some(Binding::Value { .. } | Binding::Number(_) | Binding::Flag(_)) => {
                self.errors.at(self.place(e.place), format!("`{}` is a value, not an op or a function", path_text(path)));
                return None;
            }
            Some(Binding::Element(_)) => {
                let name = path_text(path);
                self.errors.at(self.place(e.place), format!("`{name}` is a layer: call its method, `{name}.forward(x)`"));
                return None;
            }
            None => {}
        }
        if let Some(function) = self.callees.pointwise(path) {
            return self.inline(function, path, list, e);
        }
        let arguments = self.arguments(list)?;
        let tuple = self.callees.function(path).filter(|f| f.returns_tuple).map(|f| f.outputs.len());
        let hint = parse::last(path).to_string();
        self.call_results(Op::Call { path: path.clone(), dims: dims.to_vec() }, arguments, &hint, tuple, e)
    }

    /// A pointwise function's body takes the place of its call, so that it is fused with its neighbours.
    fn inline(&mut self, function: &parse::Function, path: &syn::Path, list: &[Expression], e: &Expression) -> Option<Operand> {
        let place = self.place(e.place);
        let name = path_text(path);
        if self.depth > 16 {
            self.errors.at(place, format!("`{name}` calls itself"));
            return None;
        }
        let arguments: Vec<_> = list.iter().map(|a| self.expression(a)).collect();
        let arguments: Vec<Operand> = arguments.into_iter().collect::<Option<_>>()?;
        if arguments.len() != function.inputs.len() {
            self.errors.at(place, wrong_count(&name, function, arguments.len()));
            return None;
        }
        let mut scope = BTreeMap::new();
        for (input, argument) in function.inputs.iter().zip(arguments) {
            let binding = match (&input.kind, argument) {
                (InputKind::Number(ty), Operand::Number(n)) if ty != "bool" => Binding::Number(n),
                (InputKind::Number(ty), Operand::Flag(f)) if ty == "bool" => Binding::Flag(f),
                (InputKind::Number(ty), Operand::Number(_) | Operand::Flag(_)) => {
                    self.errors.at(place, not_of_type(&input.name, &name, ty));
                    return None;
                }
                (InputKind::Number(_), _) => {
                    self.errors.at(place, format!("`{}` of `{name}` is a number, not a tensor", input.name));
                    return None;
                }
                (_, Operand::Value(value)) if self.values[value].kind == Kind::Ids => {
                    self.errors.at(
                        place,
                        format!(
                            "`{}` of `{name}` is a tensor, but this is ids: look them up with an embedding first",
                            input.name
                        ),
                    );
                    return None;
                }
                (_, Operand::Value(value)) if self.values[value].kind == Kind::Buffer => {
                    self.errors.at(place, buffer_misuse(&self.values[value].name));
                    return None;
                }
                (_, Operand::Value(value)) => Binding::Value { value, mutable: false },
                (_, _) => {
                    self.errors.at(place, format!("`{}` of `{name}` is a tensor, not a number", input.name));
                    return None;
                }
            };
            scope.insert(input.name.to_string(), binding);
        }
        let (outer, home) = (std::mem::replace(&mut self.scope, scope), self.home.replace(place));
        self.depth += 1;
        self.statements(&function.body);
        let result = function.result.as_ref().and_then(|r| self.expression(r));
        self.depth -= 1;
        self.scope = outer;
        self.home = home;
        if let Some(Operand::Value(v)) = result {
            // The result goes by the function's name and reads as the call.
            if self.values[v].role == Role::Local && !self.given.contains(&v) {
                self.values[v].name = parse::last(path).to_string();
            }
            if let Some(last) = self.body.last_mut().filter(|i| i.results == [v]) {
                last.text = e.text.clone();
            }
        }
        result
    }
}

fn argument(operand: Operand) -> Option<Argument> {
    match operand {
        Operand::Value(v) => Some(Argument::Value(v)),
        Operand::Number(n) => Some(Argument::Number(n)),
        Operand::Flag(f) => Some(Argument::Flag(f)),
        Operand::Tuple(_) | Operand::Absent => None,
    }
}

/// What a buffer is not for.
pub fn buffer_misuse(name: &str) -> String {
    format!(
        "`{name}` is a buffer: it is an argument of ops that ask for a `Buffer<..>`, such as `batch_norm`, and no tensor to compute with"
    )
}

/// "`layer_norm` takes 4 arguments (x, gain, bias, eps), not 3"
pub fn wrong_count(name: &str, function: &parse::Function, found: usize) -> String {
    let names: Vec<String> = function.inputs.iter().map(|i| i.name.to_string()).collect();
    let s = if names.len() == 1 { "" } else { "s" };
    format!("`{name}` takes {} argument{s} ({}), not {found}", names.len(), names.join(", "))
}

/// "`rate` of `dropout` is a number (f64), and true or false is given"
pub fn not_of_type(argument: &Ident, callee: &str, ty: &Ident) -> String {
    match ty == "bool" {
        true => format!("`{argument}` of `{callee}` is true or false (bool), and a number is given"),
        false => format!("`{argument}` of `{callee}` is a number ({ty}), and true or false is given"),
    }
}

/// Names that statements rebind, in order of appearance, those of inner loops included.
fn rebound(statements: &[Statement]) -> Vec<String> {
    let mut names: Vec<String> = vec![];
    let mut own: Vec<String> = vec![];
    for statement in statements {
        match statement {
            Statement::Let { pattern: Pattern::Name(name, _), .. } => own.push(name.to_string()),
            Statement::Let { .. } => {}
            Statement::Assign { name, .. } => names.push(name.to_string()),
            Statement::For { body, .. } => names.extend(rebound(body)),
        }
    }
    let mut seen = vec![];
    names.retain(|n| {
        !own.contains(n) && !seen.contains(n) && {
            seen.push(n.clone());
            true
        }
    });
    names
}
