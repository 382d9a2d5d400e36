//! What is compiled, and what is known of everything that it calls.

use syn::parse::{Parse, ParseStream};
use syn::{
    Attribute, Error, Expr, ExprLit, Item, ItemFn, ItemImpl, ItemStruct, Lit, Meta, MetaNameValue, Path, Result, Token, braced,
};

/// Everything that is known in round 3.
pub struct Finish {
    /// The name of what is compiled among all of its crate; `None` outside rustc.
    pub id: Option<String>,
    /// The signature of each callee, and the id under which it travels.
    pub ids: Vec<Option<String>>,
    pub signatures: Vec<Item>,
    pub callees: Vec<Path>,
    pub runtime: Path,
    pub subject: Subject,
}

/// The item that is compiled.
#[allow(clippy::large_enum_variant)] // one of each at a time
pub enum Subject {
    Model(ItemStruct, ItemImpl),
    Function(ItemFn),
    /// That a layer has an interface.
    Conformance(ItemImpl),
}

impl Parse for Finish {
    fn parse(input: ParseStream) -> Result<Self> {
        let (seen, names, runtime);
        braced!(seen in input);
        let mut signatures = vec![];
        while !seen.is_empty() {
            signatures.push(seen.parse()?);
        }
        braced!(names in input);
        let callees = names.parse_terminated(Path::parse_mod_style, Token![,])?.into_iter().collect();
        braced!(runtime in input);
        let runtime = runtime.parse()?;
        let mut subject = match input.parse()? {
            Item::Struct(structure) => Subject::Model(structure, input.parse()?),
            Item::Fn(function) => Subject::Function(function),
            Item::Impl(item) => Subject::Conformance(item),
            other => return Err(Error::new_spanned(other, "a struct or a function is compiled")),
        };
        let id = match &mut subject {
            Subject::Model(_, item) | Subject::Conformance(item) => take_id(&mut item.attrs),
            Subject::Function(item) => take_id(&mut item.attrs),
        };
        let of_signature = |item: &mut Item| match item {
            Item::Fn(f) => take_id(&mut f.attrs),
            Item::Impl(i) => take_id(&mut i.attrs),
            _ => None,
        };
        let ids = signatures.iter_mut().map(of_signature).collect();
        Ok(Finish { id, ids, signatures, callees, runtime, subject })
    }
}

/// Takes out `#[__id = ".."]`.
fn take_id(attributes: &mut Vec<Attribute>) -> Option<String> {
    let at = attributes.iter().position(|a| a.path().is_ident("__id"))?;
    match attributes.remove(at).meta {
        Meta::NameValue(MetaNameValue { value: Expr::Lit(ExprLit { lit: Lit::Str(id), .. }), .. }) => Some(id.value()),
        _ => None,
    }
}
