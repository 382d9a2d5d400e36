//! Matrix products with AVX-512, in f32 or, through `vdpbf16ps`, with operands rounded to bf16.
//!
//! After Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication" (2008): both operands are copied into panels
//! that the microkernel reads from end to end. A panel consists of 32-bit lanes: one f32, or two consecutive bf16 of the k axis.
//!
//! * `kernel`: the microkernel, 12 rows x 32 columns in 24 registers, in both precisions
//! * `pack`: operands to panels; an `Operand` is a matrix or anything that says where its elements lie
//! * `drivers`: loops over blocks, on all threads
//!
//! An element of C is summed in the same order whatever the tiles and the threads: k in blocks of a fixed size, and
//! for long sums in slices fixed by the shape.

mod drivers;
mod kernel;
mod pack;

use drivers::{Product, Shared};
use kernel::{Bf16, F32, Old};
use pack::View;

use super::{Matrix, Onto, Precision};
use crate::dtype::{DType, Real};
use crate::simd::{Level, level};

/// Whether this machine has AVX-512.
pub(crate) fn is_available() -> bool {
    level() == Level::Avx512
}

/// Whether this machine multiplies bf16.
pub(crate) fn has_bf16() -> bool {
    is_available() && is_x86_feature_detected!("avx512bf16")
}

/// C = `onto` + A B if these are matrices for these kernels (f32, contiguous along one axis, not a vector); else false, and nothing was done. Shapes
/// and bounds were checked by [`multiply_onto`](super::multiply_onto); no dimension is zero.
pub(super) fn multiply<E: Real>(
    precision: Precision,
    a: Matrix<E>,
    b: Matrix<E>,
    onto: Onto<E>,
    c: &mut [E],
    row_stride: usize,
) -> bool {
    let contiguous = |x: &Matrix<E>| x.row_stride == 1 || x.column_stride == 1;
    // Packing a matrix to multiply it with one vector would double the traffic.
    let vector = precision == Precision::F32 && (a.rows == 1 || b.columns == 1);
    if E::DTYPE != DType::F32 || !is_available() || vector || !contiguous(&a) || !contiguous(&b) {
        return false;
    }
    let c: *mut f32 = c.as_mut_ptr().cast();
    let old = match onto {
        Onto::Nothing => Old::NONE,
        Onto::Content => Old { start: c, row_stride },
        Onto::Row(row) => Old { start: row.as_ptr().cast(), row_stride: 0 },
    };
    let product = Product {
        m: a.rows,
        n: b.columns,
        k: a.columns,
        a: View { start: a.data.as_ptr().cast(), panel_stride: a.row_stride, k_stride: a.column_stride },
        b: View { start: b.data.as_ptr().cast(), panel_stride: b.column_stride, k_stride: b.row_stride },
        c: Shared(c),
        row_stride,
        old,
    };
    // SAFETY: `E` is f32 by its tag. The caller checked that all elements lie in their slices and that the rows of C do not
    // overlap; `c` is borrowed mutably, so that nobody else reads or writes it. The features were detected.
    unsafe {
        match precision {
            Precision::Bf16 if has_bf16() => product.run::<Bf16>(),
            _ => product.run::<F32>(),
        }
    }
    true
}
