//! Index select: the columns of these numbers, in their order.

pub(crate) mod cuda;
#[cfg(test)]
mod tests;

use crate::context::adjoint::Adjoint;
use crate::context::profile::Cost;
use crate::context::{Compute, Context};
use crate::core::error::Result;
use crate::core::shape::Shape;
use crate::device::cpu::parallel::{pieces, rows_a_task};
use crate::device::cpu::real::Real;
use crate::ops::shared::check;
use crate::tensor::Tensor;

const AT: &str = "index_select";

/// The numbers of the columns, and the shape of `x`.
#[derive(Debug)]
pub struct Saved {
    ids: Tensor,
    x: Shape,
}

/// y\[.., k\] = x\[.., ids\[k\]\]. A number may stand several times; PyTorch's `index_select` over the last dimension.
///
/// `x` is \[.., N\], `ids` \[K\]; `y` is \[.., K\].
///
/// # Errors
/// [`crate::core::error::Error::Id`] if an id is not below N; if `x` has no dimension or `ids` not one.
pub fn forward(cx: &Context, x: &Tensor, ids: &Tensor) -> Result<Tensor> {
    check::float(AT, cx, &[("x", x)])?;
    check::rank(AT, ("x", x.shape()), 1)?;
    check::ids(AT, "ids", ids)?;
    check::dimensions(AT, ("ids", ids.shape()), &["K"])?;
    check::ids_below(AT, cx, ids, x.shape().last(), None)?;
    let mut y = cx.empty(y_shape(x.shape(), ids))?;
    cx.run(AT, Select { x, ids, y: &mut y })?;
    Ok(y)
}

/// [`forward`], and what [`backward`] reads.
///
/// # Errors
/// As [`forward`].
pub fn forward_saving(cx: &Context, x: &Tensor, ids: &Tensor) -> Result<(Tensor, Saved)> {
    Ok((forward(cx, x, ids)?, Saved { ids: ids.clone(), x: *x.shape() }))
}

/// `d_x[.., ids[k]] += d_y[.., k]`, in the order of k.
///
/// # Errors
/// As [`Adjoint::target`].
pub fn backward(cx: &Context, saved: Saved, d_y: Tensor, d_x: &mut Adjoint) -> Result<()> {
    let Saved { ids, x } = saved;
    check::gradient(AT, cx, ("d_y", &d_y), y_shape(&x, &ids))?;
    d_x.run(cx, AT, x, |d_x, add| Scatter { ids: &ids, d_y: &d_y, d_x, add })
}

fn y_shape(x: &Shape, ids: &Tensor) -> Shape {
    let mut dims = x.to_vec();
    dims.pop();
    dims.push(ids.dim(0));
    Shape::new(&dims)
}

/// y\[.., k\] = x\[.., ids\[k\]\]
struct Select<'a> {
    x: &'a Tensor,
    ids: &'a Tensor,
    y: &'a mut Tensor,
}

impl Compute for Select<'_> {
    fn cost(&self, _: &Context) -> Cost {
        Cost::default().reads([self.x, self.ids]).writes(self.y, false)
    }

    fn cpu<E: Real>(self) {
        let Select { x, ids, y } = self;
        let (wide, narrow) = (x.shape().last(), ids.dim(0));
        let (x, ids) = (x.as_slice::<E>(), ids.as_slice::<u32>());
        if narrow == 0 {
            return;
        }
        let rows = rows_a_task(narrow);
        pieces(y.as_mut_slice::<E>(), rows * narrow, |task, y| {
            for (i, y) in y.chunks_exact_mut(narrow).enumerate() {
                let x = &x[(task * rows + i) * wide..][..wide];
                y.iter_mut().zip(ids).for_each(|(y, id)| *y = x[*id as usize]);
            }
        });
    }

    fn cuda(self, cx: &Context) -> Result<()> {
        cuda::select(cx, self.x, self.ids, self.y)
    }
}

/// d_x\[.., ids\[k\]\] (+)= d_y\[.., k\]
struct Scatter<'a> {
    ids: &'a Tensor,
    d_y: &'a Tensor,
    d_x: &'a mut Tensor,
    add: bool,
}

impl Compute for Scatter<'_> {
    fn cost(&self, _: &Context) -> Cost {
        Cost::each(self.d_y, 1).reads([self.d_y, self.ids]).writes(self.d_x, self.add)
    }

    fn cpu<E: Real>(self) {
        let Scatter { ids, d_y, d_x, add } = self;
        let (wide, narrow) = (d_x.shape().last(), ids.dim(0));
        let (d_y, ids) = (d_y.as_slice::<E>(), ids.as_slice::<u32>());
        if wide == 0 {
            return;
        }
        let rows = rows_a_task(wide.max(narrow));
        pieces(d_x.as_mut_slice::<E>(), rows * wide, |task, d_x| {
            for (i, d_x) in d_x.chunks_exact_mut(wide).enumerate() {
                if !add {
                    d_x.fill(E::default());
                }
                let d_y = &d_y[(task * rows + i) * narrow..][..narrow];
                d_y.iter().zip(ids).for_each(|(d_y, id)| d_x[*id as usize] += *d_y);
            }
        });
    }

    fn cuda(self, cx: &Context) -> Result<()> {
        cuda::scatter(cx, self.ids, self.d_y, self.d_x, self.add)
    }
}
