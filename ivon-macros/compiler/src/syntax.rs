//! Helpers that read syn's types: parts of expressions, and their text as the user would write it.

use proc_macro2::{Ident, TokenStream};
use quote::ToTokens;
use syn::{BinOp, Expr, Lit, Path, UnOp};

/// An expression without the parentheses around it.
pub fn bare(e: &Expr) -> &Expr {
    match e {
        Expr::Paren(p) => bare(&p.expr),
        Expr::Group(g) => bare(&g.expr),
        _ => e,
    }
}

/// True for `_`, in place of a dimension that follows from the others.
pub fn is_left_open(dim: &Expr) -> bool {
    matches!(bare(dim), Expr::Infer(_))
}

/// The number of an axis as it is written: `1`, or `-1` for the last.
pub fn axis_number(axis: &Expr) -> Option<i64> {
    match bare(axis) {
        Expr::Lit(syn::ExprLit { lit: syn::Lit::Int(n), .. }) => n.base10_parse().ok(),
        Expr::Unary(syn::ExprUnary { op: syn::UnOp::Neg(_), expr, .. }) => axis_number(expr).map(|n| -n),
        _ => None,
    }
}

/// `crate::layers::Block` without spaces.
pub fn path_text(path: &Path) -> String {
    path.to_token_stream().to_string().replace(' ', "")
}

/// The last segment of a path.
pub fn last(path: &Path) -> &Ident {
    // A path has at least one segment: syn parses no other.
    &path.segments[path.segments.len() - 1].ident
}

/// Returns an expression on one line, as the user would write it.
pub fn expr_text(expr: impl ToTokens) -> String {
    let mut text = expr.to_token_stream().to_string().replace('\n', " ");
    for (from, to) in [
        (" (", "("),
        ("( ", "("),
        (" )", ")"),
        (" . ", "."),
        (" ,", ","),
        ("self .", "self."),
        ("& ", "&"),
        (" ::", "::"),
        (":: ", "::"),
        ("[ ", "["),
        (" ]", "]"),
        (" .. ", ".."),
    ] {
        text = text.replace(from, to);
    }
    // A call's parenthesis has no space before it, an operator's has one.
    for operator in ["+", "-", "*", "/", "="] {
        text = text.replace(&format!("{operator}("), &format!("{operator} ("));
    }
    for before in ["(", ", ", "[", "= "] {
        text = text.replace(&format!("{before}- "), &format!("{before}-"));
    }
    let text = with_angles(&text);
    text.strip_prefix("- ").map(|rest| format!("-{rest}")).unwrap_or(text)
}

/// Sets the brackets of `Linear < 4 , 4 >` close to what they enclose; a comparison, `x < y`, keeps its spaces.
fn with_angles(text: &str) -> String {
    let mut out = String::new();
    let (mut depth, mut rest) = (0, text.chars().peekable());
    while let Some(c) = rest.next() {
        let before = if matches!(c, '<' | '>') { out.trim_end() } else { "" };
        let name = before.rsplit(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default();
        let is_type = before.ends_with("::") || name.starts_with(char::is_uppercase);
        let opens = c == '<' && is_type && rest.clone().any(|c| c == '>');
        let closes = c == '>' && depth > 0 && !before.ends_with(['-', '=']);
        if opens || closes {
            out.truncate(before.len());
            depth = if opens { depth + 1 } else { depth - 1 };
        }
        out.push(c);
        while opens && rest.next_if_eq(&' ').is_some() {}
    }
    out
}

/// The value of a number that is written out: `0.5`, `(2.0 / 3.0)`.
pub fn constant(tokens: &TokenStream) -> Option<f64> {
    fn value(e: &Expr) -> Option<f64> {
        match e {
            Expr::Lit(l) => match &l.lit {
                Lit::Float(f) => f.base10_parse().ok(),
                Lit::Int(i) => i.base10_parse().ok(),
                _ => None,
            },
            Expr::Paren(p) => value(&p.expr),
            Expr::Group(g) => value(&g.expr),
            Expr::Unary(u) if matches!(u.op, UnOp::Neg(_)) => Some(-value(&u.expr)?),
            Expr::Binary(b) => {
                let (l, r) = (value(&b.left)?, value(&b.right)?);
                match b.op {
                    BinOp::Add(_) => Some(l + r),
                    BinOp::Sub(_) => Some(l - r),
                    BinOp::Mul(_) => Some(l * r),
                    BinOp::Div(_) => Some(l / r),
                    _ => None,
                }
            }
            _ => None,
        }
    }
    value(&syn::parse2(tokens.clone()).ok()?).filter(|v| v.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_reads_as_it_was_written() {
        for text in [
            "select(x > 0.0, x, -1.0)",
            "x < y",
            "one_hot::<CLASSES>(ids) * (ids != PAD)",
            "Linear<WIDTH, { 4 * WIDTH }>",
            "max(-x, 2.0) - 1.0",
            "-x.slice(0, 0..T)",
            "Ids<B, T>",
        ] {
            let tokens: TokenStream = text.parse().unwrap();
            assert_eq!(expr_text(tokens), text);
        }
    }
}
