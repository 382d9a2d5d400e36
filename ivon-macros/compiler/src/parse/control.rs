//! Loops and branches.

use super::body::{block, expression, is_name, self_field, simple_name, unchanged};
use super::{Body, Condition, For, If, Iterable, IterableKind, LoopPattern};
use crate::errors::{Errors, Place, quiet};
use crate::syntax::{bare, expr_text};
use syn::{Expr, ExprIf, ExprMethodCall, Pat, RangeLimits};

/// The forms of a loop.
pub const LOOPS: &str = "a loop goes over an array of layers, `for block in &self.blocks`, over a range, `for t in 0..T`, over a list, `for x in &list`, \
                         or over `.iter()`, `.rev()`, `.zip(..)` and `.enumerate()` of them";

/// `for pattern in iterable { .. }`
pub fn for_loop(f: &syn::ExprForLoop, errors: &Errors) -> Option<For> {
    if let Some(label) = &f.label {
        errors.at(label, "a loop has no label here: there is no `break` and no `continue` in a forward pass");
    }
    let (pattern, over) = (loop_pattern(&f.pat, errors), iterable(&f.expr, errors));
    let (body, result) = block(&f.body, errors);
    if let Some(result) = result {
        errors.at(result.place, "the body of a loop has no result: rebind a value, `x = block.forward(x);`");
    }
    let text = expr_text(&f.pat);
    let text = format!("for {text} in {}", expr_text(&f.expr));
    Some(For { pattern: pattern?, over: over?, body, place: Place::of(&f.expr), text })
}

fn loop_pattern(pat: &Pat, errors: &Errors) -> Option<LoopPattern> {
    match pat {
        Pat::Paren(p) => loop_pattern(&p.pat, errors),
        Pat::Ident(p) if is_name(p) && p.mutability.is_none() => Some(LoopPattern::Name(p.ident.clone())),
        Pat::Wild(_) => Some(LoopPattern::Ignored),
        Pat::Tuple(t) if t.elems.len() == 2 => {
            let (first, second) = (loop_pattern(&t.elems[0], errors), loop_pattern(&t.elems[1], errors));
            Some(LoopPattern::Pair(Box::new((first?, second?)), Place::of(pat)))
        }
        other => {
            errors.at(other, "the variable of a loop is a name, `_`, or a pair of them for `zip` and `enumerate`: `(down, up)`");
            None
        }
    }
}

fn iterable(e: &Expr, errors: &Errors) -> Option<Iterable> {
    let make = |kind| Some(Iterable { kind, place: Place::of(e) });
    match e {
        Expr::Paren(p) => iterable(&p.expr, errors),
        Expr::Group(g) => iterable(&g.expr, errors),
        Expr::Reference(r) => {
            unchanged(r, errors);
            iterable(&r.expr, errors)
        }
        Expr::Range(r) => match (&r.limits, &r.start, &r.end) {
            (RangeLimits::HalfOpen(_), Some(start), Some(end)) => make(IterableKind::Range((**start).clone(), (**end).clone())),
            _ => {
                errors.at(e, "a range has a start and an end, which is left out: `0..T`");
                None
            }
        },
        Expr::MethodCall(call) => adapted(call, e, errors),
        _ => match (self_field(e), simple_name(e)) {
            (Some(field), _) => make(IterableKind::Field(field)),
            (_, Some(name)) if name != "self" => make(IterableKind::Name(name)),
            _ => {
                errors.at(e, LOOPS);
                None
            }
        },
    }
}

/// `.iter()`, `.rev()`, `.zip(..)`, `.enumerate()`
fn adapted(call: &ExprMethodCall, e: &Expr, errors: &Errors) -> Option<Iterable> {
    let make = |kind| Some(Iterable { kind, place: Place::of(e) });
    let arguments: Vec<&Expr> = call.args.iter().collect();
    match (call.method.to_string().as_str(), arguments.as_slice()) {
        ("iter" | "into_iter", []) => iterable(&call.receiver, errors),
        ("rev", []) => make(IterableKind::Reversed(Box::new(iterable(&call.receiver, errors)?))),
        ("enumerate", []) => make(IterableKind::Enumerated(Box::new(iterable(&call.receiver, errors)?))),
        ("zip", [other]) => {
            let (one, other) = (iterable(&call.receiver, errors), iterable(other, errors));
            make(IterableKind::Zip(Box::new((one?, other?))))
        }
        _ => {
            errors.at(&call.method, LOOPS);
            None
        }
    }
}

/// `if condition { .. } else { .. }`
pub fn branch(i: &ExprIf, errors: &Errors) -> Option<If> {
    let condition = condition(&i.cond, errors);
    let then = body(&i.then_branch, errors);
    let otherwise = match i.else_branch.as_ref().map(|(_, e)| bare(e)) {
        None => None,
        Some(Expr::Block(b)) => Some(body(&b.block, errors)),
        Some(Expr::If(inner)) => {
            // `else if` is an `if` in the else.
            let e = Expr::If(inner.clone());
            let inner = branch(inner, errors)?;
            Some(match inner.has_result() {
                true => Body { statements: vec![], result: Some(quiet(|errors| expression(&e, errors))) },
                false => Body { statements: vec![super::Statement::If(inner)], result: None },
            })
        }
        Some(other) => {
            errors.at(other, "after `else` stands a block, or another `if`");
            None
        }
    };
    let text = format!("if {}", expr_text(&i.cond));
    Some(If { condition: condition?, then, otherwise, place: Place::of(&i.cond), text })
}

fn body(b: &syn::Block, errors: &Errors) -> Body {
    let (statements, result) = block(b, errors);
    Body { statements, result }
}

fn condition(e: &Expr, errors: &Errors) -> Option<Condition> {
    let Expr::Let(l) = bare(e) else { return Some(Condition::Flag(expression(e, errors))) };
    let wanted = "`if let` asks whether a layer is there: `if let Some(norm) = &self.norm { .. }`";
    let mut of = bare(&l.expr);
    if let Expr::Reference(r) = of {
        unchanged(r, errors);
        of = bare(&r.expr);
    }
    let pattern = match &*l.pat {
        Pat::TupleStruct(p) if p.path.is_ident("Some") && p.elems.len() == 1 => match &p.elems[0] {
            Pat::Ident(p) if is_name(p) && p.mutability.is_none() => Some(p.ident.clone()),
            _ => None,
        },
        _ => None,
    };
    match (pattern, self_field(of)) {
        (Some(variable), Some(field)) => Some(Condition::Present { variable, field }),
        _ => {
            errors.at(e, wanted);
            None
        }
    }
}

impl If {
    /// True if it is an expression: its blocks end with one.
    pub fn has_result(&self) -> bool {
        self.then.result.is_some() || self.otherwise.as_ref().is_some_and(|b| b.result.is_some())
    }
}
