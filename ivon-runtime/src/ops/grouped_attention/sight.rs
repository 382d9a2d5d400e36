//! The dimensions of a call, and which keys a query sees.

use super::{AT, Arguments};
use crate::context::Context;
use crate::context::profile::Cost;
use crate::core::dtype::DType;
use crate::core::error::{Error, Result};
use crate::core::shape::Shape;
use crate::device::cpu::matmul::Precision;
use crate::ops::shared::check;
use crate::tensor::Tensor;
use crate::tensor::noise::Noise;
use std::ops::Range;

/// The dimensions, and the rules for which keys a query sees.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sight {
    pub batch: usize,
    pub heads: usize,
    pub kv_heads: usize,
    pub queries: usize,
    pub keys: usize,
    pub size: usize,
    pub causal: bool,
    /// 0 for all keys.
    pub window: usize,
    pub dropout: Option<Dropout>,
}

/// A mask of weights that is drawn again wherever it is needed. The weight of head h, query i and key j in batch b has the random word of
/// element ((b · HEADS + h) · T + i) · S + j.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dropout {
    pub noise: Noise,
    /// A weight stays if its random word is not below this.
    pub threshold: u32,
    /// The factor of the weights that stay.
    pub scale: f64,
}

impl Sight {
    /// Checks the arguments against each other.
    pub fn of(
        cx: &Context,
        heads: usize,
        kv_heads: usize,
        arguments: &Arguments<&Tensor>,
        causal: bool,
        window: usize,
    ) -> Result<Sight> {
        let Arguments { q, k, v, bias, slopes, mask, segments } = *arguments;
        let all = [("q", Some(q)), ("k", Some(k)), ("v", Some(v)), ("bias", bias), ("slopes", slopes), ("mask", mask)];
        for (name, x) in all.into_iter().chain([("segments", segments)]) {
            x.map_or(Ok(()), |x| check::float(AT, cx, &[(name, x)]))?;
        }
        check::dimensions(AT, ("q", q.shape()), &["B", "T", "HEADS * SIZE"])?;
        check::dimensions(AT, ("k", k.shape()), &["B", "S", "KV_HEADS * SIZE"])?;
        check::shape(AT, ("v", v.shape()), *k.shape(), ("k", k.shape()))?;
        if kv_heads == 0 || heads == 0 || !heads.is_multiple_of(kv_heads) {
            let message =
                format!("HEADS = {heads} heads of queries cannot share KV_HEADS = {kv_heads} of keys: it must divide them");
            return Err(Error::shape(AT, message));
        }
        if !q.dim(2).is_multiple_of(heads) {
            return Err(Error::shape(
                AT,
                format!("`q` is {}: its last dimension must be a multiple of HEADS = {heads}", q.shape()),
            ));
        }
        let (batch, queries, keys, size) = (q.dim(0), q.dim(1), k.dim(1), q.dim(2) / heads);
        check::shape(AT, ("k", k.shape()), [batch, keys, kv_heads * size], ("q", q.shape()))?;
        let optional = |name, x: Option<&Tensor>, expected: Shape, because: (&str, &Tensor)| {
            x.map_or(Ok(()), |x| check::shape(AT, (name, x.shape()), expected, (because.0, because.1.shape())))
        };
        optional("bias", bias, [heads, queries, keys].into(), ("q", q))?;
        optional("slopes", slopes, [heads].into(), ("q", q))?;
        optional("mask", mask, [batch, keys].into(), ("k", k))?;
        optional("segments", segments, [batch, queries].into(), ("q", q))?;
        if segments.is_some() && queries != keys {
            let message =
                format!("`segments` number the places of one sequence, but there are {queries} queries and {keys} keys");
            return Err(Error::shape(AT, message));
        }
        if causal && queries > keys {
            let message = format!("{queries} queries are more than the {keys} keys, so the first of them come before every key");
            return Err(Error::shape(AT, message));
        }
        Ok(Sight { batch, heads, kv_heads, queries, keys, size, causal, window, dropout: None })
    }

    /// Drops weights of this call.
    pub fn drop(&mut self, noise: Noise, rate: f64) {
        self.dropout = Some(Dropout { noise, threshold: (rate * 2f64.powi(32)) as u32, scale: 1.0 / (1.0 - rate) });
    }

    /// Heads of queries that share a head of keys.
    pub fn group(&self) -> usize {
        self.heads / self.kv_heads
    }

    /// 1 / sqrt(SIZE).
    pub fn scale(&self) -> f64 {
        1.0 / (self.size as f64).sqrt()
    }

    /// The place of a query among the keys.
    pub fn place(&self, query: usize) -> isize {
        query as isize + self.keys as isize - self.queries as isize
    }

    /// The keys that a query sees, as far as its place decides.
    pub fn seen(&self, query: usize) -> Range<usize> {
        let (place, window) = (self.place(query), self.window as isize);
        let mut range = 0..self.keys as isize;
        if self.window > 0 {
            range = (place - window + 1).max(0)..range.end.min(place + window);
        }
        if self.causal {
            range.end = range.end.min(place + 1);
        }
        range.start as usize..range.end.max(range.start) as usize
    }

    /// So many products of queries and keys, or of weights and values, for every pair of a query and a key that it sees, and 5 operations
    /// for its weight in the softmax.
    pub fn cost(&self, cx: &Context, products: usize) -> Cost {
        let seen: usize = (0..self.queries).map(|query| self.seen(query).len()).sum();
        let pairs = self.batch * self.heads * seen;
        // The CPU multiplies in f32 whatever the precision of other products.
        let precision = if cx.dtype() == DType::Bf16 { Precision::Bf16 } else { Precision::F32 };
        let mut cost = Cost::product(precision, [pairs, products, self.size]);
        cost += Cost::flops(5 * pairs);
        cost
    }

    /// The place of row t of a head in q or y.
    pub fn query_row(&self, b: usize, head: usize, t: usize) -> Range<usize> {
        row((b * self.queries + t) * self.heads + head, self.size)
    }

    /// The place of row t of a head in k or v.
    pub fn key_row(&self, b: usize, head: usize, t: usize) -> Range<usize> {
        row((b * self.keys + t) * self.kv_heads + head, self.size)
    }

    /// Independent parts of the backward pass: heads of keys, of each sequence unless a gradient sums over the batch.
    pub fn backward_tasks(&self, shared: bool) -> usize {
        if shared { self.kv_heads } else { self.batch * self.kv_heads }
    }

    /// Workspaces for so many tasks: one a thread.
    pub fn slots(&self, tasks: usize) -> usize {
        tasks.min(crate::device::cpu::threads::count()).max(1)
    }
}

fn row(index: usize, size: usize) -> Range<usize> {
    index * size..(index + 1) * size
}
