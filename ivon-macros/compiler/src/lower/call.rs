//! Calls: of layers, of ops, and of pointwise functions, whose bodies take the place of the call.

use super::*;
use crate::dims::Dim;
use crate::intrinsics::tensor_methods;
use crate::library;
use crate::syntax::last;

impl Lower<'_> {
    /// `self.layer.method(..)`
    pub(super) fn field_call(
        &mut self,
        field: &Ident,
        method: &Ident,
        arguments: &[Expression],
        e: &Expression,
    ) -> Option<Operand> {
        let index = self.field(field);
        let arguments = self.arguments(arguments);
        let index = index?;
        match self.model.fields[index].kind {
            FieldKind::Layer(_) if self.model.fields[index].when.is_some() => {
                self.errors.at(
                    self.place(e.place),
                    format!("`{field}` may be absent: `if let Some({field}) = &self.{field} {{ x = {field}.{method}(x); }}`"),
                );
                return None;
            }
            FieldKind::Layer(_) => {}
            FieldKind::Array { .. } => {
                self.errors.at(
                    self.place(e.place),
                    format!("`{field}` is an array: `for layer in &self.{field} {{ x = layer.{method}(x); }}`, or `self.{field}[0].{method}(x)`"),
                );
                return None;
            }
            FieldKind::Parameter { .. } | FieldKind::Buffer { .. } | FieldKind::Setting { .. } => {
                let hint = did_you_mean(&method.to_string(), tensor_methods());
                self.errors.at(method, format!("`{field}` is no layer and has no method `{method}`{hint}"));
                return None;
            }
        }
        let hint = if method == "forward" { field.to_string() } else { method.to_string() };
        self.layer_call(Target::Field(index), method, arguments?, &hint, e)
    }

    /// `self.layers[i].method(..)`
    pub(super) fn item_call(
        &mut self,
        field: &Ident,
        index: &syn::Expr,
        method: &Ident,
        arguments: &[Expression],
        e: &Expression,
    ) -> Option<Operand> {
        let index = self.dimensions([index]).and_then(|mut all| all.pop());
        let (at, arguments) = (self.field(field), self.arguments(arguments));
        let (index, at) = (index?, at?);
        let FieldKind::Array { count, .. } = &self.model.fields[at].kind else {
            let name = &self.model.name;
            self.errors
                .at(field, format!("`{field}` of `{name}` is no array of layers: `[..]` is for a field `[Layer<..>; COUNT]`"));
            return None;
        };
        let place = self.errors.take(Dim::parse(&index, &mut vec![]))?;
        let known = |name: &str| {
            let is_index = self.variables.iter().any(|v| v == name);
            is_index || !self.dims.contains_key(name) || self.model.generics.iter().any(|g| g.name == name)
        };
        if let Some(name) = place.names().find(|name| !known(name)) {
            self.errors.at(
                &index,
                format!("`{name}` is known only when the model runs: a layer of an array has a number, as a loop gives it"),
            );
            return None;
        }
        if let (Some(place), Some(count)) =
            (place.as_number(), Dim::parse(count, &mut vec![]).ok().and_then(|count| count.as_number()))
            && place >= count
        {
            self.errors.at(&index, format!("`{field}` has {count} layers, counted from 0: there is no `self.{field}[{place}]`"));
            return None;
        }
        let hint = if method == "forward" { field.to_string() } else { method.to_string() };
        self.layer_call(Target::Item { field: at, index }, method, arguments?, &hint, e)
    }

    /// `layer.method(..)` in a loop
    pub(super) fn element_call(
        &mut self,
        variable: &Ident,
        method: &Ident,
        arguments: &[Expression],
        e: &Expression,
    ) -> Option<Operand> {
        let list = self.arguments(arguments);
        match self.binding(variable).cloned() {
            Some(Binding::Element(field, variable)) => {
                let hint = variable.to_string();
                self.layer_call(Target::Element { variable, field }, method, list?, &hint, e)
            }
            Some(Binding::Value { .. }) => {
                self.errors.at(method, library::no_method(&method.to_string()));
                None
            }
            Some(Binding::Unknown) => None,
            Some(Binding::List { .. }) => {
                let text = format!(
                    "a list has no method `{method}`: it has `{variable}.push(x)`, `{variable}[i]` and `stack({variable}, 1)`"
                );
                self.errors.at(method, text);
                None
            }
            Some(Binding::Number(_) | Binding::Flag(_) | Binding::Index(_)) => {
                self.errors.at(method, format!("`{variable}` is a number and has no method `{method}`"));
                None
            }
            None => {
                self.unknown_name(variable);
                None
            }
        }
    }

    pub(super) fn layer_call(
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
                    if self.model.fields.iter().any(|f| f.name == *method) {
                        self.errors.at(
                            method,
                            format!("`{method}` is a field: a layer is called by a method, `self.{method}.forward(x)`"),
                        );
                        return None;
                    }
                    let methods: Vec<String> = self.model.functions.iter().map(|f| f.name.to_string()).collect();
                    let hint = did_you_mean(&method.to_string(), methods.iter().map(String::as_str));
                    self.errors.at(method, format!("`{}` has no annotated method `{method}`{hint}", self.model.name));
                    return None;
                };
                if own.returns_tuple { Some(own.outputs.len()) } else { None }
            }
            Target::Field(field) | Target::Item { field, .. } | Target::Element { field, .. } => {
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

    pub(super) fn call(&mut self, path: &syn::Path, dims: &[syn::Expr], list: &[Expression], e: &Expression) -> Option<Operand> {
        let known = self.dimensions(dims);
        match path.get_ident().and_then(|name| self.scope.get(name)) {
            Some(Binding::Unknown) => return None,
            Some(Binding::Value { .. } | Binding::Number(_) | Binding::Flag(_) | Binding::Index(_) | Binding::List { .. }) => {
                self.errors.at(self.place(e.place), format!("`{}` is a value, not an op or a function", path_text(path)));
                return None;
            }
            Some(Binding::Element(..)) => {
                let name = path_text(path);
                self.errors.at(self.place(e.place), format!("`{name}` is a layer: call its method, `{name}.forward(x)`"));
                return None;
            }
            None => {}
        }
        let dims = known?;
        if let Some(function) = self.callees.pointwise(path) {
            return self.inline(function, path, list, e);
        }
        let arguments = self.arguments(list)?;
        let tuple = self.callees.function(path).filter(|f| f.returns_tuple).map(|f| f.outputs.len());
        let hint = last(path).to_string();
        self.call_results(Op::Call { path: path.clone(), dims }, arguments, &hint, tuple, e)
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
        let mut scope = Scope::default();
        for (input, argument) in function.inputs.iter().zip(arguments) {
            let binding = match (&input.kind, argument) {
                (InputKind::Number(ty), Operand::Number(n)) if ty == "usize" => {
                    Binding::Number(self.counted(n, &name, input, place)?)
                }
                (InputKind::Number(ty), Operand::Number(n)) if ty == "f64" => Binding::Number(Number::float(n.tokens)),
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
            scope.declare(&input.name, binding);
        }
        let (outer, home) = (std::mem::replace(&mut self.scope, scope), self.home.replace(place));
        let dims = std::mem::take(&mut self.dims);
        self.depth += 1;
        self.statements(&function.body);
        let result = function.result.as_ref().and_then(|r| self.expression(r));
        self.depth -= 1;
        (self.scope, self.dims) = (outer, dims);
        self.home = home;
        if let Some(Operand::Value(v)) = result {
            // The result goes by the function's name and reads as the call.
            if self.values[v].role == Role::Local && !self.given.contains(&v) {
                self.values[v].name = last(path).to_string();
            }
            if let Some(last) = self.body.last_mut().filter(|i| i.results == [v]) {
                last.text = e.text.clone();
            }
        }
        result
    }
}

/// Returns the message for a buffer that is used as a tensor.
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
