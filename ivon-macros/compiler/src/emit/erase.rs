//! The struct as rustc gets it. Dimensions are erased in fields: arguments are dropped and the struct's const generics get a default,
//! so `up: Linear<WIDTH, { 4 * WIDTH }>` becomes `up: Linear`.

use crate::parse;
use crate::syntax::last;
use proc_macro2::{Ident, Literal, TokenStream};
use quote::{ToTokens, quote};
use syn::{GenericArgument, ItemStruct, PathArguments, Type};

/// The struct without dimensions.
pub fn erased_structure(item: &ItemStruct) -> TokenStream {
    let ItemStruct { attrs, vis, ident, generics, fields, .. } = item;
    // One without a trait is refused once the impl is seen; until then rustc must know of it.
    let layers = generics.type_params().map(|p| {
        let (name, bounds) = (&p.ident, &p.bounds);
        if bounds.is_empty() { quote!(#name) } else { quote!(#name: #bounds) }
    });
    let parameters = generics.const_params().map(|p| {
        let (name, ty) = (&p.ident, &p.ty);
        let default = match (&p.default, ty.to_token_stream().to_string().as_str()) {
            (Some((_, default)), _) => quote!(#default),
            (None, "bool") => quote!(false),
            _ => quote!(0),
        };
        quote!(const #name: #ty = #default)
    });
    let parameters = layers.chain(parameters);
    // A model that contains itself is refused once its impl is seen; until then rustc must not see an infinite type.
    let fields = fields.iter().filter(|f| !contains_itself(&f.ty, ident)).map(|f| {
        let attributes = f.attrs.iter().filter(|a| !parse::is_ours(a));
        let (vis, name, ty) = (&f.vis, &f.ident, erased(&f.ty, generics));
        quote!(#(#attributes)* #vis #name: #ty)
    });
    let count = Literal::usize_unsuffixed(generics.const_params().count());
    quote! {
        #(#attrs)*
        #vis struct #ident<#(#parameters),*> {
            #(#fields,)*
            #[doc(hidden)]
            __dims_set_by_new: [usize; #count],
        }
    }
}

fn contains_itself(field: &Type, model: &Ident) -> bool {
    match field {
        Type::Group(g) => contains_itself(&g.elem, model),
        Type::Paren(p) => contains_itself(&p.elem, model),
        Type::Path(p) if last(&p.path) == "Option" => match p.path.segments.last().map(|s| &s.arguments) {
            Some(PathArguments::AngleBracketed(a)) => {
                a.args.iter().any(|a| matches!(a, GenericArgument::Type(inner) if contains_itself(inner, model)))
            }
            _ => false,
        },
        Type::Path(p) => p.path.segments.len() == 1 && (last(&p.path) == model || last(&p.path) == "Self"),
        _ => false,
    }
}

/// A field's type without dimensions; `own` are the generics of its model.
fn erased(ty: &Type, own: &syn::Generics) -> TokenStream {
    match ty {
        // It cannot be a field, which is reported once the impl is seen; until then it must be some type.
        Type::Path(p) if parse::is_no_layer(last(&p.path)) => quote!(()),
        Type::Array(array) => {
            let element = erased(&array.elem, own);
            quote!(::std::boxed::Box<[#element]>)
        }
        Type::Group(g) => erased(&g.elem, own),
        Type::Paren(p) => erased(&p.elem, own),
        Type::Path(p) => {
            let mut p = p.clone();
            let option = last(&p.path) == "Option";
            for segment in &mut p.path.segments {
                let PathArguments::AngleBracketed(a) = &mut segment.arguments else { continue };
                if let (true, Some(GenericArgument::Type(inner))) = (option, a.args.first()) {
                    let inner = erased(inner, own);
                    return quote!(::std::option::Option<#inner>);
                }
                let layers = a.args.iter().filter(|a| parse::is_layer_argument(a, own));
                let layers = layers.filter_map(|a| if let GenericArgument::Type(ty) = a { Some(erased(ty, own)) } else { None });
                a.args = syn::parse_quote!(#(#layers),*);
                if a.args.is_empty() {
                    segment.arguments = PathArguments::None;
                }
            }
            quote!(#p)
        }
        // No field either.
        Type::Reference(_) => quote!(()),
        other => quote!(#other),
    }
}
