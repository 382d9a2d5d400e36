//! Tensors that are made of ids and places alone: one-hot rows, masks, counting numbers and the identity.

pub(crate) mod cuda;

use super::with_real;
use crate::context::Context;
use crate::context::profile::Cost;
use crate::core::error::Result;
use crate::core::shape::Shape;
use crate::device::cpu::parallel::{pieces, rows_a_task};
use crate::tensor::Tensor;

/// The number in a place, of the id of its row and of its column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pattern {
    /// 1 where the column is the id, else 0.
    Column,
    /// 1 where the column is below the id, else 0.
    Below,
    /// The column.
    Count,
    /// 1 where the id lies in `start..end`, else 0; the opposite where `outside`.
    Range { start: u64, end: u64, outside: bool },
}

impl Pattern {
    fn value(self, id: u32, column: usize) -> f64 {
        match self {
            Pattern::Column => f64::from(id as usize == column),
            Pattern::Below => f64::from(column < id as usize),
            Pattern::Count => column as f64,
            Pattern::Range { start, end, outside } => f64::from((start..end).contains(&u64::from(id)) != outside),
        }
    }
}

/// A tensor of rows of `width` numbers. Without ids a row has its number as id.
pub(crate) fn make(
    at: &'static str,
    cx: &Context,
    ids: Option<&Tensor>,
    (shape, width): (Shape, usize),
    pattern: Pattern,
) -> Result<Tensor> {
    let mut y = cx.empty(shape)?;
    let _op = cx.op(at, || Cost::default().moves(ids.map_or(0, Tensor::bytes)).writes(&y, false));
    match cx.cuda() {
        Some(_) => cuda::make(cx, ids, &mut y, width, pattern)?,
        None if cx.planning() => {}
        None => with_real!(cx.dtype(), E => {
            let ids = ids.map(|ids| ids.as_slice::<u32>());
            let rows = rows_a_task(width);
            pieces(y.as_mut_slice::<E>(), rows * width, |task, y| {
                for (i, row) in y.chunks_exact_mut(width).enumerate() {
                    let at = task * rows + i;
                    let id = ids.map_or(at as u32, |ids| ids[at]);
                    row.iter_mut().enumerate().for_each(|(column, y)| *y = pattern.value(id, column) as E);
                }
            });
        }),
    }
    Ok(y)
}
