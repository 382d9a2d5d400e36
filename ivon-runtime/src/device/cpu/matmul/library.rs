//! Products by the `gemm` crates: f64, products with vectors, and f32 on machines without a kernel of our own.
//!
//! The crates of the two types are called directly. `gemm` itself selects one of them at run time, and also compiles those for
//! f16 and complex numbers.

use super::Matrix;
use crate::core::dtype::DType;
use crate::device::cpu::real::Real;
use crate::device::cpu::threads::in_team;
use gemm_common::Parallelism;
use std::mem::size_of;

/// C (+)= A B. [`multiply`](super::multiply) has checked shapes and bounds. No dimension is zero.
pub(super) fn multiply<E: Real>(a: Matrix<E>, b: Matrix<E>, c: &mut [E], row_stride: usize, accumulate: bool) {
    match E::DTYPE {
        DType::F32 => call::<E, f32>(gemm_f32::gemm::f32::get_gemm_fn(), a, b, c, row_stride, accumulate),
        DType::F64 => call::<E, f64>(gemm_f64::gemm::f64::get_gemm_fn(), a, b, c, row_stride, accumulate),
        DType::Bf16 | DType::U32 => unreachable!("not a type that sums are computed in"),
    }
}

/// A product of the crates: C = alpha C + beta A B. Its arguments are the sizes m, n, k; pointer, column stride and row stride of
/// C, and whether C is read; the same of A and of B, without the flag; alpha, beta; conjugation of C, A and B; threads.
type Product<T> = unsafe fn(
    usize,
    usize,
    usize,
    *mut T,
    isize,
    isize,
    bool,
    *const T,
    isize,
    isize,
    *const T,
    isize,
    isize,
    T,
    T,
    bool,
    bool,
    bool,
    Parallelism,
);

fn call<E: Real, T: Real>(product: Product<T>, a: Matrix<E>, b: Matrix<E>, c: &mut [E], row_stride: usize, accumulate: bool) {
    assert_eq!((E::DTYPE, size_of::<E>()), (T::DTYPE, size_of::<T>()));
    // The threads of a region would wait for those of the pool.
    let parallelism = if in_team() { Parallelism::None } else { Parallelism::Rayon(0) };
    let (one, stride) = (T::of(1.0), row_stride as isize);
    let (m, n, k) = (a.rows, b.columns, a.columns);
    let read = |x: &Matrix<E>| (x.data.as_ptr().cast(), x.column_stride as isize, x.row_stride as isize);
    let ((a_data, a_column, a_row), (b_data, b_column, b_row)) = (read(&a), read(&b));
    let c = c.as_mut_ptr().cast();
    // SAFETY: `E` is `T` by its tag. `super::multiply` checked that every element (i, j) of the three matrices, at i * row_stride
    // + j * column_stride, lies in its slice. `c` is borrowed mutably, so it overlaps neither operand, and its rows do not
    // overlap. Strides are positive and fit isize because slices do. The transposed call swaps A with B and rows with columns.
    unsafe {
        // The kernels write columns: a matrix stored by rows is computed as its transpose, Cᵀ = Bᵀ Aᵀ.
        if stride > 1 {
            product(
                n,
                m,
                k,
                c,
                stride,
                1,
                accumulate,
                b_data,
                b_row,
                b_column,
                a_data,
                a_row,
                a_column,
                one,
                one,
                false,
                false,
                false,
                parallelism,
            );
        } else {
            product(
                m,
                n,
                k,
                c,
                1,
                stride,
                accumulate,
                a_data,
                a_column,
                a_row,
                b_data,
                b_column,
                b_row,
                one,
                one,
                false,
                false,
                false,
                parallelism,
            );
        }
    }
}
