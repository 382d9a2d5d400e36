//! A pass: training mode, the scale of its loss, its randomness, and the positions before it.

use super::Context;
use crate::context::cache::Cache;
use crate::context::cuda::{Arg, Pointer};
use crate::core::dtype::DType;
use crate::core::error::Result;
use crate::memory::Block;
use crate::tensor::Tensor;
use std::cell::RefMut;
use std::rc::Rc;

/// Bytes of a pass that kernels read: step and pass, then the numbers that [`Context::upload_weight`] copies.
const COUNTERS: usize = 24;

/// The randomness of one forward pass, for dropout: seed, step, and pass within the step.
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
    /// True in training: dropout is active.
    pub fn training(&self) -> bool {
        self.training.get()
    }

    /// Switches dropout on or off.
    pub fn set_training(&self, training: bool) {
        self.training.set(training);
    }

    /// The gradient of the loss with respect to itself: 1, or 1 / micro-batches, times the weight of the targets that the forward
    /// pass counted ([`Context::counted`]). Read it after the forward pass.
    pub fn loss_scale(&self) -> f64 {
        self.loss_scale.get() * self.scale_of_pass()
    }

    /// Sets [`Context::loss_scale`] without the weight of the targets.
    pub fn set_loss_scale(&self, scale: f64) {
        self.loss_scale.set(scale);
    }

    /// Begins a pass with its own randomness.
    pub fn set_pass(&self, pass: Pass) {
        self.pass.set(pass);
        self.streams.set(0);
        self.counted.set(false);
    }

    /// Returns the randomness for one op call. Each call returns a different stream. An op that needs the same randomness in its
    /// backward pass keeps the [`Stream`], not the numbers.
    pub fn stream(&self) -> Stream {
        let Pass { seed, step, pass } = self.pass.get();
        let call = self.streams.replace(self.streams.get() + 1);
        // A different key than that of the posterior's noise, which is the seed itself.
        let key = [seed as u32 ^ 0xD00D_5EED, (seed >> 32) as u32 ^ call.wrapping_mul(0x9E37_79B9)];
        Stream { key, counter: [step, pass] }
    }

    /// For a kernel on the GPU: a pointer to the upper half of the Philox counters, two `uint32_t` that change from step to step.
    /// Null in a dry run. The key is an ordinary argument.
    ///
    /// # Errors
    /// If the GPU is lost.
    pub fn counters(&self) -> Result<Arg<'_>> {
        if self.planning() {
            return Ok(Arg::Null);
        }
        self.upload_counters()?;
        let counters = self.counters.get().and_then(|block| block.on_gpu());
        // SAFETY: the block lives as long as this context and is freed in the order of the stream; kernels only read it.
        Ok(counters.map_or(Arg::Null, |(_, address)| Arg::Pointer(unsafe { Pointer::new(address) })))
    }

    /// Copies step and pass to the GPU, if they are not there.
    pub(crate) fn upload_counters(&self) -> Result<()> {
        let Some(cuda) = &self.cuda else { return Ok(()) };
        if self.counted.get() {
            return Ok(());
        }
        let block = match self.counters.get() {
            Some(block) => block,
            None => {
                let fresh = Rc::new(Block::zeroed(Some(cuda), COUNTERS)?);
                self.counters.get_or_init(|| fresh)
            }
        };
        let Pass { step, pass, .. } = self.pass.get();
        let bytes = [step.to_le_bytes(), pass.to_le_bytes()].concat();
        let address = block.on_gpu().map_or(0, |(_, address)| address);
        // SAFETY: more than eight bytes lie at the address; kernels read them in the order of the stream.
        unsafe { cuda.upload(&bytes, address)? };
        self.counted.set(true);
        Ok(())
    }

    /// Returns the gradient of the loss with respect to itself, as a tensor. With micro-batches on a GPU it is read from memory,
    /// because a captured step is also replayed for other numbers of targets: [`Context::upload_weight`] copies it there.
    pub(crate) fn d_loss(&self) -> Result<Tensor> {
        let Some(cuda) = self.cuda.as_ref().filter(|_| self.in_micro_batches()) else {
            return self.filled([], self.loss_scale());
        };
        let mut d_loss = self.empty([])?;
        if self.planning() {
            self.launched(|trail| {
                trail.text("weight of the loss");
                d_loss.leave(trail);
            });
            d_loss.is_launched();
            return Ok(d_loss);
        }
        let (offset, bytes) = if self.dtype == DType::Bf16 { (12, 2) } else { (8, 4) };
        let from = self.counters.get().and_then(|block| block.on_gpu()).map_or(0, |(_, address)| address) + offset;
        // SAFETY: the block of the counters has these bytes, and so has the tensor, which is the only handle on its memory.
        unsafe { cuda.copy(from, d_loss.address_mut(self)?, bytes)? };
        Ok(d_loss)
    }

    /// Copies the weights of the micro-batch that has run to the GPU: the gradient of the loss with respect to itself as f32 and
    /// as bf16, the factor for the sum of all gradients, and the weight of the micro-batch among samples.
    ///
    /// # Errors
    /// If no micro-batch counts a target, the losses count in different proportions, or the GPU is lost.
    pub(crate) fn upload_weight(&self) -> Result<()> {
        if !self.in_micro_batches() {
            return Ok(());
        }
        self.upload_counters()?;
        let (Some(cuda), Some(block)) = (&self.cuda, self.counters.get()) else { return Ok(()) };
        let scale = self.loss_scale() as f32;
        let half = u32::from(half::bf16::from_f32(scale).to_bits());
        let [correction, weight] = [self.correction()?, self.weight_of_pass()?].map(|factor| (factor as f32).to_bits());
        let bytes = [scale.to_bits(), half, correction, weight].map(u32::to_le_bytes).concat();
        let address = block.on_gpu().map_or(0, |(_, address)| address);
        // SAFETY: the block has sixteen bytes after step and pass; kernels read them in the order of the stream.
        unsafe { cuda.upload(&bytes, address + 8) }
    }

    /// Skips `count` streams, as if ops had requested them. Returns the number of streams requested before.
    pub(crate) fn skip_streams(&self, count: u32) -> u32 {
        self.streams.replace(self.streams.get() + count)
    }

    pub(crate) fn set_streams(&self, count: u32) {
        self.streams.set(count);
    }

    /// Runs one pass over the positions that follow those in `cache`. Causal attention reads the cached positions too, and the
    /// new positions are added to the cache. A model with learned positions needs the indices of the new positions as an input.
    ///
    /// # Errors
    /// Those of `step`, and if the pass does not fit the content of the cache. After an error or a panic of `step` the cache is
    /// empty. A dry run does not change it.
    pub fn cached<R>(&self, cache: &mut Cache, step: impl FnOnce(&Context) -> Result<R>) -> Result<R> {
        /// Restores the outer cache of the context and returns the inner one to its owner, even if `step` panics.
        struct Restore<'a> {
            cx: &'a Context,
            outer: Option<Cache>,
            cache: &'a mut Cache,
            kept: bool,
        }
        impl Drop for Restore<'_> {
            fn drop(&mut self) {
                if let Some(used) = self.cx.cache.replace(self.outer.take()) {
                    *self.cache = if self.kept { used } else { Cache::new(used.capacity()) };
                }
            }
        }
        let planning = self.planning();
        if !planning {
            cache.begin();
        }
        let outer = self.cache.replace(Some(std::mem::replace(cache, Cache::new(0))));
        let mut restore = Restore { cx: self, outer, cache, kept: planning };
        let mut result = step(self);
        if !planning {
            let end = || self.cache.borrow_mut().as_mut().map_or(Ok(()), Cache::end);
            result = result.and_then(|r| end().map(|()| r));
            restore.kept = result.is_ok();
        }
        drop(restore);
        result
    }

    /// The cache of the pass, if it runs inside of [`Context::cached`].
    pub(crate) fn cache(&self) -> RefMut<'_, Option<Cache>> {
        self.cache.borrow_mut()
    }
}
