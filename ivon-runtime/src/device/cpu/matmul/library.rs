//! Products by the `gemm` crate: f64, products with vectors, and f32 on machines without a kernel of our own.

use super::Matrix;
use crate::core::dtype::DType;
use crate::device::cpu::real::Real;
use crate::device::cpu::threads::in_team;
use gemm::Parallelism;
use std::mem::size_of;

/// C (+)= A B. [`multiply`](super::multiply) has checked shapes and bounds. No dimension is zero.
pub(super) fn multiply<E: Real>(a: Matrix<E>, b: Matrix<E>, c: &mut [E], row_stride: usize, accumulate: bool) {
    match E::DTYPE {
        DType::F32 => call::<E, f32>(a, b, c, row_stride, accumulate),
        DType::F64 => call::<E, f64>(a, b, c, row_stride, accumulate),
        DType::Bf16 | DType::U32 => unreachable!("not a type that sums are computed in"),
    }
}

fn call<E: Real, T: Real>(a: Matrix<E>, b: Matrix<E>, c: &mut [E], row_stride: usize, accumulate: bool) {
    assert_eq!((E::DTYPE, size_of::<E>()), (T::DTYPE, size_of::<T>()));
    let (m, n, k) = (a.rows, b.columns, a.columns);
    // The threads of a region would wait for those of the pool.
    let parallelism = if in_team() { Parallelism::None } else { Parallelism::Rayon(0) };
    // SAFETY: `E` is `T` by its tag. `super::multiply` checked that every element (i, j) of the three matrices, at i * row_stride
    // + j * column_stride, lies in its slice. `c` is borrowed mutably, so it overlaps neither operand, and its rows do not
    // overlap. Strides fit isize because slices do.
    unsafe {
        gemm::gemm::<T>(
            m,
            n,
            k,
            c.as_mut_ptr().cast(),
            1,
            row_stride as isize,
            accumulate,
            a.data.as_ptr().cast(),
            a.column_stride as isize,
            a.row_stride as isize,
            b.data.as_ptr().cast(),
            b.column_stride as isize,
            b.row_stride as isize,
            T::of(1.0),
            T::of(1.0),
            false,
            false,
            false,
            parallelism,
        );
    }
}
