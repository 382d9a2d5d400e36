//! The values that the forward pass keeps for the backward pass: the fields of the `Saved` structs.

use super::{Method, structural_module};
use crate::callee::Callee;
use crate::differentiate::saved_values;
use crate::dims::Shape;
use crate::ir::*;
use crate::names;
use crate::parse::{self, LayerParameter};
use proc_macro2::{Ident, TokenStream};
use quote::{ToTokens, quote};
use std::collections::{BTreeMap, BTreeSet};

/// The values that a block keeps for its backward pass.
#[derive(Default)]
pub(super) struct SavedPlan {
    /// Saved values of calls: field and type.
    calls: Vec<(String, TokenStream)>,
    /// Tensors that backward kernels read, and the field of each.
    pub tensors: Vec<(ValueId, Ident)>,
    /// Values of which the shape is needed, and the field of each.
    pub shapes: Vec<(ValueId, Ident)>,
    /// Numbers that backward kernels read and that are not known there, as tokens, and the field of each.
    pub numbers: Vec<(TokenStream, Ident)>,
    /// Loops: the plan of one iteration, by the loop's saved name.
    pub turns: BTreeMap<String, SavedPlan>,
    /// Branches: the plans of both blocks, by the branch's saved name.
    pub sides: BTreeMap<String, [SavedPlan; 2]>,
    /// Values that the block makes; others belong to a block around it and are shared.
    own: BTreeSet<ValueId>,
}

impl SavedPlan {
    pub fn of(method: &Method) -> SavedPlan {
        let mut plan = SavedPlan::block(method, &method.program.body);
        // Their gradient is zero.
        for v in method.tensor_inputs().filter(|v| !method.active(*v)) {
            plan.shapes.push((v, names::ident(&format!("{}_shape", method.value(v).name))));
        }
        plan
    }

    fn block(method: &Method, body: &[Instruction]) -> SavedPlan {
        let mut plan = SavedPlan { own: body.iter().flat_map(|i| i.results.iter().copied()).collect(), ..SavedPlan::default() };
        let mut shapes: Vec<&ValueId> = vec![];
        for instruction in body.iter().filter(|i| method.is_active(i)) {
            let field = instruction.saved.clone();
            match &instruction.op {
                Op::Kernel(kernel) => {
                    let result = instruction.results[0];
                    if let Some(backward) = method.derivative.kernels.get(&result) {
                        backward.numbers.iter().for_each(|i| plan.number(method, &kernel.numbers[*i]));
                        let targets = backward.passes.iter().chain(backward.computed.iter().map(|(v, _)| v));
                        shapes.extend(targets.filter(|v| needs_shape(method, **v, result)));
                    }
                }
                Op::Loop(l) => {
                    let turn = names::turn_struct(method.owner, &method.function.name, &field);
                    let inner = SavedPlan::block(method, &l.body);
                    let layers = inner.arguments(method);
                    plan.calls.push((field.clone(), quote!(::std::vec::Vec<#turn #layers>)));
                    if l.counter.as_ref().is_some_and(|c| is_local(method, &c.start)) {
                        plan.calls.push((names::start(&field), quote!(usize)));
                    }
                    plan.turns.insert(field, inner);
                    shapes.extend(instruction.results.iter().filter(|r| !method.active(**r)));
                }
                Op::Branch(b) => {
                    let sides = [&b.then, &b.otherwise].map(|side| SavedPlan::block(method, &side.body));
                    let [then, otherwise] =
                        ["Then", "Else"].map(|s| names::side_struct(method.owner, &method.function.name, &field, s));
                    let [of_then, of_otherwise] = [&sides[0], &sides[1]].map(|s| s.arguments(method));
                    plan.calls.push((field.clone(), quote!(ivon::Either<#then #of_then, #otherwise #of_otherwise>)));
                    plan.sides.insert(field, sides);
                }
                op => {
                    plan.calls.push((field, saved_type(method, op)));
                    if instruction.results.len() > 1 {
                        shapes.extend(instruction.results.iter().filter(|r| !method.active(**r) || !method.derivative.sure[**r]));
                    }
                }
            }
        }
        let taken: BTreeSet<String> = plan.calls.iter().map(|(f, _)| f.clone()).collect();
        for v in saved_values(body, &method.program.values, method.derivative) {
            let name = &method.value(v).name;
            let field = if taken.contains(name) { format!("{name}_value") } else { name.clone() };
            plan.tensors.push((v, names::ident(&field)));
        }
        for v in shapes {
            if !plan.shapes.iter().any(|(known, _)| known == v) {
                plan.shapes.push((*v, names::ident(&format!("{}_shape", method.value(*v).name))));
            }
        }
        plan
    }

    /// Keeps a number of the forward pass, unless it is made of settings, constants and dimensions of the model.
    fn number(&mut self, method: &Method, tokens: &TokenStream) {
        let arguments = method.function.inputs.iter().map(|i| &i.name).chain(method.function.variables.iter().map(|v| &v.name));
        let local: BTreeSet<String> =
            arguments.chain(method.function.consts.iter().map(|g| &g.name)).map(Ident::to_string).collect();
        let mut read = BTreeSet::new();
        names::idents(tokens, &mut read);
        if !read.is_disjoint(&local) && self.kept_number(tokens).is_none() {
            let field = names::ident(&format!("number_{}", self.numbers.len()));
            self.numbers.push((tokens.clone(), field));
        }
    }

    /// The field of a number that is kept.
    pub fn kept_number(&self, tokens: &TokenStream) -> Option<&Ident> {
        let text = tokens.to_string();
        self.numbers.iter().find(|(known, _)| known.to_string() == text).map(|(_, field)| field)
    }

    /// The type parameters of the model that the saved values depend on.
    pub fn layers<'m>(&self, method: &'m Method) -> impl Iterator<Item = &'m LayerParameter> + use<'m> {
        let mut read = BTreeSet::new();
        names::idents(&quote!(#self), &mut read);
        method.model.layers.iter().filter(move |l| read.contains(&l.name.to_string()))
    }

    /// The same as arguments of the struct.
    pub fn arguments(&self, method: &Method) -> Option<TokenStream> {
        let layers: Vec<_> = self.layers(method).map(|l| &l.name).collect();
        (!layers.is_empty()).then(|| quote!(<#(#layers),*>))
    }

    /// True if a value itself is kept.
    pub fn keeps(&self, v: ValueId) -> bool {
        self.tensors.iter().any(|(known, _)| *known == v)
    }

    /// Returns the structs of loops' iterations, innermost first.
    pub fn types(&self, method: &Method, function: &Ident) -> TokenStream {
        let inner = self.turns.iter().map(|(field, plan)| {
            let turn = names::turn_struct(method.owner, function, field);
            let types = plan.types(method, function);
            let docs = format!(" What one turn of the loop over `{field}` keeps.");
            let generics = parse::impl_generics(plan.layers(method));
            quote! {
                #types
                #[doc = #docs]
                pub struct #turn #generics { #plan }
            }
        });
        let sides = self.sides.iter().map(|(field, sides)| {
            let one = |side: &str, plan: &SavedPlan| {
                let name = names::side_struct(method.owner, function, field, side);
                let types = plan.types(method, function);
                let docs = format!(
                    " Saved values of a branch whose condition {}.",
                    if side == "Then" { "holds" } else { "does not hold" }
                );
                let generics = parse::impl_generics(plan.layers(method));
                quote! {
                    #types
                    #[doc = #docs]
                    pub struct #name #generics { #plan }
                }
            };
            let (then, otherwise) = (one("Then", &sides[0]), one("Else", &sides[1]));
            quote!(#then #otherwise)
        });
        quote!(#(#inner)* #(#sides)*)
    }

    /// `up: up_saved, x: x.clone(), b_shape: *b.shape()`
    pub fn initialisers(&self, method: &Method) -> TokenStream {
        let calls = self.calls.iter().map(|(field, _)| {
            let (field, variable) = (names::ident(field), names::ident(&names::saved_variable(field)));
            quote!(#field: #variable,)
        });
        // Shapes are read before tensors are moved in.
        let shapes = self.shapes.iter().map(|(v, field)| {
            if self.own.contains(v) {
                return quote!(#field,); // noted when it was made
            }
            let name = method.name(*v);
            quote!(#field: *#name.shape(),)
        });
        let tensors = self.tensors.iter().map(|(v, field)| {
            let name = method.name(*v);
            let shared = method.value(*v).role != Role::Local || method.program.outputs.contains(v) || !self.own.contains(v);
            let value = if shared { quote!(#name.clone()) } else { quote!(#name) };
            match *field == name && !shared {
                true => quote!(#field,),
                false => quote!(#field: #value,),
            }
        });
        let numbers = self.numbers.iter().map(|(tokens, field)| quote!(#field: #tokens,));
        quote!(#(#calls)* #(#shapes)* #(#numbers)* #(#tensors)*)
    }
}

impl ToTokens for SavedPlan {
    /// The fields of the struct.
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let calls = self.calls.iter().map(|(field, ty)| {
            let field = names::ident(field);
            quote!(#field: #ty,)
        });
        let shapes = self.shapes.iter().map(|(_, field)| quote!(#field: ivon::Shape,));
        let tensors = self.tensors.iter().map(|(_, field)| quote!(#field: ivon::Tensor,));
        let numbers = self.numbers.iter().map(|(_, field)| quote!(#field: f64,));
        tokens.extend(quote!(#(#calls)* #(#shapes)* #(#numbers)* #(#tensors)*));
    }
}

/// True if the shape of a kernel's input must be kept: where it is broadcast, unless it is a parameter.
fn needs_shape(method: &Method, input: ValueId, result: ValueId) -> bool {
    let shape = |v: ValueId| -> &Option<Shape> { &method.value(v).shape };
    shape(input) != shape(result) && !matches!(method.value(input).role, Role::Parameter { .. })
}

fn saved_type(method: &Method, op: &Op) -> TokenStream {
    let of_model = |ty: TokenStream, method: &Ident| {
        let method = method.to_string();
        quote!(ivon::Saved<#ty, { ivon::method(#method) }>)
    };
    match op {
        Op::Layer { target: Target::Own, method: name } => of_model(method.owner_type(), name),
        Op::Layer { target: Target::Field(field) | Target::Item { field, .. } | Target::Element { field, .. }, method: name } => {
            let ty = method.layer(*field).map(|l| &l.ty);
            of_model(quote!(#ty), name)
        }
        Op::Call { path, .. } => match method.callees.get(path) {
            Some(Callee::Op(_)) => quote!(#path::Saved),
            _ => of_model(quote!(#path), &names::ident("forward")),
        },
        Op::Item(_) | Op::Push => quote!(usize),
        op => {
            let module = structural_module(op);
            quote!(#module::Saved)
        }
    }
}

/// True if a dimension has names that are known only while a method runs.
pub(super) fn is_local(method: &Method, dim: &syn::Expr) -> bool {
    let function = method.function;
    let names = function.variables.iter().map(|v| &v.name).chain(function.consts.iter().map(|g| &g.name));
    let mut read = BTreeSet::new();
    names::idents(&quote!(#dim), &mut read);
    names.into_iter().any(|name| read.contains(&name.to_string()))
}
