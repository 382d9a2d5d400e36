//! Matrix products on the CPU: `C (+)= A B` for operands with any strides, on all threads of the current rayon pool.
//!
//! The bits of a result do not depend on the number of threads: sums are split by shape alone.

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;
mod library;
#[cfg(target_arch = "x86_64")]
mod scratch;
#[cfg(target_arch = "x86_64")]
mod team;
#[cfg(test)]
mod tests;

use crate::core::dtype::Element;
use crate::device::cpu::real::Real;
use half::bf16;
use rayon::prelude::*;

/// The precision of a product of f32 matrices. Sums are f32 in any case.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Precision {
    /// Multiplies the operands unchanged.
    #[default]
    F32,
    /// Rounds the operands to bf16 (to the nearest, ties to even). Twice as fast on a CPU with AVX512-BF16, with a relative error
    /// of about 0.2 %. The same as [`Precision::F32`] on other CPUs, and for f64.
    Bf16,
}

/// The summand of a product.
#[derive(Clone, Copy, Debug)]
pub enum Onto<'a, E> {
    /// No summand: the old content of C is not read.
    Nothing,
    /// The old content of C.
    Content,
    /// One row, such as a bias, which is added to every row. The old content of C is not read.
    Row(&'a [E]),
}

/// A function that is called for a part of a row of C when its sums are complete. Receives the index in C at which the part
/// begins, the part, and the same part of the matrix beside C (empty without such a matrix).
pub type Each<'a, E> = dyn Fn(usize, &mut [E], &mut [E]) + Sync + 'a;

/// Work on C while it is in a cache.
pub struct Finish<'a, E> {
    /// Called once for every part of every row.
    pub each: &'a Each<'a, E>,
    /// Another matrix with the layout of C.
    pub beside: Option<&'a mut [E]>,
}

/// A view of a matrix in a slice: element (i, j) is `data[i * row_stride + j * column_stride]`.
#[derive(Clone, Copy, Debug)]
pub struct Matrix<'a, E> {
    /// The slice that holds the elements.
    pub data: &'a [E],
    /// Number of rows.
    pub rows: usize,
    /// Number of columns.
    pub columns: usize,
    /// The distance between neighbouring rows, in elements.
    pub row_stride: usize,
    /// The distance between neighbouring columns, in elements.
    pub column_stride: usize,
}

impl<'a, E> Matrix<'a, E> {
    /// The row-major matrix `[rows, columns]` at the beginning of `data`.
    pub fn new(data: &'a [E], rows: usize, columns: usize) -> Self {
        Matrix { data, rows, columns, row_stride: columns, column_stride: 1 }
    }

    /// The transpose: another view of the same elements.
    pub fn transposed(self) -> Self {
        Matrix {
            data: self.data,
            rows: self.columns,
            columns: self.rows,
            row_stride: self.column_stride,
            column_stride: self.row_stride,
        }
    }

    /// True if every element lies in `data`.
    fn is_in_bounds(&self) -> bool {
        extent((self.rows, self.row_stride), (self.columns, self.column_stride)).is_some_and(|n| n <= self.data.len())
    }
}

/// A type in which the second operand of a product with sums in `E` may be stored: `E` itself, or bf16 for weights.
pub trait Stored<E: Real>: Element {
    /// Converts the value to `E`.
    fn widen(self) -> E;
    /// Converts the matrix to `E`. A conversion uses `memory`; a matrix of `E` is returned unchanged.
    fn widened<'a>(matrix: Matrix<'a, Self>, memory: &'a mut Vec<E>) -> Matrix<'a, E>;
}

impl<E: Real> Stored<E> for E {
    #[inline(always)]
    fn widen(self) -> E {
        self
    }
    fn widened<'a>(matrix: Matrix<'a, E>, _: &'a mut Vec<E>) -> Matrix<'a, E> {
        matrix
    }
}

impl<E: Real> Stored<E> for bf16 {
    #[inline(always)]
    fn widen(self) -> E {
        E::of(self.to_f64())
    }
    fn widened<'a>(matrix: Matrix<'a, bf16>, memory: &'a mut Vec<E>) -> Matrix<'a, E> {
        memory.extend(matrix.data.iter().map(|x| Stored::<E>::widen(*x)));
        Matrix {
            data: memory,
            rows: matrix.rows,
            columns: matrix.columns,
            row_stride: matrix.row_stride,
            column_stride: matrix.column_stride,
        }
    }
}

/// The number of elements from the first to the last of a matrix, for the (count, stride) of its axes. `None` if it overflows.
fn extent(rows: (usize, usize), columns: (usize, usize)) -> Option<usize> {
    if rows.0 == 0 || columns.0 == 0 {
        return Some(0);
    }
    let last = (rows.0 - 1).checked_mul(rows.1)?.checked_add((columns.0 - 1).checked_mul(columns.1)?)?;
    last.checked_add(1)
}

/// C (+)= A B for A `[m, k]`, B `[k, n]` and C `[m, n]`, row-major with `row_stride`. Elements of `c` between the rows do not
/// change. Without `accumulate` the old content of C is not read.
///
/// # Panics
/// If the shapes do not fit or a matrix exceeds its slice. This is a bug in the calling op, which must check shapes first.
pub fn multiply<E: Real, B: Stored<E>>(a: Matrix<E>, b: Matrix<B>, c: &mut [E], row_stride: usize, accumulate: bool) {
    multiply_as(Precision::F32, a, b, c, row_stride, accumulate);
}

/// [`multiply`] in a given precision.
///
/// # Panics
/// As [`multiply`].
pub fn multiply_as<E: Real, B: Stored<E>>(
    precision: Precision,
    a: Matrix<E>,
    b: Matrix<B>,
    c: &mut [E],
    row_stride: usize,
    accumulate: bool,
) {
    multiply_onto(precision, a, b, if accumulate { Onto::Content } else { Onto::Nothing }, c, row_stride);
}

/// C = `onto` + A B, with the sum of the products computed first.
///
/// # Panics
/// Those of [`multiply`]. If a row to add is not as long as a row of C.
pub fn multiply_onto<E: Real, B: Stored<E>>(
    precision: Precision,
    a: Matrix<E>,
    b: Matrix<B>,
    onto: Onto<E>,
    c: &mut [E],
    row_stride: usize,
) {
    multiply_then(precision, a, b, onto, None, c, row_stride);
}

/// [`multiply_onto`] with additional work on the result before it leaves the cache.
///
/// # Panics
/// Those of [`multiply_onto`]. If the matrix beside C is smaller than C.
pub fn multiply_then<E: Real, B: Stored<E>>(
    precision: Precision,
    a: Matrix<E>,
    b: Matrix<B>,
    onto: Onto<E>,
    mut finish: Option<Finish<E>>,
    c: &mut [E],
    row_stride: usize,
) {
    let (m, n, k) = (a.rows, b.columns, a.columns);
    assert_eq!(k, b.rows, "A has as many columns as B has rows");
    assert!(a.is_in_bounds(), "A {m} x {k} exceeds its {} elements", a.data.len());
    assert!(b.is_in_bounds(), "B {k} x {n} exceeds its {} elements", b.data.len());
    assert!(m <= 1 || row_stride >= n, "rows of C overlap: {n} columns, stride {row_stride}");
    assert!(
        extent((m, row_stride), (n, 1)).is_some_and(|extent| extent <= c.len()),
        "C {m} x {n} exceeds its {} elements",
        c.len()
    );
    if let Onto::Row(row) = onto {
        assert_eq!(row.len(), n, "a row to add is as long as those of C");
    }
    if let Some(Finish { beside: Some(beside), .. }) = &finish {
        assert!(beside.len() >= c.len(), "what lies beside C has {} elements, C has {}", beside.len(), c.len());
    }
    if m == 0 || n == 0 {
        return;
    }
    #[cfg(target_arch = "x86_64")]
    if k > 0 && avx512::multiply(precision, a, b, onto, &mut finish, c, row_stride) {
        return;
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = precision;
    let rows = c.par_chunks_mut(row_stride.max(n)).take(m);
    match onto {
        Onto::Nothing if k == 0 => rows.for_each(|c| c[..n].fill(E::default())),
        Onto::Row(row) => rows.for_each(|c| c[..n].copy_from_slice(row)),
        _ => {}
    }
    if k > 0 {
        library::multiply(a, B::widened(b, &mut vec![]), c, row_stride, !matches!(onto, Onto::Nothing));
    }
    if let Some(Finish { each, beside }) = finish {
        let stride = row_stride.max(n);
        let rows = c.par_chunks_mut(stride).take(m).enumerate();
        match beside {
            Some(beside) => rows
                .zip(beside.par_chunks_mut(stride))
                .for_each(|((row, c), beside)| each(row * stride, &mut c[..n], &mut beside[..n])),
            None => rows.for_each(|(row, c)| each(row * stride, &mut c[..n], &mut [])),
        }
    }
}
