//! Keys and values of the positions that a model has seen. The next position then costs one position, not all of them again.

use crate::context::Context;
use crate::core::error::{Error, Result};
use crate::tensor::Tensor;

/// The keys and values that [`causal_attention`](crate::ops::causal_attention) keeps between passes inside of
/// [`Context::cached`](crate::context::Context::cached). Holds one layer for each call in a pass, in the order of the calls.
#[derive(Debug)]
pub struct Cache {
    capacity: usize,
    length: usize,
    /// Calls of attention in the current pass, and the positions that the pass adds.
    next: usize,
    added: usize,
    layers: Vec<Layer>,
}

/// The keys and values of one call of attention.
#[derive(Debug)]
pub(crate) struct Layer {
    /// \[B · HEADS, SIZE, capacity\] on the CPU: a score sums over its rows. \[B · HEADS, capacity, SIZE\] on a GPU.
    pub keys: Tensor,
    /// \[B · HEADS, capacity, SIZE\].
    pub values: Tensor,
}

impl Cache {
    /// Creates an empty cache for at most `capacity` positions.
    pub fn new(capacity: usize) -> Cache {
        Cache { capacity, length: 0, next: 0, added: 0, layers: vec![] }
    }

    /// The number of positions in the cache.
    pub fn len(&self) -> usize {
        self.length
    }

    /// True if the cache holds no positions.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// The largest number of positions that the cache can hold.
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Removes all positions. The memory is kept.
    pub fn clear(&mut self) {
        self.length = 0;
    }

    pub(crate) fn begin(&mut self) {
        (self.next, self.added) = (0, 0);
    }

    /// Keeps the positions that the pass added.
    ///
    /// # Errors
    /// If the pass called attention less often than the passes before it.
    pub(crate) fn end(&mut self) -> Result<()> {
        if self.next != self.layers.len() {
            let message = format!("the pass called attention {} times, those before it {} times", self.next, self.layers.len());
            return Err(Error::value("Cache", message));
        }
        self.length += self.added;
        Ok(())
    }

    /// Returns the layer of the next call of attention. The call adds `added` positions of `heads` heads (over the whole batch)
    /// with `size` elements each.
    pub(crate) fn layer(&mut self, cx: &Context, heads: usize, added: usize, size: usize) -> Result<&mut Layer> {
        if self.length + added > self.capacity {
            let Cache { length, capacity, .. } = self;
            let message =
                format!("it holds {length} of {capacity} positions, and {added} more do not fit: clear it, or make a larger one");
            return Err(Error::value("Cache", message));
        }
        let call = self.next;
        let of_keys = if cx.cuda().is_some() { [heads, self.capacity, size] } else { [heads, size, self.capacity] };
        if call == self.layers.len() && self.length == 0 {
            let (keys, values) = (cx.kept(of_keys)?, cx.kept([heads, self.capacity, size])?);
            self.layers.push(Layer { keys, values });
        }
        let place = |x: &Tensor| (*x.shape(), x.dtype(), x.device());
        let same = |l: &Layer| place(&l.keys) == (of_keys.into(), cx.dtype(), cx.device());
        if !self.layers.get(call).is_some_and(same) || (call > 0 && added != self.added) {
            let message = "this pass is of another model, batch or element type than those before it: use a cache of its own";
            return Err(Error::value("Cache", message));
        }
        (self.next, self.added) = (call + 1, added);
        Ok(&mut self.layers[call])
    }
}
