//! The compiler behind `#[variational]`: from a model in Rust to IVON training code.
//!
//! `parse → lower → check → fuse → differentiate → emit`, one file or directory each:
//!
//! * [`parse`](self): syn to the model language, a documented subset of Rust; its grammar stands at the top of `parse/mod.rs`.
//! * lower: to SSA; names are resolved.
//! * check: shapes, kinds, arity, usage. Errors are collected; after this pass nothing can fail.
//! * fuse: neighbouring elementwise steps become one kernel, and a layer takes in the kernel after it where it has a method for that.
//! * differentiate: reverse mode on SSA and inside each kernel.
//! * emit: readable Rust.
//!
//! The attribute is a shim over [`variational`], [`with_struct`] and [`finish`]; [`expand_file`] returns the generated code
//! of the user's own models as text.

mod callee;
mod check;
mod differentiate;
mod dims;
mod emit;
mod errors;
mod expand;
mod expression;
mod fuse;
mod hygiene;
mod ir;
mod library;
mod lower;
mod names;
mod parse;
mod solve;
mod surface;

pub use expand::{ExpandError, expand_file, expand_source};
pub use surface::{configured, finish, signature, variational, with_struct};

/// The sources of the runtime's layers and ops, whose signatures [`expand_file`] knows.
const RUNTIME: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../ivon-runtime/src");

use callee::Callees;
use check::Deferred;
use errors::Errors;
use proc_macro2::{Ident, TokenStream};
use quote::quote;
use std::cell::RefCell;
use std::collections::BTreeSet;
use surface::{Finish, Subject};
use syn::{ImplItem, ItemFn, ItemImpl, ItemStruct};

/// The result of compiling one model or function.
struct Compiled {
    name: Ident,
    /// Generated code, with comments; or errors and a fallback.
    tokens: TokenStream,
    /// The messages, where it did not compile.
    errors: Vec<String>,
}

/// Compiles a model or a function whose callees are known.
fn compile(finish: &Finish) -> Compiled {
    let mut callees = Callees::new(&finish.runtime);
    for (path, item) in finish.callees.iter().zip(&finish.signatures) {
        callees.add(path, item);
    }
    match &finish.subject {
        Subject::Model(structure, item) => compile_model(structure, item, &callees, finish),
        Subject::Function(item) => compile_function(item, &callees, finish),
        Subject::Conformance(item) => compile_conformance(item, &callees, finish),
    }
}

fn compile_model(structure: &ItemStruct, item: &ItemImpl, callees: &Callees, finish: &Finish) -> Compiled {
    let errors = Errors::new();
    if let syn::Fields::Unnamed(_) = &structure.fields {
        return unnamed(structure, item, finish);
    }
    let parse::Structure { layers, generics, fields, divisions, wrong } = parse::structure(structure, &errors);
    if let Some(unsafety) = &item.unsafety {
        errors.at(unsafety, "an annotated impl is a plain `impl`");
    }
    if let Some(clause) = &item.generics.where_clause {
        errors.at(clause, "an annotated impl has no `where` clause: dimensions are checked from the forward pass");
    }
    for other in item.items.iter().filter(|i| !matches!(i, ImplItem::Fn(_))) {
        errors.at(other, "an annotated impl holds functions alone: put constants and types in a plain impl");
    }
    let methods = item.items.iter().filter_map(|i| match i {
        ImplItem::Fn(f) => Some(parse::function(&f.vis, &f.attrs, &f.sig, Some(&f.block), true, &errors)),
        _ => None,
    });
    let functions: Vec<_> = methods.collect();
    let mut lints = parse::silenced_of(structure);
    lints.extend(parse::silenced(&item.attrs));
    let mut model = parse::Model { name: structure.ident.clone(), layers, generics, fields, functions, divisions, wrong, lints };
    check::check_fields(&mut model, callees, &errors);
    check::check_names(&model, &errors);
    check::check_replaced(&model.functions, &errors);
    let deferred = RefCell::new(Deferred::default());
    // If a body was not understood, the part that was left out may use a field.
    let understood = errors.is_empty();
    let mentioned = RefCell::default();
    let programs: Vec<_> = model.functions.iter().map(|f| front(&model, f, callees, &mentioned, &errors, &deferred)).collect();
    check::check_circles(&model, &programs, &errors);
    if understood {
        check::check_usage(&model, &programs, &mentioned.borrow(), &errors);
    }
    let name = model.name.clone();
    let compiled: Option<Vec<ir::Program>> = programs.into_iter().collect();
    let (Some(mut programs), true) = (compiled, errors.is_empty()) else {
        let messages = errors.messages();
        let errors = errors.into_tokens();
        let fallback = emit::fallback(&model, item, &finish.runtime);
        let fallback = surface::ours(&variables(&model.generics, &model.functions), fallback);
        return Compiled { name, tokens: quote!(#errors #fallback), errors: messages };
    };
    for (program, function) in programs.iter_mut().zip(&model.functions) {
        fuse::fuse(program);
        fuse::replace(program, &model, callees);
        names::assign(program, function, &model.generics);
    }
    let derivatives: Vec<_> = programs.iter().map(|p| differentiate::differentiate(p, callees)).collect();
    let methods: Vec<_> = model
        .functions
        .iter()
        .zip(&programs)
        .zip(&derivatives)
        .map(|((function, program), derivative)| emit::Method {
            model: &model,
            function,
            program,
            derivative,
            callees,
            kernels: RefCell::default(),
            receiver: true,
            owner: &model.name,
        })
        .collect();
    let tokens = emit::model(&model, &methods, item, &deferred.borrow(), &finish.runtime);
    let tokens = surface::ours(&variables(&model.generics, &model.functions), tokens);
    Compiled { name, tokens, errors: vec![] }
}

/// A tuple struct was reported where it was written; what is left to do is that nothing else fails.
fn unnamed(structure: &ItemStruct, item: &ItemImpl, finish: &Finish) -> Compiled {
    let generics = parse::const_generics(&structure.generics, &Errors::new());
    let layers = parse::layer_parameters(&structure.generics).unwrap_or_default();
    let name = structure.ident.clone();
    let model = parse::Model {
        name: name.clone(),
        layers,
        generics,
        fields: vec![],
        functions: vec![],
        divisions: vec![],
        wrong: vec![],
        lints: vec![],
    };
    let tokens = emit::fallback(&model, item, &finish.runtime);
    let tokens = surface::ours(&variables(&model.generics, &[]), tokens);
    Compiled { name, tokens, errors: vec!["the fields of a model have names".into()] }
}

fn compile_function(item: &ItemFn, callees: &Callees, finish: &Finish) -> Compiled {
    let errors = Errors::new();
    let lints = parse::silenced(&item.attrs);
    let function = parse::function(&item.vis, &lints, &item.sig, Some(&item.block), false, &errors);
    let name = item.sig.ident.clone();
    // A function is a model without fields.
    let model = parse::Model {
        name: name.clone(),
        layers: vec![],
        generics: vec![],
        fields: vec![],
        functions: vec![],
        divisions: vec![],
        wrong: vec![],
        lints: vec![],
    };
    let deferred = RefCell::new(Deferred::default());
    let program = front(&model, &function, callees, &RefCell::default(), &errors, &deferred);
    if parse::pointwise_body(&function) {
        for own in program.iter().flat_map(|p| &p.own) {
            let text = format!(
                "`{own}` is a function of this module, but the body of `{name}` is compiled where `{name}` is called, and there `{own}` may be another: \
                 name it by its path, `self::{own}(x)`"
            );
            errors.at(own, text);
        }
    }
    let (Some(mut program), true) = (program, errors.is_empty()) else {
        let messages = errors.messages();
        return Compiled { name, tokens: errors.into_tokens(), errors: messages };
    };
    fuse::fuse(&mut program);
    fuse::replace(&mut program, &model, callees);
    names::assign(&mut program, &function, &model.generics);
    let derivative = differentiate::differentiate(&program, callees);
    let method = emit::Method {
        model: &model,
        function: &function,
        program: &program,
        derivative: &derivative,
        callees,
        kernels: RefCell::default(),
        receiver: false,
        owner: &name,
    };
    let tokens = emit::free_function(&method, &finish.runtime);
    let tokens = surface::ours(&variables(&[], std::slice::from_ref(&function)), tokens);
    let assertions = &deferred.borrow().assertions;
    let tokens = quote!(#tokens #(#assertions)*);
    Compiled { name, tokens, errors: vec![] }
}

/// A layer has the methods of an interface if a model that has it as a field may call them: that model is checked.
fn compile_conformance(item: &ItemImpl, callees: &Callees, finish: &Finish) -> Compiled {
    let errors = Errors::new();
    let failed = |errors: Errors, name: Ident| {
        let messages = errors.messages();
        Compiled { name, tokens: errors.into_tokens(), errors: messages }
    };
    let Some(conformance) = parse::conformance(item, &errors).filter(|_| errors.is_empty()) else {
        return failed(errors, Ident::new("Self", proc_macro2::Span::call_site()));
    };
    let parse::Conformance { layers, generics, interface, arguments, layer } = &conformance;
    let name = parse::last(&layer.path).clone();
    let interface_name = parse::path_text(interface);
    let Some(wanted) = callees.model(interface).filter(|s| s.interface) else {
        errors.at(
            interface,
            format!("`{interface_name}` is no trait of layers here: `#[variational]` is missing on it, or it is not imported"),
        );
        return failed(errors, name);
    };
    if wanted.generics.len() != arguments.len() {
        let dims: Vec<String> = wanted.generics.iter().map(|g| g.name.to_string()).collect();
        errors.at(
            interface,
            format!("`{interface_name}<{}>` takes {} dimensions, not {}", dims.join(", "), dims.len(), arguments.len()),
        );
        return failed(errors, name);
    }
    let home = interface.segments[0].ident.span();
    let signatures = finish.callees.iter().zip(&finish.signatures).find(|(p, _)| *p == interface).map(|(_, item)| item);
    let functions = match signatures {
        Some(syn::Item::Impl(i)) => surface::calls_of(i, &wanted.generics, arguments, home),
        _ => vec![],
    };
    let inner = Errors::new();
    let functions = functions.iter().map(|f| parse::function(&f.vis, &[], &f.sig, Some(&f.block), true, &inner)).collect();
    let field = parse::Field {
        name: Ident::new("layer", home),
        kind: parse::FieldKind::Layer(layer.clone()),
        options: parse::Options::default(),
        when: None,
        place: layer.place,
    };
    let mut model = parse::Model {
        name: parse::last(interface).clone(),
        layers: layers.clone(),
        generics: generics.clone(),
        fields: vec![field],
        functions,
        divisions: vec![],
        wrong: vec![],
        lints: vec![],
    };
    check::check_fields(&mut model, callees, &inner);
    let deferred = RefCell::new(Deferred::default());
    for function in &model.functions {
        front(&model, function, callees, &RefCell::default(), &inner, &deferred);
    }
    for message in inner.messages() {
        errors.at(layer.place, format!("`{}` is no `{interface_name}`: {message}", layer.text()));
    }
    let variables = variables(generics, &model.functions);
    // If only shapes are wrong, the impl is emitted all the same, so that nothing else fails.
    let has_all = wanted.functions.iter().all(|f| callees.method(&layer.path, &f.name).is_some());
    if !errors.is_empty() && !has_all {
        return failed(errors, name);
    }
    let layer = match model.fields.pop().map(|f| f.kind) {
        Some(parse::FieldKind::Layer(layer)) => layer, // its defaults are known now
        _ => layer.clone(),
    };
    let messages = errors.messages();
    let tokens =
        emit::conformance(&parse::Conformance { layer, ..conformance }, &model.functions, errors.is_empty(), &finish.runtime);
    let tokens = surface::ours(&variables, tokens);
    let errors = errors.into_tokens();
    Compiled { name, tokens: quote!(#errors #tokens), errors: messages }
}

/// The user's names that are variables of generated code: dimensions and numbers.
fn variables(generics: &[parse::Generic], functions: &[parse::Function]) -> BTreeSet<String> {
    let of_functions = functions.iter().flat_map(|f| {
        let numbers = f.inputs.iter().filter(|i| matches!(i.kind, parse::InputKind::Number(_))).map(|i| &i.name);
        f.consts.iter().map(|g| &g.name).chain(f.variables.iter().map(|v| &v.name)).chain(numbers)
    });
    generics.iter().map(|g| &g.name).chain(of_functions).map(Ident::to_string).collect()
}

/// lower and check.
fn front(
    model: &parse::Model,
    function: &parse::Function,
    callees: &Callees,
    mentioned: &RefCell<BTreeSet<usize>>,
    errors: &Errors,
    deferred: &RefCell<Deferred>,
) -> Option<ir::Program> {
    let mut program = lower::lower(model, function, callees, mentioned, errors)?;
    check::check(model, function, &mut program, callees, errors, deferred);
    Some(program)
}
