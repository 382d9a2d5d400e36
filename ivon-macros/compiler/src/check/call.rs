//! Calls of layers, ops and functions: arity, kinds, and unification of shapes.

use super::Checker;
use crate::callee::Callee;
use crate::dims::{Dim, Division, Shape, show};
use crate::errors::{Place, did_you_mean_or, nearest};
use crate::ir::*;
use crate::lower::{buffer_misuse, is_no_count, no_count, not_of_type, wrong_count};
use crate::parse::{FieldKind, Function, Generic, INTRINSICS, InputKind, LayerType, path_text};
use std::collections::{BTreeMap, BTreeSet};

/// A callee as an error names it.
struct Name {
    text: String,
    /// ", declared at src/model.rs:7"
    declared: String,
}

impl Checker<'_> {
    pub(super) fn call(&self, instruction: &Instruction, values: &[Value]) -> Option<Vec<Shape>> {
        match &instruction.op {
            Op::Layer { target, method } => {
                let (field, layer) = match target {
                    Target::Own => {
                        let function = self.model.functions.iter().find(|f| f.name == *method)?;
                        if function.name == self.function.name {
                            self.errors.at(
                                instruction.place,
                                format!("`{method}` calls itself: there is no recursion in a forward pass"),
                            );
                            return None;
                        }
                        // The model's own generics mean themselves.
                        let own = self.model.generics.iter().filter(|g| !g.flag);
                        let bind = own.map(|g| (g.name.to_string(), Dim::name(&g.name.to_string()))).collect();
                        let name = Name { text: format!("self.{method}"), declared: String::new() };
                        return self.apply(&name, function, bind, instruction, values);
                    }
                    Target::Field(index) | Target::Item { field: index, .. } | Target::Element { field: index, .. } => {
                        let field = &self.model.fields[*index];
                        match &field.kind {
                            FieldKind::Layer(layer) | FieldKind::Array { of: layer, .. } => (field, layer),
                            _ => return None,
                        }
                    }
                };
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
                let name =
                    Name { text: format!("{}: {ty}", field.name), declared: format!(" (declared at {})", field.place.line()) };
                let bind = self.with_constants(function, &signatures.generics, layer, bind);
                self.apply(&name, function, bind, instruction, values)
            }
            Op::Call { path, dims } => {
                let name = path_text(path);
                match self.callees.get(path) {
                    None | Some(Callee::Missing) => {
                        if let Some(import) = crate::library::import(&name, &self.callees.runtime) {
                            self.errors.at(instruction.place, format!("`{name}` is not imported: `{import}`"));
                            return None;
                        }
                        let hint =
                            nearest(&name, self.callables()).map(|n| format!(" (did you mean `{n}`?)")).unwrap_or_default();
                        self.errors.at(instruction.place, format!(
                            "`{name}` is not an op here{hint}: it is not imported, or `signature!` or `#[variational]` is missing on it"));
                        None
                    }
                    Some(Callee::Model(_)) => {
                        self.errors.at(
                            instruction.place,
                            format!("`{name}` is a layer: make it a field and call its method, `self.layer.forward(x)`"),
                        );
                        None
                    }
                    Some(Callee::Op(function) | Callee::Composed(function) | Callee::Pointwise(function)) => {
                        if function.consts.len() != dims.len() {
                            let names: Vec<String> = function.consts.iter().map(|c| c.name.to_string()).collect();
                            let wanted = if names.is_empty() {
                                "no dimensions".into()
                            } else {
                                format!("`{name}::<{}>(..)`", names.join(", "))
                            };
                            self.errors.at(
                                instruction.place,
                                format!("`{name}` takes {wanted}, but {} dimensions are given", dims.len()),
                            );
                            return None;
                        }
                        let values_of: Option<Vec<Dim>> = dims.iter().map(|d| self.number(d)).collect();
                        let bind = function.consts.iter().map(|c| c.name.to_string()).zip(values_of?).collect();
                        let name = Name { text: name, declared: String::new() };
                        self.apply(&name, function, bind, instruction, values)
                    }
                }
            }
            _ => None,
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

    /// Unifies a signature with the arguments and gives the shapes of the results.
    fn apply(
        &self,
        name: &Name,
        function: &Function,
        mut bind: BTreeMap<String, Dim>,
        call: &Instruction,
        values: &[Value],
    ) -> Option<Vec<Shape>> {
        if function.inputs.len() != call.arguments.len() {
            self.errors.at(call.place, format!("{}{}", wrong_count(&name.text, function, call.arguments.len()), name.declared));
            return None;
        }
        let mut packs: BTreeMap<String, Shape> = BTreeMap::new();
        let variables: BTreeSet<String> = function.variables.iter().filter(|v| !v.pack).map(|v| v.name.to_string()).collect();
        let mut fine = true;
        for (i, (input, argument)) in function.inputs.iter().zip(&call.arguments).enumerate() {
            let place = call.argument_places.get(i).copied().unwrap_or(call.place);
            let (formal, kind) = match (&input.kind, argument) {
                (InputKind::Number(ty), Argument::Number(n)) if ty == "usize" && is_no_count(n) => {
                    self.errors.at(place, no_count(&input.name, &name.text));
                    fine = false;
                    continue;
                }
                (InputKind::Number(ty), Argument::Number(_)) if ty != "bool" => continue,
                (InputKind::Number(ty), Argument::Flag(_)) if ty == "bool" => continue,
                (InputKind::Optional { .. }, Argument::Absent) => continue,
                (InputKind::Number(ty), Argument::Number(_) | Argument::Flag(_)) => {
                    self.errors.at(place, not_of_type(&input.name, &name.text, ty));
                    fine = false;
                    continue;
                }
                (_, Argument::Absent) => {
                    self.errors
                        .at(call.place, format!("`{}` of `{}` is always needed, and `None` is given", input.name, name.text));
                    fine = false;
                    continue;
                }
                (InputKind::Number(ty), Argument::Value(v)) => {
                    self.errors.at(
                        values[*v].place,
                        format!("`{}` of `{}` is a number ({ty}), and this is a tensor", input.name, name.text),
                    );
                    fine = false;
                    continue;
                }
                (InputKind::Buffer { .. }, Argument::Number(_) | Argument::Flag(_)) => {
                    self.errors.at(place, not_a_buffer(&name.text, &input.name, "a number"));
                    fine = false;
                    continue;
                }
                (_, Argument::Number(_) | Argument::Flag(_)) => {
                    self.errors.at(place, format!("`{}` of `{}` is a tensor, and a number is given", input.name, name.text));
                    fine = false;
                    continue;
                }
                (InputKind::Tensor { shape, .. } | InputKind::Optional { shape }, _) => (shape, Kind::Float),
                (InputKind::Ids { shape, .. }, _) => (shape, Kind::Ids),
                (InputKind::Buffer { shape }, _) => (shape, Kind::Buffer),
            };
            let Argument::Value(v) = argument else { continue };
            let value = &values[*v];
            match (kind, value.kind) {
                (Kind::Ids, Kind::Float) if value.shape.is_none() => {
                    fine = false; // made by a mistake
                    continue;
                }
                (Kind::Buffer, Kind::Buffer) => {
                    let before = function.inputs.iter().zip(&call.arguments[..i]);
                    let again =
                        before.filter(|(i, _)| matches!(i.kind, InputKind::Buffer { .. })).any(|(_, a)| a.value() == Some(*v));
                    if again {
                        self.errors.at(
                            place,
                            format!(
                                "`{}` is given to `{}` twice: each buffer is kept up to date for itself",
                                value.name, name.text
                            ),
                        );
                        fine = false;
                        continue;
                    }
                }
                (_, Kind::Buffer) => {
                    self.errors.at(place, buffer_misuse(&value.name));
                    fine = false;
                    continue;
                }
                (Kind::Buffer, Kind::Float) if value.shape.is_none() => {
                    fine = false; // made by a mistake
                    continue;
                }
                (Kind::Buffer, other) => {
                    let what = if other == Kind::Ids { "ids" } else { "a tensor" };
                    self.errors.at(place, not_a_buffer(&name.text, &input.name, what));
                    fine = false;
                    continue;
                }
                (Kind::Float, Kind::Ids) => {
                    self.errors.at(
                        place,
                        format!(
                            "`{}`{} takes a tensor as `{}`, but `{}` holds ids: look them up with an embedding first",
                            name.text, name.declared, input.name, value.name
                        ),
                    );
                    fine = false;
                    continue;
                }
                (Kind::Ids, Kind::Float) => {
                    self.errors.at(
                        place,
                        format!(
                            "`{}`{} takes ids as `{}`, but this is a tensor of numbers",
                            name.text, name.declared, input.name
                        ),
                    );
                    fine = false;
                    continue;
                }
                _ => {}
            }
            if let (Role::Parameter { optional: true, field }, false) =
                (value.role, matches!(input.kind, InputKind::Optional { .. }))
            {
                self.errors.at(
                    place,
                    format!(
                        "`{}` may be absent, but `{}` of `{}` is always needed",
                        self.model.fields[field].name, input.name, name.text
                    ),
                );
                fine = false;
                continue;
            }
            let Some(actual) = &value.shape else {
                fine = false;
                continue;
            };
            let led = formal.first().and_then(|d| packs.get(self.pack_of(d, function)?)).cloned();
            let mut why = String::new();
            if !self.unify(formal, actual, function, &variables, &mut bind, &mut packs, place, name, &mut why) {
                // The leading dimensions are known if an earlier argument has them too.
                let wanted: Vec<String> = formal
                    .iter()
                    .flat_map(|d| match (self.pack_of(d, function), &led) {
                        (None, _) => vec![d.substitute(&bind).to_string()],
                        (Some(_), Some(led)) => led.iter().map(|d| d.to_string()).collect(),
                        (Some(_), None) => vec!["..".into()],
                    })
                    .collect();
                let which = if function.inputs.len() > 1 { format!(" as `{}`", input.name) } else { String::new() };
                self.errors.at(
                    place,
                    format!(
                        "`{}`{} takes [{}]{which} but this is {}{why}",
                        name.text,
                        name.declared,
                        wanted.join(", "),
                        show(actual)
                    ),
                );
                fine = false;
            }
        }
        if !fine {
            return None;
        }
        function
            .outputs
            .iter()
            .map(|shape| {
                let mut out = vec![];
                for dim in shape {
                    match dim.as_name().and_then(|n| packs.get(n)) {
                        Some(lead) => out.extend(lead.clone()),
                        None => out.push(dim.substitute(&bind)),
                    }
                }
                // A computed dimension of zero: a window that is larger than what it slides over.
                let computed = shape.iter().any(|d| d.names().any(|n| n.starts_with("floor")));
                if let Some(bad) = out.iter().find(|d| d.is_impossible() || (computed && d.as_number() == Some(0))) {
                    let why = if computed { ": the kernel is larger than the padded image" } else { "" };
                    self.errors
                        .at(call.place, format!("`{}` would give a dimension of {bad} here, {}{why}", name.text, show(&out)));
                    return None;
                }
                Some(out)
            })
            .collect()
    }

    fn pack_of<'d>(&self, dim: &'d Dim, function: &Function) -> Option<&'d str> {
        dim.as_name().filter(|n| function.variables.iter().any(|v| v.pack && v.name == *n))
    }

    #[allow(clippy::too_many_arguments)] // the state of one unification
    fn unify(
        &self,
        formal: &[Dim],
        actual: &[Dim],
        function: &Function,
        variables: &BTreeSet<String>,
        bind: &mut BTreeMap<String, Dim>,
        packs: &mut BTreeMap<String, Shape>,
        place: Place,
        name: &Name,
        why: &mut String,
    ) -> bool {
        let pack = formal.first().and_then(|d| self.pack_of(d, function));
        let fixed = formal.len() - usize::from(pack.is_some());
        if actual.len() < fixed || (pack.is_none() && actual.len() != fixed) {
            return false;
        }
        let (lead, tail) = actual.split_at(actual.len() - fixed);
        // The caller's own `Rest` must stay in front: it cannot be counted.
        if tail.iter().any(|d| d.as_name().is_some_and(|n| self.packs.contains(n))) {
            return false;
        }
        let mut fine = true;
        if let Some(pack) = pack {
            let known = packs.entry(pack.to_string()).or_insert_with(|| lead.to_vec()).clone();
            fine &= known.len() == lead.len()
                && known
                    .iter()
                    .zip(lead)
                    .all(|(k, l)| self.same(k, l, place, &format!("`{}` takes {k} here but this is {l}", name.text)));
        }
        for (formal, actual) in formal[usize::from(pack.is_some())..].iter().zip(tail) {
            let unknown = |n: &str| variables.contains(n) && !bind.contains_key(n);
            let open = formal.names().any(unknown);
            // Variables that are bound already count as known while the rest is solved for.
            let known = formal.substitute(bind);
            match known.solve(actual, unknown) {
                Some((variable, value, factor)) if open => {
                    if value.is_impossible() {
                        // Reported with the shapes: no whole number fits.
                        fine = false;
                        *why = format!(": {actual} is not a multiple of {factor}");
                        continue;
                    }
                    if factor != Dim::constant(1) {
                        self.divisible(Division { numerator: actual.clone(), denominator: factor, span: place.first() });
                    }
                    bind.insert(variable, value);
                }
                None if open => fine = false,
                _ => {
                    fine &= self.same(&known, actual, place, &format!("`{}` takes {known} here but this is {actual}", name.text))
                }
            }
        }
        fine
    }
}

fn not_a_buffer(callee: &str, input: impl std::fmt::Display, found: &str) -> String {
    format!("`{input}` of `{callee}` is a buffer, a field `{input}: Buffer<..>` of the model, and this is {found}")
}

/// Names in a signature that are neither generics nor symbolic dimensions: constants of its module.
pub fn free_constants(function: &Function, generics: &[Generic]) -> BTreeSet<String> {
    let known: BTreeSet<String> = generics
        .iter()
        .chain(&function.consts)
        .map(|g| g.name.to_string())
        .chain(function.variables.iter().map(|v| v.name.to_string()))
        .collect();
    let inputs = function.inputs.iter().filter_map(|i| match &i.kind {
        InputKind::Tensor { shape, .. }
        | InputKind::Ids { shape, .. }
        | InputKind::Optional { shape }
        | InputKind::Buffer { shape } => Some(shape),
        InputKind::Number(_) => None,
    });
    inputs
        .chain(&function.outputs)
        .flatten()
        .flat_map(|d| d.names())
        .filter(|n| !known.contains(*n) && !n.contains(['(', '/', '<']))
        .map(str::to_string)
        .collect()
}
