//! Every name of generated code that is not the user's own comes from here.

use crate::ir::*;
use crate::parse::{Function, Generic, InputKind};
use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use std::collections::BTreeSet;

/// Names in use within one function.
struct Names {
    used: BTreeSet<String>,
    /// Those of them that are variables of loops, and nothing else.
    loops: BTreeSet<String>,
}

/// Names that generated code uses for itself.
pub const RESERVED: &[&str] = &["cx", "saved", "self", "ivon", "turn", "branch", "d_value", "drop", "Ok", "Err", "Some", "None"];

/// Makes the names of values, of saved fields and of loops' variables unique, in order of appearance.
pub fn assign(program: &mut Program, function: &Function, generics: &[Generic]) {
    let mut names = Names { used: RESERVED.iter().map(|n| n.to_string()).collect(), loops: BTreeSet::new() };
    let numbers = function.inputs.iter().filter(|i| matches!(i.kind, InputKind::Number(_))).map(|i| &i.name);
    let dims = generics.iter().chain(&function.consts).map(|g| &g.name).chain(function.variables.iter().map(|v| &v.name));
    names.used.extend(numbers.chain(dims).map(Ident::to_string));
    let Program { values, inputs, body, variables, .. } = program;
    names.used.extend(variables.iter().map(Ident::to_string));
    for v in inputs.iter().flatten() {
        values[*v].name = names.fresh(&values[*v].name);
    }
    for value in values.iter_mut().filter(|v| matches!(v.role, Role::Parameter { .. })) {
        value.name = names.fresh(&value.name);
    }
    names.block(body, values);
}

impl Names {
    fn block(&mut self, body: &mut [Instruction], values: &mut [Value]) {
        for instruction in body {
            instruction.saved = self.saved(&instruction.saved);
            if let Op::Loop(l) = &mut instruction.op {
                for element in &mut l.elements {
                    let variable = self.variable(&element.variable.to_string());
                    if element.variable != variable {
                        let variable = Ident::new(&variable, element.variable.span());
                        rename_elements(&mut l.body, &element.variable, &variable);
                        element.variable = variable;
                    }
                }
                for (c, result) in l.carried.iter().zip(&instruction.results) {
                    // One variable of generated code, before, in and after an iteration.
                    let name = self.fresh(&values[c.turn].name);
                    values[c.turn].name = name.clone();
                    values[*result].name = name;
                }
                self.block(&mut l.body, values);
                continue;
            }
            for result in &instruction.results {
                values[*result].name = self.fresh(&values[*result].name);
            }
            if let Op::Branch(b) = &mut instruction.op {
                self.block(&mut b.then.body, values);
                self.block(&mut b.otherwise.body, values);
            }
        }
    }

    /// `hint`, or `hint_2`, `hint_3` where it is taken. Its adjoint's name is taken with it, and that of its kernel, which `h2` and
    /// `h_2` would share.
    fn fresh(&mut self, hint: &str) -> String {
        let name = unique(hint, |n| is_ours(n) || [n, &adjoint(n), &camel(n)].into_iter().any(|n| self.used.contains(n)));
        self.used.extend([adjoint(&name), camel(&name), format!("{}Backward", camel(&name)), name.clone()]);
        name
    }

    /// A loop's variable ends with the loop: another loop's may have its name, a value may not.
    fn variable(&mut self, hint: &str) -> String {
        let name = match self.loops.contains(hint) {
            true => hint.to_string(),
            false => unique(hint, |n| is_ours(n) || self.used.contains(n)),
        };
        self.used.insert(name.clone());
        self.loops.insert(name.clone());
        name
    }

    /// The name under which the saved values of a call are kept: the field `up`, the variable `up_saved`.
    fn saved(&mut self, hint: &str) -> String {
        let name = unique(hint, |n| self.used.contains(&saved_variable(n)));
        self.used.insert(saved_variable(&name));
        name
    }
}

/// Returns the name of an argument in a function where nothing else has a name.
pub fn argument(name: &Ident) -> Ident {
    ident(&unique(&name.to_string(), |n| RESERVED.contains(&n) || n.starts_with("d_")))
}

/// Calls the layers of a loop by another name.
fn rename_elements(body: &mut [Instruction], old: &Ident, new: &Ident) {
    for instruction in body {
        match &mut instruction.op {
            Op::Layer { target: Target::Element { variable, .. }, .. } if variable == old => *variable = new.clone(),
            // Another variable of that name hides this one.
            Op::Loop(l) if l.elements.iter().any(|e| e.variable == *old) => {}
            _ => instruction.blocks_mut().into_iter().for_each(|(body, _)| rename_elements(body, old, new)),
        }
    }
}

/// True if generated code makes names of this form beside values': `t0` and `s0` inside of kernels, `x_shape` and `x_after` outside. None may be
/// what [`unique`] makes of a name, `x_2`, or it would never find one.
fn is_ours(name: &str) -> bool {
    let inside = name.strip_prefix(['t', 's']).is_some_and(|n| !n.is_empty() && n.chars().all(|c| c.is_ascii_digit()));
    inside || name.ends_with("_shape") || name.ends_with("_after")
}

/// The variable that holds saved values in the forward pass.
pub fn saved_variable(saved: &str) -> String {
    format!("{saved}_saved")
}

fn unique(hint: &str, taken: impl Fn(&str) -> bool) -> String {
    let hint = hint.trim_start_matches("r#");
    // A Rust keyword is no name for a value.
    let hint = if is_keyword(hint) { format!("{hint}_") } else { hint.to_string() };
    if !taken(&hint) {
        return hint;
    }
    let mut i = 2;
    while taken(&format!("{hint}_{i}")) {
        i += 1;
    }
    format!("{hint}_{i}")
}

/// The adjoint of a value: `d_x`.
pub fn adjoint(value: &str) -> String {
    format!("d_{value}")
}

/// `forward_saving`
pub fn saving(method: &Ident) -> Ident {
    suffixed(method, "saving")
}

/// `forward_backward`
pub fn backward(method: &Ident) -> Ident {
    suffixed(method, "backward")
}

/// `forward_gelu_adjoint`
pub fn made_adjoint(method: &Ident) -> Ident {
    suffixed(method, "adjoint")
}

/// `loss_gradient`
pub fn gradient(method: &Ident) -> Ident {
    suffixed(method, "gradient")
}

fn suffixed(method: &Ident, suffix: &str) -> Ident {
    let mut name = ident(&format!("{}_{suffix}", plain(method)));
    name.set_span(ours(method).span());
    name
}

/// A name without `r#`: what a checkpoint, a profile or a longer name says.
pub fn plain(name: &Ident) -> String {
    name.to_string().trim_start_matches("r#").to_string()
}

/// The constant with a dimension's default.
pub fn default_of(dimension: impl std::fmt::Display) -> Ident {
    ident(&format!("DEFAULT_{}", dimension.to_string().trim_start_matches("r#")))
}

/// Returns the prefix of the types of a method's saved values: `MlpForward`, or `Swish` for a free function.
pub fn type_prefix(owner: &Ident, method: &Ident) -> String {
    let owner_text = camel(&plain(owner));
    if owner == method { owner_text } else { format!("{owner_text}{}", camel(&plain(method))) }
}

/// `MlpForwardSaved`
pub fn saved_struct(owner: &Ident, method: &Ident) -> Ident {
    ident(&format!("{}Saved", type_prefix(owner, method)))
}

/// The field with the number that a loop's counter starts from.
pub fn start(saved: &str) -> String {
    format!("{saved}_start")
}

/// `MlpForwardBranchThen`, `MlpForwardBranchElse`: what a block of a branch saves.
pub fn side_struct(owner: &Ident, method: &Ident, saved: &str, side: &str) -> Ident {
    ident(&format!("{}{}{side}", type_prefix(owner, method), camel(saved)))
}

/// `MlpForwardBlocksTurn`: what one iteration of a loop saves.
pub fn turn_struct(owner: &Ident, method: &Ident, saved: &str) -> Ident {
    ident(&format!("{}{}Turn", type_prefix(owner, method), camel(saved)))
}

/// `gate_up` to `GateUp`.
pub fn camel(name: &str) -> String {
    let capital = |word: &str| {
        let mut letters = word.chars();
        letters.next().map(|first| first.to_uppercase().chain(letters).collect::<String>())
    };
    name.split('_').filter_map(capital).collect()
}

/// An identifier of generated code.
pub fn ident(name: &str) -> Ident {
    let name = name.trim_start_matches("r#");
    if is_keyword(name) { Ident::new_raw(name, Span::call_site()) } else { Ident::new(name, Span::call_site()) }
}

/// A name of the user's as one of generated code, in its place: lints of generated code do not look at it.
pub fn ours(name: &Ident) -> Ident {
    let mut name = name.clone();
    name.set_span(Span::call_site().located_at(name.span()));
    name
}

/// Generated code is in no style. Lints of rustc do not look at it, those of clippy do.
pub fn quiet() -> TokenStream {
    quote::quote!(#[cfg_attr(clippy, allow(clippy::all, clippy::pedantic, clippy::nursery, clippy::restriction))])
}

/// A variable of generated code in the place of the user's: `block`, `block_2`.
pub fn numbered(name: &Ident, number: usize) -> Ident {
    let text = if number == 1 { plain(name) } else { format!("{}_{number}", plain(name)) };
    let mut numbered = ident(&text);
    numbered.set_span(ours(name).span());
    numbered
}

/// True if a name is a keyword in any edition.
pub fn is_keyword(name: &str) -> bool {
    name == "gen" || syn::parse_str::<Ident>(name).is_err()
}

/// The identifiers in a piece of code.
pub fn idents(code: &TokenStream, into: &mut BTreeSet<String>) {
    each_ident(code, &mut |ident| {
        into.insert(ident.to_string());
    });
}

/// Calls `visit` with every identifier in a piece of code, in order.
pub fn each_ident(code: &TokenStream, visit: &mut dyn FnMut(&Ident)) {
    for token in code.clone() {
        match token {
            TokenTree::Ident(ident) => visit(&ident),
            TokenTree::Group(g) => each_ident(&g.stream(), visit),
            _ => {}
        }
    }
}
