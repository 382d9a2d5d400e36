//! A mask of ids: 1 where a comparison holds, else 0.

use crate::context::Context;
use crate::context::profile::Cost;
use crate::core::error::{Error, Result};
use crate::device::cpu::parallel::{CHUNK, pieces};
use crate::ops::shared::patterns;
use crate::ops::shared::patterns::Pattern;
use crate::ops::shared::{check, with_real};
use crate::tensor::Tensor;

/// A comparison of ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Comparison {
    /// `>`
    Greater,
    /// `>=`
    AtLeast,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `==`
    Equal,
    /// `!=`
    Unequal,
}

/// A number or ids, with which ids are compared.
#[derive(Clone, Copy, Debug)]
pub enum Other<'a> {
    /// Any number: ids are compared with it as whole numbers.
    Number(f64),
    /// Ids of the same shape.
    Ids(&'a Tensor),
}

impl From<f64> for Other<'_> {
    fn from(number: f64) -> Self {
        Other::Number(number)
    }
}

impl<'a> From<&'a Tensor> for Other<'a> {
    fn from(ids: &'a Tensor) -> Self {
        Other::Ids(ids)
    }
}

/// 1 where the comparison of an id holds, else 0. It has no gradient.
///
/// # Errors
/// If one of the arguments holds no ids; if their shapes differ.
pub fn forward<'a>(cx: &Context, comparison: Comparison, ids: &Tensor, other: impl Into<Other<'a>>) -> Result<Tensor> {
    const AT: &str = "a comparison of ids";
    check::ids(AT, "ids", ids)?;
    let other = match other.into() {
        Other::Number(number) => return patterns::make(AT, cx, Some(ids), (*ids.shape(), 1), range(comparison, number)),
        Other::Ids(other) => other,
    };
    check::ids(AT, "other", other)?;
    if other.shape() != ids.shape() {
        return Err(Error::mismatch(AT, ("ids", ids.shape()), ("other", other.shape())));
    }
    let mut y = cx.empty(*ids.shape())?;
    let _op = cx.op(AT, || Cost::default().reads([ids, other]).writes(&y, false));
    match cx.cuda() {
        Some(_) => patterns::cuda::compare(cx, [ids, other], &mut y, comparison)?,
        None if cx.planning() => {}
        None => with_real!(cx.dtype(), E => {
            let (a, b) = (ids.as_slice::<u32>(), other.as_slice::<u32>());
            pieces(y.as_mut_slice::<E>(), CHUNK, |task, y| {
                for (i, y) in y.iter_mut().enumerate() {
                    let at = task * CHUNK + i;
                    *y = E::from(u8::from(comparison.holds(a[at], b[at])));
                }
            });
        }),
    }
    Ok(y)
}

impl Comparison {
    fn holds(self, a: u32, b: u32) -> bool {
        match self {
            Comparison::Greater => a > b,
            Comparison::AtLeast => a >= b,
            Comparison::Less => a < b,
            Comparison::AtMost => a <= b,
            Comparison::Equal => a == b,
            Comparison::Unequal => a != b,
        }
    }
}

/// The ids that compare so with a number. A number below zero is 0 in `u64`, which no id is below.
fn range(comparison: Comparison, number: f64) -> Pattern {
    const END: u64 = 1 << 32;
    let (up, down) = (number.ceil() as u64, (number.floor() + 1.0) as u64);
    let equal = if number == number.floor() && number >= 0.0 { up..down } else { 0..0 };
    let (range, outside) = match comparison {
        Comparison::Greater => (down..END, false),
        Comparison::AtLeast => (up..END, false),
        Comparison::Less => (0..up, false),
        Comparison::AtMost => (0..down, false),
        Comparison::Equal => (equal, false),
        Comparison::Unequal => (equal, true),
    };
    // Nothing is above, below or equal to NaN.
    let range = if number.is_nan() { 0..0 } else { range };
    Pattern::Range { start: range.start, end: range.end, outside }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::shared::specification::{f32_context, refused};

    #[test]
    fn with_numbers_as_with_whole_numbers() {
        use Comparison::*;
        let cx = f32_context();
        let ids = [0, 1, 2, 3, u32::MAX];
        let x = Tensor::from_slice(&ids, [5]).unwrap();
        for comparison in [Greater, AtLeast, Less, AtMost, Equal, Unequal] {
            for number in [-1.0, -0.5, 0.0, 0.5, 2.0, 2.5, f64::from(u32::MAX), 1e12, f64::NAN, f64::INFINITY, f64::NEG_INFINITY]
            {
                let right = ids.map(|id| {
                    let id = f64::from(id);
                    let holds = match comparison {
                        Greater => id > number,
                        AtLeast => id >= number,
                        Less => id < number,
                        AtMost => id <= number,
                        Equal => id == number,
                        Unequal => id != number,
                    };
                    f32::from(u8::from(holds))
                });
                assert_eq!(forward(&cx, comparison, &x, number).unwrap().as_slice::<f32>(), right, "{comparison:?} {number}");
            }
        }
    }

    #[test]
    fn with_ids_of_the_same_shape() {
        let cx = f32_context();
        let of = |ids: &[u32]| Tensor::from_slice(ids, [ids.len()]).unwrap();
        let (a, b) = (of(&[1, 2, 3]), of(&[2, 2, 2]));
        assert_eq!(forward(&cx, Comparison::Greater, &a, &b).unwrap().as_slice::<f32>(), [0.0, 0.0, 1.0]);
        assert_eq!(forward(&cx, Comparison::Unequal, &a, &b).unwrap().as_slice::<f32>(), [1.0, 0.0, 1.0]);
        refused(forward(&cx, Comparison::Equal, &a, &of(&[1])), &["ids", "[3]", "[1]"]);
    }
}
