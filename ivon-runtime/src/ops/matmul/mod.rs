//! Matrix product, batched.

mod cuda;
#[cfg(test)]
mod tests;

use crate::context::Context;
use crate::context::adjoint::Adjoint;
use crate::context::profile::Cost;
use crate::core::error::{Error, Result};
use crate::core::shape::Shape;
use crate::device::cpu::matmul::{Matrix, Precision, multiply_as};
use crate::device::cpu::parallel::pieces;
use crate::device::cpu::real::Real;
use crate::ops::shared::{check, with_real};
use crate::tensor::Tensor;

/// The operands.
#[derive(Debug)]
pub struct Saved {
    a: Tensor,
    b: Tensor,
}

/// c\[.., m, n\] = sum over k of a\[.., m, k\] b\[.., k, n\].
///
/// # Errors
/// If the leading dimensions differ, or the columns of `a` are not as many as the rows of `b`.
pub fn forward(cx: &Context, a: &Tensor, b: &Tensor) -> Result<Tensor> {
    check::float("matmul", cx, &[("a", a), ("b", b)])?;
    check::rank("matmul", ("a", a.shape()), 2)?;
    check::rank("matmul", ("b", b.shape()), 2)?;
    let (lead, [m, k]) = split(a.shape());
    let (other_lead, [rows, n]) = split(b.shape());
    if lead != other_lead || k != rows {
        let message = format!("`a` is {} but `b` is {}: [.., M, K] and [.., K, N] are expected", a.shape(), b.shape());
        return Err(Error::shape("matmul", message));
    }
    let mut c = cx.empty(Shape::new(&[lead, &[m, n]].concat()))?;
    product(cx, (a, [m, k], false), (b, [k, n], false), &mut c, false)?;
    Ok(c)
}

/// [`forward`], and what [`backward`] reads.
///
/// # Errors
/// As [`forward`].
pub fn forward_saving(cx: &Context, a: &Tensor, b: &Tensor) -> Result<(Tensor, Saved)> {
    Ok((forward(cx, a, b)?, Saved { a: a.clone(), b: b.clone() }))
}

/// `d_a += d_c bᵀ`, `d_b += aᵀ d_c`.
///
/// # Errors
/// As [`Adjoint::target`].
pub fn backward(cx: &Context, saved: Saved, d_c: Tensor, d_a: &mut Adjoint, d_b: &mut Adjoint) -> Result<()> {
    let Saved { a, b } = saved;
    let (_, [m, k]) = split(a.shape());
    let n = b.shape().last();
    check::gradient("matmul", cx, ("d_c", &d_c), a.shape().with_last(n))?;
    if let Some((d_a, add)) = d_a.target(cx, *a.shape())? {
        product(cx, (&d_c, [m, n], false), (&b, [k, n], true), d_a, add)?;
    }
    if let Some((d_b, add)) = d_b.target(cx, *b.shape())? {
        product(cx, (&a, [m, k], true), (&d_c, [m, n], false), d_b, add)?;
    }
    Ok(())
}

/// Leading dimensions, and the matrix's.
fn split(shape: &Shape) -> (&[usize], [usize; 2]) {
    let (lead, matrix) = shape.split_at(shape.rank() - 2);
    (lead, [matrix[0], matrix[1]])
}

/// An operand: its tensor, its matrices' dimensions as they lie, and whether they are transposed.
type Batch<'a> = (&'a Tensor, [usize; 2], bool);

/// c (+)= a b for each matrix of the batch.
fn product(cx: &Context, a: Batch, b: Batch, c: &mut Tensor, add: bool) -> Result<()> {
    let _op = cx.op("matmul", || {
        let inner = if a.2 { a.1[0] } else { a.1[1] };
        Cost::product(cx.precision(), [c.shape().elements(), 1, inner]).reads([a.0, b.0]).writes(c, add)
    });
    match cx.cuda() {
        Some(_) => cuda::batched(cx, a, b, c, add)?,
        None if cx.planning() => {}
        None => with_real!(cx.dtype(), E => batched::<E>(cx.precision(), a, b, c.as_mut_slice(), add)),
    }
    Ok(())
}

/// The same on the CPU.
fn batched<E: Real>(precision: Precision, a: Batch, b: Batch, c: &mut [E], add: bool) {
    let (a_data, b_data) = (a.0.as_slice::<E>(), b.0.as_slice::<E>());
    let rows = if a.2 { a.1[1] } else { a.1[0] };
    let columns = if b.2 { b.1[0] } else { b.1[1] };
    pieces(c, (rows * columns).max(1), |i, c| {
        multiply_as(precision, matrix(a_data, a.1, a.2, i), matrix(b_data, b.1, b.2, i), c, columns, add)
    });
}

/// Matrix `i` of a batch.
fn matrix<E: Real>(data: &[E], [rows, columns]: [usize; 2], transposed: bool, i: usize) -> Matrix<'_, E> {
    let matrix = Matrix::new(&data[i * rows * columns..][..rows * columns], rows, columns);
    if transposed { matrix.transposed() } else { matrix }
}
