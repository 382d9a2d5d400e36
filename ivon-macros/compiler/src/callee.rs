//! The signatures of everything that a model calls. Macros carry them here from where they were written.

use crate::errors::{Errors, quiet};
use crate::parse::{self, Function, Generic, pointwise_body};
use crate::syntax::path_text;
use proc_macro2::Ident;
use std::collections::BTreeMap;
use syn::{GenericArgument, ImplItem, Item, ItemFn, ItemImpl, Path, PathArguments, Type, Visibility};

/// Signatures by the path that the user wrote.
pub struct Callees {
    known: BTreeMap<String, Callee>,
    /// The path of the runtime, for hints.
    pub runtime: String,
}

pub enum Callee {
    /// The name is not annotated.
    Missing,
    /// An op: a module with `forward`, `forward_saving` and `backward`.
    Op(Function),
    /// A function with `#[variational]` that calls ops: a type with these functions.
    Composed(Function),
    /// A function of arithmetic and intrinsics; its body is here.
    Pointwise(Function),
    Model(Signatures),
}

/// The methods of a model, or of an interface.
pub struct Signatures {
    /// True if these are of a trait.
    pub interface: bool,
    /// The number of type parameters.
    pub layers: usize,
    pub generics: Vec<Generic>,
    pub functions: Vec<Function>,
}

impl Callees {
    pub fn new(runtime: &Path) -> Callees {
        Callees { known: BTreeMap::new(), runtime: path_text(runtime) }
    }

    /// Takes in what travelled for one path.
    pub fn add(&mut self, path: &Path, item: &Item) {
        // A signature was checked where it was written; its mistakes were reported there.
        let callee = quiet(|errors| match item {
            Item::Fn(f) => function(f, errors),
            Item::Impl(i) => Callee::Model(signatures(i, errors)),
            _ => Callee::Missing,
        });
        self.known.insert(path_text(path), callee);
    }

    pub fn get(&self, path: &Path) -> Option<&Callee> {
        self.known.get(&path_text(path))
    }

    /// The names of all functions that are known.
    pub fn functions(&self) -> impl Iterator<Item = &str> {
        self.known.iter().filter(|(_, c)| !matches!(c, Callee::Missing | Callee::Model(_))).map(|(name, _)| name.as_str())
    }

    pub fn is_missing(&self, path: &Path) -> bool {
        matches!(self.get(path), Some(Callee::Missing) | None)
    }

    pub fn pointwise(&self, path: &Path) -> Option<&Function> {
        match self.get(path) {
            Some(Callee::Pointwise(f)) => Some(f),
            _ => None,
        }
    }

    pub fn function(&self, path: &Path) -> Option<&Function> {
        match self.get(path) {
            Some(Callee::Op(f) | Callee::Composed(f) | Callee::Pointwise(f)) => Some(f),
            _ => None,
        }
    }

    pub fn model(&self, path: &Path) -> Option<&Signatures> {
        match self.get(path) {
            Some(Callee::Model(s)) => Some(s),
            _ => None,
        }
    }

    pub fn method(&self, path: &Path, method: &Ident) -> Option<&Function> {
        self.model(path)?.functions.iter().find(|f| f.name == *method)
    }
}

fn function(item: &ItemFn, errors: &Errors) -> Callee {
    let empty = item.block.stmts.is_empty();
    let function =
        parse::function(&item.vis, &item.attrs, &item.sig, if empty { None } else { Some(&item.block) }, false, errors);
    if !empty && pointwise_body(&function) {
        Callee::Pointwise(function)
    } else if item.attrs.iter().any(|a| a.path().is_ident("composed")) {
        Callee::Composed(function)
    } else {
        Callee::Op(function)
    }
}

fn signatures(item: &ItemImpl, errors: &Errors) -> Signatures {
    // The struct's generics in the order of the model's own arguments: `impl<const W: usize> Block<W>`.
    let declared = parse::const_generics(&item.generics, errors);
    let generics = match &*item.self_ty {
        Type::Path(p) => match &p.path.segments[p.path.segments.len() - 1].arguments {
            PathArguments::AngleBracketed(a) => a.args.iter().filter_map(|a| generic(a, &declared)).collect(),
            _ => vec![],
        },
        _ => vec![],
    };
    let methods = item.items.iter().filter_map(|i| match i {
        ImplItem::Fn(f) => Some(parse::function(&Visibility::Inherited, &f.attrs, &f.sig, None, true, errors)),
        _ => None,
    });
    let interface = item.attrs.iter().any(|a| a.path().is_ident("interface"));
    let layers = item.generics.type_params().count();
    Signatures { interface, layers, generics, functions: methods.collect() }
}

fn generic(argument: &GenericArgument, declared: &[Generic]) -> Option<Generic> {
    match argument {
        GenericArgument::Type(Type::Path(p)) => declared.iter().find(|g| p.path.is_ident(&g.name)).cloned(),
        _ => None,
    }
}
