//! Embedding: rows of a table.

pub(super) mod cuda;
#[cfg(test)]
mod tests;

use crate::context::Context;
use crate::context::adjoint::Adjoint;
use crate::context::elementwise;
use crate::context::profile::Cost;
use crate::core::error::{Error, Result};
use crate::core::shape::Shape;
use crate::device::cpu::matmul::Stored;
use crate::device::cpu::parallel::{pieces, rows_a_task};
use crate::device::cpu::real::Real;
use crate::ops::shared::{check, with_real, with_weight};
use crate::tensor::Tensor;
use crate::versions;

/// The ids, and the shape of the table.
#[derive(Debug)]
pub struct Saved {
    ids: Tensor,
    table: Shape,
}

/// y\[.., c\] = weight\[ids\[..\], c\], with `weight` \[ROWS, WIDTH\].
///
/// # Errors
/// [`Error::Id`] if an id is not below ROWS; if `weight` does not have two dimensions.
pub fn forward(cx: &Context, ids: &Tensor, weight: &Tensor) -> Result<Tensor> {
    const AT: &str = "embedding";
    check::ids(AT, "ids", ids)?;
    check::weight(AT, cx, ("weight", weight))?;
    if weight.shape().rank() != 2 {
        return Err(Error::shape(
            AT,
            format!("`weight` is {} where two dimensions, [ROWS, WIDTH], are expected", weight.shape()),
        ));
    }
    let (rows, width) = (weight.dim(0), weight.dim(1));
    let Some(shape) = ids.shape().push(width) else {
        return Err(Error::shape(
            AT,
            format!("`ids` is {}: a tensor has at most {} dimensions", ids.shape(), crate::core::shape::MAX_RANK),
        ));
    };
    let mut y = cx.empty(shape)?;
    check::ids_below(AT, cx, ids, rows, None)?;
    let _op = cx.op("embedding", || Cost::default().moves(2 * y.bytes()));
    match cx.cuda() {
        Some(_) => cuda::forward(cx, ids, weight, &mut y)?,
        None if cx.planning() => {}
        None => {
            with_weight!(cx.dtype(), weight.dtype(), E, W => look_up(ids.as_slice(), weight.as_slice::<W>(), width, y.as_mut_slice::<E>()))
        }
    }
    Ok(y)
}

/// [`forward`], and what [`backward`] reads.
///
/// # Errors
/// As [`forward`].
pub fn forward_saving(cx: &Context, ids: &Tensor, weight: &Tensor) -> Result<(Tensor, Saved)> {
    Ok((forward(cx, ids, weight)?, Saved { ids: ids.clone(), table: *weight.shape() }))
}

/// `d_weight[id] +=` the sum of the rows of `d_y` at which `id` stands, in their order.
///
/// # Errors
/// As [`Adjoint::target`].
pub fn backward(cx: &Context, saved: Saved, d_y: Tensor, d_weight: &mut Adjoint) -> Result<()> {
    let Saved { ids, table } = saved;
    // The forward pass has refused ids of too many dimensions.
    let y = ids.shape().push(table[1]).unwrap_or(*ids.shape());
    check::gradient("embedding", cx, ("d_y", &d_y), y)?;
    let Some((d_weight, add)) = d_weight.target(cx, table)? else { return Ok(()) };
    let _op = cx.op("embedding", || Cost::each(&d_y, 1).moves(3 * d_y.bytes() + if add { 0 } else { d_weight.bytes() }));
    if cx.cuda().is_some() {
        if !add {
            elementwise::cuda::zero(cx, d_weight)?;
        }
        cuda::backward(cx, &ids, &d_y, d_weight)?;
    } else if !cx.planning() {
        with_real!(cx.dtype(), E => {
            scatter(ids.as_slice::<u32>(), d_y.as_slice::<E>(), table[1], d_weight.as_mut_slice::<E>(), add);
        });
    }
    Ok(())
}

fn look_up<E: Real, W: Stored<E>>(ids: &[u32], weight: &[W], width: usize, y: &mut [E]) {
    let rows = rows_a_task(width);
    pieces(y, rows * width.max(1), |task, y| {
        for (id, y) in ids[task * rows..].iter().zip(y.chunks_exact_mut(width)) {
            let row = &weight[*id as usize * width..][..width];
            y.iter_mut().zip(row).for_each(|(y, x)| *y = x.widen());
        }
    });
}

/// Every task owns some rows of the table and looks through all ids: no two write to the same row, and the order of the sum
/// is that of the ids.
fn scatter<E: Real>(ids: &[u32], d_y: &[E], width: usize, d_weight: &mut [E], add: bool) {
    let table = d_weight.len() / width.max(1);
    let rows = table.div_ceil(64).max(1);
    pieces(d_weight, rows * width.max(1), |task, d_weight| {
        if !add {
            d_weight.fill(E::default());
        }
        let owned = task * rows..((task + 1) * rows).min(table);
        for (id, d_y) in ids.iter().zip(d_y.chunks_exact(width)) {
            if owned.contains(&(*id as usize)) {
                add_row(d_y, &mut d_weight[(*id as usize - owned.start) * width..][..width]);
            }
        }
    });
}

versions! {
    fn add_row<{E: Real} {E}>(x: &[E], y: &mut [E]) {
        for (y, x) in y.iter_mut().zip(x) {
            *y += *x;
        }
    }
}
