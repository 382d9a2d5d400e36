//! A pass: training or not, the scale of its loss, its randomness, and the positions before it.

use super::Context;
use crate::cache::Cache;
use crate::device::cuda::{Arg, Pointer};
use crate::error::Result;
use crate::memory::Block;
use std::cell::RefMut;
use std::rc::Rc;

/// The randomness of one forward pass, for dropout: which seed, which step, which pass of the step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Pass {
    /// Seed of the run.
    pub seed: u64,
    /// The step, counted from 1; 0 outside training.
    pub step: u32,
    /// The pass of the step: sample · micro-batches + micro-batch.
    pub pass: u32,
}

/// The randomness of one op in one pass: a Philox key and the upper half of its counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stream {
    /// Philox key.
    pub key: [u32; 2],
    /// Upper half of the Philox counter.
    pub counter: [u32; 2],
}

impl Context {
    /// Whether dropout drops.
    pub fn training(&self) -> bool {
        self.training.get()
    }

    /// Switches dropout on or off.
    pub fn set_training(&self, training: bool) {
        self.training.set(training);
    }

    /// What the gradient of the loss with respect to itself is: 1, or 1 / micro-batches.
    pub fn loss_scale(&self) -> f64 {
        self.loss_scale.get()
    }

    /// Sets [`Context::loss_scale`].
    pub fn set_loss_scale(&self, scale: f64) {
        self.loss_scale.set(scale);
    }

    /// Begins a pass with randomness of its own.
    pub fn set_pass(&self, pass: Pass) {
        self.pass.set(pass);
        self.streams.set(0);
        self.counted.set(false);
    }

    /// Randomness for one op call; the next call gets another one. An op that needs it again in its backward pass keeps the
    /// [`Stream`], not the numbers.
    pub fn stream(&self) -> Stream {
        let Pass { seed, step, pass } = self.pass.get();
        let call = self.streams.replace(self.streams.get() + 1);
        // Another key than that of the posterior's noise, which is the seed itself.
        let key = [seed as u32 ^ 0xD00D_5EED, (seed >> 32) as u32 ^ call.wrapping_mul(0x9E37_79B9)];
        Stream { key, counter: [step, pass] }
    }

    /// For a kernel on the GPU: a pointer to the upper half of the Philox counters, two `uint32_t`, which change from step to step. It is
    /// null in a dry run. The key is an argument like any other.
    ///
    /// # Errors
    /// If the card is lost.
    pub fn counters(&self) -> Result<Arg<'static>> {
        if self.planning() {
            return Ok(Arg::Null);
        }
        self.upload_counters()?;
        let counters = self.counters.get().and_then(|block| block.on_card());
        // SAFETY: the block lives as long as this context and is freed in the order of the stream; kernels only read it.
        Ok(counters.map_or(Arg::Null, |(_, address)| Arg::Pointer(unsafe { Pointer::new(address) })))
    }

    /// Brings step and pass to the card, if they are not there.
    pub(crate) fn upload_counters(&self) -> Result<()> {
        let Some(cuda) = &self.cuda else { return Ok(()) };
        if self.counted.get() {
            return Ok(());
        }
        let block = match self.counters.get() {
            Some(block) => block,
            None => {
                let fresh = Rc::new(Block::zeroed(Some(cuda), 8)?);
                self.counters.get_or_init(|| fresh)
            }
        };
        let Pass { step, pass, .. } = self.pass.get();
        let bytes = [step.to_le_bytes(), pass.to_le_bytes()].concat();
        let address = block.on_card().map_or(0, |(_, address)| address);
        // SAFETY: eight bytes lie at the address; kernels read them in the order of the stream.
        unsafe { cuda.upload(&bytes, address)? };
        self.counted.set(true);
        Ok(())
    }

    /// Has so many more streams been asked for; how many there were before.
    pub(crate) fn skip_streams(&self, count: u32) -> u32 {
        self.streams.replace(self.streams.get() + count)
    }

    pub(crate) fn set_streams(&self, count: u32) {
        self.streams.set(count);
    }

    /// Runs one pass over the positions that follow those in `cache`: causal attention looks at them too, and the cache takes the new ones in. The
    /// model has to be told where they are, if it asks (learned positions).
    ///
    /// # Errors
    /// Those of `step`, and if it does not fit what the cache holds. The cache is empty then.
    pub fn cached<R>(&self, cache: &mut Cache, step: impl FnOnce(&Context) -> Result<R>) -> Result<R> {
        cache.begin();
        let outer = self.cache.replace(Some(std::mem::replace(cache, Cache::new(0))));
        let result = step(self);
        if let Some(used) = self.cache.replace(outer) {
            *cache = used;
        }
        let result = result.and_then(|r| cache.end().map(|()| r));
        result.inspect_err(|_| *cache = Cache::new(cache.capacity()))
    }

    /// The cache of the pass, if it runs inside of [`Context::cached`].
    pub(crate) fn cache(&self) -> RefMut<'_, Option<Cache>> {
        self.cache.borrow_mut()
    }
}
