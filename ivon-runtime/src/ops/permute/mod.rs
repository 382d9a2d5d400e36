//! Permute: the axes in another order.

#[cfg(test)]
mod tests;

use super::transpose;
use crate::context::Context;
use crate::context::adjoint::Adjoint;
use crate::core::error::{Error, Result};
use crate::core::shape::{MAX_RANK, Shape};
use crate::ops::shared::check;
use crate::tensor::Tensor;

/// The order that undoes this one.
#[derive(Debug)]
pub struct Saved {
    inverse: [usize; MAX_RANK],
    rank: usize,
    y: Shape,
}

/// Axis i of y is axis `order[i]` of `x`.
///
/// # Errors
/// If `order` does not name each axis of `x` once.
pub fn forward(cx: &Context, x: &Tensor, order: &[usize]) -> Result<Tensor> {
    check::float("permute", cx, &[("x", x)])?;
    inverse(x, order)?;
    reordered(cx, x, order)
}

/// [`forward`], and what [`backward`] reads.
///
/// # Errors
/// As [`forward`].
pub fn forward_saving(cx: &Context, x: &Tensor, order: &[usize]) -> Result<(Tensor, Saved)> {
    let y = forward(cx, x, order)?;
    let saved = Saved { inverse: inverse(x, order)?, rank: order.len(), y: *y.shape() };
    Ok((y, saved))
}

/// `d_x += d_y` in the order of x.
///
/// # Errors
/// As [`Adjoint::add`].
pub fn backward(cx: &Context, saved: Saved, d_y: Tensor, d_x: &mut Adjoint) -> Result<()> {
    check::gradient("permute", cx, ("d_y", &d_y), saved.y)?;
    if !d_x.wanted() {
        return Ok(());
    }
    let contribution = reordered(cx, &d_y, &saved.inverse[..saved.rank])?;
    drop(d_y);
    d_x.add(cx, contribution)
}

/// The inverse of an order of the axes of `x`.
fn inverse(x: &Tensor, order: &[usize]) -> Result<[usize; MAX_RANK]> {
    let rank = x.shape().rank();
    let mut inverse = [usize::MAX; MAX_RANK];
    for (i, axis) in order.iter().enumerate() {
        match inverse.get_mut(*axis) {
            Some(to) if *axis < rank && *to == usize::MAX => *to = i,
            _ => break,
        }
    }
    let all = order.len() == rank && !inverse[..rank].contains(&usize::MAX);
    let message = || format!("{order:?} does not name each of the {rank} axes of `x`, which is {}, once", x.shape());
    if all { Ok(inverse) } else { Err(Error::shape("permute", message())) }
}

/// Axes that stay neighbours move as one. Pairs of them then change places until all stand where they belong: mostly that is one transpose.
pub(super) fn reordered(cx: &Context, x: &Tensor, order: &[usize]) -> Result<Tensor> {
    let dims: Vec<usize> = order.iter().map(|axis| x.dim(*axis)).collect();
    // (first axis, number of elements) of each group, in the order of y.
    let mut groups: Vec<(usize, usize)> = vec![];
    for (i, axis) in order.iter().enumerate() {
        match groups.last_mut() {
            Some((_, size)) if order[i - 1] + 1 == *axis => *size *= x.dim(*axis),
            _ => groups.push((*axis, x.dim(*axis))),
        }
    }
    let mut now = groups.clone();
    now.sort_unstable();
    let mut y = x.clone();
    for (to, group) in groups.iter().enumerate() {
        let Some(at) = now.iter().position(|other| other == group).filter(|at| *at != to) else { continue };
        let sizes: Vec<usize> = now.iter().map(|(_, size)| *size).collect();
        y = transpose::forward(cx, &y.reshaped(&sizes[..]), to, at)?;
        now.swap(to, at);
    }
    Ok(y.reshaped(&dims[..]))
}
