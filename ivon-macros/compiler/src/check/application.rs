//! A signature applied to arguments: one rule for each thing that may be wrong with an argument, then the unification of shapes.

use super::Checker;
use crate::dims::{Dim, Division, Shape, show};
use crate::errors::Place;
use crate::ir::*;
use crate::lower::{buffer_misuse, is_no_count, no_count, not_of_type, wrong_count};
use crate::parse::{Function, Input, InputKind};
use std::collections::BTreeMap;

/// A callee as an error names it.
pub(super) struct Name {
    pub text: String,
    /// ", declared at src/model.rs:7"
    pub declared: String,
}

/// One call, while its arguments are checked from the first to the last.
pub(super) struct Application<'a> {
    pub checker: &'a Checker<'a>,
    pub name: Name,
    pub function: &'a Function,
    pub call: &'a Instruction,
    pub values: &'a [Value],
    /// The dimensions of the signature that are known.
    pub bind: BTreeMap<String, Dim>,
    /// What `Rest: Dims` stands for.
    pub packs: BTreeMap<String, Shape>,
}

impl Application<'_> {
    /// Unifies the signature with the arguments and gives the shapes of the results.
    pub fn results(mut self) -> Option<Vec<Shape>> {
        let (function, call) = (self.function, self.call);
        if function.inputs.len() != call.arguments.len() {
            let count = wrong_count(&self.name.text, function, call.arguments.len());
            self.checker.errors.at(call.place, format!("{count}{}", self.name.declared));
            return None;
        }
        // All arguments are checked, so that all mistakes are reported.
        let fits: Vec<bool> = (0..function.inputs.len()).map(|i| self.argument(i)).collect();
        if fits.contains(&false) {
            return None;
        }
        function.outputs.iter().map(|shape| self.result(shape)).collect()
    }

    /// True if an argument fits; else that is reported, as a mistake in it was before.
    fn argument(&mut self, i: usize) -> bool {
        let (input, argument) = (&self.function.inputs[i], &self.call.arguments[i]);
        let place = self.call.argument_places.get(i).copied().unwrap_or(self.call.place);
        let Argument::Value(v) = argument else { return self.fits_without_tensor(input, argument, place) };
        let value = &self.values[*v];
        self.is_for_a_tensor(input, value)
            && self.fits_in_kind(input, value, place)
            && self.is_given_once(i, *v, place)
            && self.is_present(input, value, place)
            && self.fits_in_shape(input, value, place)
    }

    fn wrong(&self, place: Place, text: String) -> bool {
        self.checker.errors.at(place, text);
        false
    }

    /// A number, a flag or `None`.
    fn fits_without_tensor(&self, input: &Input, argument: &Argument, place: Place) -> bool {
        let (input, kind, callee) = (&input.name, &input.kind, &self.name.text);
        match (kind, argument) {
            (InputKind::Number(ty), Argument::Number(n)) if ty == "usize" && is_no_count(n) => {
                self.wrong(place, no_count(input, callee))
            }
            (InputKind::Number(ty), Argument::Number(_)) if ty != "bool" => true,
            (InputKind::Number(ty), Argument::Flag(_)) if ty == "bool" => true,
            (InputKind::Optional { .. }, Argument::Absent) => true,
            (_, Argument::Absent) => {
                self.wrong(self.call.place, format!("`{input}` of `{callee}` is always needed, and `None` is given"))
            }
            (InputKind::Number(ty), _) => self.wrong(place, not_of_type(input, callee, ty)),
            (InputKind::Buffer { .. }, _) => self.wrong(place, not_a_buffer(callee, input, "a number")),
            _ => self.wrong(place, format!("`{input}` of `{callee}` is a tensor, and a number is given")),
        }
    }

    fn is_for_a_tensor(&self, input: &Input, value: &Value) -> bool {
        let InputKind::Number(ty) = &input.kind else { return true };
        let text = format!("`{}` of `{}` is a number ({ty}), and this is a tensor", input.name, self.name.text);
        self.wrong(value.place, text)
    }

    /// Tensors, ids and buffers are not taken for each other.
    fn fits_in_kind(&self, input: &Input, value: &Value, place: Place) -> bool {
        let wanted = match input.kind {
            InputKind::Ids { .. } => Kind::Ids,
            InputKind::Buffer { .. } => Kind::Buffer,
            _ => Kind::Float,
        };
        let Name { text: callee, declared } = &self.name;
        match (wanted, value.kind) {
            (Kind::Ids | Kind::Buffer, Kind::Float) if value.shape.is_none() => false, // made by a mistake
            (Kind::Buffer, Kind::Buffer) => true,
            (_, Kind::Buffer) => self.wrong(place, buffer_misuse(&value.name)),
            (Kind::Buffer, other) => {
                let found = if other == Kind::Ids { "ids" } else { "a tensor" };
                self.wrong(place, not_a_buffer(callee, &input.name, found))
            }
            (Kind::Float, Kind::Ids) => {
                let (input, value) = (&input.name, &value.name);
                let text = format!(
                    "`{callee}`{declared} takes a tensor as `{input}`, but `{value}` holds ids: look them up with an embedding first"
                );
                self.wrong(place, text)
            }
            (Kind::Ids, Kind::Float) => {
                let input = &input.name;
                self.wrong(place, format!("`{callee}`{declared} takes ids as `{input}`, but this is a tensor of numbers"))
            }
            _ => true,
        }
    }

    /// An op updates a buffer, so it gets each of them once.
    fn is_given_once(&self, i: usize, v: ValueId, place: Place) -> bool {
        let is_buffer = |i: usize| matches!(self.function.inputs[i].kind, InputKind::Buffer { .. });
        if !is_buffer(i) || !(0..i).any(|before| is_buffer(before) && self.call.arguments[before].value() == Some(v)) {
            return true;
        }
        let (value, callee) = (&self.values[v].name, &self.name.text);
        self.wrong(place, format!("`{value}` is given to `{callee}` twice: each buffer is kept up to date for itself"))
    }

    /// A parameter that may be absent is for arguments that may be absent.
    fn is_present(&self, input: &Input, value: &Value, place: Place) -> bool {
        match (value.role, &input.kind) {
            (Role::Parameter { optional: true, .. }, InputKind::Optional { .. }) => true,
            (Role::Parameter { optional: true, field }, _) => {
                let parameter = &self.checker.model.fields[field].name;
                let (input, callee) = (&input.name, &self.name.text);
                self.wrong(place, format!("`{parameter}` may be absent, but `{input}` of `{callee}` is always needed"))
            }
            _ => true,
        }
    }

    fn fits_in_shape(&mut self, input: &Input, value: &Value, place: Place) -> bool {
        let formal = match &input.kind {
            InputKind::Tensor { shape, .. }
            | InputKind::Ids { shape, .. }
            | InputKind::Optional { shape }
            | InputKind::Buffer { shape } => shape,
            InputKind::Number(_) => return true,
        };
        let Some(actual) = &value.shape else { return false };
        let led = formal.first().and_then(|d| self.packs.get(self.pack_of(d)?)).cloned();
        let mut why = String::new();
        if self.unify(formal, actual, place, &mut why) {
            return true;
        }
        // The leading dimensions are known if an earlier argument has them too.
        let wanted: Vec<String> = formal
            .iter()
            .flat_map(|d| match (self.pack_of(d), &led) {
                (None, _) => vec![d.substitute(&self.bind).to_string()],
                (Some(_), Some(led)) => led.iter().map(|d| d.to_string()).collect(),
                (Some(_), None) => vec!["..".into()],
            })
            .collect();
        let last_first =
            wanted.len() == 4 && actual.len() == 4 && wanted[3] == actual[1].to_string() && wanted[3] != actual[3].to_string();
        if last_first && why.is_empty() {
            why = ": an image is [B, H, W, C], with its channels last".into();
        }
        let which = if self.function.inputs.len() > 1 { format!(" as `{}`", input.name) } else { String::new() };
        let (Name { text, declared }, wanted) = (&self.name, wanted.join(", "));
        self.wrong(place, format!("`{text}`{declared} takes [{wanted}]{which} but this is {}{why}", show(actual)))
    }

    /// The shape of a result.
    fn result(&self, shape: &Shape) -> Option<Shape> {
        let mut out = vec![];
        for dim in shape {
            match dim.as_name().and_then(|n| self.packs.get(n)) {
                Some(lead) => out.extend(lead.clone()),
                None => out.push(dim.substitute(&self.bind)),
            }
        }
        // A computed dimension of zero: a window that is larger than what it slides over.
        let computed = shape.iter().any(|d| d.names().any(|n| n.starts_with("floor")));
        if let Some(bad) = out.iter().find(|d| d.is_impossible() || (computed && d.as_number() == Some(0))) {
            let why = if computed { ": the kernel is larger than the padded image" } else { "" };
            let text = format!("`{}` would give a dimension of {bad} here, {}{why}", self.name.text, show(&out));
            self.checker.errors.at(self.call.place, text);
            return None;
        }
        Some(out)
    }

    fn pack_of<'d>(&self, dim: &'d Dim) -> Option<&'d str> {
        dim.as_name().filter(|n| self.function.variables.iter().any(|v| v.pack && v.name == *n))
    }

    /// Makes a shape of the signature equal to that of an argument. What it finds out is noted in `bind` and `packs`; the reason why it cannot, in `why`.
    fn unify(&mut self, formal: &[Dim], actual: &[Dim], place: Place, why: &mut String) -> bool {
        let (checker, callee) = (self.checker, self.name.text.clone());
        let pack = formal.first().and_then(|d| self.pack_of(d));
        let fixed = formal.len() - usize::from(pack.is_some());
        if actual.len() < fixed || (pack.is_none() && actual.len() != fixed) {
            return false;
        }
        let (lead, tail) = actual.split_at(actual.len() - fixed);
        // The caller's own `Rest` must stay in front: it cannot be counted.
        if tail.iter().any(|d| d.as_name().is_some_and(|n| checker.packs.contains(n))) {
            return false;
        }
        let equal = |wanted: &Dim, found: &Dim| {
            checker.same(wanted, found, place, &format!("`{callee}` takes {wanted} here but this is {found}"))
        };
        let mut fine = true;
        if let Some(pack) = pack {
            let known = self.packs.entry(pack.to_string()).or_insert_with(|| lead.to_vec());
            fine &= known.len() == lead.len() && known.iter().zip(lead).all(|(k, l)| equal(k, l));
        }
        let is_variable = |n: &str| self.function.variables.iter().any(|v| !v.pack && v.name == n);
        for (formal, actual) in formal[usize::from(pack.is_some())..].iter().zip(tail) {
            let unknown = |n: &str| is_variable(n) && !self.bind.contains_key(n);
            let open = formal.names().any(unknown);
            // Variables that are bound already count as known while the rest is solved for.
            let known = formal.substitute(&self.bind);
            match known.solve(actual, unknown) {
                Some((_, value, factor)) if open && value.is_impossible() => {
                    // Reported with the shapes: no whole number fits.
                    fine = false;
                    *why = format!(": {actual} is not a multiple of {factor}");
                }
                Some((variable, value, factor)) if open => {
                    if factor != Dim::constant(1) {
                        checker.divisible(Division { numerator: actual.clone(), denominator: factor, span: place.first() });
                    }
                    self.bind.insert(variable, value);
                }
                None if open => fine = false,
                _ => fine &= equal(&known, actual),
            }
        }
        fine
    }
}

fn not_a_buffer(callee: &str, input: impl std::fmt::Display, found: &str) -> String {
    format!("`{input}` of `{callee}` is a buffer, a field `{input}: Buffer<..>` of the model, and this is {found}")
}
