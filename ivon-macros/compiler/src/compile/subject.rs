//! What is compiled, and what is known of everything that it calls.

use syn::parse::{Parse, ParseStream};
use syn::{Error, Item, ItemFn, ItemImpl, ItemStruct, Path, Result, Token, braced};

/// Everything that is known in round 3.
pub struct Finish {
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
        let subject = match input.parse()? {
            Item::Struct(structure) => Subject::Model(structure, input.parse()?),
            Item::Fn(function) => Subject::Function(function),
            Item::Impl(item) => Subject::Conformance(item),
            other => return Err(Error::new_spanned(other, "a struct or a function is compiled")),
        };
        Ok(Finish { signatures, callees, runtime, subject })
    }
}
