//! The passes in order, over one model, one function, or one impl of an interface.

mod circle;
mod conformance;
mod subject;

use crate::callee::Callees;
use crate::check::{self, Deferred};
use crate::errors::{Errors, quiet};
use crate::{differentiate, emit, fuse, ir, lower, names, naming, parse};
pub use circle::circle;
use proc_macro2::{Ident, TokenStream};
use quote::quote;
use std::cell::RefCell;
use std::collections::BTreeSet;
pub use subject::{Finish, Subject};
use syn::{ImplItem, ItemFn, ItemImpl, ItemStruct};

/// The result of compiling one model or function.
pub struct Compiled {
    pub name: Ident,
    /// Generated code, with comments; or errors and a fallback.
    pub tokens: TokenStream,
    /// The messages, where it did not compile.
    #[cfg_attr(not(feature = "expand"), expect(dead_code))]
    pub errors: Vec<String>,
}

/// Compiles a model or a function whose callees are known.
pub fn compile(finish: &Finish) -> Compiled {
    let mut callees = Callees::new(&finish.runtime);
    for (path, item) in finish.callees.iter().zip(&finish.signatures) {
        callees.add(path, item);
    }
    match &finish.subject {
        Subject::Model(structure, item) => model(structure, item, &callees, finish),
        Subject::Function(item) => function(item, &callees, finish),
        Subject::Conformance(item) => conformance::compile(item, &callees, finish),
    }
}

fn model(structure: &ItemStruct, item: &ItemImpl, callees: &Callees, finish: &Finish) -> Compiled {
    if let syn::Fields::Unnamed(_) = &structure.fields {
        return unnamed(structure, item, finish);
    }
    let errors = Errors::new();
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
    let found = errors.found();
    let (Some(mut programs), true) = (compiled, found.is_empty()) else {
        let errors = found.tokens();
        let fallback = emit::fallback(&model, item, &finish.runtime);
        let fallback = names::ours_in(&variables(&model.generics, &model.functions), fallback);
        return Compiled { name, tokens: quote!(#errors #fallback), errors: found.messages() };
    };
    for (program, function) in programs.iter_mut().zip(&model.functions) {
        fuse::fuse(program);
        fuse::replace(program, &model, callees);
        naming::assign(program, function, &model.generics);
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
    let tokens = names::ours_in(&variables(&model.generics, &model.functions), tokens);
    Compiled { name, tokens, errors: vec![] }
}

/// A tuple struct was reported where it was written; what is left to do is that nothing else fails.
fn unnamed(structure: &ItemStruct, item: &ItemImpl, finish: &Finish) -> Compiled {
    let generics = quiet(|errors| parse::const_generics(&structure.generics, errors));
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
    let tokens = names::ours_in(&variables(&model.generics, &[]), tokens);
    Compiled { name, tokens, errors: vec!["the fields of a model have names".into()] }
}

fn function(item: &ItemFn, callees: &Callees, finish: &Finish) -> Compiled {
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
    let found = errors.found();
    let (Some(mut program), true) = (program, found.is_empty()) else {
        return Compiled { name, tokens: found.tokens(), errors: found.messages() };
    };
    fuse::fuse(&mut program);
    fuse::replace(&mut program, &model, callees);
    naming::assign(&mut program, &function, &model.generics);
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
    let tokens = names::ours_in(&variables(&[], std::slice::from_ref(&function)), tokens);
    let assertions = &deferred.borrow().assertions;
    let tokens = quote!(#tokens #(#assertions)*);
    Compiled { name, tokens, errors: vec![] }
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
