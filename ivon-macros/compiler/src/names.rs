//! Every name of generated code that is not the user's own comes from here.

use proc_macro2::{Group, Ident, Span, TokenStream, TokenTree};
use std::collections::BTreeSet;

/// Names that generated code uses for itself.
pub const RESERVED: &[&str] = &["cx", "saved", "self", "ivon", "turn", "branch", "d_value", "drop", "Ok", "Err", "Some", "None"];

/// Returns the name of an argument in a function where nothing else has a name.
pub fn argument(name: &Ident) -> Ident {
    ident(&unique(&name.to_string(), |n| RESERVED.contains(&n) || n.starts_with("d_")))
}

/// The variable that holds saved values in the forward pass.
pub fn saved_variable(saved: &str) -> String {
    format!("{saved}_saved")
}

pub fn unique(hint: &str, taken: impl Fn(&str) -> bool) -> String {
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

/// Gives identifiers of these names the hygiene of generated code: they are its variables, and no lint looks at what they are called.
pub fn ours_in(names: &BTreeSet<String>, tokens: TokenStream) -> TokenStream {
    let one = |token| match token {
        TokenTree::Group(g) => {
            let mut inner = Group::new(g.delimiter(), ours_in(names, g.stream()));
            inner.set_span(g.span());
            inner.into()
        }
        TokenTree::Ident(i) if names.contains(&i.to_string()) => ours(&i).into(),
        other => other,
    };
    tokens.into_iter().map(one).collect()
}
