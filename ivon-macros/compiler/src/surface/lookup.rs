//! Macros that carry signatures, and the chain of calls that collects them.

use crate::names;
use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{format_ident, quote, quote_spanned};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use syn::spanned::Spanned;
use syn::{Attribute, Path, Visibility};

/// A macro that hands `payload` to a callback and travels under `alias` with visibility `vis`.
/// `{ seen.. } next, rest..` becomes `next! { { seen.. payload } rest.. }`: one arm, so macros chain without us.
pub fn travelling_macro(alias: &Ident, vis: &Visibility, payload: TokenStream) -> TokenStream {
    travelling_macro_named(&macro_name(alias), alias, vis, payload)
}

/// A name that nothing else in the crate has.
pub fn macro_name(alias: &Ident) -> Ident {
    let name = unique(&format!("__variational_{}_{}", names::plain(alias), position(alias.span())));
    Ident::new(&name, Span::call_site())
}

/// The macro of this name.
pub fn travelling_macro_named(name: &Ident, alias: &Ident, vis: &Visibility, payload: TokenStream) -> TokenStream {
    let export = matches!(vis, Visibility::Public(_)).then(|| quote!(#[macro_export]));
    let alias = names::ours(alias);
    quote! {
        #[doc(hidden)] #export
        macro_rules! #name {
            ({ $($seen:tt)* } $callback:path, $($rest:tt)*) => { $callback! { { $($seen)* #payload } $($rest)* } };
        }
        #[doc(hidden)] #vis use #name as #alias;
    }
}

/// Distinguishes two `pub struct Block` of one crate: `macro_export` puts both macros in the crate's root. (FNV-1a of the place.)
fn position(span: Span) -> String {
    let text = format!("{}:{}:{}", span.file(), span.start().line, span.start().column);
    let hash = text.bytes().fold(0xcbf29ce484222325u64, |h, b| (h ^ b as u64).wrapping_mul(0x100000001b3));
    format!("{:08x}", hash as u32)
}

/// Distinguishes what one place of the source becomes several times: a file that is two modules, a `macro_rules!` that makes two models.
pub fn unique(name: &str) -> String {
    static SEEN: Mutex<BTreeMap<String, usize>> = Mutex::new(BTreeMap::new());
    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    let count = seen.entry(name.to_string()).or_default();
    *count += 1;
    if *count == 1 { name.to_string() } else { format!("{name}_{count}") }
}

/// A number for each struct of a crate.
pub fn number() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Returns the place of another annotated impl of a struct, if one exists. An impl that is expanded again is the same one.
pub fn another_impl(structure: u64, place: Span) -> Option<String> {
    static IMPLS: Mutex<BTreeMap<u64, String>> = Mutex::new(BTreeMap::new());
    let place = format!("{}:{}:{}", place.file(), place.start().line, place.start().column + 1);
    let mut impls = IMPLS.lock().unwrap_or_else(PoisonError::into_inner);
    let known = impls.entry(structure).or_insert_with(|| place.clone());
    (*known != place).then(|| known.clone())
}

/// How often each name of a model has an annotated impl in this crate.
static ANNOTATED: Mutex<BTreeMap<String, usize>> = Mutex::new(BTreeMap::new());

/// Notes that a model of this name has an annotated impl.
pub fn annotated(name: &Ident) {
    *ANNOTATED.lock().unwrap_or_else(PoisonError::into_inner).entry(names::plain(name)).or_default() += 1;
}

/// True if a model of this name has an annotated impl: this one, or one of the same name elsewhere in the crate.
pub fn is_annotated(name: &Ident) -> bool {
    ANNOTATED.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&names::plain(name))
}

/// True if there are several of them.
pub fn is_annotated_again(name: &Ident) -> bool {
    ANNOTATED.lock().unwrap_or_else(PoisonError::into_inner).get(&names::plain(name)).is_some_and(|count| *count > 1)
}

/// Asks each path's macro for its payload and hands them all, in order, to the callback at the head of `then`.
///
/// All that follows from it stands in a constant with the attributes `lints`.
///
/// A path without such a macro answers `const MISSING: () = ();`. Three blocks, because an inner scope wins:
/// missing names < names in the user's scope < the call. An import whose name exists in no namespace would be
/// an error of its own; so each name exists, as a function: ops are modules and layers are types,
/// so emitted code never calls it, and a `let` of the same name shadows it.
pub fn look_up(paths: &[Path], lints: &[Attribute], then: &TokenStream) -> TokenStream {
    let Some(first_path) = paths.first() else {
        let mut tokens = then.clone().into_iter();
        let comma = |t: &TokenTree| matches!(t, TokenTree::Punct(p) if p.as_char() == ',');
        let callback: TokenStream = tokens.by_ref().take_while(|t| !comma(t)).collect();
        let rest: TokenStream = tokens.collect();
        let quiet = names::quiet();
        return quote!(#quiet #(#lints)* const _: () = { #callback! { {} #rest } };);
    };
    let names: Vec<_> = paths.iter().enumerate().map(|(i, path)| format_ident!("__callee_{i}", span = ours(path))).collect();
    let imports = paths.iter().zip(&names).map(|(path, name)| match path.get_ident().map(names::ours) {
        Some(path) => quote!(use #path as #name;),
        // Not as generated code: what rustc says of a path that leads nowhere is said of the user's.
        None => {
            let name = Ident::new(&name.to_string(), path.span());
            quote_spanned!(path.span()=> use #path as #name;)
        }
    });
    let exists = paths.iter().filter_map(|path| {
        let name = names::ours(path.get_ident()?);
        Some(quote!(fn #name() {}))
    });
    let first = format_ident!("__callee_0", span = ours(first_path));
    let more = &names[1..];
    let quiet = names::quiet();
    quote! {
        #quiet
        #(#lints)*
        const _: () = {
            macro_rules! __missing {
                ({ $($seen:tt)* } $callback:path, $($rest:tt)*) => { $callback! { { $($seen)* const MISSING: () = (); } $($rest)* } };
            }
            #(use __missing as #names;)*
            #(#exists)*
            { #(#imports)* { #first! { {} #(#more,)* #then } } }
        };
    }
}

/// The place of a path, in generated code.
fn ours(path: &Path) -> Span {
    Span::call_site().located_at(path.span())
}
