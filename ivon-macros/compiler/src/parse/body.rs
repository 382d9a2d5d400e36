//! Statements and expressions.

use super::control;
use super::{Expression, ExpressionKind, Input, InputKind, Pattern, Reading, Statement};
use crate::dims::argument_expr;
use crate::errors::{Errors, Place};
use crate::hygiene::Variable;
use crate::intrinsics::{INTRINSICS, Intrinsic, REDUCTIONS, Reduction, tensor_methods};
use crate::library;
use crate::syntax::{axis_number, bare, expr_text};
use proc_macro2::Ident;
use quote::{ToTokens, quote};
use syn::{BinOp, Block, Expr, ExprBinary, ExprCall, ExprLit, ExprMethodCall, Lit, Local, Member, Pat, RangeLimits, Stmt, UnOp};

const LANGUAGE: &str = "the model language has `let`, `for block in &self.blocks`, calls of layers and ops, and arithmetic";
/// Functions of the language that are not elementwise.
const FUNCTIONS: [&str; 6] = ["concat", "stack", "stop_gradient", "zeros", "ones", "full"];
const MACRO: &str = "macros are not expanded in a forward pass: write the expression itself";

/// The statements of a block and its result.
pub fn block(block: &Block, errors: &Errors) -> (Vec<Statement>, Option<Expression>) {
    let mut statements = vec![];
    let mut result = None;
    for (i, stmt) in block.stmts.iter().enumerate() {
        let last = i + 1 == block.stmts.len();
        match stmt {
            Stmt::Local(local) => statements.extend(binding(local, errors)),
            Stmt::Expr(Expr::ForLoop(f), _) => statements.extend(control::for_loop(f, errors).map(Statement::For)),
            Stmt::Expr(Expr::If(i), semicolon) if semicolon.is_some() || !(last && ends_with_value(i)) => {
                statements.extend(control::branch(i, errors).map(Statement::If));
            }
            Stmt::Expr(Expr::MethodCall(call), _) if is_push(call) => statements.extend(push(call, errors)),
            Stmt::Expr(Expr::Assign(a), _) => match simple_name(bare(&a.left)) {
                Some(name) => statements.push(Statement::Assign { name, value: expression(&a.right, errors) }),
                None => errors.at(a, "only a value can be rebound: `x = block.forward(x);`"),
            },
            Stmt::Expr(e, None) if last => result = Some(expression(e, errors)),
            Stmt::Expr(Expr::Return(r), _) => match (last, &r.expr) {
                (true, Some(e)) => result = Some(expression(e, errors)),
                _ => errors.at(r, "a forward pass has no early return: its result is the last expression"),
            },
            Stmt::Expr(e @ (Expr::Match(_) | Expr::While(_) | Expr::Loop(_)), _) => {
                expression(e, errors);
            }
            Stmt::Expr(e, Some(_)) => {
                if !matches!(expression(e, errors).kind, ExpressionKind::Wrong) {
                    errors.at(e, "the value of this expression is dropped: bind it with `let`, or make it the result by leaving out the `;`");
                }
            }
            Stmt::Expr(e, None) => {
                errors.at(e, LANGUAGE);
            }
            Stmt::Macro(m) => errors.at(m, MACRO),
            Stmt::Item(item) => errors.at(item, "functions, constants and types stand outside of a forward pass"),
        }
    }
    (statements, result)
}

/// True if an `if` is an expression: a block of it ends without `;`.
fn ends_with_value(i: &syn::ExprIf) -> bool {
    let ends = |b: &Block| match b.stmts.last() {
        Some(Stmt::Expr(Expr::If(i), None)) => ends_with_value(i),
        Some(Stmt::Expr(Expr::MethodCall(call), None)) => !is_push(call),
        Some(Stmt::Expr(e, None)) => !matches!(e, Expr::ForLoop(_) | Expr::While(_) | Expr::Loop(_) | Expr::Assign(_)),
        _ => false,
    };
    let otherwise = match i.else_branch.as_ref().map(|(_, e)| bare(e)) {
        Some(Expr::Block(b)) => ends(&b.block),
        Some(Expr::If(i)) => ends_with_value(i),
        _ => false,
    };
    ends(&i.then_branch) || otherwise
}

fn is_push(call: &ExprMethodCall) -> bool {
    call.method == "push" && simple_name(bare(&call.receiver)).is_some_and(|name| name != "self")
}

/// `list.push(x);`
fn push(call: &ExprMethodCall, errors: &Errors) -> Option<Statement> {
    let list = simple_name(bare(&call.receiver))?;
    let [value] = call.args.iter().collect::<Vec<_>>()[..] else {
        errors.at(call, format!("`push` takes one tensor: `{list}.push(x);`"));
        return None;
    };
    Some(Statement::Push { list, value: expression(value, errors), place: Place::of(call), text: expr_text(call) })
}

fn binding(local: &Local, errors: &Errors) -> Option<Statement> {
    let Some(init) = &local.init else {
        errors.at(local, "a `let` needs a value here: `let hidden = self.up.forward(x);`");
        return None;
    };
    if let Some((_, otherwise)) = &init.diverge {
        errors.at(otherwise, "there is no `let .. else` in a forward pass");
    }
    let pattern = match &local.pat {
        Pat::Type(t) => {
            errors.at(&t.ty, "shapes are inferred: leave the type out");
            pattern(&t.pat, errors)?
        }
        other => pattern(other, errors)?,
    };
    Some(Statement::Let { pattern, value: expression(&init.expr, errors) })
}

fn pattern(pat: &Pat, errors: &Errors) -> Option<Pattern> {
    match pat {
        Pat::Paren(p) => pattern(&p.pat, errors),
        Pat::Ident(p) if is_name(p) => Some(Pattern::Name(p.ident.clone(), p.mutability.is_some())),
        Pat::Wild(_) => Some(Pattern::Ignored),
        Pat::Tuple(tuple) => {
            let mut names = vec![];
            for element in &tuple.elems {
                match element {
                    Pat::Ident(p) if is_name(p) => names.push(Some((p.ident.clone(), p.mutability.is_some()))),
                    Pat::Wild(_) => names.push(None),
                    other => {
                        errors.at(other, "a pattern is a name, `_`, or a tuple of them");
                        return None;
                    }
                }
            }
            Some(Pattern::Tuple(names, Place::of(pat)))
        }
        other => {
            errors.at(other, "a pattern is a name, `_`, or a tuple of them");
            None
        }
    }
}

/// `x` or `mut x`, without `ref` and `@`.
pub fn is_name(p: &syn::PatIdent) -> bool {
    p.subpat.is_none() && p.by_ref.is_none()
}

/// `self.name`
pub fn self_field(e: &Expr) -> Option<Ident> {
    match e {
        Expr::Field(f) => match (&*f.base, &f.member) {
            (Expr::Path(p), Member::Named(name)) if p.path.is_ident("self") => Some(name.clone()),
            _ => None,
        },
        Expr::Paren(p) => self_field(&p.expr),
        Expr::Group(g) => self_field(&g.expr),
        _ => None,
    }
}

/// `&x` is `x` here, `&mut x` is not.
pub fn unchanged(r: &syn::ExprReference, errors: &Errors) {
    if let Some(mutability) = &r.mutability {
        errors.at(mutability, "a forward pass changes nothing in place: rebind a value, `x = block.forward(x);`");
    }
}

pub fn simple_name(e: &Expr) -> Option<Ident> {
    match e {
        Expr::Path(p) if p.qself.is_none() => p.path.get_ident().cloned(),
        _ => None,
    }
}

/// Reads an expression. One that is not of the language stands as [`ExpressionKind::Wrong`], so that what is around it is still checked.
pub fn expression(e: &Expr, errors: &Errors) -> Expression {
    expression_of(read(e, errors), e)
}

fn reading(e: &Expr, read: impl FnOnce(&Errors) -> Option<Expression>) -> Reading {
    let mistakes = Errors::new();
    let expression = Box::new(expression_of(read(&mistakes), e));
    Reading { expression, mistakes: mistakes.found() }
}

fn expression_of(read: Option<Expression>, e: &Expr) -> Expression {
    read.unwrap_or_else(|| Expression { kind: ExpressionKind::Wrong, place: Place::of(e), text: expr_text(e) })
}

/// `None` where an expression is not of the language, and the error is noted.
fn read(e: &Expr, errors: &Errors) -> Option<Expression> {
    let make = |kind| Some(Expression { kind, place: Place::of(e), text: expr_text(e) });
    match e {
        Expr::Paren(p) => read(&p.expr, errors),
        Expr::Group(g) => read(&g.expr, errors),
        Expr::Reference(r) => {
            unchanged(r, errors);
            read(&r.expr, errors)
        }
        Expr::Lit(l) => make(literal(l, errors)?),
        Expr::Path(p) => match p.path.get_ident() {
            Some(name) => make(ExpressionKind::Name(name.clone())),
            None if p.qself.is_none() => make(ExpressionKind::Constant(p.path.clone())),
            None => wrong(e, errors),
        },
        Expr::Field(_) => match self_field(e) {
            Some(field) => make(ExpressionKind::Field(field)),
            None => {
                errors.at(e, no_field(e));
                None
            }
        },
        Expr::Tuple(t) => make(ExpressionKind::Tuple(t.elems.iter().map(|e| expression(e, errors)).collect())),
        Expr::Unary(u) => match u.op {
            UnOp::Neg(_) => make(ExpressionKind::Negate(Box::new(expression(&u.expr, errors)))),
            // `*skip`, of a list that is walked by reference.
            UnOp::Deref(_) if simple_name(bare(&u.expr)).is_some() => read(&u.expr, errors),
            UnOp::Not(_) => make(ExpressionKind::Not(Box::new(expression(&u.expr, errors)))),
            _ => wrong(e, errors),
        },
        Expr::Cast(c) => {
            if c.ty.to_token_stream().to_string() != "f64" {
                errors.at(&c.ty, "numbers in a forward pass are f64: cast with `as f64`, or leave the cast out");
                return None;
            }
            make(ExpressionKind::Cast(Box::new(expression(&c.expr, errors))))
        }
        Expr::Binary(b) => make(binary(b, errors)?),
        Expr::Call(call) => call_expression(call, e, errors),
        Expr::MethodCall(call) => method_expression(call, e, errors),
        Expr::If(i) => {
            let branch = control::branch(i, errors)?;
            make(ExpressionKind::If(Box::new(branch)))
        }
        Expr::Macro(m) if m.mac.path.is_ident("vec") && m.mac.tokens.is_empty() => make(ExpressionKind::List),
        Expr::Index(i) => match (simple_name(bare(&i.expr)), self_field(bare(&i.expr))) {
            (Some(list), _) => make(ExpressionKind::Item { list, index: (*i.index).clone() }),
            (_, Some(field)) => {
                errors.at(e, format!("a layer of an array is called: `self.{field}[0].forward(x)`"));
                None
            }
            _ => {
                errors.at(e, "tensors are not indexed with `[..]`: use `.at(axis, place)`, or `.slice(axis, a..b)`");
                None
            }
        },
        _ => refused(e, errors),
    }
}

/// The message about a field that cannot be read.
fn no_field(e: &Expr) -> String {
    let Expr::Field(syn::ExprField { base, member, .. }) = e else { return String::new() };
    match (self_field(bare(base)), member) {
        (Some(layer), Member::Named(part)) => {
            format!(
                "`{part}` belongs to the layer `{layer}`, which is called, `self.{layer}.forward(x)`; what this model reads itself is a field of its own"
            )
        }
        (_, Member::Unnamed(_)) => "a tuple is taken apart when it is bound: `let (a, b) = ..;`".into(),
        _ => "only fields of the model can be read here: `self.name`".into(),
    }
}

/// A number or a flag that is written out.
fn literal(l: &ExprLit, errors: &Errors) -> Option<ExpressionKind> {
    match &l.lit {
        Lit::Int(n) => {
            let whole = suffix(n.suffix(), &["", "usize", "f64"], n.base10_digits(), n.span(), errors)? != "f64";
            Some(ExpressionKind::Number(float(n.base10_digits(), n.span(), errors)?, whole))
        }
        Lit::Float(n) => {
            suffix(n.suffix(), &["", "f64"], n.base10_digits(), n.span(), errors)?;
            Some(ExpressionKind::Number(float(n.base10_digits(), n.span(), errors)?, false))
        }
        Lit::Bool(b) => Some(ExpressionKind::Flag(b.value)),
        other => {
            errors.at(other, "a forward pass computes with numbers, and this is none");
            None
        }
    }
}

/// Two expressions and an operator.
fn binary(b: &ExprBinary, errors: &Errors) -> Option<ExpressionKind> {
    let comparison = match b.op {
        BinOp::Gt(_) => Some(Intrinsic::Gt),
        BinOp::Ge(_) => Some(Intrinsic::Ge),
        BinOp::Lt(_) => Some(Intrinsic::Lt),
        BinOp::Le(_) => Some(Intrinsic::Le),
        BinOp::Eq(_) => Some(Intrinsic::Eq),
        BinOp::Ne(_) => Some(Intrinsic::Ne),
        _ => None,
    };
    let arithmetic = match b.op {
        BinOp::Add(_) => Some('+'),
        BinOp::Sub(_) => Some('-'),
        BinOp::Mul(_) => Some('*'),
        BinOp::Div(_) => Some('/'),
        _ => None,
    };
    let and = matches!(b.op, BinOp::And(_));
    if comparison.is_none() && arithmetic.is_none() && !and && !matches!(b.op, BinOp::Or(_)) {
        errors.at(b, no_operator(&b.op));
        return None;
    }
    let (left, right) = (expression(&b.left, errors), expression(&b.right, errors));
    Some(match (comparison, arithmetic) {
        (Some(comparison), _) => ExpressionKind::Intrinsic(comparison, vec![left, right]),
        (_, Some(operator)) => ExpressionKind::Binary(operator, Box::new(left), Box::new(right)),
        _ => ExpressionKind::Both(and, Box::new(left), Box::new(right)),
    })
}

/// The message about an operator that the language lacks.
fn no_operator(operator: &BinOp) -> &'static str {
    match operator {
        BinOp::AddAssign(_) | BinOp::SubAssign(_) | BinOp::MulAssign(_) | BinOp::DivAssign(_) => {
            "there is no assignment with an operator: write `x = x + y;` for a `mut` value, or bind a new one with `let`"
        }
        BinOp::BitAnd(_) | BinOp::BitOr(_) => {
            "a mask holds 1 and 0: `a * b` is where both are 1, `max(a, b)` where one is, `1.0 - a` where `a` is 0"
        }
        _ => "the operators of a forward pass are `+ - * /`",
    }
}

/// Rust that the language lacks.
fn refused(e: &Expr, errors: &Errors) -> Option<Expression> {
    match e {
        Expr::Match(m) => {
            errors.at(m.match_token.span, "there is no `match` in a forward pass: values are not known at compile time");
        }
        Expr::While(_) | Expr::Loop(_) => {
            errors.at(e, "a loop is a `for` over an array of layers or a range: `for block in &self.blocks { .. }`, `for t in 0..T { .. }`");
        }
        Expr::Closure(_) => {
            errors.at(e, "there are no closures in a forward pass: write a function with `#[variational]`");
        }
        Expr::Return(_) => errors.at(e, "a forward pass has no early return: its result is the last expression"),
        Expr::Try(_) => errors.at(e, "no `?` is needed: generated code passes errors on by itself"),
        Expr::Macro(_) => errors.at(e, MACRO),
        Expr::Array(_) => errors.at(e, "a list of tensors is an argument of `concat([x, y], 1)` and `stack([x, y], 1)` alone"),
        _ => return wrong(e, errors),
    }
    None
}

fn wrong(e: &Expr, errors: &Errors) -> Option<Expression> {
    errors.at(e, format!("{LANGUAGE}; `{}` is none of these", shorten(&expr_text(e))));
    None
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{} ..", &text[..end]),
        None => text.to_string(),
    }
}

/// A literal as f64; syn has taken underscores out of its digits, and another base.
fn float(digits: &str, span: proc_macro2::Span, errors: &Errors) -> Option<proc_macro2::TokenStream> {
    let Some(value) = digits.parse().ok().filter(|value: &f64| value.is_finite()) else {
        errors.at(span, "this number is larger than an f64 can be, about 1.8e308");
        return None;
    };
    let mut literal = proc_macro2::Literal::f64_unsuffixed(value);
    literal.set_span(span);
    Some(quote!(#literal))
}

/// The suffix of a literal, if it is one of these.
fn suffix<'s>(suffix: &'s str, known: &[&str], digits: &str, span: proc_macro2::Span, errors: &Errors) -> Option<&'s str> {
    if known.contains(&suffix) {
        return Some(suffix);
    }
    errors.at(span, format!("numbers in a forward pass are f64, and counts are usize: write `{digits}`, without `{suffix}`"));
    None
}

fn arguments<'a>(list: impl IntoIterator<Item = &'a Expr>, errors: &Errors) -> Vec<Expression> {
    list.into_iter().map(|e| expression(e, errors)).collect()
}

fn call_expression(call: &ExprCall, e: &Expr, errors: &Errors) -> Option<Expression> {
    let make = |kind| Some(Expression { kind, place: Place::of(e), text: expr_text(e) });
    let Expr::Path(function) = bare(&call.func) else {
        errors.at(&call.func, "only ops and functions with `#[variational]` can be called");
        return None;
    };
    if function.qself.is_some() {
        errors.at(&call.func, "a function is called by its path, `gelu(x)` or `ops::gelu(x)`, without a type in angle brackets");
        return None;
    }
    if is_new_list(&function.path) && call.args.is_empty() {
        return make(ExpressionKind::List);
    }
    if is_of_a_type(&function.path) {
        let text = "a forward pass calls layers that are fields, `self.norm.forward(x)`, and functions that stand in a module, `ops::gelu(x)`: \
                    those of a type are not known here";
        errors.at(&call.func, text);
        return None;
    }
    if function.path.get_ident().is_some_and(is_built_in) {
        let own = reading(e, |errors| op_call(call, function, e, errors));
        let built_in = reading(e, |errors| built_in(call, e, errors));
        return make(ExpressionKind::Either { own, built_in });
    }
    op_call(call, function, e, errors)
}

/// `Vec::new`
pub fn is_new_list(path: &syn::Path) -> bool {
    matches!(path.segments.iter().collect::<Vec<_>>()[..], [ty, new] if ty.ident == "Vec" && new.ident == "new")
}

/// `Linear::new`, `Self::helper`: a function that belongs to a type, not to a module.
pub fn is_of_a_type(path: &syn::Path) -> bool {
    let mut segments = path.segments.iter().rev().skip(1);
    segments.next().is_some_and(|s| s.ident.to_string().starts_with(char::is_uppercase))
}

/// True if the language has a function of this name.
pub fn is_built_in(name: &Ident) -> bool {
    FUNCTIONS.iter().any(|known| name == known) || INTRINSICS.iter().any(|(_, known, _)| name == known)
}

/// `relu(x)`, `max(x, y)`, `concat([x, y], 1)`
fn built_in(call: &ExprCall, e: &Expr, errors: &Errors) -> Option<Expression> {
    let make = |kind| Some(Expression { kind, place: Place::of(e), text: expr_text(e) });
    let name = simple_name(bare(&call.func))?.to_string();
    if let Some((intrinsic, _, arity)) = INTRINSICS.iter().find(|(_, n, _)| *n == name) {
        let arguments = arguments(&call.args, errors);
        if arguments.len() != *arity {
            errors
                .at(e, format!("`{name}` takes {arity} argument{}, not {}", if *arity == 1 { "" } else { "s" }, arguments.len()));
            return None;
        }
        return make(ExpressionKind::Intrinsic(*intrinsic, arguments));
    }
    let number = |value: f64| {
        let literal = proc_macro2::Literal::f64_unsuffixed(value);
        let kind = ExpressionKind::Number(quote!(#literal), false);
        Box::new(Expression { kind, place: Place::of(e), text: value.to_string() })
    };
    let fill = |dims: &syn::ExprArray, value| ExpressionKind::Fill(dims.elems.iter().cloned().collect(), value);
    let kind = match (name.as_str(), call.args.iter().map(bare).collect::<Vec<_>>().as_slice()) {
        ("concat", [Expr::Array(list), axis]) => ExpressionKind::Concat(arguments(&list.elems, errors), (*axis).clone()),
        ("stack", [Expr::Array(list), axis]) => ExpressionKind::Stack(arguments(&list.elems, errors), (*axis).clone()),
        ("stack", [list, axis]) if simple_name(referent(list)).is_some() => {
            ExpressionKind::StackList(simple_name(referent(list))?, (*axis).clone())
        }
        ("zeros", [Expr::Array(dims)]) => fill(dims, number(0.0)),
        ("ones", [Expr::Array(dims)]) => fill(dims, number(1.0)),
        ("full", [Expr::Array(dims), value]) => fill(dims, Box::new(expression(value, errors))),
        ("stop_gradient", [x]) => ExpressionKind::Detach(Box::new(expression(x, errors))),
        _ => {
            let example = match name.as_str() {
                "concat" => "takes tensors and an axis: `concat([a, b], 2)`",
                "stack" => "takes a list and an axis: `stack(list, 1)`, or `stack([a, b], 1)`",
                "zeros" => "takes dimensions: `zeros([B, 4])`",
                "ones" => "takes dimensions: `ones([B, 4])`",
                "full" => "takes dimensions and a number: `full([B, 4], 0.5)`",
                _ => "takes one tensor: `stop_gradient(x)`",
            };
            errors.at(e, format!("`{name}` {example}"));
            return None;
        }
    };
    make(kind)
}

/// `&x` is `x`.
fn referent(e: &Expr) -> &Expr {
    match bare(e) {
        Expr::Reference(r) if r.mutability.is_none() => bare(&r.expr),
        e => e,
    }
}

/// A call of an op or a function with `#[variational]`.
fn op_call(call: &ExprCall, function: &syn::ExprPath, e: &Expr, errors: &Errors) -> Option<Expression> {
    let make = |kind| Some(Expression { kind, place: Place::of(e), text: expr_text(e) });
    let mut path = function.path.clone();
    let mut dims = vec![];
    for segment in &mut path.segments {
        if let syn::PathArguments::AngleBracketed(list) = std::mem::replace(&mut segment.arguments, syn::PathArguments::None) {
            for argument in &list.args {
                dims.push(errors.take(argument_expr(argument))?);
            }
        }
    }
    make(ExpressionKind::Call { path, dims, arguments: arguments(&call.args, errors) })
}

fn method_expression(call: &ExprMethodCall, e: &Expr, errors: &Errors) -> Option<Expression> {
    let make = |kind| Some(Expression { kind, place: Place::of(e), text: expr_text(e) });
    let method = call.method.clone();
    if let Some(turbofish) = &call.turbofish {
        errors.at(
            turbofish,
            "a method takes no dimensions in angle brackets here: they come from its arguments and from the model",
        );
        return None;
    }
    let receiver = bare(&call.receiver);
    if let Some((field, index)) = element_of_field(receiver) {
        return make(ExpressionKind::ItemLayer { field, index, method, arguments: arguments(&call.args, errors) });
    }
    let (field, variable) = (self_field(receiver), simple_name(receiver));
    if variable.as_ref().is_some_and(|n| n == "self") {
        return make(ExpressionKind::Own { method, arguments: arguments(&call.args, errors) });
    }
    let is_call = field.is_some() || variable.is_some();
    let own = |errors: &Errors| match (field, variable) {
        (Some(field), _) => Some(ExpressionKind::Layer { field, method, arguments: arguments(&call.args, errors) }),
        (_, Some(variable)) => Some(ExpressionKind::Element { variable, method, arguments: arguments(&call.args, errors) }),
        _ => None,
    };
    if !tensor_methods().any(|n| call.method == n) {
        if let Some(own) = own(errors) {
            return make(own);
        }
        expression(&call.receiver, errors);
        let name = call.method.to_string();
        errors.at(&call.method, library::no_method(&name));
        return None;
    }
    if !is_call {
        return tensor_method(call, e, errors);
    }
    let own = reading(e, |errors| own(errors).and_then(make));
    let built_in = reading(e, |errors| tensor_method(call, e, errors));
    make(ExpressionKind::Either { own, built_in })
}

/// `self.blocks[i]`
fn element_of_field(e: &Expr) -> Option<(Ident, Expr)> {
    match e {
        Expr::Index(i) => Some((self_field(bare(&i.expr))?, (*i.index).clone())),
        _ => None,
    }
}

/// `x.relu()`, `x.reshape([B, 4])`
fn tensor_method(call: &ExprMethodCall, e: &Expr, errors: &Errors) -> Option<Expression> {
    let make = |kind| Some(Expression { kind, place: Place::of(e), text: expr_text(e) });
    let name = call.method.to_string();
    let reduction = REDUCTIONS.iter().find(|(_, plain, keep)| *plain == name || *keep == Some(&name));
    if let Some((reduction, _, keep)) = reduction {
        return make(reduce(call, *reduction, *keep == Some(&name), e, errors)?);
    }
    if let Some((intrinsic, _, arity)) = INTRINSICS.iter().find(|(_, n, _)| *n == name) {
        let arguments = arguments(std::iter::once(&*call.receiver).chain(&call.args), errors);
        if arguments.len() != *arity {
            errors.at(
                e,
                format!(
                    "`.{name}()` takes {} argument{}, not {}",
                    arity - 1,
                    if *arity == 2 { "" } else { "s" },
                    arguments.len() - 1
                ),
            );
            return None;
        }
        return make(ExpressionKind::Intrinsic(*intrinsic, arguments));
    }
    let of = Box::new(expression(&call.receiver, errors));
    let kind = match (name.as_str(), call.args.iter().map(bare).collect::<Vec<_>>().as_slice()) {
        ("reshape", [Expr::Array(dims)]) => ExpressionKind::Reshape(of, dims.elems.iter().cloned().collect()),
        ("expand", [Expr::Array(dims)]) => ExpressionKind::Expand(of, dims.elems.iter().cloned().collect()),
        ("squeeze", [axis]) => ExpressionKind::Squeeze(of, (*axis).clone()),
        ("unsqueeze", [axis]) => ExpressionKind::Unsqueeze(of, (*axis).clone()),
        ("permute", [Expr::Array(order)]) => ExpressionKind::Permute(of, order.elems.iter().cloned().collect()),
        ("transpose", [a, b]) => ExpressionKind::Transpose(of, (*a).clone(), (*b).clone()),
        ("slice", [axis, Expr::Range(r)])
            if matches!(r.limits, RangeLimits::HalfOpen(_)) && r.start.is_some() && r.end.is_some() =>
        {
            let (Some(start), Some(end)) = (&r.start, &r.end) else { return None };
            ExpressionKind::Slice(of, (*axis).clone(), Box::new(((**start).clone(), (**end).clone())))
        }
        ("at", [axis, place]) => ExpressionKind::At(of, (*axis).clone(), (*place).clone()),
        ("detach", []) => ExpressionKind::Detach(of),
        _ => {
            let example = match name.as_str() {
                "reshape" => "x.reshape([B, T, HEADS, WIDTH / HEADS])",
                "transpose" => "x.transpose(1, 2)",
                "expand" => "x.expand([B, T, WIDTH])",
                "squeeze" => "x.squeeze(1)",
                "unsqueeze" => "x.unsqueeze(1)",
                "permute" => "x.permute([0, 2, 1])",
                "at" => "x.at(1, t)",
                "detach" => "x.detach()",
                _ => "x.slice(0, 0..T)",
            };
            errors.at(e, format!("`{name}` is written `{example}`"));
            return None;
        }
    };
    make(kind)
}

/// `x.sum()`, `x.sum(1)`, `x.mean_keep([1, 2])`, `x.max(1)`
fn reduce(call: &ExprMethodCall, reduction: Reduction, keep: bool, e: &Expr, errors: &Errors) -> Option<ExpressionKind> {
    let of = Box::new(expression(&call.receiver, errors));
    let extreme = match reduction {
        Reduction::Max => Some(Intrinsic::Max),
        Reduction::Min => Some(Intrinsic::Min),
        _ => None,
    };
    let axes = |argument: &Expr| match bare(argument) {
        Expr::Array(list) => list.elems.iter().cloned().collect(),
        axis => vec![axis.clone()],
    };
    match (call.args.iter().collect::<Vec<_>>().as_slice(), extreme) {
        ([], _) if !keep => Some(ExpressionKind::Reduce { reduction, of, axes: vec![], keep }),
        ([argument], Some(intrinsic)) if !keep => {
            let axes = Some(axes(argument)).filter(|axes| axes.iter().all(|axis| axis_number(axis).is_some()));
            // As axes it is no expression of the language.
            let argument = Box::new(if matches!(bare(argument), Expr::Array(_)) {
                Expression { kind: ExpressionKind::Wrong, place: Place::of(*argument), text: expr_text(argument) }
            } else {
                expression(argument, errors)
            });
            Some(ExpressionKind::Extreme { intrinsic, reduction, of, argument, axes })
        }
        ([argument], _) if matches!(bare(argument), Expr::Array(list) if list.elems.is_empty()) => {
            errors.at(*argument, "a reduction has an axis: `[0, 1]`; without any, `()`, it is over all of them");
            None
        }
        ([argument], _) => Some(ExpressionKind::Reduce { reduction, of, axes: axes(argument), keep }),
        _ => {
            let name = &call.method;
            let all = if keep { String::new() } else { format!(" or `x.{name}()`") };
            errors.at(e, format!("`{name}` is written `x.{name}(2)`, `x.{name}([1, 2])`{all}"));
            None
        }
    }
}

/// True if a body is arithmetic and functions of the language alone, of its own arguments: it may stand anywhere.
pub fn is_pointwise(inputs: &[Input], statements: &[Statement], result: Option<&Expression>) -> bool {
    fn pure(e: &Expression, known: &[Variable], numbers: &[Variable]) -> bool {
        match &e.kind {
            // Another name is a constant of the function's own module.
            ExpressionKind::Name(name) => known.contains(&Variable::of(name)),
            ExpressionKind::Constant(path) => is_standard(path),
            ExpressionKind::Number(..) => true,
            ExpressionKind::Negate(e) | ExpressionKind::Cast(e) => pure(e, known, numbers),
            ExpressionKind::Binary(_, l, r) => pure(l, known, numbers) && pure(r, known, numbers),
            ExpressionKind::Intrinsic(_, arguments) => arguments.iter().all(|e| pure(e, known, numbers)),
            // For a tensor it is a reduction.
            ExpressionKind::Extreme { of, argument, .. } => {
                let number = matches!(&of.kind, ExpressionKind::Name(name) if numbers.contains(&Variable::of(name)));
                number && pure(argument, known, numbers)
            }
            ExpressionKind::Either { built_in, .. } => pure(&built_in.expression, known, numbers),
            _ => false,
        }
    }
    let mut known: Vec<Variable> = inputs.iter().map(|i| Variable::of(&i.name)).collect();
    let numbers = inputs.iter().filter(|i| matches!(i.kind, InputKind::Number(_)));
    let numbers: Vec<Variable> = numbers.map(|i| Variable::of(&i.name)).collect();
    for statement in statements {
        match statement {
            Statement::Let { pattern: Pattern::Name(name, false), value } if pure(value, &known, &numbers) => {
                known.push(Variable::of(name))
            }
            _ => return false,
        }
    }
    result.is_some_and(|result| pure(result, &known, &numbers))
}

/// `std::f64::consts::PI` is the same everywhere.
fn is_standard(path: &syn::Path) -> bool {
    path.segments.len() > 2 && path.segments.first().is_some_and(|s| s.ident == "std" || s.ident == "core")
}
