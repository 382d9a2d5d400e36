//! Functions that generated code calls in addition to ops: checks of the types in a signature.

use crate::core::error::{Error, Result};
use crate::core::shape::Shape;
use crate::tensor::Tensor;

/// Names that generated code uses in their short form, because the user's module may define them differently or have no prelude.
pub mod names {
    pub use core::primitive::{bool, f64, str, u64, usize};
    pub use std::mem::drop;
    pub use std::option::Option::{None, Some};
    pub use std::result::Result::{Err, Ok};
    pub use std::{
        clone::Clone as _,
        default::Default as _,
        iter::{DoubleEndedIterator as _, ExactSizeIterator as _, IntoIterator as _, Iterator as _},
    };
}

/// The functions of the model language by name, and their type.
pub mod built_in {
    pub use crate::tensor::Tensor;

    /// A function of the model language.
    #[derive(Clone, Copy)]
    pub struct BuiltIn;
    macro_rules! functions {
        ($($name:ident)*) => { $(#[allow(non_upper_case_globals, missing_docs)] pub const $name: BuiltIn = BuiltIn;)* };
    }
    #[allow(non_camel_case_types, missing_docs)]
    pub type concat = BuiltIn;
    functions! {
        exp ln sqrt tanh sigmoid erf sin cos abs relu is_positive max min powf gt ge lt le eq ne select
        concat stack stop_gradient zeros ones full
    }
}

/// Implemented by the functions of the model language. Generated code requires it if the user's code calls one by its name alone.
#[diagnostic::on_unimplemented(
    message = "this name stands for a function of the module, which hides that of the model language, and has no `#[variational]`",
    label = "a function of the model language is meant here",
    note = "put `#[variational]` on the function of the module, or import it by another name, or write the method: `x.tanh()`"
)]
pub trait BuiltInFunction {}

impl BuiltInFunction for built_in::BuiltIn {}

/// Compiles only for a function of the model language.
pub const fn is_built_in<F: BuiltInFunction>(_: &F) {}

/// The same for a type of that name.
pub const fn is_built_in_type<F: BuiltInFunction>() {}

/// Tests if a type is a model: `Probe::<M>::IS_MODEL`. For models the inherent constant hides that of [`NoModel`].
pub struct Probe<M>(std::marker::PhantomData<M>);

impl<M: crate::Model> Probe<M> {
    /// True: the impl of the type is annotated.
    pub const IS_MODEL: bool = true;
}

/// The result for all other types.
pub trait NoModel {
    /// False: the type has no annotated impl.
    const IS_MODEL: bool = false;
}

impl<M> NoModel for Probe<M> {}

/// A numeric type of a constant.
pub trait Number {
    /// True for a type of whole numbers.
    const WHOLE: bool;
}

macro_rules! numbers {
    ($whole:literal: $($ty:ty)*) => { $(impl Number for $ty { const WHOLE: bool = $whole; })* };
}
numbers!(true: u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize);
numbers!(false: f32 f64);

/// True if the type of a constant is a type of whole numbers.
pub const fn is_whole<N: Number>(_: &N) -> bool {
    N::WHOLE
}

/// One dimension of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Any number of leading dimensions (`Rest: Dims`).
    Rest,
    /// A symbolic dimension, by its index. It has the same size wherever it occurs.
    Symbol(usize),
    /// This size.
    Is(usize),
    /// Any size; not checked here.
    Any,
}

/// Determines the symbolic dimensions of a signature from the arguments, and checks the arguments against it.
///
/// # Errors
/// If an argument has another number of dimensions or another size than the signature, or two arguments disagree on a symbolic
/// dimension.
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
    // The compiler rejects a symbol that no argument determines.
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

/// The open dimension of a reshape: the number of elements of `x` divided by the other dimensions.
///
/// # Errors
/// If that is not a whole number.
pub fn left_open(x: &Tensor, others: &[usize]) -> Result<usize> {
    let elements = x.shape().elements();
    let others = others.iter().try_fold(1usize, |product, dim| product.checked_mul(*dim));
    match others.filter(|others| *others != 0 && elements.is_multiple_of(*others)) {
        Some(others) => Ok(elements / others),
        None => {
            let others = others.map_or("more than any tensor has".to_string(), |others| others.to_string());
            let message =
                format!("`x` is {}: its {elements} elements are no multiple of the other dimensions, {others}", x.shape());
            Err(Error::shape("reshape", message))
        }
    }
}

/// The value of a symbolic dimension if an argument has a multiple of it or a sum: `size` is `factor` times the value, plus
/// `rest`.
///
/// # Errors
/// If no whole number solves the equation.
pub fn solve(at: &str, argument: &str, (name, dim): (&str, &str), size: usize, rest: i128, factor: i128) -> Result<usize> {
    let multiple = size as i128 - rest;
    let value = multiple.checked_div(factor).filter(|value| multiple % factor == 0 && *value >= 0);
    value.and_then(|value| usize::try_from(value).ok()).ok_or_else(|| {
        Error::shape(at, format!("a dimension of `{argument}` is {size}, but `{dim}` is expected, with a whole number `{name}`"))
    })
}

/// A dimension that is a difference.
///
/// # Errors
/// If it is below zero. The error contains the user's expression.
pub fn minus(text: &str, a: usize, b: usize) -> Result<usize> {
    let below = || Error::config(format!("the dimension `{text}` is {a} - {b}, and none is below zero: give it more to work on"));
    a.checked_sub(b).ok_or_else(below)
}

/// A dimension that is a product.
///
/// # Errors
/// If it is larger than a usize. The error contains the user's expression.
pub fn times(text: &str, a: usize, b: usize) -> Result<usize> {
    a.checked_mul(b).ok_or_else(|| Error::config(format!("the dimension `{text}` is {a} * {b}, which is larger than any tensor")))
}

/// A dimension that is a sum.
///
/// # Errors
/// If it is larger than a usize. The error contains the user's expression.
pub fn plus(text: &str, a: usize, b: usize) -> Result<usize> {
    a.checked_add(b).ok_or_else(|| Error::config(format!("the dimension `{text}` is {a} + {b}, which is larger than any tensor")))
}

/// A dimension that is a quotient, rounded down.
///
/// # Errors
/// If the divisor is zero. The error contains the user's expression.
pub fn over(text: &str, a: usize, b: usize) -> Result<usize> {
    a.checked_div(b).ok_or_else(|| Error::config(format!("the dimension `{text}` is {a} / 0")))
}

/// The quotient of two numbers in a forward pass. For whole numbers it is rounded as in Rust: `5 / 2` is 2.
///
/// # Errors
/// If a whole number is divided by zero. The error contains the user's expression.
pub fn quotient(text: &str, a: f64, b: f64, whole: bool) -> Result<f64> {
    match whole {
        true if b == 0.0 => Err(Error::config(format!("`{text}` is {a} / 0: a whole number is divided by zero"))),
        true => Ok((a / b).trunc()),
        false => Ok(a / b),
    }
}

/// The difference of two numbers of type usize in a forward pass.
///
/// # Errors
/// If it is below zero. The error contains the user's expression.
pub fn difference(text: &str, a: f64, b: f64) -> Result<f64> {
    let below = || {
        Error::config(format!(
            "`{text}` is {a} - {b}, and a usize is not below zero: for a negative number write `x as f64 - y as f64`"
        ))
    };
    if a < b { Err(below()) } else { Ok(a - b) }
}

/// Converts a number to an argument of type usize.
///
/// # Errors
/// If it is not whole, or negative.
pub fn count(argument: &str, number: f64) -> Result<usize> {
    match number >= 0.0 && number.fract() == 0.0 && number < usize::MAX as f64 {
        true => Ok(number as usize),
        false => Err(Error::config(format!(
            "`{argument}` is a usize, and {number} is given: a whole number that is not negative is needed"
        ))),
    }
}

/// Checks that one dimension of a model is a multiple of another.
///
/// # Errors
/// If it is not. The error contains both names and values.
pub fn divides(model: &str, numerator: &str, n: usize, denominator: &str, d: usize) -> Result<()> {
    if d != 0 && n.is_multiple_of(d) {
        return Ok(());
    }
    Err(Error::config(format!("`{model}`: {numerator} must be a multiple of {denominator}, but {n} is not a multiple of {d}")))
}
