//! A layer has the methods of an interface if a model that has it as a field may call them: that model is checked.

use super::{Compiled, Finish, front, variables};
use crate::callee::Callees;
use crate::check::{self, Deferred};
use crate::errors::Errors;
use crate::syntax::{last, path_text};
use crate::{emit, names, parse, respan};
use proc_macro2::{Ident, Span};
use quote::quote;
use std::cell::RefCell;
use syn::{FnArg, ImplItem, ImplItemFn, ItemImpl, parse2};

/// Compiles the declaration that a layer has an interface.
pub fn compile(item: &ItemImpl, callees: &Callees, finish: &Finish) -> Compiled {
    let errors = Errors::new();
    let failed = |errors: Errors, name: Ident| {
        let found = errors.found();
        Compiled { name, tokens: found.tokens(), errors: found.messages() }
    };
    let Some(conformance) = parse::conformance(item, &errors).filter(|_| errors.is_empty()) else {
        return failed(errors, Ident::new("Self", proc_macro2::Span::call_site()));
    };
    let parse::Conformance { layers, generics, interface, arguments, layer } = &conformance;
    let name = last(&layer.path).clone();
    let interface_name = path_text(interface);
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
        Some(syn::Item::Impl(i)) => calls_of(i, &wanted.generics, arguments, home),
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
        name: last(interface).clone(),
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
    for message in inner.found().messages() {
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
    let found = errors.found();
    let tokens =
        emit::conformance(&parse::Conformance { layer, ..conformance }, &model.functions, found.is_empty(), &finish.runtime);
    let tokens = names::ours_in(&variables, tokens);
    let errors = found.tokens();
    Compiled { name, tokens: quote!(#errors #tokens), errors: found.messages() }
}

/// The methods of an interface, each a call of the same method of a field `layer`. `names` are what the interface's `dims` are called here.
fn calls_of(interface: &ItemImpl, dims: &[parse::Generic], names: &[Ident], home: Span) -> Vec<ImplItemFn> {
    let names = dims.iter().map(|g| g.name.to_string()).zip(names.iter().cloned()).collect();
    let methods = interface.items.iter().filter_map(|i| if let ImplItem::Fn(f) = i { Some(&f.sig) } else { None });
    let calls = methods.filter_map(|sig| {
        let inputs = sig.inputs.iter().filter_map(|i| match i {
            FnArg::Typed(t) => Some(&t.pat),
            FnArg::Receiver(_) => None,
        });
        let name = &sig.ident;
        let call = quote!(#sig { self.layer.#name(#(#inputs),*) });
        parse2(respan::at(home, respan::rename(&names, call))).ok()
    });
    calls.collect()
}
