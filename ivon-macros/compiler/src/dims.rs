//! Dimension arithmetic: `4 * W`, `W * 4` and `W + 3 * W` are the same value, and `H * (W / H)` is `W`.
//!
//! A dimension is a polynomial in normal form: a sum of monomials with rational coefficients, where a name may have a negative
//! power. A division that the user writes is meant to be exact; the requirement is collected as a [`Division`] and checked
//! where the values are known. `floor(a / b)` is for the dimensions of convolutions: an atom, unless it can be computed.

use crate::syntax::bare;
use proc_macro2::{Literal, Span, TokenStream};
use quote::{ToTokens, quote};
use std::collections::BTreeMap;
use std::fmt;
use syn::spanned::Spanned;
use syn::{BinOp, Error, Expr, ExprLit, ExprPath, GenericArgument, Lit, Result, Stmt, Type};

/// Names and their powers, none of them zero.
type Monomial = BTreeMap<String, i32>;

/// A dimension in normal form: no coefficient is zero, so that equality is structural.
#[derive(Clone, PartialEq, Eq, Debug, Default, PartialOrd, Ord)]
pub struct Dim(BTreeMap<Monomial, Ratio>);

/// The most dimensions that a tensor of the runtime may have.
pub const MAX_RANK: usize = 6;

/// A product of more terms than these, or of higher powers, is too large to work with, and so is a quotient with a longer text.
const MOST_TERMS: usize = 256;
const MOST_POWERS: u32 = 64;
const LONGEST_NAME: usize = 4000;
const TOO_LARGE: &str = "(too large)";
/// The message about such a dimension.
pub const TOO_LARGE_TEXT: &str =
    "this dimension has too many terms to compare it with others: make it a const generic or a constant of its own";

/// A shape: outermost dimension first.
pub type Shape = Vec<Dim>;

/// A fraction in lowest terms, with a positive denominator.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
struct Ratio(i64, i64);

impl Ratio {
    /// `None` where the numbers do not fit.
    fn new(numerator: i128, denominator: i128) -> Option<Ratio> {
        let (mut a, mut b) = (numerator.unsigned_abs(), denominator.unsigned_abs());
        while b != 0 {
            (a, b) = (b, a % b);
        }
        let divisor = a.max(1) as i128 * denominator.signum();
        Some(Ratio(i64::try_from(numerator / divisor).ok()?, i64::try_from(denominator / divisor).ok()?))
    }
    fn plus(self, other: Ratio) -> Option<Ratio> {
        let (a, b, c, d) = (self.0 as i128, self.1 as i128, other.0 as i128, other.1 as i128);
        Ratio::new(a.checked_mul(d)?.checked_add(c.checked_mul(b)?)?, b * d)
    }
    fn times(self, other: Ratio) -> Option<Ratio> {
        Ratio::new(self.0 as i128 * other.0 as i128, self.1 as i128 * other.1 as i128)
    }
}

/// A written or inferred division: `numerator` must be a multiple of `denominator`.
#[derive(Clone, Debug)]
pub struct Division {
    pub numerator: Dim,
    pub denominator: Dim,
    pub span: Span,
}

impl Dim {
    /// A number.
    pub fn constant(value: i64) -> Dim {
        Dim((value != 0).then(|| (Monomial::new(), Ratio(value, 1))).into_iter().collect())
    }

    /// A name, of a const generic, a symbolic dimension or a constant.
    pub fn name(name: &str) -> Dim {
        Dim([([(name.to_string(), 1)].into(), Ratio(1, 1))].into())
    }

    fn sum(terms: impl IntoIterator<Item = (Monomial, Ratio)>) -> Dim {
        let mut sum: BTreeMap<Monomial, Ratio> = BTreeMap::new();
        for (monomial, c) in terms {
            let entry = sum.entry(monomial).or_insert(Ratio(0, 1));
            // A sum that does not fit 64 bits is nonsense as a dimension; it stays different from everything sensible.
            *entry = entry.plus(c).unwrap_or(Ratio(i64::MAX, 1));
        }
        sum.retain(|_, c| c.0 != 0);
        Dim(sum)
    }

    /// The sum.
    pub fn plus(&self, other: &Dim) -> Dim {
        Dim::sum(self.0.clone().into_iter().chain(other.0.clone()))
    }

    /// The difference.
    pub fn minus(&self, other: &Dim) -> Dim {
        self.plus(&other.times(&Dim::constant(-1)))
    }

    /// A stand-in for a dimension that is longer than anyone writes and would take as long to work with.
    fn too_large() -> Dim {
        Dim::name(TOO_LARGE)
    }

    /// True if this stands for a dimension that was too long to work with: it is equal to nothing.
    pub fn is_too_large(&self) -> bool {
        self.names().any(|n| n.contains(TOO_LARGE))
    }

    /// The largest power of a name.
    fn degree(&self) -> u32 {
        self.0.keys().flat_map(|m| m.values()).map(|p| p.unsigned_abs()).max().unwrap_or(0)
    }

    /// The product.
    pub fn times(&self, other: &Dim) -> Dim {
        if self.0.len() * other.0.len() > MOST_TERMS || self.degree() + other.degree() > MOST_POWERS {
            return Dim::too_large();
        }
        let mut terms = vec![];
        for (a, x) in &self.0 {
            for (b, y) in &other.0 {
                let mut monomial = a.clone();
                for (name, power) in b {
                    *monomial.entry(name.clone()).or_default() += power;
                }
                monomial.retain(|_, power| *power != 0);
                terms.push((monomial, x.times(*y).unwrap_or(Ratio(i64::MAX, 1))));
            }
        }
        Dim::sum(terms)
    }

    /// The exact quotient by a single term (`HEADS`, `2 * HEADS`), else an atom that is equal only to itself.
    pub fn over(&self, other: &Dim) -> Dim {
        match (other.0.len(), other.0.first_key_value()) {
            (1, Some((monomial, c))) => {
                let inverse = monomial.iter().map(|(name, power)| (name.clone(), -power)).collect();
                let Some(c) = Ratio::new(c.1 as i128, c.0 as i128) else { return Dim::atom("/", self, other) };
                self.times(&Dim([(inverse, c)].into()))
            }
            _ => Dim::atom("/", self, other),
        }
    }

    /// The quotient rounded down, in a normal form for divisors of one term: multiples of the divisor are taken out, floor((2 H + 3) / 2) = H + 1 and
    /// floor((P G - P) / P) = G - 1, and floors within floors are one, floor((floor((H - 1) / 2) + 1) / 2) = floor((H + 1) / 4).
    pub fn floor_over(&self, other: &Dim) -> Dim {
        if *other == Dim::constant(1) {
            return self.clone();
        }
        if !other.is_positive() || self.0.values().chain(other.0.values()).any(|c| c.1 != 1) {
            return self.floor_atom(other);
        }
        if let Some((numerator, divisor)) = self.inner_floor() {
            return numerator.floor_over(&divisor.times(other));
        }
        let (1, Some((divisor, Ratio(size, _)))) = (other.0.len(), other.0.first_key_value()) else {
            return self.floor_atom(other);
        };
        let (mut whole, mut rest) = (vec![], vec![]);
        for (monomial, c) in &self.0 {
            match quotient(monomial, divisor) {
                Some(quotient) => {
                    whole.push((quotient, Ratio(c.0.div_euclid(*size), 1)));
                    rest.push((monomial.clone(), Ratio(c.0.rem_euclid(*size), 1)));
                }
                None => rest.push((monomial.clone(), *c)),
            }
        }
        let (whole, rest) = (Dim::sum(whole), Dim::sum(rest));
        // A number that is left is less than the divisor, which is at least its coefficient.
        match rest.as_number() {
            Some(n) if (0..*size).contains(&n) => whole,
            Some(n) if (-size..0).contains(&n) => whole.minus(&Dim::constant(1)),
            _ => whole.plus(&rest.floor_atom(other)),
        }
    }

    /// For floor(a / b) + c: a + b c and b. The floor of its quotient by d is that of (a + b c) / (b d).
    fn inner_floor(&self) -> Option<(Dim, Dim)> {
        let is_floor = |m: &Monomial| m.iter().any(|(name, power)| *power == 1 && name.starts_with("floor("));
        let (monomial, _) = self.0.iter().find(|(m, c)| m.len() == 1 && **c == Ratio(1, 1) && is_floor(m))?;
        let Expr::Call(call) = syn::parse_str(monomial.first_key_value()?.0).ok()? else { return None };
        let Expr::Binary(quotient) = call.args.first()? else { return None };
        let part = |e: &Expr| Dim::parse(e, &mut vec![]).ok();
        let (numerator, divisor) = (part(&quotient.left)?, part(&quotient.right)?);
        let mut rest = self.clone();
        rest.0.remove(monomial);
        divisor.is_positive().then(|| (numerator.plus(&divisor.times(&rest)), divisor))
    }

    fn floor_atom(&self, other: &Dim) -> Dim {
        let in_parentheses = |d: &Dim, several: bool| if several { format!("({d})") } else { d.to_string() };
        // A product to the right of `/` would be read as (a / b) * c.
        let single = other.as_number().is_some() || other.as_name().is_some();
        Dim::long_name(format!("floor({} / {})", in_parentheses(self, self.0.len() > 1), in_parentheses(other, !single)))
    }

    fn atom(operator: &str, left: &Dim, right: &Dim) -> Dim {
        Dim::long_name(format!("(({left}) {operator} ({right}))"))
    }

    fn long_name(text: String) -> Dim {
        if text.len() > LONGEST_NAME { Dim::too_large() } else { Dim::name(&text) }
    }

    /// Replaces names by dimensions.
    pub fn substitute(&self, bind: &BTreeMap<String, Dim>) -> Dim {
        let mut sum = Dim::default();
        for (monomial, c) in &self.0 {
            let mut term = Dim([(Monomial::new(), *c)].into());
            for (name, power) in monomial {
                let value = match bind.get(name) {
                    Some(value) => value.clone(),
                    None => substitute_atom(name, bind).unwrap_or_else(|| Dim::name(name)),
                };
                for _ in 0..power.unsigned_abs() {
                    term = if *power > 0 { term.times(&value) } else { term.over(&value) };
                }
            }
            sum = sum.plus(&term);
        }
        sum
    }

    /// Solves `self = value` for the one name in `unknown` that occurs: `3 * HEADS * SIZE = 3 * WIDTH` gives
    /// `SIZE = WIDTH / HEADS`. `None` if there is not exactly one, or it does not occur linearly.
    pub fn solve(&self, value: &Dim, unknown: impl Fn(&str) -> bool) -> Option<(String, Dim, Dim)> {
        let mut found: Option<String> = None;
        for name in self.0.keys().flat_map(|m| m.keys()).filter(|n| unknown(n)) {
            if found.as_ref().is_some_and(|f| f != name) {
                return None;
            }
            found = Some(name.clone());
        }
        let name = found?;
        let (with, without): (Vec<_>, Vec<_>) = self.0.clone().into_iter().partition(|(m, _)| m.contains_key(&name));
        let mut factor = vec![];
        for (mut monomial, c) in with {
            if monomial.remove(&name) != Some(1) {
                return None;
            }
            factor.push((monomial, c));
        }
        let (factor, rest) = (Dim::sum(factor), Dim::sum(without));
        let numerator = value.minus(&rest);
        Some((name, numerator.over(&factor), factor))
    }

    /// As an expression of type i128, if it is a polynomial with whole coefficients.
    pub fn integer(&self) -> Option<TokenStream> {
        let term = |(monomial, c): (&Monomial, &Ratio)| {
            let plain = |name: &str| !name.contains(['(', '/', '<']);
            if c.1 != 1 || monomial.iter().any(|(name, power)| *power < 0 || !plain(name)) {
                return None;
            }
            let names = monomial.iter().flat_map(|(name, power)| (0..*power).map(|_| syn::parse_str::<Expr>(name).ok()));
            let names: Vec<Expr> = names.collect::<Option<_>>()?;
            let c = Literal::i128_unsuffixed(c.0.into());
            Some(quote!(#c #(* (#names as i128))*))
        };
        let terms: Vec<TokenStream> = self.0.iter().map(term).collect::<Option<_>>()?;
        Some(if terms.is_empty() { quote!(0) } else { quote!(#(#terms)+*) })
    }

    /// The names with their multiples, `SIZE` with 4, that make the divisions exact.
    pub fn multiples(divisions: &[&Division]) -> BTreeMap<String, Dim> {
        let mut multiples: BTreeMap<String, Dim> = BTreeMap::new();
        for Division { numerator, denominator, .. } in divisions {
            let Some(name) = numerator.as_name().filter(|_| denominator.0.len() == 1) else { continue };
            let known = multiples.get(name).map(|of| (of.as_number(), denominator.as_number()));
            let multiple = match known {
                None => Some(denominator.clone()),
                Some((Some(a), Some(b))) => least_common_multiple(a, b).map(Dim::constant),
                // If two names divide a third one, no common multiple is known.
                Some(_) => None,
            };
            multiples.extend(multiple.map(|multiple| (name.to_string(), multiple)));
        }
        let part = |name: &str, of: &Dim| of.times(&Dim::name(&format!("{name}__part")));
        multiples.into_iter().map(|(name, of)| (name.clone(), part(&name, &of))).collect()
    }

    /// Every name that occurs.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().flat_map(|m| m.keys()).map(String::as_str)
    }

    /// The name, if it is one.
    pub fn as_name(&self) -> Option<&str> {
        let (monomial, c) = self.0.first_key_value()?;
        let (name, power) = monomial.first_key_value()?;
        (self.0.len() == 1 && monomial.len() == 1 && *c == Ratio(1, 1) && *power == 1).then_some(name)
    }

    /// The number, if it is one.
    pub fn as_number(&self) -> Option<i64> {
        match (self.0.len(), self.0.first_key_value()) {
            (0, _) => Some(0),
            (1, Some((monomial, Ratio(c, 1)))) if monomial.is_empty() => Some(*c),
            _ => None,
        }
    }

    /// Greater than zero whatever the values of its names, each of which is at least one.
    pub fn is_positive(&self) -> bool {
        !self.0.is_empty() && self.0.values().all(|c| c.0 > 0)
    }

    /// A number that is not whole or is negative: impossible as a dimension.
    pub fn is_impossible(&self) -> bool {
        self.0.len() == 1 && self.0.first_key_value().is_some_and(|(m, c)| m.is_empty() && (c.1 != 1 || c.0 < 0))
    }

    /// Reads a dimension; every division in it goes to `divisions`.
    pub fn parse(expr: &Expr, divisions: &mut Vec<Division>) -> Result<Dim> {
        match Dim::read(expr, divisions)? {
            dim if dim.is_too_large() => Err(Error::new_spanned(expr, TOO_LARGE_TEXT)),
            dim => Ok(dim),
        }
    }

    fn read(expr: &Expr, divisions: &mut Vec<Division>) -> Result<Dim> {
        Ok(match expr {
            Expr::Lit(ExprLit { lit: Lit::Int(n), .. }) => Dim::constant(n.base10_parse()?),
            Expr::Path(ExprPath { path, .. }) => match path.get_ident() {
                Some(ident) => Dim::name(&ident.to_string()),
                None => Dim::name(&path.to_token_stream().to_string().replace(' ', "")),
            },
            Expr::Paren(e) => Dim::parse(&e.expr, divisions)?,
            Expr::Group(e) => Dim::parse(&e.expr, divisions)?,
            Expr::Block(b) if b.block.stmts.len() == 1 => match &b.block.stmts[0] {
                Stmt::Expr(e, None) => Dim::parse(e, divisions)?,
                other => return Err(Error::new_spanned(other, "a dimension is an expression, as in `{ 4 * WIDTH }`")),
            },
            Expr::Call(call) if is_floor(&call.func) && call.args.len() == 1 => match bare(&call.args[0]) {
                Expr::Binary(b) if matches!(b.op, BinOp::Div(_)) => {
                    Dim::parse(&b.left, divisions)?.floor_over(&Dim::parse(&b.right, divisions)?)
                }
                other => return Err(Error::new_spanned(other, "`floor` takes a division: `floor(SIZE / STRIDE)`")),
            },
            Expr::Binary(b) => {
                let (left, right) = (Dim::parse(&b.left, divisions)?, Dim::parse(&b.right, divisions)?);
                match b.op {
                    BinOp::Add(_) => left.plus(&right),
                    BinOp::Sub(_) => left.minus(&right),
                    BinOp::Mul(_) => left.times(&right),
                    BinOp::Div(_) if right == Dim::default() => {
                        return Err(Error::new_spanned(b, "a dimension cannot be divided by zero"));
                    }
                    BinOp::Div(_) => {
                        let quotient = left.over(&right);
                        divisions.push(Division { numerator: left, denominator: right, span: b.span() });
                        quotient
                    }
                    _ => return Err(Error::new_spanned(b, "a dimension uses `+ - * /` and `floor(a / b)`")),
                }
            }
            other => {
                let text = match other {
                    Expr::Unary(_) => {
                        "a dimension is not negative: in a `reshape`, `_` stands for the one that follows from the others"
                    }
                    _ => "a dimension is a number, a name, or `+ - * /` and `floor(a / b)` of them",
                };
                return Err(Error::new_spanned(other, text));
            }
        })
    }
}

fn least_common_multiple(a: i64, b: i64) -> Option<i64> {
    let Ratio(a_part, _) = Ratio::new(a.into(), b.into())?;
    a_part.checked_mul(b).filter(|multiple| *multiple > 0)
}

/// A monomial by another, if that divides it whatever the values.
fn quotient(monomial: &Monomial, divisor: &Monomial) -> Option<Monomial> {
    let mut quotient = monomial.clone();
    for (name, power) in divisor {
        *quotient.get_mut(name)? -= power;
    }
    quotient.retain(|_, power| *power != 0);
    // In `P W / H` it is unknown if H divides W.
    (divisor.is_empty() || quotient.values().all(|power| *power > 0)).then_some(quotient)
}

fn is_floor(function: &Expr) -> bool {
    matches!(function, Expr::Path(p) if p.path.is_ident("floor"))
}

/// A `floor(..)` atom mentions names in its text; when they get values it is read again and computed.
fn substitute_atom(atom: &str, bind: &BTreeMap<String, Dim>) -> Option<Dim> {
    if !atom.contains(['(', '/']) {
        return None;
    }
    let expr: Expr = syn::parse_str(atom).ok()?;
    let (function, quotient) = match &expr {
        Expr::Call(call) if is_floor(&call.func) => (true, call.args.first()?),
        Expr::Paren(p) => (false, &*p.expr),
        _ => return None,
    };
    let Expr::Binary(b) = quotient else { return None };
    let part = |e: &Expr| Some(Dim::parse(e, &mut vec![]).ok()?.substitute(bind));
    let (left, right) = (part(&b.left)?, part(&b.right)?);
    Some(if function { left.floor_over(&right) } else { left.over(&right) })
}

/// A generic argument as an expression: `WIDTH`, `64`, `{ 4 * WIDTH }`.
pub fn argument_expr(argument: &GenericArgument) -> Result<Expr> {
    match argument {
        GenericArgument::Const(e) => Ok(e.clone()),
        GenericArgument::Type(Type::Path(p)) if p.qself.is_none() => {
            Ok(Expr::Path(ExprPath { attrs: vec![], qself: None, path: p.path.clone() }))
        }
        other => {
            Err(Error::new_spanned(other, "expected a dimension: a number, a name or an expression in braces, `{ 4 * WIDTH }`"))
        }
    }
}

/// `[B, T, WIDTH]`
pub fn show(shape: &[Dim]) -> String {
    let dims: Vec<String> = shape.iter().map(Dim::to_string).collect();
    format!("[{}]", dims.join(", "))
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("0");
        }
        // In the usual order: added terms before subtracted ones, products before names before numbers.
        let mut terms: Vec<(&Monomial, &Ratio)> = self.0.iter().collect();
        terms.sort_by_key(|(m, c)| (c.0 < 0, std::cmp::Reverse(m.values().sum::<i32>()), *m));
        for (i, (monomial, Ratio(n, d))) in terms.into_iter().enumerate() {
            match (i, *n < 0) {
                (0, true) => f.write_str("-")?,
                (0, false) => {}
                (_, true) => f.write_str(" - ")?,
                (_, false) => f.write_str(" + ")?,
            }
            let mut factors: Vec<String> = vec![];
            let mut divisors: Vec<String> = vec![];
            for (name, power) in monomial {
                let side = if *power > 0 { &mut factors } else { &mut divisors };
                side.extend((0..power.unsigned_abs()).map(|_| name.clone()));
            }
            if n.unsigned_abs() != 1 || factors.is_empty() {
                factors.insert(0, n.unsigned_abs().to_string());
            }
            if *d != 1 {
                divisors.insert(0, d.to_string());
            }
            f.write_str(&factors.join(" * "))?;
            for divisor in divisors {
                write!(f, " / {divisor}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dim(text: &str) -> Dim {
        Dim::parse(&syn::parse_str(text).unwrap(), &mut vec![]).unwrap()
    }

    #[test]
    fn normal_form_decides_equality() {
        assert_eq!(dim("4 * W"), dim("W + 3 * W"));
        assert_eq!(dim("(A + B) * (A - B)"), dim("A * A - B * B"));
        assert_eq!(dim("H * (W / H)"), dim("W"));
        assert_eq!(dim("6 * W / 3"), dim("2 * W"));
        assert_ne!(dim("W / H"), dim("W / G"));
        assert_ne!(dim("(A + B) / (A + C)"), dim("1"));
    }

    #[test]
    fn a_dimension_reads_as_it_was_written() {
        for text in ["4 * W", "W / H", "B * T + 1", "2 * A - B", "0", "7", "floor(H / 2)"] {
            assert_eq!(dim(text).to_string(), text);
        }
    }

    #[test]
    fn a_single_unknown_is_solved_for() {
        let solve = |formal: &str, actual: &str, name: &str| dim(formal).solve(&dim(actual), |n| n == name).map(|s| s.1);
        assert_eq!(solve("3 * H * S", "3 * W", "S"), Some(dim("W / H")));
        assert_eq!(solve("N + 1", "T", "N"), Some(dim("T - 1")));
        assert_eq!(solve("N * N", "T", "N"), None);
    }

    /// This makes the two paths of a residual block equal.
    #[test]
    fn floor_has_a_normal_form() {
        assert_eq!(dim("floor((H + 2 * 1 - 1 * (3 - 1) - 1) / S)"), dim("floor((H + 2 * 0 - 1 * (1 - 1) - 1) / S)"));
        assert_eq!(dim("floor((H + 2 - 2) / 1)"), dim("H"));
        assert_eq!(dim("floor((2 * H + 3) / 2)"), dim("H + 1"));
        assert_eq!(dim("floor((H - 1) / 2) + 1"), dim("floor((H + 1) / 2)"));
        assert_ne!(dim("floor(H / 2) + floor(H / 2)"), dim("H"));
        let stride = |value: &str| [("S".to_string(), dim(value))].into();
        let formal = dim("floor((floor((H - 1) / S) + 1 - 1) / S)");
        assert_eq!(formal.substitute(&stride("1")), dim("H - 1"));
        assert_eq!(formal.substitute(&stride("A + B")), dim("floor(floor((H - 1) / (A + B)) / (A + B))"));
        assert_eq!(formal.substitute(&stride("2 * A")), dim("floor(floor((H - 1) / (2 * A)) / (2 * A))"));
    }

    /// This makes the dimensions of patches of an image, and of an image after two strides, equal to those that their model declares.
    #[test]
    fn multiples_of_a_name_are_taken_out_of_a_floor() {
        assert_eq!(dim("floor((P * G + 2 * 0 - 1 * (P - 1) - 1) / P) + 1"), dim("G"));
        assert_eq!(dim("floor((2 * P * G - 1) / P) + 1"), dim("2 * G"));
        assert_eq!(dim("floor((4 * S * G + 3) / (4 * S))"), dim("G"));
        assert_ne!(dim("floor((P * G + 1) / P)"), dim("G"));
        assert_ne!(dim("floor(P * W / H / P)"), dim("W / H"));
        assert_eq!(dim("floor((floor((S + 2 - 3) / 2) + 1 + 2 - 3) / 2) + 1"), dim("floor((S + 3) / 4)"));
        assert_eq!(dim("floor(floor(S / A) / B)"), dim("floor(S / (A * B))"));
        assert_eq!(dim("floor(1 / P)").to_string(), "floor(1 / P)");
    }

    #[test]
    fn a_division_says_of_what_a_name_is_a_multiple() {
        let mut divisions = vec![];
        for text in ["S / 4", "S / 6", "W / H", "W / 2", "(A + B) / 2"] {
            Dim::parse(&syn::parse_str(text).unwrap(), &mut divisions).unwrap();
        }
        let multiples = Dim::multiples(&divisions.iter().collect::<Vec<_>>());
        assert_eq!(multiples["S"], dim("12 * S__part"));
        assert_eq!(multiples["W"], dim("H * W__part"));
        assert_eq!(multiples.len(), 2);
        assert_eq!(dim("floor((S + 3) / 4)").substitute(&multiples), dim("S / 4").substitute(&multiples));
    }

    #[test]
    fn floor_is_computed_once_its_names_have_values() {
        let formal = dim("floor((H + 2 * P - K) / S) + 1");
        let bind = [("H", 32), ("P", 1), ("K", 3), ("S", 2)].map(|(n, v)| (n.to_string(), Dim::constant(v))).into();
        assert_eq!(formal.substitute(&bind), dim("16"));
        let partly = [("P", 1), ("K", 3), ("S", 1)].map(|(n, v)| (n.to_string(), Dim::constant(v))).into();
        assert_eq!(dim("floor((H + 2 * P - K) / S)").substitute(&partly), dim("H - 1"));
    }
}
