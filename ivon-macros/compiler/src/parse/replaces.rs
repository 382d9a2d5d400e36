//! `#[replaces(relu(self.forward(x) + residual))]` on a method: a call of it takes the place of that expression.
//!
//! ```text
//! whole      = expression | { let name = expression; .. expression }
//! expression = self.method(names)        the call, of another method of the model, with this one's first arguments, in order
//!            | name                      a further argument of this method, or what a `let` has named
//!            | number | (expression) | expression (+ - * /) expression | exp(expression) | relu(expression) | ..
//! ```

use super::{Input, InputKind};
use crate::errors::Errors;
use crate::expression::{Graph, Node, NodeId};
use crate::intrinsics::{INTRINSICS, Intrinsic};
use proc_macro2::Ident;
use syn::{Attribute, BinOp, Error, Expr, Lit, Local, LocalInit, Pat, Result, Stmt};

/// The expression that a call of a method replaces.
pub struct Replaces {
    /// The method whose result the expression reads, and how many arguments it has.
    pub method: Ident,
    pub arguments: usize,
    /// Its input 0 is that result; the others are the further arguments, in order.
    pub graph: Graph,
    pub root: NodeId,
}

/// True if an attribute of a method or an op concerns its callers.
pub fn travels(attribute: &Attribute) -> bool {
    attribute.path().is_ident("replaces") || attribute.path().is_ident("adjoint")
}

/// Reads the attribute of a method with these inputs, if it has one.
pub fn replaces(attributes: &[Attribute], inputs: &[Input], errors: &Errors) -> Option<Replaces> {
    let attribute = attributes.iter().find(|a| a.path().is_ident("replaces"))?;
    errors.take(attribute.parse_args::<Expr>().and_then(|e| {
        let mut reader = Reader { inputs, call: None, named: vec![], graph: Graph::default() };
        let root = reader.whole(&e)?;
        let Some((method, arguments)) = reader.call else {
            return Err(Error::new_spanned(&e, "the expression reads the result of another method: `relu(self.forward(x))`"));
        };
        let read: Vec<usize> = reader.graph.extract(&[root]).2;
        match inputs.iter().enumerate().skip(arguments).find(|(i, _)| !read.contains(&(i - arguments + 1))) {
            Some((_, input)) => Err(Error::new_spanned(&input.name, format!("the expression does not read `{}`", input.name))),
            None => Ok(Replaces { method, arguments, graph: reader.graph, root }),
        }
    }))
}

struct Reader<'a> {
    inputs: &'a [Input],
    /// The call, once it was read.
    call: Option<(Ident, usize)>,
    /// By `let`.
    named: Vec<(Ident, NodeId)>,
    graph: Graph,
}

impl Reader<'_> {
    fn whole(&mut self, e: &Expr) -> Result<NodeId> {
        let Expr::Block(block) = e else { return self.expression(e) };
        let Some((Stmt::Expr(result, None), lets)) = block.block.stmts.split_last() else { return Err(unknown(e)) };
        for statement in lets {
            match statement {
                Stmt::Local(Local { pat: Pat::Ident(name), init: Some(LocalInit { expr, diverge: None, .. }), .. }) => {
                    let value = self.expression(expr)?;
                    self.named.push((name.ident.clone(), value));
                }
                other => {
                    return Err(Error::new_spanned(other, "a block of `#[replaces(..)]` is `let` and an expression at its end"));
                }
            }
        }
        self.expression(result)
    }

    fn expression(&mut self, e: &Expr) -> Result<NodeId> {
        match e {
            Expr::Paren(p) => self.expression(&p.expr),
            Expr::Group(g) => self.expression(&g.expr),
            Expr::MethodCall(call) if is_name(&call.receiver, "self") => {
                let inputs = self.inputs.iter().map(|i| &i.name);
                let fits = call.args.len() <= self.inputs.len() && call.args.iter().zip(inputs).all(|(a, i)| is_name(a, i));
                if !fits || self.call.is_some() {
                    let text = "there is one call, and it takes the first arguments of this method, in order; to read its result twice, name it: \
                                `{ let y = self.forward(x); y * sigmoid(y) }`";
                    return Err(Error::new_spanned(call, text));
                }
                self.call = Some((call.method.clone(), call.args.len()));
                Ok(self.graph.add(Node::Input(0)))
            }
            Expr::Binary(b) => {
                let (x, y) = (self.expression(&b.left)?, self.expression(&b.right)?);
                match b.op {
                    BinOp::Add(_) => Ok(self.graph.plus(x, y)),
                    BinOp::Sub(_) => Ok(self.graph.minus(x, y)),
                    BinOp::Mul(_) => Ok(self.graph.times(x, y)),
                    BinOp::Div(_) => Ok(self.graph.over(x, y)),
                    _ => Err(unknown(e)),
                }
            }
            Expr::Call(call) if call.args.len() == 1 => {
                let known = INTRINSICS.iter().find(|(_, name, arity)| *arity == 1 && is_name(&call.func, name));
                let (intrinsic, _, _): &(Intrinsic, _, _) = known.ok_or_else(|| unknown(&call.func))?;
                let x = self.expression(&call.args[0])?;
                Ok(self.graph.call(*intrinsic, x))
            }
            Expr::Lit(l) => match &l.lit {
                Lit::Float(f) => Ok(self.graph.constant(f.base10_parse()?)),
                _ => Err(unknown(e)),
            },
            Expr::Path(_) => {
                if let Some((_, value)) = self.named.iter().rev().find(|(name, _)| is_name(e, name)) {
                    return Ok(*value);
                }
                // The call comes first, so that it is known how many arguments are its own.
                let arguments = self.call.as_ref().map_or(self.inputs.len(), |(_, arguments)| *arguments);
                let tensors = self.inputs.iter().enumerate().skip(arguments);
                let tensor = |i: &&Input| matches!(i.kind, InputKind::Tensor { .. }) && is_name(e, &i.name);
                let found = tensors.clone().find(|(_, i)| tensor(i)).map(|(at, _)| at - arguments + 1);
                Ok(self.graph.add(Node::Input(found.ok_or_else(|| unknown(e))?)))
            }
            _ => Err(unknown(e)),
        }
    }
}

fn unknown(e: &Expr) -> Error {
    let text = "`#[replaces(..)]` takes one call of another method, then this method's further tensors, numbers and arithmetic: \
                `#[replaces(relu(self.forward(x) + residual))]`";
    Error::new_spanned(e, text)
}

fn is_name<T: ?Sized>(e: &Expr, name: &T) -> bool
where
    Ident: PartialEq<T>,
{
    matches!(e, Expr::Path(p) if p.path.get_ident().is_some_and(|found| found == name))
}
