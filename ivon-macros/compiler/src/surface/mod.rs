//! The surface: from an attribute to the compiler, in rounds, because a macro sees only its own item.
//!
//! | round | who | emits |
//! |---|---|---|
//! | struct | attribute | the erased struct; its fields under a macro `struct_Mlp_lacks_variational` |
//! | impl 1 | attribute | its signatures under a macro named like the model, `Mlp`; a look-up of the struct's fields |
//! | impl 2 | `__with_struct` | a look-up of every field's type and every called function |
//! | impl 3 | `__finish` | the compiler proper |
//! | trait | attribute | the trait; its signatures under a macro of its name |
//! | impl of a trait | attribute, `__finish` | a look-up of trait and layer; the compiler |
//!
//! Signatures travel as `macro_rules!` under the model's own name, so `use crate::layers::Block` brings type and definition together.

mod depth;
mod derives;
mod entry;
mod generics;
mod lookup;
mod runtime;
mod source;
mod structure;

use crate::compile::{self, Compiled, Finish, Subject};
use crate::errors::{Errors, Place, quiet};
use crate::parse;
use crate::respan;
use crate::syntax::{bare, last};
pub use depth::bounded;
pub use generics::with_names_of;
use lookup::{look_up, travelling_macro};
use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
pub use structure::has_impl;
use syn::parse::{Parse, ParseStream, Parser};
use syn::visit::{self, Visit};
use syn::{
    Attribute, Error, Expr, ExprCall, ImplItem, Item, ItemFn, ItemImpl, ItemStruct, ItemTrait, Path, PathArguments, Result,
    Signature, Token, TraitItem, Type, TypePath, Visibility, braced, parse2,
};

/// `#[variational]` on a struct, an impl or a function.
pub fn variational(arguments: TokenStream, item: TokenStream) -> TokenStream {
    if let Err(error) = bounded(&item).and(bounded(&arguments)) {
        return error.to_compile_error();
    }
    let (runtime, wrong) = runtime::path(&arguments);
    let item = entry::canonical(item);
    note_impl(&item);
    if entry::has_conditions(&item) {
        let evaluated = entry::evaluate(&runtime, &arguments, &item);
        return quote!(#wrong #evaluated);
    }
    let parsed = parse2::<Item>(item.clone()).map(entry::with_parentheses);
    let (parsed, again) = match parsed {
        Ok(item) => once(item),
        Err(error) => (Err(error), TokenStream::new()),
    };
    let compiled = match parsed {
        Ok(Item::Struct(item)) => structure::structure(&runtime, item),
        Ok(Item::Impl(item)) => implementation(&runtime, item),
        Ok(Item::Fn(item)) => function(&runtime, item),
        Ok(Item::Trait(item)) => interface(&runtime, item),
        Ok(Item::Enum(e)) => {
            with_error(Error::new_spanned(&e.ident, "a model is a struct: an enum has no fixed set of parameters"), item)
        }
        Ok(other) => with_error(
            Error::new_spanned(
                &other,
                "`#[variational]` goes on a struct, on its impl, on a function, or on the trait of a layer",
            ),
            item,
        ),
        Err(error) => {
            let stand_in = without_body(&item).map(|item| stand_in(&runtime, &item));
            let (unreadable, error) = (structure::unreadable(&item), with_error(error, item));
            quote!(#error #stand_in #unreadable)
        }
    };
    quote!(#wrong #again #compiled)
}

/// Notes the name of a model whose impl this is.
fn note_impl(item: &TokenStream) {
    let item = without_body(item).filter(|i| i.trait_.is_none());
    if let Some(Type::Path(ty)) = item.map(|i| *i.self_ty) {
        lookup::annotated(last(&ty.path));
    }
}

/// Ends the compilation after the errors so far: rustc ends it at a file that cannot be read. What it would report next are consequences: the
/// model language is not what rustc takes it for where no macro has compiled it.
fn stop(place: Span) -> TokenStream {
    quote_spanned!(place=> ::core::include!("errors that follow from the one above");)
}

/// The item with one `#[variational]`, and an error where there were more.
fn once(mut item: Item) -> (Result<Item>, TokenStream) {
    let attributes = match &mut item {
        Item::Struct(i) => &mut i.attrs,
        Item::Impl(i) => &mut i.attrs,
        Item::Fn(i) => &mut i.attrs,
        Item::Trait(i) => &mut i.attrs,
        _ => return (Ok(item), TokenStream::new()),
    };
    let again = attributes.iter().find(|a| source::is_variational(a));
    let text = "`#[variational]` stands here twice: leave one out";
    let error = again.map(|a| Error::new_spanned(a, text).to_compile_error()).unwrap_or_default();
    attributes.retain(|a| !source::is_variational(a));
    (Ok(item), error)
}

/// An item whose conditions rustc has evaluated.
pub fn configured(input: TokenStream) -> TokenStream {
    match entry::evaluated(input) {
        Ok((arguments, Some(item))) => variational(arguments, item.into_token_stream()),
        Ok((_, None)) => TokenStream::new(),
        Err(error) => error.to_compile_error(),
    }
}

fn with_error(error: Error, item: TokenStream) -> TokenStream {
    let error = error.to_compile_error();
    // The item stays, so that the editor keeps working, unless it is what does not parse.
    match parse2::<Item>(item.clone()) {
        Ok(_) => quote!(#error #item),
        Err(_) => error,
    }
}

/// An impl whose body is not Rust.
fn without_body(item: &TokenStream) -> Option<ItemImpl> {
    let mut tokens: Vec<TokenTree> = item.clone().into_iter().collect();
    tokens.pop();
    let head: TokenStream = tokens.into_iter().collect();
    parse2(quote!(#head {})).ok()
}

/// Returns the trait impl that the struct requires when its own impl was refused as a whole, so that nothing else fails.
fn stand_in(runtime: &Path, item: &ItemImpl) -> TokenStream {
    let Type::Path(TypePath { path, qself: None, .. }) = &*item.self_ty else { return quote!() };
    let mut path = path.clone();
    if item.generics.type_params().next().is_some() {
        return quote!();
    }
    path.segments.iter_mut().for_each(|s| s.arguments = PathArguments::None);
    let quiet = crate::names::quiet();
    quote! {
        #quiet
        const _: () = {
            impl #runtime::Model for #path {
                const NAME: &'static ::core::primitive::str = "";
                fn visit_parameters<'a>(&'a self, _: &mut dyn ::core::ops::FnMut(&'a #runtime::Parameter)) {}
            }
        };
    }
}

fn implementation(runtime: &Path, item: ItemImpl) -> TokenStream {
    let bad = |at: &dyn ToTokens, text: &str| Error::new_spanned(at, text).to_compile_error();
    if let (Some((path, _)), true) = (&item.trait_, !item.items.is_empty()) {
        let text = "`#[variational]` goes on an impl of the model itself, `impl Model { .. }`; on one of a trait, which is empty then, it says that the \
                    model has the methods of a trait with `#[variational]`";
        let error = bad(path, text);
        // The struct's own impl is taken for this one.
        let stand_in = stand_in(runtime, &item);
        if let Type::Path(ty) = &*item.self_ty {
            lookup::annotated(last(&ty.path));
        }
        // A trait of layers has no methods as rustc would want them.
        let item = path.segments.iter().all(|s| s.arguments.is_none()).then_some(&item);
        return quote!(#error #stand_in #item);
    }
    if item.trait_.is_some() {
        let callees = Callees::of_conformance(&item);
        return look_up(&callees, &parse::silenced(&item.attrs), &quote!(#runtime::__finish, {#(#callees),*} {#runtime} #item));
    }
    let Type::Path(TypePath { path, qself: None, .. }) = &*item.self_ty else {
        return bad(&item.self_ty, "`#[variational]` needs `impl Model { .. }`");
    };
    let name = last(path).clone();
    if !item.items.iter().any(|i| matches!(i, ImplItem::Fn(_))) {
        let text = "an annotated impl has a forward pass: `pub fn forward<B>(&self, x: Tensor<B, IN>) -> Tensor<B, OUT>`";
        let (error, stand_in) = (bad(&item.self_ty, text), stand_in(runtime, &item));
        return quote!(#error #stand_in);
    }
    if lookup::is_annotated_again(&name) && source::has_impl_above(&item) {
        let (error, stop) = (bad(&item.self_ty, &second_impl("above")), stop(name.span()));
        return quote!(#error #stop);
    }
    let (id, signature) = impl_signature(&name, &item);
    let mut fields = path.clone();
    if let Some(last) = fields.segments.last_mut() {
        (last.ident, last.arguments) = (structure::fields_macro(&last.ident), PathArguments::None);
    }
    let item = without_defaults(ItemImpl { attrs: with_id(&id, item.attrs), ..item });
    let call = look_up(&[fields], &parse::silenced(&item.attrs), &quote!(#runtime::__with_struct, {#runtime} #item));
    let present = travelling_macro(&structure::impl_macro(&name), &Visibility::Inherited, quote!(present));
    quote!(#signature #present #call)
}

/// The message about the second annotated impl of a struct.
fn second_impl(other: &str) -> String {
    format!(
        "a model has one impl with `#[variational]`, and the other one stands {other}: put all forward passes there, and other functions \
         into a plain impl"
    )
}

/// Removes the defaults of dimensions from an impl. An impl may repeat those of its struct, for users of the model; rustc does not accept them there.
pub fn without_defaults(mut item: ItemImpl) -> ItemImpl {
    item.generics.const_params_mut().for_each(|p| p.default = None);
    item
}

/// Expands an interface that several layers share.
fn interface(runtime: &Path, item: ItemTrait) -> TokenStream {
    let errors = Errors::new();
    let parsed = parse::interface(&item, &errors);
    crate::check::check_replaced(&parsed.functions, &errors);
    let errors = errors.found().tokens();
    let travelling = travelling_macro(&item.ident, &item.vis, interface_signature(&item));
    let emitted = crate::emit::interface(&item, &parsed, runtime);
    quote!(#errors #emitted #travelling)
}

/// The signatures of an interface, as those of a model.
pub fn interface_signature(item: &ItemTrait) -> TokenStream {
    let (name, generics) = (&item.ident, &item.generics);
    let dims = generics.const_params().map(|p| &p.ident);
    let signatures =
        item.items.iter().filter_map(|i| if let TraitItem::Fn(f) = i { Some(signature_of(&f.attrs, &f.sig)) } else { None });
    quote!(#[interface] impl #generics #name<#(#dims),*> { #(#signatures)* })
}

/// Signatures alone, as visible as the most visible method.
fn impl_signature(name: &Ident, item: &ItemImpl) -> (String, TokenStream) {
    let methods: Vec<_> = item.items.iter().filter_map(|i| if let ImplItem::Fn(f) = i { Some(f) } else { None }).collect();
    let public = methods.iter().find(|f| matches!(f.vis, Visibility::Public(_)));
    let restricted = methods.iter().find(|f| matches!(f.vis, Visibility::Restricted(_)));
    let vis = public.or(restricted).map_or(Visibility::Inherited, |f| f.vis.clone());
    travelling_item(name, &vis, signatures(item))
}

/// An attribute with what a model or a function is called among all of its crate.
fn with_id(id: &str, mut attributes: Vec<Attribute>) -> Vec<Attribute> {
    attributes.push(syn::parse_quote!(#[__id = #id]));
    attributes
}

/// A macro that hands on a signature, and the name under which the signature travels.
fn travelling_item(name: &Ident, vis: &Visibility, signature: TokenStream) -> (String, TokenStream) {
    let id = lookup::macro_name(name);
    let text = id.to_string();
    let tokens = lookup::travelling_macro_named(&id, name, vis, quote!(#[__id = #text] #signature));
    (text, tokens)
}

/// An impl without bodies: what its users' compilation knows of it.
pub fn signatures(item: &ItemImpl) -> TokenStream {
    let (generics, ty) = (&item.generics, &item.self_ty);
    let signatures =
        item.items.iter().filter_map(|i| if let ImplItem::Fn(f) = i { Some(signature_of(&f.attrs, &f.sig)) } else { None });
    quote!(impl #generics #ty { #(#signatures)* })
}

/// Returns the part of a method or an op that travels: its signature and some of its attributes.
pub fn signature_of(attributes: &[Attribute], sig: &Signature) -> TokenStream {
    let travelling = attributes.iter().filter(|a| parse::travels(a));
    quote!(#(#travelling)* #sig {})
}

/// A free function: an op without a kernel of its own.
fn function(runtime: &Path, item: ItemFn) -> TokenStream {
    let (name, vis) = (&item.sig.ident, &item.vis);
    let parsed = quiet(|errors| parse::function(vis, &item.attrs, &item.sig, Some(&item.block), false, errors));
    let pointwise = parse::pointwise_body(&parsed);
    let sig = &item.sig;
    let payload = match pointwise {
        true => {
            let block = &item.block;
            quote!(#sig #block)
        }
        false => quote!(#[composed] #sig {}),
    };
    let (id, travelling) = travelling_item(name, vis, payload);
    let attributes = item.attrs.iter().filter(|a| !a.path().is_ident("inline"));
    let type_name = crate::names::ours(name);
    let ty = quote! {
        #(#attributes)*
        #vis struct #type_name {}
    };
    let callees = Callees::of_function(&item);
    let item = ItemFn { attrs: with_id(&id, item.attrs.clone()), ..item.clone() };
    let call = look_up(&callees, &parse::silenced(&item.attrs), &quote!(#runtime::__finish, {#(#callees),*} {#runtime} #item));
    quote!(#ty #travelling #call)
}

/// `signature! { pub fn linear<..>(..) -> ..; }`
pub fn signature(input: TokenStream) -> TokenStream {
    let input = entry::canonical(input);
    if let Err(error) = bounded(&input) {
        return error.to_compile_error();
    }
    struct Declaration {
        attributes: Vec<Attribute>,
        vis: Visibility,
        sig: Signature,
    }
    impl Parse for Declaration {
        fn parse(input: ParseStream) -> Result<Self> {
            let attributes = input.call(Attribute::parse_outer)?;
            let declaration = Declaration { attributes, vis: input.parse()?, sig: input.parse()? };
            input.parse::<Token![;]>()?;
            Ok(declaration)
        }
    }
    match parse2::<Declaration>(input) {
        Ok(Declaration { attributes, vis, sig }) => {
            let errors = Errors::new();
            parse::function(&vis, &attributes, &sig, None, false, &errors);
            let errors = errors.found().tokens();
            let travelling = travelling_macro(&sig.ident, &vis, signature_of(&attributes, &sig));
            quote!(#errors #travelling)
        }
        Err(e) => e.to_compile_error(),
    }
}

/// Paths whose signatures are needed: types of fields, then functions that the bodies call; each once.
struct Callees {
    paths: Vec<Path>,
}

impl Callees {
    fn of_model(structure: &ItemStruct, item: &ItemImpl) -> Vec<Path> {
        let mut callees = Callees { paths: vec![] };
        let layers = parse::layer_parameters(&structure.generics).unwrap_or_default();
        for path in structure.fields.iter().filter_map(|f| layer_path(&f.ty)) {
            let own = path.segments.first().filter(|_| path.segments.len() == 1);
            let parameter = own.and_then(|s| layers.iter().find(|l| l.name == s.ident));
            callees.push(parameter.map_or(path, |l| &l.interface));
        }
        callees.visit_item_impl(item);
        callees.paths
    }

    fn of_conformance(item: &ItemImpl) -> Vec<Path> {
        let mut callees = Callees { paths: vec![] };
        item.trait_.iter().for_each(|(path, _)| callees.push(path));
        if let Type::Path(p) = &*item.self_ty {
            callees.push(&p.path);
        }
        callees.paths
    }

    fn of_function(item: &ItemFn) -> Vec<Path> {
        let mut callees = Callees { paths: vec![] };
        callees.visit_item_fn(item);
        callees.paths
    }

    fn push(&mut self, path: &Path) {
        let mut path = path.clone();
        path.segments.iter_mut().for_each(|s| s.arguments = PathArguments::None);
        if !self.paths.contains(&path) {
            self.paths.push(path);
        }
    }
}

impl<'ast> Visit<'ast> for Callees {
    fn visit_expr_call(&mut self, call: &'ast ExprCall) {
        if let Expr::Path(f) = bare(&call.func)
            && f.qself.is_none()
            // The standard library has a macro of that name; see `built_in` in `emit`.
            && !f.path.is_ident("concat")
            && !parse::is_new_list(&f.path)
            // It is reported where the body is read.
            && !parse::is_of_a_type(&f.path)
        {
            self.push(&f.path);
        }
        visit::visit_expr_call(self, call);
    }
}

/// The path of a field's layer; nothing for parameters and settings.
fn layer_path(ty: &Type) -> Option<&Path> {
    match ty {
        Type::Path(p) if p.qself.is_none() => {
            let name = last(&p.path).to_string();
            if last(&p.path) == "Option" {
                let inner = match p.path.segments.last().map(|s| &s.arguments) {
                    Some(PathArguments::AngleBracketed(a)) => a.args.first(),
                    _ => None,
                };
                return match inner {
                    Some(syn::GenericArgument::Type(inner @ Type::Path(_))) => layer_path(inner),
                    _ => None,
                };
            }
            let other = ["Parameter", "Buffer", "f64", "usize", "bool", "Tensor", "Ids", "Self"];
            (!other.contains(&name.as_str()) && !parse::is_no_layer(last(&p.path))).then_some(&p.path)
        }
        Type::Array(a) => layer_path(&a.elem),
        Type::Group(g) => layer_path(&g.elem),
        Type::Paren(p) => layer_path(&p.elem),
        _ => None,
    }
}

/// The callees of a model or a function, for [`crate::expand_file`].
#[cfg(feature = "expand")]
pub fn callees(subject: &Subject) -> Vec<Path> {
    match subject {
        Subject::Model(structure, item) => Callees::of_model(structure, item),
        Subject::Function(item) => Callees::of_function(item),
        Subject::Conformance(item) => Callees::of_conformance(item),
    }
}

struct WithStruct {
    /// The output of the struct's macro, or a marker that none exists.
    structure: TokenStream,
    runtime: Path,
    item: ItemImpl,
}

impl Parse for WithStruct {
    fn parse(input: ParseStream) -> Result<Self> {
        let (content, runtime);
        braced!(content in input);
        braced!(runtime in input);
        Ok(WithStruct { structure: content.parse()?, runtime: runtime.parse()?, item: input.parse()? })
    }
}

impl WithStruct {
    /// The struct, in the names of the impl; or what stands in place of the model where that cannot be had.
    fn structure(&self) -> std::result::Result<ItemStruct, TokenStream> {
        let read = |content: ParseStream| -> Result<(u64, TokenStream)> {
            Ok((content.parse::<syn::LitInt>()?.base10_parse()?, content.parse()?))
        };
        let at_model = |text: &str| Error::new_spanned(&self.item.self_ty, text).to_compile_error();
        if self.structure.to_string().starts_with("const") {
            let text = "the struct of this model is not annotated: put `#[variational]` on it, in this module";
            return Err(self.without_struct(at_model(text)));
        }
        let (number, structure) = read.parse2(self.structure.clone()).map_err(|e| e.to_compile_error())?;
        let place = Place::of(&self.item.self_ty).first();
        if let Some(other) = lookup::another_impl(number, place) {
            let (error, stop) = (at_model(&second_impl(&format!("at {other}"))), stop(place));
            return Err(quote!(#error #stop));
        }
        let home = self.item.impl_token.span;
        let structure = parse2(respan::as_if_written_in(home, structure)).and_then(|s| with_names_of(&self.item, s));
        structure.map_err(|error| {
            let (error, stand_in) = (error.to_compile_error(), stand_in(&self.runtime, &self.item));
            quote!(#error #stand_in)
        })
    }

    /// An error, and `new`: the struct is as the user wrote it. Where it computes dimensions, rustc does not accept it.
    fn without_struct(&self, error: TokenStream) -> TokenStream {
        let (generics, ty) = (&self.item.generics, &self.item.self_ty);
        if source::computes_dimensions(&self.item) {
            let stop = stop(Place::of(ty).first());
            return quote!(#error #stop);
        }
        let quiet = crate::names::quiet();
        quote! {
            #error
            #quiet
            impl #generics #ty {
                pub fn new() -> Self { ::core::unreachable!("this model did not compile") }
            }
        }
    }
}

/// Round 2: the fields are known. Asks for the signature of everything that is called.
pub fn with_struct(input: TokenStream) -> TokenStream {
    let parts: WithStruct = match bounded(&input).and_then(|()| parse2(input)) {
        Ok(parts) => parts,
        Err(e) => return e.to_compile_error(),
    };
    if parts.structure.to_string() == "unreadable" {
        return quote!();
    }
    let structure = match parts.structure() {
        Ok(structure) => structure,
        Err(refused) => return refused,
    };
    let WithStruct { runtime, item, .. } = parts;
    let callees = Callees::of_model(&structure, &item);
    look_up(&callees, &parse::silenced_of(&structure), &quote!(#runtime::__finish, {#(#callees),*} {#runtime} #structure #item))
}

/// Round 3: everything is known.
pub fn finish(input: TokenStream) -> TokenStream {
    let finish: Finish = match bounded(&input).and_then(|()| parse2(input)) {
        Ok(finish) => finish,
        Err(e) => return e.to_compile_error(),
    };
    if let Some(error) = compile::circle(&finish) {
        let (stop, error) = (stop(error.span()), error.to_compile_error());
        return quote!(#error #stop);
    }
    let compiled = compile::compile(&finish);
    let written = write_expansion(&compiled);
    let tokens = crate::emit::text::without_comments(compiled.tokens);
    let elsewhere = elsewhere(&finish.subject);
    // Naming the variable tells cargo to build again when it changes.
    quote!(#elsewhere #tokens #written const _: ::core::option::Option<&::core::primitive::str> = ::core::option_env!("IVON_EXPAND_DIR");)
}

/// `impl super::Block`: generated code says `Block`, which must mean the same.
fn elsewhere(subject: &Subject) -> TokenStream {
    let Subject::Model(_, ItemImpl { self_ty, .. }) = subject else { return quote!() };
    let Type::Path(TypePath { path, .. }) = &**self_ty else { return quote!() };
    if path.get_ident().is_some() || path.segments.len() < 2 {
        return quote!();
    }
    let mut path = path.clone();
    path.segments.iter_mut().for_each(|s| s.arguments = PathArguments::None);
    quote!(use #path;)
}

/// Writes the generated code where `IVON_EXPAND_DIR` says, as `CRATE/FILE.Model.rs`; an error where that cannot be done.
fn write_expansion(compiled: &Compiled) -> TokenStream {
    let Some(dir) = std::env::var_os("IVON_EXPAND_DIR").filter(|d| !d.is_empty()) else { return quote!() };
    let place = Place::of(&compiled.name);
    if std::path::Path::new(&dir).is_relative() {
        // A relative path would start at the compiler's working directory, which differs for a dependency.
        let text = format!("IVON_EXPAND_DIR is {dir:?}: name a folder by its whole path, `$PWD/expanded`");
        return Error::new(place.first(), text).to_compile_error();
    }
    let path = std::path::Path::new(&dir).join(expansion_file(&place.first().file(), &compiled.name));
    let path = std::path::PathBuf::from(format!("{}.rs", lookup::unique(&path.to_string_lossy())));
    let text = match written(compiled) {
        Ok(text) => text,
        Err(message) => return Error::new(place.first(), message).to_compile_error(),
    };
    let folder = path.parent().unwrap_or(std::path::Path::new(&dir));
    match std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&path, text)) {
        Ok(()) => quote!(),
        Err(e) => {
            let text = format!("IVON_EXPAND_DIR: cannot write {}: {e}", path.display());
            Error::new(place.first(), text).to_compile_error()
        }
    }
}

/// The generated code as text.
#[cfg(feature = "expand")]
fn written(compiled: &Compiled) -> std::result::Result<String, &'static str> {
    Ok(crate::emit::text::format(compiled.tokens.clone()))
}

#[cfg(not(feature = "expand"))]
fn written(_: &Compiled) -> std::result::Result<String, &'static str> {
    Err(
        "IVON_EXPAND_DIR is set, but `ivon-runtime` was built without its feature `expand`, which writes generated code: enable it in \
         Cargo.toml, or unset the variable",
    )
}

/// `ivon-cli/gpt2.Block` for the `Block` of `src/gpt2/mod.rs` in the package `ivon-cli`. A second one of this name in the crate gets a number.
fn expansion_file(source: &str, model: &Ident) -> std::path::PathBuf {
    let source = std::path::Path::new(source);
    let stem = |p: &std::path::Path| p.file_stem().map(|s| s.to_string_lossy().into_owned());
    let file = match stem(source) {
        Some(s) if s == "mod" => source.parent().and_then(stem),
        other => other,
    };
    let package = std::env::var("CARGO_PKG_NAME").unwrap_or_default();
    // Outside a macro the source has no name.
    let file = file.filter(|f| f.chars().all(|c| c.is_alphanumeric() || "_-".contains(c)));
    let model = crate::names::plain(model);
    let name = file.map_or(model.clone(), |f| format!("{f}.{model}"));
    std::path::Path::new(&package).join(name)
}
