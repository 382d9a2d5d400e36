//! Calls of layers, ops and functions: the callee is looked up, and its signature applied.

use super::Checker;
use super::application::{Application, Name};
use crate::callee::Callee;
use crate::dims::{Dim, Shape};
use crate::errors::did_you_mean_or;
use crate::intrinsics::INTRINSICS;
use crate::ir::*;
use crate::parse::{Field, FieldKind, Function, Generic, LayerType, free_constants};
use crate::syntax::path_text;
use proc_macro2::Ident;
use std::collections::BTreeMap;
use syn::{Expr, Path};

impl Checker<'_> {
    /// The shapes of what a call gives.
    pub(super) fn call(&self, instruction: &Instruction, values: &[Value]) -> Option<Vec<Shape>> {
        match &instruction.op {
            Op::Layer { target: Target::Own, method } => self.own_method(method, instruction, values),
            Op::Layer { target, method } => self.layer_method(&self.model.fields[target.field()?], method, instruction, values),
            Op::Call { path, dims } => self.function(path, dims, instruction, values),
            _ => None,
        }
    }

    /// `self.encode(x)`
    fn own_method(&self, method: &Ident, call: &Instruction, values: &[Value]) -> Option<Vec<Shape>> {
        let function = self.model.functions.iter().find(|f| f.name == *method)?;
        if function.name == self.function.name {
            self.errors.at(call.place, format!("`{method}` calls itself: there is no recursion in a forward pass"));
            return None;
        }
        // The model's own generics mean themselves.
        let own = self.model.generics.iter().filter(|g| !g.flag);
        let bind = own.map(|g| (g.name.to_string(), Dim::name(&g.name.to_string()))).collect();
        let name = Name { text: format!("self.{method}"), declared: String::new() };
        self.apply(name, function, bind, call, values)
    }

    /// `self.norm.forward(x)`
    fn layer_method(&self, field: &Field, method: &Ident, call: &Instruction, values: &[Value]) -> Option<Vec<Shape>> {
        let (FieldKind::Layer(layer) | FieldKind::Array { of: layer, .. }) = &field.kind else { return None };
        let signatures = self.callees.model(&layer.signature)?; // reported at the field
        let Some(function) = signatures.functions.iter().find(|f| f.name == *method) else {
            let methods: Vec<String> = signatures.functions.iter().map(|f| f.name.to_string()).collect();
            let all = format!("; it has `{}`", methods.join("`, `"));
            let hint = did_you_mean_or(&method.to_string(), methods.iter().map(String::as_str), &all);
            self.errors.at(method, format!("`{}` has no method `{method}`{hint}", layer.text()));
            return None;
        };
        let bind = self.bind_layer(layer, &signatures.generics)?;
        let shown: Vec<String> =
            signatures.generics.iter().filter_map(|g| bind.get(&g.name.to_string())).map(Dim::to_string).collect();
        let ty = layer.with(shown.into_iter());
        let name = Name { text: format!("{}: {ty}", field.name), declared: format!(" (declared at {})", field.place.line()) };
        let bind = self.with_constants(function, &signatures.generics, layer, bind);
        self.apply(name, function, bind, call, values)
    }

    /// `gelu(x)`, `one_hot::<CLASSES>(ids)`
    fn function(&self, path: &Path, dims: &[Expr], call: &Instruction, values: &[Value]) -> Option<Vec<Shape>> {
        let name = path_text(path);
        let function = match self.callees.get(path) {
            None | Some(Callee::Missing) => {
                self.errors.at(call.place, self.no_function(&name));
                return None;
            }
            Some(Callee::Model(_)) => {
                let text = format!("`{name}` is a layer: make it a field and call its method, `self.layer.forward(x)`");
                self.errors.at(call.place, text);
                return None;
            }
            Some(Callee::Op(function) | Callee::Composed(function) | Callee::Pointwise(function)) => function,
        };
        if function.consts.len() != dims.len() {
            let names: Vec<String> = function.consts.iter().map(|c| c.name.to_string()).collect();
            let wanted = match names.is_empty() {
                true => "no dimensions".into(),
                false => format!("`{name}::<{}>(..)`", names.join(", ")),
            };
            self.errors.at(call.place, format!("`{name}` takes {wanted}, but {} dimensions are given", dims.len()));
            return None;
        }
        let values_of: Option<Vec<Dim>> = dims.iter().map(|d| self.number(d)).collect();
        let bind = function.consts.iter().map(|c| c.name.to_string()).zip(values_of?).collect();
        self.apply(Name { text: name, declared: String::new() }, function, bind, call, values)
    }

    fn apply(
        &self,
        name: Name,
        function: &Function,
        bind: BTreeMap<String, Dim>,
        call: &Instruction,
        values: &[Value],
    ) -> Option<Vec<Shape>> {
        Application { checker: self, name, function, call, values, bind, packs: BTreeMap::new() }.results()
    }

    /// The message about a function that is not there.
    fn no_function(&self, name: &str) -> String {
        if let Some(import) = crate::library::import(name, &self.callees.runtime) {
            return format!("`{name}` is not imported: `{import}`");
        }
        let hint = crate::library::function_meant(name, self.callables(), &self.callees.runtime);
        match hint.is_empty() {
            true => {
                format!("`{name}` is not an op here: it is not imported, or `signature!` or `#[variational]` is missing on it")
            }
            false => format!("`{name}` is not an op here{hint}"),
        }
    }

    /// Candidates for a misspelt function: the functions of the language and the other functions that this model calls.
    fn callables(&self) -> impl Iterator<Item = &str> {
        INTRINSICS.iter().map(|(_, name, _)| *name).chain(["concat", "zeros", "ones", "full"]).chain(self.callees.functions())
    }

    fn bind_layer(&self, layer: &LayerType, generics: &[Generic]) -> Option<BTreeMap<String, Dim>> {
        let mut bind = BTreeMap::new();
        for (generic, argument) in generics.iter().zip(&layer.arguments) {
            if !generic.flag {
                bind.insert(generic.name.to_string(), self.number(argument)?);
            }
        }
        for generic in generics.iter().skip(layer.arguments.len()).filter(|g| !g.flag) {
            // A default may be made of the dimensions before it.
            let default = Dim::parse(generic.default.as_ref()?, &mut vec![]).ok()?.substitute(&bind);
            bind.insert(generic.name.to_string(), default);
        }
        // Too few dimensions are reported at the field.
        generics.iter().filter(|g| !g.flag).all(|g| bind.contains_key(&g.name.to_string())).then_some(bind)
    }

    /// A constant of the callee's module is an associated constant of the callee here: `<Other>::K`.
    fn with_constants(
        &self,
        function: &Function,
        generics: &[Generic],
        layer: &LayerType,
        mut bind: BTreeMap<String, Dim>,
    ) -> BTreeMap<String, Dim> {
        for name in free_constants(function, generics) {
            let qualified = Dim::name(&format!("<{}>::{name}", layer.ty.to_string().replace(' ', "")));
            bind.insert(name, qualified);
        }
        bind
    }
}
