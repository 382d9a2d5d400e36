//! A method of a model, a free function, or the signature of an op.

use super::attributes::kept;
use super::replaces::replaces;
use super::{Function, Generic, Input, InputKind, Variable, body, const_generics};
use crate::dims::{Dim, Division, Shape, argument_expr};
use crate::errors::{Errors, Place, quiet};
use crate::syntax::{expr_text, last};
use std::collections::BTreeSet;
use syn::{Block, Expr, FnArg, GenericArgument, GenericParam, Pat, PathArguments, ReturnType, Signature, Type, Visibility};

/// Reads a function. `receiver`: whether it takes `&self`. Without a block it is a signature.
pub fn function(
    vis: &Visibility,
    attributes: &[syn::Attribute],
    sig: &Signature,
    block: Option<&Block>,
    receiver: bool,
    errors: &Errors,
) -> Function {
    qualifiers(sig, errors);
    let mut divisions = vec![];
    let mut variables = vec![];
    for parameter in &sig.generics.params {
        match parameter {
            GenericParam::Type(t) => {
                let bounds: Vec<String> = t.bounds.iter().map(expr_text).collect();
                let pack = bounds.iter().any(|b| b == "Dims" || b.ends_with("::Dims"));
                if !pack && !bounds.is_empty() {
                    errors.at(
                        t,
                        format!("`{}` is a dimension: it has no bound, or `Dims` for any number of leading dimensions", t.ident),
                    );
                }
                variables.push(Variable { name: t.ident.clone(), pack });
            }
            GenericParam::Const(_) => {}
            GenericParam::Lifetime(l) => errors.at(l, "a forward pass has no lifetimes: tensors are passed by value"),
        }
    }
    if let Some(variadic) = &sig.variadic {
        errors.at(variadic, "a forward pass has a fixed number of arguments");
    }
    if let Some(clause) = &sig.generics.where_clause {
        errors.at(clause, "a forward pass has no `where` clause: dimensions are checked from the body");
    }
    let (mut inputs, mut wrong) = (vec![], vec![]);
    for input in &sig.inputs {
        match input {
            FnArg::Receiver(r) => {
                if !matches!(r.kind, syn::ReceiverKind::Reference(_, _, None)) {
                    errors.at(r, "a forward pass takes `&self`: it changes nothing in the model");
                }
            }
            FnArg::Typed(typed) => match &*typed.pat {
                Pat::Ident(p) if p.subpat.is_none() && p.by_ref.is_none() => {
                    match input_kind(&typed.ty, block.is_none(), errors, &mut divisions) {
                        Some(kind) => inputs.push(Input {
                            name: p.ident.clone(),
                            mutable: p.mutability.is_some(),
                            kind,
                            place: Place::of(&typed.ty),
                        }),
                        None => wrong.push(p.ident.clone()),
                    }
                }
                other => errors.at(other, "an argument of a forward pass is a name: `x: Tensor<B, T, WIDTH>`"),
            },
        }
    }
    // A function that makes or inspects a model says nothing in the model language.
    let foreign = receiver && sig.receiver().is_none();
    if foreign {
        errors.at(&sig.ident, format!("`{}` in an annotated impl takes `&self`; put other functions in a plain impl", sig.ident));
    }
    let mut read = |errors: &Errors| {
        let (outputs, returns_tuple) = outputs(&sig.output, sig, errors, &mut divisions);
        let (statements, result) = block.map_or((vec![], None), |b| body::block(b, errors));
        (outputs, returns_tuple, statements, result)
    };
    let (outputs, returns_tuple, statements, result) = if foreign { quiet(read) } else { read(errors) };
    Function {
        vis: vis.clone(),
        name: sig.ident.clone(),
        attributes: kept(attributes, sig, block, errors),
        replaces: replaces(attributes, &inputs, errors),
        adjoint: attributes.iter().any(|a| a.path().is_ident("adjoint")),
        variables,
        consts: const_generics(&sig.generics, errors),
        inputs,
        wrong,
        tensor: tensor(sig),
        outputs,
        returns_tuple,
        body: statements,
        result,
        place: Place::of(&sig.ident),
        divisions,
    }
}

/// The first type of the signature that is called `Tensor`, without a path.
fn tensor(sig: &Signature) -> Option<syn::Ident> {
    struct Found(Option<syn::Ident>);
    impl<'ast> syn::visit::Visit<'ast> for Found {
        fn visit_type_path(&mut self, ty: &'ast syn::TypePath) {
            let alone = ty.path.segments.first().filter(|s| ty.path.segments.len() == 1 && s.ident == "Tensor");
            self.0 = self.0.take().or_else(|| alone.map(|s| s.ident.clone()));
            syn::visit::visit_type_path(self, ty);
        }
    }
    let mut found = Found(None);
    syn::visit::Visit::visit_signature(&mut found, sig);
    found.0
}

fn qualifiers(sig: &Signature, errors: &Errors) {
    for (found, word) in [
        (sig.asyncness.as_ref().map(Place::of), "async"),
        (sig.constness.as_ref().map(Place::of), "const"),
        (matches!(sig.safety, syn::Safety::Unsafe(_)).then(|| Place::of(&sig.safety)), "unsafe"),
        (sig.abi.as_ref().map(Place::of), "extern"),
    ] {
        if let Some(place) = found {
            errors.at(place, format!("a forward pass is a plain `fn`, not `{word} fn`"));
        }
    }
}

fn input_kind(ty: &Type, signature: bool, errors: &Errors, divisions: &mut Vec<Division>) -> Option<InputKind> {
    match ty {
        Type::Group(g) => input_kind(&g.elem, signature, errors, divisions),
        Type::Path(p) if p.qself.is_none() => match last(&p.path).to_string().as_str() {
            "Tensor" => dims(ty, errors, divisions).map(|(shape, dims)| InputKind::Tensor { shape, dims, weight: false }),
            "Weight" if signature => {
                dims(ty, errors, divisions).map(|(shape, dims)| InputKind::Tensor { shape, dims, weight: true })
            }
            "Ids" => dims(ty, errors, divisions).map(|(shape, dims)| InputKind::Ids { shape, dims }),
            "f64" | "usize" | "bool" => Some(InputKind::Number(last(&p.path).clone())),
            "Buffer" if signature => dims(ty, errors, divisions).map(|(shape, _)| InputKind::Buffer { shape }),
            "Buffer" => {
                errors.at(ty, "a buffer is a field of a model and an argument of ops: a method reads it as `self.name`");
                None
            }
            "Option" if signature => {
                let PathArguments::AngleBracketed(a) = &p.path.segments[p.path.segments.len() - 1].arguments else {
                    return wrong_input(ty, errors);
                };
                match a.args.first() {
                    Some(GenericArgument::Type(inner)) => match input_kind(inner, true, errors, divisions)? {
                        InputKind::Tensor { shape, .. } => Some(InputKind::Optional { shape }),
                        _ => wrong_input(ty, errors),
                    },
                    _ => wrong_input(ty, errors),
                }
            }
            _ => wrong_input(ty, errors),
        },
        Type::Reference(r) => {
            errors.at(r, format!("tensors are passed by value here: write `{}`", expr_text(&r.elem)));
            None
        }
        _ => wrong_input(ty, errors),
    }
}

fn wrong_input(ty: &Type, errors: &Errors) -> Option<InputKind> {
    errors.at(
        ty,
        format!(
            "a forward pass takes `Tensor<B, T, WIDTH>`, `Ids<B, T>` or a number (f64, usize, bool), not `{}`",
            expr_text(ty)
        ),
    );
    None
}

/// The dimensions of `Tensor<B, T, { 4 * WIDTH }>`; `Tensor` and `Tensor<>` are scalars.
fn dims(ty: &Type, errors: &Errors, divisions: &mut Vec<Division>) -> Option<(Shape, Vec<Expr>)> {
    let Type::Path(p) = ty else { return None };
    let list = match &p.path.segments[p.path.segments.len() - 1].arguments {
        PathArguments::AngleBracketed(a) => a.args.iter().collect(),
        _ => vec![],
    };
    if list.len() > 6 {
        errors.at(ty, format!("a tensor has at most 6 dimensions, not {}", list.len()));
        return None;
    }
    let exprs: Vec<Expr> = list.iter().map(|a| errors.take(argument_expr(a))).collect::<Option<_>>()?;
    let shape = exprs.iter().map(|e| errors.take(Dim::parse(e, divisions))).collect::<Option<_>>()?;
    Some((shape, exprs))
}

fn outputs(output: &ReturnType, sig: &Signature, errors: &Errors, divisions: &mut Vec<Division>) -> (Vec<Shape>, bool) {
    let ReturnType::Type(_, ty) = output else {
        errors.at(&sig.ident, format!("`{}` returns nothing: it needs an output, `-> Tensor<B, T, WIDTH>`", sig.ident));
        return (vec![], false);
    };
    let mut one = |ty: &Type| match ty {
        Type::Path(p) if last(&p.path) == "Tensor" => dims(ty, errors, divisions).map(|(shape, _)| shape),
        other => {
            let hint = match other {
                Type::Path(p) if last(&p.path) == "Result" => ": generated code makes a `Result` of it",
                _ => "",
            };
            errors.at(other, format!("a forward pass returns `Tensor<..>` or a tuple of them, not `{}`{hint}", expr_text(other)));
            None
        }
    };
    match &**ty {
        Type::Tuple(tuple) if tuple.elems.is_empty() => {
            errors.at(ty, format!("`{}` returns nothing: it needs an output, `-> Tensor<B, T, WIDTH>`", sig.ident));
            (vec![], true)
        }
        Type::Tuple(tuple) => (tuple.elems.iter().filter_map(&mut one).collect(), true),
        ty => (one(ty).into_iter().collect(), false),
    }
}

/// True if a function is pointwise: every argument is `Tensor<Rest>` or a number, and the body is arithmetic and intrinsics.
/// Its body then travels with it and is fused into whatever calls it.
pub fn pointwise_body(function: &Function) -> bool {
    let [Variable { name, pack: true }] = function.variables.as_slice() else { return false };
    let rest = vec![Dim::name(&name.to_string())];
    let plain = function.inputs.iter().all(|i| match &i.kind {
        InputKind::Tensor { shape, .. } => *shape == rest,
        InputKind::Number(_) => true,
        _ => false,
    });
    plain
        && function.consts.is_empty()
        && function.outputs == [rest]
        && !function.returns_tuple
        && body::is_pointwise(&function.inputs, &function.body, function.result.as_ref())
}

/// Names in a signature that are neither generics nor symbolic dimensions: constants of its module.
pub fn free_constants(function: &Function, generics: &[Generic]) -> BTreeSet<String> {
    let known: BTreeSet<String> = generics
        .iter()
        .chain(&function.consts)
        .map(|g| g.name.to_string())
        .chain(function.variables.iter().map(|v| v.name.to_string()))
        .collect();
    let inputs = function.inputs.iter().filter_map(|i| match &i.kind {
        InputKind::Tensor { shape, .. }
        | InputKind::Ids { shape, .. }
        | InputKind::Optional { shape }
        | InputKind::Buffer { shape } => Some(shape),
        InputKind::Number(_) => None,
    });
    inputs
        .chain(&function.outputs)
        .flatten()
        .flat_map(|d| d.names())
        .filter(|n| !known.contains(*n) && !n.contains(['(', '/', '<']))
        .map(str::to_string)
        .collect()
}
