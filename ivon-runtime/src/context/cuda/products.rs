//! Products of tensors by cuBLASLt.

use super::along::{Along, Part};
use crate::context::Context;
use crate::context::profile::Cost;
use crate::core::dtype::DType;
use crate::core::error::Result;
use crate::device::cuda::blas::{Key, Kind, Places, Sizes, asked};
use crate::device::cuda::{Cuda, Fill};
use crate::tensor::Tensor;

/// An operand of a product: a tensor as one row-major matrix or as a batch of them.
#[derive(Clone, Copy)]
pub(crate) struct Operand<'a> {
    tensor: &'a Tensor,
    transposed: bool,
}

impl<'a> Operand<'a> {
    /// The matrix as it lies in memory.
    pub fn new(tensor: &'a Tensor) -> Self {
        Operand { tensor, transposed: false }
    }

    /// Its transpose.
    pub fn transposed(tensor: &'a Tensor) -> Self {
        Operand { tensor, transposed: true }
    }
}

/// The library takes batches of fewer than 2¹⁶ matrices. A multiple of this size keeps the next part as aligned as the first.
const MOST_BATCH: usize = 1 << 15;

/// C (+)= A B, and the work along with it, if [`knows`] returns true for it.
///
/// # Errors
/// If the library is missing or refuses.
///
/// # Panics
/// If a tensor is smaller than the sizes require, or `c` is shared. Both are bugs in the op.
pub(crate) fn multiply(
    cx: &Context,
    sizes: Sizes,
    a: Operand,
    b: Operand,
    mut along: Along,
    c: &mut Tensor,
    accumulate: bool,
) -> Result<()> {
    let Sizes { batch, m, n, k } = sizes;
    cx.launched(|trail| {
        // These numbers determine the library's algorithm for the life of the GPU: it is chosen once.
        let numbers =
            [batch, m, n, k, a.transposed as usize, b.transposed as usize, accumulate as usize, along.kind().epilogue() as usize];
        trail.text("multiply").numbers(&numbers);
        [a.tensor, b.tensor, &*c].iter().for_each(|tensor| tensor.leave(trail));
        along.parts().iter().for_each(|part| part.leave(trail));
    });
    if cx.planning() {
        c.is_launched();
        along.parts().iter().try_for_each(|part| part.check("multiply"))?;
        return [a.tensor, b.tensor].iter().try_for_each(|from| from.check_launched("multiply"));
    }
    if batch * m * n == 0 {
        return Ok(());
    }
    let Some(cuda) = cx.cuda() else { panic!("a product on a GPU was asked for in a context on {}", cx.device()) };
    if k == 0 {
        return if accumulate { Ok(()) } else { clear(cx, cuda, c) };
    }
    let _kernel = cx.kernel("multiply", || {
        let cost = Cost::product(cx.precision(), [batch * m, n, k]);
        cost.reads([a.tensor, b.tensor]).writes(c, accumulate).moves(if along.kind().has_matrix() { c.bytes() } else { 0 })
    });
    let elements = [a.tensor, b.tensor, &*c].map(|x| x.shape().elements());
    assert_eq!(elements, [batch * m * k, batch * k * n, batch * m * n], "the operands of {sizes:?}");
    let length = if let Along::RowSums(_) = along { m } else { n };
    let fit = |[vector, matrix]: [Part; 2]| vector.fits(length, c.dtype()) && matrix.fits(m * n, c.dtype());
    assert!(
        fit(along.parts()),
        "what comes along with {sizes:?} is not as large as it must be, or of another type than the result"
    );
    let [vector, matrix] = along.parts();
    let places = Places {
        a: a.tensor.address(cx)?,
        b: b.tensor.address(cx)?,
        vector: vector.address(cx)?,
        matrix: matrix.address(cx)?,
        c: c.address_mut(cx)?,
    };
    cuda.bind()?;
    let kind = along.kind();
    let bytes = [m * k * a.tensor.dtype().bytes(), k * n * b.tensor.dtype().bytes(), m * n * c.dtype().bytes()];
    (0..batch).step_by(MOST_BATCH).try_for_each(|first| {
        let sizes = Sizes { batch: MOST_BATCH.min(batch - first), ..sizes };
        let [a_at, b_at, c_at] = bytes.map(|bytes| (first * bytes) as u64);
        let part = Places { a: places.a + a_at, b: places.b + b_at, c: places.c + c_at, ..places };
        cuda.blas()?.multiply(cuda, key(sizes, [a, b], kind, c.dtype(), accumulate), part)
    })
}

/// c = 0: the result of a product with k = 0. The library does not accept matrices without elements.
fn clear(cx: &Context, cuda: &Cuda, c: &mut Tensor) -> Result<()> {
    let halves = c.bytes() / 2;
    // SAFETY: the tensor has this many bytes, and `address_mut` checked that it is the only handle on its memory.
    unsafe { cuda.fill(c.address_mut(cx)?, Fill::Half(0), halves) }
}

/// True if the library can, and should, do this along with a product C (+)= A B. Must also be called in a dry run.
///
/// # Errors
/// If the library is missing.
pub(crate) fn knows(cx: &Context, sizes: Sizes, a: Operand, b: Operand, along: Kind, c: DType, accumulate: bool) -> Result<bool> {
    let Some(cuda) = cx.cuda() else { return Ok(false) };
    if sizes.batch * sizes.m * sizes.n * sizes.k == 0 || !asked(cuda, sizes, along, c) {
        return Ok(false);
    }
    cuda.bind()?;
    Ok(cuda.blas()?.knows(cuda, key(sizes, [a, b], along, c, accumulate)))
}

fn key(sizes: Sizes, [a, b]: [Operand; 2], along: Kind, c: DType, accumulate: bool) -> Key {
    Key::new(sizes, [a.transposed, b.transposed], [a.tensor.dtype(), b.tensor.dtype(), c], along, accumulate)
}
