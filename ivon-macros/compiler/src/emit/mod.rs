//! Emit: readable Rust. It cannot fail: everything was checked before.
//!
//! Generated code says where each value is born and where it dies. Comments travel as `__comment!("..")` statements: taken
//! out of what rustc gets, turned into `// ..` in the text that the user reads.

mod backward;
mod blocks;
mod erase;
mod fallback;
mod forward;
mod function;
mod graph;
mod interface;
mod kernel;
mod saved;
mod structure;
pub mod text;

use crate::callee::Callees;
use crate::check::Deferred;
use crate::differentiate::Derivative;
use crate::dims::Dim;
use crate::intrinsics::Reduction;
use crate::ir::*;
use crate::names;
use crate::parse::{self, Input, InputKind, Model};
use crate::syntax::{axis_number, expr_text};
use proc_macro2::{Ident, Literal, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use syn::{Expr, ItemImpl, Path};

pub use erase::erased_structure;
pub use fallback::fallback;
pub(crate) use interface::{conformance, interface};

/// Everything about one method that emission reads.
pub(crate) struct Method<'a> {
    pub model: &'a Model,
    pub function: &'a parse::Function,
    pub program: &'a Program,
    pub derivative: &'a Derivative,
    pub callees: &'a Callees,
    /// Kernels made on the way.
    pub kernels: RefCell<BTreeMap<String, TokenStream>>,
    /// True if it takes `&self`; a free function does not.
    pub receiver: bool,
    /// The name of the type it belongs to.
    pub owner: &'a Ident,
}

/// The generated code of a model's impl.
pub(crate) fn model(model: &Model, methods: &[Method], item: &ItemImpl, deferred: &Deferred, runtime: &Path) -> TokenStream {
    let functions: Vec<_> = methods.iter().map(function::emit).collect();
    let (items, bodies): (Vec<_>, Vec<_>) = functions.into_iter().unzip();
    let kernels = methods.iter().flat_map(|m| m.kernels.borrow().values().cloned().collect::<Vec<_>>()).collect::<Vec<_>>();
    let structure = structure::emit(model, item, deferred, &graph::emit(model, methods));
    let (generics, ty) = (model.impl_generics(), model.ty());
    let (assertions, attributes) = (&deferred.assertions, item.attrs.iter().map(parse::allowed));
    let of_the_module = of_the_module(methods, runtime);
    let imports = imports(runtime, methods);
    quote! {
        #imports
        #(#kernels)*
        #(#items)*
        #(#attributes)*
        impl #generics #ty {
            #(#bodies)*
        }
        #structure
        #(#assertions)*
        #of_the_module
    }
}

/// Checks that the user's module does not redefine names of the language. A plain function with the name of one of the language's functions would
/// hide it: then the inner import finds the plain function, and `is_built_in` rejects it. A type `Tensor` that is imported for a signature
/// counts as used.
fn of_the_module(methods: &[Method], runtime: &Path) -> TokenStream {
    let mut seen = BTreeSet::new();
    let calls = methods.iter().flat_map(|m| &m.program.built_in).filter(|name| seen.insert(name.to_string()));
    let calls: Vec<_> = calls.collect();
    let tensor = methods.iter().find_map(|m| m.function.tensor.as_ref()).map(|tensor| quote!(fn signature(_: &#tensor) {}));
    if calls.is_empty() && tensor.is_none() {
        return quote!();
    }
    // An op of that name is not looked up, and is a module or a type.
    let types = calls
        .iter()
        .filter(|name| **name == "concat")
        .map(|name| quote_spanned!(name.span()=> #runtime::is_built_in_type::<#name>();));
    let calls = calls.iter().map(|name| quote_spanned!(name.span()=> #runtime::is_built_in(&#name);));
    quote! {
        const _: () = {
            use ivon::built_in::*;
            {
                use self::*;
                #tensor
                #(#calls)*
                #(#types)*
            }
        };
    }
}

/// Imports the short names of generated code, so that they mean the same whatever the user's module has by those names. If the module has a
/// constant with the name of a value, a function of that name makes a `let` of it a new variable.
fn imports(runtime: &Path, methods: &[Method]) -> TokenStream {
    let names = bound_names(methods);
    quote! {
        use #runtime as ivon;
        use ivon::names::*;
        #(fn #names() {})*
    }
}

/// Names of dimensions and values that a constant of the user's module may have, too: a variable of that name would be taken for a pattern.
fn bound_names(methods: &[Method]) -> Vec<Ident> {
    let mut names = BTreeSet::new();
    for method in methods {
        let function = method.function;
        names.extend(method.model.generics.iter().chain(&function.consts).map(|g| g.name.to_string()));
        names.extend(function.variables.iter().filter(|v| !v.pack).map(|v| v.name.to_string()));
        let numbers = function.inputs.iter().filter(|i| matches!(i.kind, InputKind::Number(_)));
        names.extend(numbers.map(|i| i.name.to_string()));
        names.extend(method.program.values.iter().map(|v| v.name.clone()));
    }
    for method in methods {
        for constant in parse::free_constants(method.function, &method.model.generics) {
            names.remove(&constant);
        }
    }
    // Constants are written in capitals.
    names.iter().filter(|n| n.starts_with(|c: char| c.is_uppercase())).map(|n| names::ident(n)).collect()
}

/// The generated code of a free function: a type of its name with the functions of an op.
pub(crate) fn free_function(method: &Method, runtime: &Path) -> TokenStream {
    let (item, body) = function::emit(method);
    let kernels: Vec<_> = method.kernels.borrow().values().cloned().collect();
    let name = method.owner;
    let imports = imports(runtime, std::slice::from_ref(method));
    let of_the_module = of_the_module(std::slice::from_ref(method), runtime);
    quote! {
        #imports
        #(#kernels)*
        #item
        impl #name {
            #body
        }
        #of_the_module
    }
}

impl Method<'_> {
    pub fn name(&self, value: ValueId) -> Ident {
        names::ident(&self.program.values[value].name)
    }

    pub fn adjoint(&self, value: ValueId) -> Ident {
        names::ident(&names::adjoint(&self.program.values[value].name))
    }

    pub fn value(&self, value: ValueId) -> &Value {
        &self.program.values[value]
    }

    pub fn active(&self, value: ValueId) -> bool {
        self.derivative.active[value]
    }

    /// The arguments that have an adjoint, in order.
    pub fn tensor_inputs(&self) -> impl Iterator<Item = ValueId> + '_ {
        let tensors = self.function.inputs.iter().map(|i| matches!(i.kind, InputKind::Tensor { .. }));
        self.program.inputs.iter().zip(tensors).filter(|(_, tensor)| *tensor).filter_map(|(v, _)| *v)
    }

    /// True if an instruction has a backward pass.
    pub fn is_active(&self, instruction: &Instruction) -> bool {
        match &instruction.op {
            // Its adjoint is that of the tensors in it.
            Op::List => false,
            Op::Push => instruction.arguments.iter().filter_map(Argument::value).all(|v| self.active(v)),
            _ => {
                let inside = || instruction.blocks().into_iter().flatten().any(|i| self.is_active(i));
                instruction.results.iter().any(|r| self.active(*r)) || inside()
            }
        }
    }

    /// The type that it belongs to.
    pub fn owner_type(&self) -> TokenStream {
        if self.receiver { self.model.ty() } else { self.owner.to_token_stream() }
    }

    /// Returns the callee: its signature, and the tokens before `::forward` or `.forward`.
    pub fn callee(&self, op: &Op) -> Option<(&parse::Function, TokenStream)> {
        match op {
            Op::Layer { target: Target::Own, method } => {
                let function = self.model.functions.iter().find(|f| f.name == *method)?;
                Some((function, quote!(self)))
            }
            Op::Layer { target: Target::Field(field), method } => {
                let name = &self.model.fields[*field].name;
                Some((self.callees.method(&self.layer(*field)?.signature, method)?, quote!(self.#name)))
            }
            Op::Layer { target: Target::Item { field, index }, method } => {
                let name = &self.model.fields[*field].name;
                let (text, index) = (names::plain(name), checked_dimension(index));
                let function = self.callees.method(&self.layer(*field)?.signature, method)?;
                Some((function, quote!(ivon::layer_of(#text, &self.#name, #index)?)))
            }
            Op::Layer { target: Target::Element { variable, field }, method } => {
                Some((self.callees.method(&self.layer(*field)?.signature, method)?, quote!(#variable)))
            }
            Op::Call { path, .. } => Some((self.callees.function(path)?, quote!(#path))),
            _ => None,
        }
    }

    /// The adjoint of a value as what makes the value makes it, where that has `#[adjoint]`.
    pub fn made_adjoint(&self, v: ValueId, saved: &TokenStream) -> Option<TokenStream> {
        let maker = maker(&self.program.body, v)?;
        let (function, callee) = self.callee(&maker.op)?;
        let field = names::ident(&maker.saved);
        let made = names::made_adjoint(&function.name);
        match maker.op {
            _ if !function.adjoint => None,
            Op::Layer { .. } => Some(quote!(#callee.#made(&#saved.#field))),
            _ => Some(quote!(#callee::adjoint(&#saved.#field))),
        }
    }

    /// An axis of a value, of which `more` axes are to come, as an expression of type usize. From the last one it is counted when the model runs, where the
    /// value has any number of leading dimensions.
    pub fn axis(&self, axis: &Expr, of: ValueId, more: usize) -> TokenStream {
        let shape = self.value(of).shape.as_deref().unwrap_or_default();
        let number = axis_number(axis).unwrap_or_default();
        let pack = shape.first().and_then(Dim::as_name);
        let pack = pack.is_some_and(|n| self.function.variables.iter().any(|v| v.pack && v.name == n));
        let from_last = Literal::usize_unsuffixed(number.unsigned_abs() as usize);
        match number {
            0.. => quote!(#from_last),
            _ if !pack => {
                let axis = Literal::usize_unsuffixed((shape.len() + more).saturating_sub(number.unsigned_abs() as usize));
                quote!(#axis)
            }
            _ => {
                let name = self.name(of);
                match Literal::usize_unsuffixed(more) {
                    _ if more == number.unsigned_abs() as usize => quote!(#name.shape().rank()),
                    _ if more == 0 => quote!(#name.shape().rank() - #from_last),
                    more => quote!(#name.shape().rank() + #more - #from_last),
                }
            }
        }
    }

    pub fn layer(&self, field: usize) -> Option<&parse::LayerType> {
        match &self.model.fields[field].kind {
            parse::FieldKind::Layer(layer) | parse::FieldKind::Array { of: layer, .. } => Some(layer),
            _ => None,
        }
    }

    /// True if all that reads a parameter takes it in the type that weights are stored in.
    pub fn is_weight(&self, v: ValueId) -> bool {
        !self.program.outputs.contains(&v) && !self.program.body.iter().any(|i| self.reads_widened(i, v))
    }

    /// True if an instruction reads a value other than as a `Weight`.
    fn reads_widened(&self, instruction: &Instruction, v: ValueId) -> bool {
        match &instruction.op {
            Op::Loop(l) => {
                l.carried.iter().any(|c| c.start == v || c.next == v) || l.body.iter().any(|i| self.reads_widened(i, v))
            }
            Op::Branch(b) => [&b.then, &b.otherwise]
                .into_iter()
                .any(|block| block.results.contains(&v) || block.body.iter().any(|i| self.reads_widened(i, v))),
            Op::Kernel(kernel) => kernel.inputs.contains(&v),
            op => {
                let inputs = self.callee(op).map_or(&[][..], |(function, _)| &function.inputs);
                let is_weight =
                    |i: usize| matches!(inputs.get(i), Some(Input { kind: InputKind::Tensor { weight: true, .. }, .. }));
                instruction.arguments.iter().enumerate().any(|(i, a)| a.value() == Some(v) && !is_weight(i))
            }
        }
    }

    /// The comment above an instruction.
    pub fn comment(&self, instruction: &Instruction) -> TokenStream {
        let text = match &instruction.op {
            Op::Layer { target: Target::Field(field), .. } => {
                let field = &self.model.fields[*field];
                let ty = self.layer_text(&field.kind);
                format!("{}: {ty}", field.name)
            }
            Op::Layer { target: Target::Element { field, variable }, .. } => {
                let ty = self.layer_text(&self.model.fields[*field].kind);
                let ty = ty.trim_start_matches('[').split(';').next().unwrap_or_default().to_string();
                format!("{variable}: {ty}")
            }
            Op::Loop(Loop { elements, counter: None, .. }) if elements.len() == 1 && !elements[0].reversed => {
                let field = &self.model.fields[elements[0].field];
                format!("{}: {}", field.name, self.layer_text(&field.kind))
            }
            _ => instruction.text.clone(),
        };
        comment(&text)
    }

    fn layer_text(&self, kind: &parse::FieldKind) -> String {
        match kind {
            parse::FieldKind::Layer(layer) => layer.text(),
            parse::FieldKind::Array { of, count } => format!("[{}; {}]", of.text(), expr_text(count)),
            _ => String::new(),
        }
    }
}

/// The instruction that has this result alone.
fn maker(body: &[Instruction], v: ValueId) -> Option<&Instruction> {
    body.iter().find_map(|i| match i.results[..] {
        [result] if result == v => Some(i),
        _ => i.blocks().into_iter().find_map(|body| maker(body, v)),
    })
}

/// A comment in generated code.
pub(crate) fn comment(text: &str) -> TokenStream {
    quote!(__comment!(#text);)
}

/// A dimension as an expression of type usize: `floor(a / b)` is `(a / b)`.
pub(crate) fn dimension(e: &Expr) -> TokenStream {
    dimension_with(e, &|left, op, right, _| quote!(#left #op #right))
}

/// The same where sizes are known only when it runs, in a function that returns a result: below zero, beyond usize and a division by zero are errors.
pub(crate) fn checked_dimension(e: &Expr) -> TokenStream {
    dimension_with(e, &|left, op, right, text| match op {
        syn::BinOp::Sub(_) => quote!(ivon::minus(#text, #left, #right)?),
        syn::BinOp::Mul(_) => quote!(ivon::times(#text, #left, #right)?),
        syn::BinOp::Add(_) => quote!(ivon::plus(#text, #left, #right)?),
        _ => quote!(ivon::over(#text, #left, #right)?),
    })
}

type Binary<'a> = &'a dyn Fn(TokenStream, &syn::BinOp, TokenStream, String) -> TokenStream;

fn dimension_with(e: &Expr, binary: Binary) -> TokenStream {
    let dimension = |e: &Expr| dimension_with(e, binary);
    match e {
        Expr::Call(call) => {
            let inner = call.args.first().map(&dimension);
            quote!((#inner))
        }
        Expr::Binary(b) => binary(dimension(&b.left), &b.op, dimension(&b.right), expr_text(e)),
        Expr::Paren(p) => {
            let inner = dimension(&p.expr);
            quote!((#inner))
        }
        Expr::Group(g) => {
            let inner = dimension(&g.expr);
            quote!((#inner))
        }
        Expr::Block(b) => match b.block.stmts.first() {
            Some(syn::Stmt::Expr(e, None)) => dimension(e),
            _ => quote!(#e),
        },
        other => quote!(#other),
    }
}

/// The runtime's module of an operation on shapes.
fn structural_module(op: &Op) -> TokenStream {
    let name = names::ident(match op {
        Op::Reshape(_) => "reshape",
        Op::Transpose(..) => "transpose",
        Op::Expand(_) => "expand",
        Op::Squeeze(_) => "squeeze",
        Op::Unsqueeze(_) => "unsqueeze",
        Op::Permute(_) => "permute",
        Op::Slice(..) => "slice",
        Op::Concat(_) => "join",
        Op::CompareIds(_) => "compare_ids",
        Op::Reduce { reduction, .. } => match reduction {
            Reduction::Mean => "mean",
            Reduction::Max => "amax",
            Reduction::Min => "amin",
            Reduction::LogSumExp => "logsumexp",
            Reduction::ArgMax => "argmax",
            Reduction::ArgMin => "argmin",
            Reduction::Sum => "sum",
        },
        Op::At(..) => "at",
        Op::Stack(..) => "stack",
        _ => "sum",
    });
    quote!(ivon::ops::#name)
}
