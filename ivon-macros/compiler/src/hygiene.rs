//! Macro hygiene: two identifiers of one name are two variables where different macro expansions wrote them.

use proc_macro2::{Ident, Span};
use std::fmt;

/// A local variable or an argument, as rustc tells it from others of its name. Items, generics and fields have no such mark.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Variable {
    pub name: String,
    /// The expansion that wrote the identifier. Empty outside rustc.
    mark: String,
}

impl Variable {
    pub fn of(ident: &Ident) -> Variable {
        Variable { name: ident.to_string(), mark: mark(ident.span()) }
    }
}

impl fmt::Display for Variable {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// The syntax context of a span. A proc macro has no other access to it than the debug text of the span, `#5 bytes(10..20)`.
fn mark(span: Span) -> String {
    let text = format!("{span:?}");
    match text.split_once(' ') {
        Some((mark, _)) if mark.starts_with('#') => mark.to_string(),
        _ => String::new(),
    }
}
