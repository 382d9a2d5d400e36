//! The generated code of a file's models as text, for snapshot tests and for reading.

use crate::compile::{Finish, Subject, compile};
use crate::emit::text;
use crate::errors::{Errors, quiet};
use crate::parse;
use crate::syntax::last;
use proc_macro2::TokenStream;
use quote::quote;
use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use syn::{File, Item, ItemFn, ItemImpl, ItemStruct, ItemTrait, Type, Visibility};

/// The sources of the runtime's layers and ops, whose signatures [`expand_file`] knows. They are links here, and files in the package.
const RUNTIME: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/runtime");

/// Why a file could not be expanded.
#[derive(Debug)]
pub enum ExpandError {
    /// It cannot be read.
    Read(PathBuf, std::io::Error),
    /// It is no Rust.
    Parse(PathBuf, syn::Error),
    /// A model in it does not compile: the model's name and every message.
    Model(String, Vec<String>),
}

impl fmt::Display for ExpandError {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            ExpandError::Read(path, e) => write!(f, "{}: cannot be read: {e}", path.display()),
            ExpandError::Parse(path, e) => write!(f, "{}:{}: not Rust: {e}", path.display(), e.span().start().line),
            ExpandError::Model(name, messages) => write!(f, "`{name}` does not compile:\n  {}", messages.join("\n  ")),
        }
    }
}

impl std::error::Error for ExpandError {}

/// The generated code of every model in a file. The models of `others` may be called, as may the runtime's layers and ops.
///
/// # Errors
/// If a file cannot be read or is no Rust, or a model does not compile.
pub fn expand_file(path: impl AsRef<Path>, others: &[&Path]) -> Result<String, ExpandError> {
    let others = others.iter().map(|p| parse_file(p)).collect::<Result<Vec<_>, _>>()?;
    expand(&parse_file(path.as_ref())?, &others)
}

fn parse_file(path: &Path) -> Result<File, ExpandError> {
    let source = std::fs::read_to_string(path).map_err(|e| ExpandError::Read(path.to_path_buf(), e))?;
    parse_text(&source).map_err(|e| ExpandError::Parse(path.to_path_buf(), e))
}

fn parse_text(source: &str) -> syn::Result<File> {
    crate::surface::bounded(&source.parse()?)?;
    syn::parse_file(source)
}

/// The same for source text.
///
/// # Errors
/// As [`expand_file`].
pub fn expand_source(source: &str) -> Result<String, ExpandError> {
    let file = parse_text(source).map_err(|e| ExpandError::Parse("source".into(), e))?;
    expand(&file, &[])
}

/// Signatures by the name that an import ends in: what rustc's resolver does in the macro.
#[derive(Clone, Default)]
struct Known {
    signatures: BTreeMap<String, Item>,
}

thread_local! {
    /// The runtime's layers and ops, which are read once: there are many, and a test expands many sources.
    static KNOWN: OnceCell<Known> = const { OnceCell::new() };
}

fn expand(file: &File, others: &[File]) -> Result<String, ExpandError> {
    let mut known = Known::of_runtime()?;
    others.iter().chain([file]).for_each(|f| known.add(f));
    let mut text = String::new();
    for part in parts(&file.items) {
        let subject = match part {
            Part::Subject(subject) => subject,
            Part::Interface(item) => {
                let errors = Errors::new();
                let read = parse::interface(&item, &errors);
                let found = errors.found();
                if !found.is_empty() {
                    return Err(ExpandError::Model(item.ident.to_string(), found.messages()));
                }
                text += &text::format(crate::emit::interface(&item, &read, &syn::parse_quote!(::ivon_runtime)));
                text.push('\n');
                continue;
            }
        };
        let callees = crate::surface::callees(&subject);
        let signatures = callees.iter().map(|p| known.find(p)).collect();
        let finish = Finish { id: None, ids: vec![], signatures, callees, runtime: syn::parse_quote!(::ivon_runtime), subject };
        let compiled = compile(&finish);
        if !compiled.errors.is_empty() {
            return Err(ExpandError::Model(compiled.name.to_string(), compiled.errors));
        }
        text += &text::format(compiled.tokens);
        text.push('\n');
    }
    Ok(text)
}

/// The names of the runtime's layers and ops, in order.
#[cfg(test)]
pub fn runtime_names() -> Result<Vec<String>, ExpandError> {
    Ok(Known::of_runtime()?.signatures.into_keys().collect())
}

impl Known {
    fn of_runtime() -> Result<Known, ExpandError> {
        if let Some(known) = KNOWN.with(|runtime| runtime.get().cloned()) {
            return Ok(known);
        }
        let mut known = Known::default();
        for folder in ["layers", "ops"] {
            known.add_folder(&Path::new(RUNTIME).join(folder))?;
        }
        Ok(KNOWN.with(|runtime| runtime.get_or_init(|| known).clone()))
    }

    fn add_folder(&mut self, folder: &Path) -> Result<(), ExpandError> {
        let failed = |e| ExpandError::Read(folder.to_path_buf(), e);
        for entry in std::fs::read_dir(folder).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            if path.is_dir() {
                self.add_folder(&path)?;
            } else if path.extension().is_some_and(|e| e == "rs") {
                self.add(&parse_file(&path)?);
            }
        }
        Ok(())
    }

    fn add(&mut self, file: &File) {
        self.items(&file.items);
    }

    fn items(&mut self, items: &[Item]) {
        for item in items {
            match item {
                Item::Mod(m) => {
                    if let Some((_, items)) = &m.content {
                        self.items(items);
                    }
                }
                Item::Trait(t) if annotated(&t.attrs) => {
                    self.insert(t.ident.to_string(), crate::surface::interface_signature(t));
                }
                Item::Impl(i) if annotated(&i.attrs) && i.trait_.is_none() => {
                    if let Type::Path(p) = &*i.self_ty {
                        self.insert(last(&p.path).to_string(), crate::surface::signatures(i));
                    }
                }
                Item::Fn(f) if annotated(&f.attrs) => {
                    let parsed = quiet(|errors| parse::function(&f.vis, &[], &f.sig, Some(&f.block), false, errors));
                    let (sig, block) = (&f.sig, &f.block);
                    let payload = if parse::pointwise_body(&parsed) { quote!(#sig #block) } else { quote!(#[composed] #sig {}) };
                    self.insert(f.sig.ident.to_string(), payload);
                }
                Item::Macro(m) if m.mac.path.segments.last().is_some_and(|s| s.ident == "signature") => {
                    let declaration = |input: syn::parse::ParseStream| {
                        let attributes = input.call(syn::Attribute::parse_outer)?;
                        input.parse::<Visibility>()?;
                        let sig: syn::Signature = input.parse()?;
                        input.parse::<syn::Token![;]>()?;
                        Ok((attributes, sig))
                    };
                    if let Ok((attributes, sig)) = m.mac.parse_body_with(declaration) {
                        self.insert(sig.ident.to_string(), crate::surface::signature_of(&attributes, &sig));
                    }
                }
                _ => {}
            }
        }
    }

    fn insert(&mut self, name: String, payload: TokenStream) {
        if let Ok(item) = syn::parse2(payload) {
            self.signatures.insert(name, item);
        }
    }

    fn find(&self, path: &syn::Path) -> Item {
        let missing = || Item::Verbatim(TokenStream::new());
        self.signatures.get(&last(path).to_string()).cloned().unwrap_or_else(missing)
    }
}

fn annotated(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|a| a.path().segments.last().is_some_and(|s| s.ident == "variational"))
}

/// An item whose generated code is returned as text.
#[allow(clippy::large_enum_variant)] // one at a time
enum Part {
    Subject(Subject),
    Interface(ItemTrait),
}

/// Everything annotated, in order.
fn parts(items: &[Item]) -> Vec<Part> {
    let mut structs: BTreeMap<String, &ItemStruct> = BTreeMap::new();
    for item in items {
        if let Item::Struct(s) = item {
            structs.insert(s.ident.to_string(), s);
        }
    }
    let mut all = vec![];
    for item in items {
        match item {
            Item::Impl(i) if annotated(&i.attrs) && i.trait_.is_some() => all.push(Part::Subject(Subject::Conformance(bare(i)))),
            Item::Impl(i) if annotated(&i.attrs) => {
                if let Some(structure) = model_struct(i, &structs) {
                    all.push(Part::Subject(Subject::Model(structure, bare(i))));
                }
            }
            Item::Fn(f) if annotated(&f.attrs) => {
                all.push(Part::Subject(Subject::Function(ItemFn { attrs: without_ours(&f.attrs), ..f.clone() })))
            }
            Item::Trait(t) if annotated(&t.attrs) => {
                all.push(Part::Interface(ItemTrait { attrs: without_ours(&t.attrs), ..t.clone() }))
            }
            Item::Mod(m) => {
                if let Some((_, items)) = &m.content {
                    all.extend(parts(items));
                }
            }
            _ => {}
        }
    }
    all
}

fn model_struct(item: &ItemImpl, structs: &BTreeMap<String, &ItemStruct>) -> Option<ItemStruct> {
    let Type::Path(p) = &*item.self_ty else { return None };
    let structure = structs.get(&last(&p.path).to_string())?;
    let structure = crate::surface::with_names_of(item, (*structure).clone()).ok()?;
    Some(ItemStruct { attrs: vec![], ..structure })
}

fn bare(item: &ItemImpl) -> ItemImpl {
    crate::surface::without_defaults(ItemImpl { attrs: without_ours(&item.attrs), ..item.clone() })
}

fn without_ours(attributes: &[syn::Attribute]) -> Vec<syn::Attribute> {
    attributes.iter().filter(|a| !annotated(std::slice::from_ref(a))).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_trait_of_layers_is_refused() {
        let error = expand_source("#[variational] trait Norm {}").unwrap_err().to_string();
        assert!(error.contains("`Norm` does not compile") && error.contains("the trait of a layer says what it does"), "{error}");
    }
}
