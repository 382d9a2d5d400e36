//! Interfaces that several layers share: a trait with signatures alone, and the impl that declares that a layer has it.

use super::{Function, Generic, InputKind, LayerParameter, LayerType, const_generics, function, layer_parameters, layer_type};
use crate::errors::Errors;
use crate::parse::free_constants;
use crate::syntax::path_text;
use proc_macro2::Ident;
use syn::{GenericArgument, ItemImpl, ItemTrait, Path, PathArguments, TraitItem, Type, Visibility};

/// `trait Norm<const C: usize> { fn forward<B, H, W>(&self, x: Tensor<B, H, W, C>) -> Tensor<B, H, W, C>; }`
pub struct Interface {
    pub generics: Vec<Generic>,
    pub functions: Vec<Function>,
}

/// Reads a trait; what is wrong goes to `errors`.
pub fn interface(item: &ItemTrait, errors: &Errors) -> Interface {
    if let Some(other) = item.generics.params.iter().find(|p| !matches!(p, syn::GenericParam::Const(_))) {
        errors.at(other, "the trait of a layer has const generics only: `const WIDTH: usize`, or a flag, `const BIAS: bool`");
    }
    if let Some(clause) = &item.generics.where_clause {
        errors.at(clause, "the trait of a layer has no `where` clause: dimensions are checked from its signatures");
    }
    if !item.supertraits.is_empty() {
        errors.at(
            &item.supertraits,
            "the trait of a layer stands alone: its layers are models, and that is all that is asked of them",
        );
    }
    let generics = const_generics(&item.generics, errors);
    for parameter in item.generics.const_params() {
        if let Some((_, default)) = &parameter.default {
            errors.at(default, "the trait of a layer has no defaults: write all dimensions where it is used");
        }
    }
    let mut functions = vec![];
    for member in &item.items {
        let TraitItem::Fn(f) = member else {
            errors.at(
                member,
                "the trait of a layer holds signatures alone: `fn forward<B>(&self, x: Tensor<B, IN>) -> Tensor<B, OUT>;`",
            );
            continue;
        };
        if let Some(block) = &f.default {
            errors.at(block, "the trait of a layer holds signatures alone: end this one with `;`");
        }
        let read = function(&Visibility::Inherited, &f.attrs, &f.sig, None, true, errors);
        for input in &read.inputs {
            if matches!(
                input.kind,
                InputKind::Optional { .. } | InputKind::Buffer { .. } | InputKind::Tensor { weight: true, .. }
            ) {
                errors.at(input.place, "a layer takes `Tensor<B, T, WIDTH>`, `Ids<B, T>` or a number (f64, usize, bool)");
            }
        }
        if let Some(attribute) = f.attrs.iter().find(|a| a.path().is_ident("adjoint")) {
            errors.at(attribute, "the trait of a layer says nothing of adjoints: `#[adjoint]` belongs to the layer's own method");
        }
        for constant in free_constants(&read, &generics) {
            errors
                .at(&f.sig, format!("`{constant}` is no dimension of `{}`: make it one, `const {constant}: usize`", item.ident));
        }
        functions.push(read);
    }
    if item.items.is_empty() {
        errors.at(
            &item.ident,
            "the trait of a layer says what it does: `fn forward<B>(&self, x: Tensor<B, IN>) -> Tensor<B, OUT>;`",
        );
    }
    Interface { generics, functions }
}

/// `impl<const C: usize> Norm<C> for GroupNorm<C, 8> {}`
pub struct Conformance {
    pub layers: Vec<LayerParameter>,
    pub generics: Vec<Generic>,
    /// Without arguments.
    pub interface: Path,
    /// Its dimensions, each a const generic of the impl.
    pub arguments: Vec<Ident>,
    pub layer: LayerType,
}

/// Reads the impl of a trait; what is wrong goes to `errors`.
pub fn conformance(item: &ItemImpl, errors: &Errors) -> Option<Conformance> {
    let (interface, _) = item.trait_.as_ref()?;
    let Type::Path(ty) = &*item.self_ty else {
        errors.at(&item.self_ty, "a model is needed here: `impl<const C: usize> Norm<C> for LayerNorm<C> {}`");
        return None;
    };
    let layers = errors.take(layer_parameters(&item.generics))?;
    let generics = const_generics(&item.generics, errors);
    let mut path = interface.clone();
    let mut arguments = vec![];
    if let Some(last) = path.segments.last_mut()
        && let PathArguments::AngleBracketed(a) = std::mem::replace(&mut last.arguments, PathArguments::None)
    {
        for argument in a.args {
            let name = match &argument {
                GenericArgument::Type(Type::Path(p)) => p.path.get_ident().filter(|n| generics.iter().any(|g| g.name == **n)),
                _ => None,
            };
            match name {
                Some(name) if !arguments.contains(name) => arguments.push(name.clone()),
                _ => errors.at(
                    &argument,
                    format!("the dimensions of `{}` are const generics of this impl, each once", path_text(&path)),
                ),
            }
        }
    }
    if let Some(generic) = generics.iter().find(|g| !arguments.contains(&g.name)) {
        let text = format!("`{}` is no dimension of `{}`, so it would never get a value", generic.name, path_text(interface));
        errors.at(&generic.name, text);
    }
    let layer = layer_type(&ty.path, (&item.generics, &layers), errors, &mut vec![])?;
    if layer.path != layer.signature {
        errors.at(&item.self_ty, "this is said of a layer, not of a type parameter");
        return None;
    }
    Some(Conformance { layers, generics, interface: path, arguments, layer })
}
