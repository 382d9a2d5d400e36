//! Matrix products with AVX-512, in f32 or, through `vdpbf16ps`, with operands rounded to bf16.
//!
//! After Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication" (2008): both operands are copied into panels
//! that the microkernel reads sequentially. A panel consists of 32-bit lanes: one f32, or two consecutive bf16 of the k axis.
//!
//! * `kernel`: the microkernel, 12 rows x 32 columns in 24 registers, in both precisions
//! * `pack`: copies operands to panels; an `Operand` is a matrix or another source that knows the places of its elements
//! * `indirect`: convolutions, whose rows lie anywhere in memory; `outer`: the gradients of their weights
//! * `drivers`: loops over blocks, on all threads
//!
//! An element of C is summed in the same order for all tiles and threads: k in blocks of a fixed size, and long sums in slices
//! that depend only on the shape.

mod drivers;
mod indirect;
mod kernel;
mod outer;
mod pack;

use drivers::{Last, Product, Shared};
pub(crate) use indirect::{Gather, Indirect, Pixel, Plus, Rows};
use kernel::Old;
pub(crate) use kernel::{Bf16, F32, Kernel, Range, Source, round};
pub(crate) use outer::{Outer, Strip, Strips};
pub(crate) use pack::{Operand, View, pack_across};

use super::{Finish, Matrix, Onto, Precision, Stored};
use crate::core::dtype::DType;
use crate::device::cpu::real::Real;
use crate::device::cpu::simd::{Level, level};
use half::bf16;

/// True if this machine has AVX-512.
pub(crate) fn is_available() -> bool {
    level() == Level::Avx512
}

/// True if this machine has instructions for bf16 products.
pub(crate) fn has_bf16() -> bool {
    is_available() && is_x86_feature_detected!("avx512bf16")
}

/// Computes C = `onto` + A B if these kernels can (f32, contiguous along one axis, not a vector). Otherwise does nothing and
/// returns false. [`multiply_onto`](super::multiply_onto) has checked shapes and bounds. No dimension is zero.
pub(super) fn multiply<E: Real, B: Stored<E>>(
    precision: Precision,
    a: Matrix<E>,
    b: Matrix<B>,
    onto: Onto<E>,
    finish: &mut Option<Finish<E>>,
    c: &mut [E],
    row_stride: usize,
) -> bool {
    let contiguous = |row_stride, column_stride| row_stride == 1 || column_stride == 1;
    let contiguous = contiguous(a.row_stride, a.column_stride) && contiguous(b.row_stride, b.column_stride);
    // Packing a matrix to multiply it with one vector would double the memory traffic.
    let vector = precision == Precision::F32 && (a.rows == 1 || b.columns == 1);
    if E::DTYPE != DType::F32 || !is_available() || vector || !contiguous {
        return false;
    }
    let c: *mut f32 = c.as_mut_ptr().cast();
    let old = match onto {
        Onto::Nothing => Old::NONE,
        Onto::Content => Old { start: c, row_stride },
        Onto::Row(row) => Old { start: row.as_ptr().cast(), row_stride: 0 },
    };
    let of_f32 = finish.as_mut().map(|Finish { each, beside }| {
        // SAFETY: `E` is f32 by its tag.
        let each = move |at: usize, c: &mut [f32], beside: &mut [f32]| unsafe { each(at, own(c), own(beside)) };
        (each, beside.as_mut().map_or(std::ptr::null_mut(), |b| b.as_mut_ptr().cast()))
    });
    let last = of_f32.as_ref().map(|(each, beside)| Last { each, c: Shared(c), beside: Shared(*beside) });
    let left = View { start: a.data.as_ptr().cast::<f32>(), panel_stride: a.row_stride, k_stride: a.column_stride };
    let (m, n, k) = (a.rows, b.columns, a.columns);
    // SAFETY: `E` is f32, and `B` is the type of its tag. The caller checked that all elements lie in their slices and that the
    // rows of C do not overlap; `c` is borrowed mutably, so nothing else reads or writes it.
    unsafe {
        match B::DTYPE {
            DType::Bf16 => {
                let b = View { start: b.data.as_ptr().cast::<bf16>(), panel_stride: b.column_stride, k_stride: b.row_stride };
                run(precision, Product { m, n, k, a: left, b, c: Shared(c), row_stride, old, last });
            }
            _ => {
                let b = View { start: b.data.as_ptr().cast::<f32>(), panel_stride: b.column_stride, k_stride: b.row_stride };
                run(precision, Product { m, n, k, a: left, b, c: Shared(c), row_stride, old, last });
            }
        }
    }
    true
}

/// The same elements as type `E`.
///
/// # Safety
/// `E` must be f32.
unsafe fn own<E: Real>(x: &mut [f32]) -> &mut [E] {
    // SAFETY: both are the same type, and the result borrows `x`.
    unsafe { std::slice::from_raw_parts_mut(x.as_mut_ptr().cast(), x.len()) }
}

/// Computes a product in the given precision, or in f32 if the machine does not support it.
///
/// # Safety
/// Those of [`Product::run`] without the features of bf16. The machine must have AVX-512.
pub(crate) unsafe fn run<A: Operand, B: Operand>(precision: Precision, product: Product<A, B>) {
    // SAFETY: the caller upholds this function's contract; bf16 was detected.
    unsafe {
        match precision {
            Precision::Bf16 if has_bf16() => product.run::<Bf16>(),
            _ => product.run::<F32>(),
        }
    }
}
