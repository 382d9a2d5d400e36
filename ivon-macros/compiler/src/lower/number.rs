//! Numbers that are known when the model runs. All are f64 in generated code; arithmetic of whole numbers means what it means in Rust.

use super::*;
use crate::intrinsics::Intrinsic;
use crate::syntax::constant;

/// A number, as tokens of type f64, and whether its type in Rust is one of whole numbers.
#[derive(Clone)]
pub struct Number {
    pub tokens: TokenStream,
    pub whole: Whole,
}

/// True if a number is whole: then `5 / 2` is 2.
#[derive(Clone)]
pub enum Whole {
    /// An f64.
    No,
    /// A literal, or arithmetic of literals.
    Literal,
    /// A usize: a dimension, a setting or an argument.
    Unsigned,
    /// A constant of a module, whose type only rustc knows: tokens of type bool.
    If(TokenStream),
}

impl Number {
    pub fn float(tokens: TokenStream) -> Number {
        Number { tokens, whole: Whole::No }
    }

    pub fn literal(tokens: TokenStream) -> Number {
        Number { tokens, whole: Whole::Literal }
    }

    /// A usize, which generated code has as one.
    pub fn unsigned(tokens: TokenStream) -> Number {
        Number { tokens: quote!((#tokens as f64)), whole: Whole::Unsigned }
    }

    /// A constant of a module.
    pub fn constant(path: impl quote::ToTokens) -> Number {
        Number { tokens: quote!((#path as f64)), whole: Whole::If(quote!(ivon::is_whole(&#path))) }
    }

    /// This number or another.
    pub fn or(self, other: Number, condition: &TokenStream) -> Number {
        let (a, b) = (self.tokens, other.tokens);
        Number { tokens: quote!((if #condition { #a } else { #b })), whole: self.whole.with(other.whole) }
    }

    pub fn negated(self) -> Number {
        let (tokens, whole) = (self.tokens, self.whole);
        let whole = if matches!(whole, Whole::Unsigned) { Whole::Literal } else { whole };
        Number { tokens: quote!((-#tokens)), whole }
    }
}

impl Whole {
    /// The type of arithmetic of two.
    pub fn with(self, other: Whole) -> Whole {
        match (self, other) {
            (Whole::No, _) | (_, Whole::No) => Whole::No,
            (Whole::If(a), Whole::If(b)) if a.to_string() == b.to_string() => Whole::If(a),
            (Whole::If(a), Whole::If(b)) => Whole::If(quote!((#a && #b))),
            // The other one is whole, so this one is where the expression has a type at all.
            (Whole::If(a), _) | (_, Whole::If(a)) => Whole::If(a),
            (Whole::Unsigned, _) | (_, Whole::Unsigned) => Whole::Unsigned,
            (Whole::Literal, Whole::Literal) => Whole::Literal,
        }
    }

    /// The type of a function of numbers.
    pub fn of_call(intrinsic: Intrinsic, arguments: impl Iterator<Item = Whole>) -> Whole {
        match intrinsic {
            Intrinsic::Max | Intrinsic::Min | Intrinsic::Abs => arguments.reduce(Whole::with).unwrap_or(Whole::No),
            _ => Whole::No,
        }
    }
}

impl Lower<'_> {
    /// Arithmetic of two numbers.
    pub(super) fn number(&self, operator: char, left: Number, right: Number, e: &Expression) -> Option<Operand> {
        let (l, r, text) = (&left.tokens, &right.tokens, &e.text);
        let whole = left.whole.with(right.whole);
        let tokens = match (operator, &whole) {
            ('/', Whole::No) => quote!((#l / #r)),
            ('/', whole) => match (whole, constant(l), constant(r)) {
                (_, _, Some(0.0)) if !matches!(whole, Whole::If(_)) => {
                    let text = format!("`{text}` divides a whole number by zero");
                    self.errors.at(self.place(e.place), text);
                    return None;
                }
                (Whole::Literal, Some(a), Some(b)) => {
                    let quotient = proc_macro2::Literal::f64_unsuffixed((a / b).trunc().abs());
                    if (a / b).trunc() < 0.0 { quote!((-#quotient)) } else { quote!(#quotient) }
                }
                (Whole::If(is_whole), ..) => quote!(ivon::quotient(#text, #l, #r, #is_whole)?),
                _ => quote!(ivon::quotient(#text, #l, #r, true)?),
            },
            // In Rust a usize below zero is a panic.
            ('-', Whole::Unsigned) => quote!(ivon::difference(#text, #l, #r)?),
            (operator, _) => {
                let operator = proc_macro2::Punct::new(operator, proc_macro2::Spacing::Alone);
                quote!((#l #operator #r))
            }
        };
        Some(Operand::Number(Number { tokens, whole }))
    }

    /// A number as an argument of type usize.
    pub(super) fn counted(&self, number: Number, callee: &str, input: &parse::Input, place: Place) -> Option<Number> {
        if matches!(number.whole, Whole::No) || is_no_count(&number.tokens) {
            self.errors.at(place, no_count(&input.name, callee));
            return None;
        }
        Some(Number { whole: Whole::Unsigned, ..number })
    }
}

/// True if a number that is written out is not a usize: it is negative or not whole.
pub fn is_no_count(tokens: &TokenStream) -> bool {
    constant(tokens).is_some_and(|n| n < 0.0 || n.fract() != 0.0)
}

/// "`heads` of `op` is a count (usize), .."
pub fn no_count(argument: &Ident, callee: &str) -> String {
    format!("`{argument}` of `{callee}` is a usize: a whole number that is not negative")
}
