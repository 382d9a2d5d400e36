//! Tokens from rustc, in the form that the passes expect.
//!
//! A macro sees its item before rustc has evaluated `#[cfg(..)]` and `#[cfg_attr(..)]` in it. A derive macro sees its item afterwards. So an item with
//! such attributes makes one more round: it stands in an enum with a derive, which hands the evaluated item back, and an attribute removes the enum.

use crate::names;
use proc_macro2::{Delimiter, Group, Ident, TokenStream, TokenTree};
use quote::quote;
use syn::visit_mut::{self, VisitMut};
use syn::{Attribute, Expr, ExprParen, Item, ItemEnum, Meta, Path, Stmt, parse2};

/// One spelling for each identifier: `r#x` is `x`. The keyword of only some editions, `gen`, is raw in all.
pub fn canonical(tokens: TokenStream) -> TokenStream {
    let one = |token| match token {
        // A new group has one span for both brackets, and an error at its end would stand elsewhere.
        TokenTree::Group(g) if !is_canonical(&g.stream()) => {
            let mut inner = Group::new(g.delimiter(), canonical(g.stream()));
            inner.set_span(g.span());
            inner.into()
        }
        TokenTree::Ident(i) if i == "gen" => Ident::new_raw("gen", i.span()).into(),
        TokenTree::Ident(i) => match i.to_string().strip_prefix("r#") {
            Some(name) if !names::is_keyword(name) => Ident::new(name, i.span()).into(),
            _ => i.into(),
        },
        other => other,
    };
    tokens.into_iter().map(one).collect()
}

fn is_canonical(tokens: &TokenStream) -> bool {
    tokens.clone().into_iter().all(|token| match token {
        TokenTree::Group(g) => is_canonical(&g.stream()),
        TokenTree::Ident(i) => i != "gen" && i.to_string().strip_prefix("r#").is_none_or(names::is_keyword),
        _ => true,
    })
}

/// Writes the invisible brackets around an expression that came through a `macro_rules!` as parentheses.
pub fn with_parentheses(mut item: Item) -> Item {
    struct Brackets;
    impl VisitMut for Brackets {
        fn visit_expr_mut(&mut self, e: &mut Expr) {
            visit_mut::visit_expr_mut(self, e);
            if let Expr::Group(g) = e {
                let expr = std::mem::replace(&mut g.expr, Box::new(Expr::PLACEHOLDER));
                *e = Expr::Paren(ExprParen { attrs: std::mem::take(&mut g.attrs), paren_token: Default::default(), expr });
            }
        }
    }
    Brackets.visit_item_mut(&mut item);
    item
}

/// True if rustc has attributes to evaluate in these tokens.
pub fn has_conditions(tokens: &TokenStream) -> bool {
    let mut hash = false;
    for token in tokens.clone() {
        let found = match &token {
            TokenTree::Group(g) if hash && g.delimiter() == Delimiter::Bracket => {
                matches!(g.stream().into_iter().next(), Some(TokenTree::Ident(i)) if i == "cfg" || i == "cfg_attr")
            }
            TokenTree::Group(g) => has_conditions(&g.stream()),
            _ => false,
        };
        if found {
            return true;
        }
        // An inner attribute has a `!` between.
        hash = matches!(&token, TokenTree::Punct(p) if p.as_char() == '#' || hash && p.as_char() == '!');
    }
    false
}

/// Asks rustc to evaluate the attributes of an item.
pub fn evaluate(runtime: &Path, arguments: &TokenStream, item: &TokenStream) -> TokenStream {
    quote! {
        #[::core::prelude::v1::derive(#runtime::__Configured)]
        #[__arguments(#arguments)]
        #[#runtime::__erased]
        enum __VariationalItem { Item = { #item 0 } }
    }
}

/// The arguments and the item of [`evaluate`]; no item where it is not there in this configuration.
///
/// # Errors
/// If the input is something else.
pub fn evaluated(input: TokenStream) -> syn::Result<(TokenStream, Option<Item>)> {
    let item: ItemEnum = parse2(input)?;
    let arguments = item.attrs.iter().find(|a| a.path().is_ident("__arguments"));
    let arguments = match arguments.map(|a| &a.meta) {
        Some(Meta::List(list)) => list.tokens.clone(),
        _ => TokenStream::new(),
    };
    let Some(Expr::Block(block)) = item.variants.into_iter().next().and_then(|v| v.discriminant).map(|(_, e)| e) else {
        return Ok((arguments, None));
    };
    let item = block.block.stmts.into_iter().find_map(|s| if let Stmt::Item(item) = s { Some(item) } else { None });
    Ok((arguments, item.map(without_conditions)))
}

/// Removes the conditions that are left: rustc has evaluated the item, so they are true.
fn without_conditions(mut item: Item) -> Item {
    struct Conditions;
    impl VisitMut for Conditions {
        fn visit_attributes_mut(&mut self, attributes: &mut Vec<Attribute>) {
            attributes.retain(|a| !a.path().is_ident("cfg"));
        }
    }
    Conditions.visit_item_mut(&mut item);
    item
}
