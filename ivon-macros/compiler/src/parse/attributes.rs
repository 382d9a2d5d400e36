//! Attributes: which of them reach generated code, and which would be lost and are refused.

use crate::errors::Errors;
use crate::names;
use syn::visit::{self, Visit};
use syn::{AttrStyle, Attribute, Block, ItemStruct, Signature};

/// Attributes that change the level of lints.
const LINTS: [&str; 5] = ["allow", "expect", "warn", "deny", "forbid"];

/// The attributes of a method that generated functions keep.
#[derive(Clone, Default)]
pub struct Kept {
    /// All that are not ours: for the function that goes by the method's name.
    pub all: Vec<Attribute>,
    /// Those that silence lints: for all functions that are generated for it.
    pub lints: Vec<Attribute>,
}

/// The attributes of a function that generated code keeps; what is wrong goes to `errors`.
pub fn kept(attributes: &[Attribute], sig: &Signature, block: Option<&Block>, errors: &Errors) -> Kept {
    let mut all: Vec<Attribute> = attributes.iter().filter(|a| !is_of_a_method(a)).map(allowed).collect();
    for attribute in attributes {
        conditional(attribute, errors);
    }
    let mut inside = Inside { errors, lints: vec![] };
    inside.visit_signature(sig);
    block.iter().for_each(|b| inside.visit_block(b));
    all.extend(inside.lints);
    let lints = silenced(&all);
    Kept { all, lints }
}

/// The attributes among these that silence lints.
pub fn silenced(attributes: &[Attribute]) -> Vec<Attribute> {
    let deprecated = attributes.iter().any(|a| a.path().is_ident("deprecated"));
    // What is deprecated is still compiled.
    let of_ours = deprecated.then(|| syn::parse_quote!(#[allow(deprecated)]));
    attributes.iter().map(allowed).filter(|a| a.path().is_ident("allow")).chain(of_ours).collect()
}

/// `#[expect(..)]` as `#[allow(..)]`: what is expected in the source need not be found in generated code.
pub fn allowed(attribute: &Attribute) -> Attribute {
    let mut attribute = outer(attribute);
    if let (true, syn::Meta::List(list)) = (attribute.path().is_ident("expect"), &mut attribute.meta) {
        list.path = syn::parse_quote!(allow);
    }
    attribute
}

/// The same of a struct and its fields.
pub fn silenced_of(structure: &ItemStruct) -> Vec<Attribute> {
    let fields = structure.fields.iter().flat_map(|f| silenced(&f.attrs));
    silenced(&structure.attrs).into_iter().chain(fields).collect()
}

/// True if an attribute is one of ours, for methods.
fn is_of_a_method(attribute: &Attribute) -> bool {
    ["replaces", "adjoint", "composed", "interface"].iter().any(|name| attribute.path().is_ident(name))
}

/// An attribute of a function's own block, `#![allow(..)]`, as one above it.
fn outer(attribute: &Attribute) -> Attribute {
    Attribute { style: AttrStyle::Outer, ..attribute.clone() }
}

/// rustc evaluates conditions before the model is compiled; without rustc nothing can.
pub fn conditional(attribute: &Attribute, errors: &Errors) {
    if ["cfg", "cfg_attr"].iter().any(|name| attribute.path().is_ident(name)) {
        errors.at(
            attribute,
            "whether this condition holds is known to rustc alone: expand a source without `#[cfg]` and `#[cfg_attr]` in it",
        );
    }
}

/// Attributes within a function, which has no statements of its own in generated code.
struct Inside<'a> {
    errors: &'a Errors,
    lints: Vec<Attribute>,
}

impl<'ast> Visit<'ast> for Inside<'_> {
    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        let name = attribute.path().segments.last().map(|s| names::plain(&s.ident)).unwrap_or_default();
        let tool = attribute.path().segments.first().is_some_and(|s| s.ident == "rustfmt");
        match name.as_str() {
            "doc" => {}
            _ if tool => {}
            "cfg" | "cfg_attr" => conditional(attribute, self.errors),
            "allow" | "expect" => self.lints.extend(silenced(std::slice::from_ref(attribute))),
            _ if LINTS.contains(&name.as_str()) => {
                self.errors.at(attribute, format!("`#[{name}]` would be lost here: put it on the method"))
            }
            _ => self.errors.at(
                attribute,
                format!(
                    "`#[{name}]` would be lost here: a forward pass is compiled as a whole, and attributes stand on the method"
                ),
            ),
        }
        visit::visit_attribute(self, attribute);
    }
}
