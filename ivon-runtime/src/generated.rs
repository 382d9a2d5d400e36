//! What generated code calls besides ops: checks of what a signature promises.

use crate::error::{Error, Result};
use crate::shape::Shape;
use crate::tensor::Tensor;

/// The functions of the standard library that generated code calls by a short name; the module around it may have others by that name.
pub mod names {
    pub use std::mem::drop;
    pub use std::option::Option::{None, Some};
    pub use std::result::Result::{Err, Ok};
}

/// Functions of these names, so that a `let` of one is a new variable, whatever constants the module around has.
#[doc(hidden)]
#[macro_export]
macro_rules! names_of_values {
    ($($name:ident),*) => { $(#[allow(non_snake_case, dead_code)] fn $name() {})* };
}

/// What a signature says of one dimension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Any number of leading dimensions (`Rest: Dims`).
    Rest,
    /// A symbolic dimension, by its number: the same wherever it occurs.
    Symbol(usize),
    /// This size.
    Is(usize),
    /// Not checked here.
    Any,
}

/// Gives the symbolic dimensions of a signature their values and checks the arguments against it.
///
/// # Errors
/// If an argument has another number of dimensions or another size than the signature promises, or two arguments disagree on a
/// symbolic dimension.
pub fn bind<const N: usize>(at: &str, symbols: [&str; N], arguments: &[(&str, &Tensor, &[Extent])]) -> Result<[usize; N]> {
    let mut values = [None; N];
    for (name, tensor, extents) in arguments {
        let shape = tensor.shape();
        let rest = extents.first() == Some(&Extent::Rest);
        let fixed = &extents[usize::from(rest)..];
        let fits = if rest { shape.rank() >= fixed.len() } else { shape.rank() == fixed.len() };
        if !fits {
            return Err(wrong(at, name, shape, extents, &symbols, &values));
        }
        for (extent, size) in fixed.iter().zip(&shape[shape.rank() - fixed.len()..]) {
            let expected = match extent {
                Extent::Symbol(i) => *values[*i].get_or_insert(*size),
                Extent::Is(expected) => *expected,
                Extent::Rest | Extent::Any => *size,
            };
            if expected != *size {
                return Err(wrong(at, name, shape, extents, &symbols, &values));
            }
        }
    }
    // A symbol that no argument binds is refused when the model is compiled.
    Ok(values.map(|v| v.unwrap_or(0)))
}

fn wrong(at: &str, name: &str, shape: &Shape, extents: &[Extent], symbols: &[&str], values: &[Option<usize>]) -> Error {
    let dims: Vec<String> = extents
        .iter()
        .map(|e| match e {
            Extent::Rest => "..".into(),
            Extent::Any => "_".into(),
            Extent::Is(size) => size.to_string(),
            Extent::Symbol(i) => match values[*i] {
                Some(value) => format!("{} = {value}", symbols[*i]),
                None => symbols[*i].into(),
            },
        })
        .collect();
    Error::shape(at, format!("`{name}` is {shape}, but [{}] is expected", dims.join(", ")))
}

/// A dimension that is a difference.
///
/// # Errors
/// If it is below zero, with what the person wrote.
pub fn minus(text: &str, a: usize, b: usize) -> Result<usize> {
    let below = || Error::config(format!("the dimension `{text}` is {a} - {b}, and none is below zero: give it more to work on"));
    a.checked_sub(b).ok_or_else(below)
}

/// Checks that one dimension of a model is a multiple of another.
///
/// # Errors
/// If it is not, with both names and values.
pub fn divides(model: &str, numerator: &str, n: usize, denominator: &str, d: usize) -> Result<()> {
    if d != 0 && n.is_multiple_of(d) {
        return Ok(());
    }
    Err(Error::config(format!("`{model}`: {numerator} must be a multiple of {denominator}, but {n} is not a multiple of {d}")))
}
