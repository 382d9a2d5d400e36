//! Check: shapes by unification, kinds, arity, and that every parameter reaches the output. Errors are collected; an unknown
//! shape silences what follows from it. After this pass emission cannot fail.

mod application;
mod blocks;
mod call;
mod pointwise;
mod reserved;
mod signature;
mod structural;
mod usage;

use crate::callee::Callees;
use crate::dims::{Dim, Division, MAX_RANK, Shape, TOO_LARGE_TEXT, show};
use crate::errors::{Errors, Place};
use crate::ir::*;
use crate::lower::buffer_misuse;
use crate::parse::{self, FieldKind, Model};
use crate::syntax::path_text;
use proc_macro2::{Delimiter, Group, TokenStream};
use quote::quote_spanned;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

pub use reserved::check_names;
pub use signature::check_replaced;
pub use usage::check_usage;

/// Checks that only later stages can make: of constants in rustc, of const generics when a model is built.
#[derive(Default)]
pub struct Deferred {
    /// `const _: () = assert!(..)`, at the place of the mistake.
    pub assertions: Vec<TokenStream>,
    /// Divisions of const generics that must be exact.
    pub divisions: Vec<Division>,
}

pub struct Checker<'a> {
    model: &'a Model,
    function: &'a parse::Function,
    callees: &'a Callees,
    errors: &'a Errors,
    deferred: &'a RefCell<Deferred>,
    /// Const generics and symbolic dimensions: names that are no constants of a module.
    dims: BTreeSet<String>,
    packs: BTreeSet<String>,
    /// Names that divisions in types make multiples.
    multiples: BTreeMap<String, Dim>,
    /// The numbers of loops' iterations, which change while the model runs.
    counters: BTreeSet<String>,
}

/// Gives every value of the program its shape.
pub fn check(
    model: &Model,
    function: &parse::Function,
    program: &mut Program,
    callees: &Callees,
    errors: &Errors,
    deferred: &RefCell<Deferred>,
) {
    let generics = model.generics.iter().chain(&function.consts).filter(|g| !g.flag).map(|g| g.name.to_string());
    let variables = function.variables.iter().map(|v| v.name.to_string());
    let checker = Checker {
        model,
        function,
        callees,
        errors,
        deferred,
        dims: generics.chain(variables).chain(program.variables.iter().map(|v| v.to_string())).collect(),
        counters: program.variables.iter().map(|v| v.to_string()).collect(),
        packs: function.variables.iter().filter(|v| v.pack).map(|v| v.name.to_string()).collect(),
        multiples: Dim::multiples(&function.divisions.iter().chain(&model.divisions).collect::<Vec<_>>()),
    };
    signature::check_signature(function, errors);
    reserved::check_arguments(function, &model.generics, errors);
    for division in function.divisions.iter().chain(&model.divisions) {
        checker.divisible(division.clone());
    }
    let Program { values, body, outputs, .. } = program;
    checker.instructions(body, values);
    // A result with a mistake has no outputs.
    if !outputs.is_empty() {
        checker.outputs(values, outputs, program.result);
        if function.adjoint {
            checker.adjoint(body, outputs);
        }
    }
}

/// Every field's type is a model with as many dimensions as it is given.
pub fn check_fields(model: &mut Model, callees: &Callees, errors: &Errors) {
    for field in &mut model.fields {
        let (FieldKind::Layer(layer) | FieldKind::Array { of: layer, .. }) = &mut field.kind else { continue };
        if layer.path.is_ident(&model.name) || layer.path.is_ident("Self") {
            errors.at(layer.place, format!("`{}` contains itself: a model has a finite number of parameters", model.name));
            continue;
        }
        let name = path_text(&layer.signature);
        if callees.is_missing(&layer.signature) {
            if layer.path != layer.signature {
                let text =
                    format!("`{name}` is no trait of layers here: `#[variational]` is missing on it, or it is not imported");
                errors.at(layer.place, text);
                continue;
            }
            if let Some(import) = crate::library::import(&name, &callees.runtime) {
                errors.at(layer.place, format!("`{name}` is not imported: `{import}`"));
                continue;
            }
            let hint = crate::library::layer_meant(&name, &callees.runtime);
            let text = match hint.is_empty() {
                true => ": `#[variational]` is missing on it or on its impl, its methods are private, or it is not imported",
                false => &hint,
            };
            errors.at(layer.place, format!("`{name}` is not a model here{text}"));
            continue;
        }
        let Some(signatures) = callees.model(&layer.signature) else {
            errors.at(layer.place, format!("`{name}` is an op, not a layer: call it in a method, `{name}(x)`"));
            continue;
        };
        let parameter = layer.path != layer.signature;
        if signatures.interface != parameter {
            errors.at(layer.place, match parameter {
                true => format!("`{}: {name}` needs a trait with `#[variational]`, and `{name}` is a model: write it in place of `{0}`", path_text(&layer.path)),
                false => format!("`{name}` is what layers have in common, not a layer: give the model a type parameter, `struct {}<N: {name}, ..>`", model.name),
            });
            continue;
        }
        if let (true, Some((part, _))) = (parameter, field.options.of.first()) {
            let text = format!("`{}` may be any `{name}`, so nothing is known of a parameter `{part}`", path_text(&layer.path));
            errors.at(part, text);
        }
        let (wanted, chosen) = (signatures.layers, layer.chosen);
        if !parameter && wanted != chosen {
            let text = format!(
                "`{name}` takes {wanted} layer{} before its dimensions, not {chosen}",
                if wanted == 1 { "" } else { "s" }
            );
            errors.at(layer.place, text);
            continue;
        }
        let generics = &signatures.generics;
        let required = generics.iter().filter(|g| !g.flag && g.default.is_none()).count();
        let given = layer.arguments.len();
        if given > generics.len() || given < required {
            let names: Vec<String> = generics.iter().map(|g| g.name.to_string()).collect();
            let wanted = match generics.len() {
                all if all == required => all.to_string(),
                all => format!("{required} to {all}"),
            };
            let text = format!("`{name}<{}>` takes {wanted} dimensions and flags, not {given}", names.join(", "));
            errors.at(layer.place, text);
            continue;
        }
        layer.defaults = generics[given..].iter().map(|g| g.name.to_string()).collect();
    }
}

impl Checker<'_> {
    fn instructions(&self, body: &mut [Instruction], values: &mut Vec<Value>) {
        for instruction in body {
            match &mut instruction.op {
                Op::Loop(l) => {
                    self.check_loop(l, &instruction.results, values);
                    continue;
                }
                Op::Branch(b) => {
                    self.check_branch(b, &instruction.results, values);
                    continue;
                }
                Op::List => continue,
                Op::Push => {
                    self.push(instruction, values);
                    continue;
                }
                _ => {}
            }
            let shapes = match &instruction.op {
                Op::Layer { .. } | Op::Call { .. } => self.call(instruction, values),
                Op::Item(_) => self.item(instruction, values).map(|s| vec![s]),
                Op::Pointwise(_) => self.pointwise(instruction, values).map(|s| vec![s]),
                _ => self.structural(instruction, values).map(|s| vec![s]),
            };
            for (i, result) in instruction.results.iter().enumerate() {
                let shape = shapes.as_ref().and_then(|s| s.get(i).cloned());
                if shape.iter().flatten().any(Dim::is_too_large) {
                    self.errors.at(instruction.place, TOO_LARGE_TEXT);
                    values[*result].shape = None;
                    continue;
                }
                if let Some(shape) = shape.as_ref().filter(|s| s.len() > MAX_RANK) {
                    self.errors.at(
                        instruction.place,
                        format!("this is {}, but a tensor has at most {MAX_RANK} dimensions", show(shape)),
                    );
                }
                values[*result].shape = shape;
            }
        }
    }

    fn outputs(&self, values: &[Value], outputs: &[ValueId], place: Place) {
        let name = &self.function.name;
        let promised = self.function.outputs.len();
        // A function without a valid result type was reported already.
        if promised > 0 && outputs.len() != promised {
            self.errors.at(
                place,
                format!(
                    "`{name}` promises {promised} value{} but this has {}",
                    if promised == 1 { "" } else { "s" },
                    outputs.len()
                ),
            );
            return;
        }
        for (promised, output) in self.function.outputs.iter().zip(outputs) {
            let value = &values[*output];
            if value.kind == Kind::Ids {
                self.errors.at(place, format!("`{name}` returns tensors, but `{}` is ids", value.name));
                continue;
            }
            if value.kind == Kind::Buffer {
                self.errors.at(place, buffer_misuse(&value.name));
                continue;
            }
            let Some(found) = &value.shape else { continue };
            if !self.same_shape(promised, found, place) {
                self.errors.at(place, format!("`{name}` promises {} but this is {}", show(promised), show(found)));
            }
        }
    }

    /// A method with `#[adjoint]` hands on the adjoint that a callee makes.
    fn adjoint(&self, body: &[Instruction], outputs: &[ValueId]) {
        let callee = body.iter().find(|i| i.results == outputs).and_then(|i| match &i.op {
            Op::Layer { target: Target::Own, method } => self.model.functions.iter().find(|f| f.name == *method),
            Op::Layer { target: Target::Field(field), method } => match &self.model.fields[*field].kind {
                FieldKind::Layer(layer) => self.callees.method(&layer.signature, method),
                _ => None,
            },
            Op::Call { path, .. } => self.callees.function(path),
            _ => None,
        });
        if !callee.is_some_and(|callee| callee.adjoint) {
            let text = format!(
                "`#[adjoint]` says that `{}` returns what an op or a layer with `#[adjoint]` makes, and it does not",
                self.function.name
            );
            self.errors.at(&self.function.name, text);
        }
    }

    fn same_shape(&self, wanted: &[Dim], found: &[Dim], place: Place) -> bool {
        wanted.len() == found.len()
            && wanted.iter().zip(found).all(|(w, f)| self.same(w, f, place, &format!("{w} is expected here, but this is {f}")))
    }

    /// Equal, or equal if named constants have the right values: then rustc evaluates an assertion at this place.
    fn same(&self, wanted: &Dim, found: &Dim, place: Place, text: &str) -> bool {
        let difference = wanted.minus(found);
        // An exact division in a signature, such as `SIZE / 4`, is checked when the model is built or runs.
        if difference != Dim::default() && !self.multiples.is_empty() {
            let [wanted, found] = [wanted, found].map(|d| d.substitute(&self.multiples));
            if wanted == found {
                return true;
            }
        }
        let names: Vec<&str> = difference.names().collect();
        if names.is_empty() || names.iter().any(|n| self.dims.contains(*n) || n.contains(['(', '/'])) {
            return difference == Dim::default();
        }
        let (Ok(left), Ok(right)) =
            (syn::parse_str::<syn::Expr>(&wanted.to_string()), syn::parse_str::<syn::Expr>(&found.to_string()))
        else {
            return false;
        };
        // rustc underlines an invocation from its first to its last token: so it covers the whole argument.
        let mut condition = Group::new(Delimiter::Parenthesis, quote_spanned!(place.first()=> #left == #right, #text));
        condition.set_span(place.last());
        let assertion = quote_spanned!(place.first()=> const _: () = ::core::assert! #condition;);
        self.deferred.borrow_mut().assertions.push(assertion);
        true
    }

    /// Notes that one dimension must divide another: checked now, in rustc, or when the model is built.
    fn divisible(&self, division: Division) {
        let Division { numerator, denominator, span } = &division;
        if let Some(counter) = numerator.names().chain(denominator.names()).find(|n| self.counters.contains(*n)) {
            let text = format!(
                "whether {numerator} is a multiple of {denominator} changes with `{counter}`: write `floor({numerator} / {denominator})`"
            );
            return self.errors.at(*span, text);
        }
        match (numerator.as_number(), denominator.as_number()) {
            (Some(_), Some(1)) | (_, Some(1)) => {}
            (Some(n), Some(d)) if d != 0 && n % d == 0 => {}
            (Some(n), Some(d)) => self.errors.at(*span, format!("{n} is not a multiple of {d}")),
            _ if numerator.over(denominator).names().all(|n| numerator.names().any(|m| m == n))
                && is_whole(&numerator.over(denominator)) => {}
            _ => {
                let mut deferred = self.deferred.borrow_mut();
                let known = |d: &Division| (d.numerator.clone(), d.denominator.clone());
                if !deferred.divisions.iter().any(|d| known(d) == known(&division)) {
                    deferred.divisions.push(division);
                }
            }
        }
    }

    fn number(&self, dim: &syn::Expr) -> Option<Dim> {
        let mut divisions = vec![];
        let dim_value = self.errors.take(Dim::parse(dim, &mut divisions))?;
        for name in dim_value.names() {
            self.known_name(name, Place::of(dim));
        }
        divisions.into_iter().for_each(|d| self.divisible(d));
        Some(dim_value)
    }

    /// A lower-case name in a dimension is a mistake; an upper-case one may be a constant of the module.
    fn known_name(&self, name: &str, place: Place) {
        let plain = name.chars().all(|c| c.is_alphanumeric() || c == '_');
        if plain && !self.dims.contains(name) && name.chars().any(|c| c.is_lowercase()) {
            let hint = crate::errors::did_you_mean(name, self.dims.iter().map(String::as_str));
            self.errors.at(place, format!("`{name}` is no dimension here{hint}"));
        }
    }
}

/// A quotient without fractions: the division is exact whatever the values.
fn is_whole(quotient: &Dim) -> bool {
    !quotient.to_string().contains('/')
}

/// A shape that is known to have no pack in front, so that its dimensions can be counted.
pub(crate) fn countable<'s>(checker: &Checker, shape: &'s Shape) -> Option<&'s Shape> {
    let pack = shape.first().and_then(Dim::as_name).is_some_and(|n| checker.packs.contains(n));
    (!pack).then_some(shape)
}

/// The methods of a model do not call each other in a circle: there is no end to such a computation.
pub fn check_circles(model: &Model, programs: &[Option<Program>], errors: &Errors) {
    let calls: Vec<Vec<usize>> = programs
        .iter()
        .map(|program| {
            let mut own = vec![];
            program.iter().for_each(|p| own_calls(model, &p.body, &mut own));
            own
        })
        .collect();
    for (start, function) in model.functions.iter().enumerate() {
        // Everything that the method reaches through others; calling itself at once is reported at the call.
        let (mut reached, mut open) =
            (BTreeSet::new(), calls[start].iter().filter(|c| **c != start).copied().collect::<Vec<_>>());
        while let Some(next) = open.pop() {
            if reached.insert(next) {
                open.extend(&calls[next]);
            }
        }
        if reached.contains(&start) {
            errors.at(
                function.place,
                format!("`{}` calls itself through other methods: there is no recursion in a forward pass", function.name),
            );
        }
    }
}

fn own_calls(model: &Model, body: &[Instruction], calls: &mut Vec<usize>) {
    for instruction in body {
        if let Op::Layer { target: Target::Own, method } = &instruction.op {
            calls.extend(model.functions.iter().position(|f| f.name == *method));
        }
        instruction.blocks().into_iter().for_each(|body| own_calls(model, body, calls));
    }
}
