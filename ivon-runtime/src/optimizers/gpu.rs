//! Updates on a GPU: the state lives there, and comes back to the CPU when somebody looks at it.

use crate::context::cuda::{Arg, Pointer};
use crate::context::flat::{Entry, Flat, Layout};
use crate::context::{AfterBackward, Context};
use crate::core::dtype::DType;
use crate::core::error::Result;
use crate::device::cuda::{Cuda, Grid, Source, Watch};
use crate::memory::Block;
use crate::tensor::Tensor;
use crate::tensor::noise::Noise;
use std::cell::{Cell, OnceCell};
use std::rc::Rc;

// SAFETY: launched in this file alone, with the sizes of the tensors, which every index is compared with.
pub(crate) static KERNELS: Source =
    unsafe { Source::new("optimizers", concat!(include_str!("../device/cuda/kernels/noise.cuh"), include_str!("kernel.cu"))) };

/// Elements of a group of the noise, which a half-warp works on.
const GROUP: u64 = crate::tensor::noise::GROUP as u64;

/// Blocks that share the sum of squares, or the statistics.
const SUMMING: usize = 1024;

/// The buffers of a state on a GPU, of which those in [`crate::optimizers::state::State`] are copies.
pub(crate) struct Gpu {
    cuda: Rc<Cuda>,
    /// In the order of the state's.
    pub buffers: Vec<Flat>,
    /// The running statistics, and what they were before the step that is being taken.
    pub running: Flat,
    before: Flat,
    /// The sum of the gradients of micro-batches in f32, where the gradient is of bf16.
    pub sum: OnceCell<Flat>,
    /// The GPU has moved on since the copies were made.
    stale: Cell<bool>,
    /// The copies were written since they came from the GPU.
    ahead: Cell<bool>,
    /// The position of each parameter.
    parts: Block,
    owners: Block,
    groups: u64,
    status: Block,
    /// The numbers of a step that kernels read: a [`Moving`].
    moving: Block,
    partial: Block,
    watch: Watch,
    found: Cell<Option<Bad>>,
}

/// The faults that kernels find in an update.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Bad {
    /// The gradient has no finite norm.
    Norm,
    /// Something in the state went out of range.
    Range,
}

/// The position of a parameter, in the layout of `Part` in `kernel.cu`.
struct Part<'a> {
    entry: &'a Entry,
    first: u64,
    decay: f32,
    factor: f32,
}

impl Part<'_> {
    fn bytes(&self) -> [u8; 48] {
        let mut bytes = [0; 48];
        let length = self.entry.parameter.shape().elements() as u64;
        for (i, word) in [self.entry.offset as u64, self.entry.start as u64, length, self.first].into_iter().enumerate() {
            bytes[8 * i..8 * i + 8].copy_from_slice(&word.to_le_bytes());
        }
        let frozen = self.entry.parameter.frozen() as u32;
        for (i, word) in [self.decay.to_bits(), self.factor.to_bits(), frozen].into_iter().enumerate() {
            bytes[32 + 4 * i..36 + 4 * i].copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }
}

/// The groups in which a parameter lies.
fn groups(entry: &Entry) -> std::ops::Range<u64> {
    let (start, end) = (entry.start as u64, (entry.start + entry.parameter.shape().elements()) as u64);
    if start == end { 0..0 } else { start / GROUP..end.div_ceil(GROUP) }
}

impl Gpu {
    /// Buffers of zeros on the GPU of a context; nothing where it computes on the CPU.
    ///
    /// # Errors
    /// If there is not so much memory.
    pub fn new(cx: &Context, layout: &Rc<Layout>, buffers: usize, running: &Rc<Layout>) -> Result<Option<Gpu>> {
        let Some(cuda) = cx.cuda() else { return Ok(None) };
        let flats = (0..buffers).map(|_| Flat::zeros_in(cx, layout, DType::F32)).collect::<Result<_>>()?;
        let count: u64 = layout.entries().iter().map(|e| groups(e).end - groups(e).start).sum();
        let block = |bytes: usize| Block::zeroed(Some(cuda), bytes);
        let owners = layout.entries().iter().enumerate().flat_map(|(i, e)| groups(e).map(move |_| i as u32));
        let gpu = Gpu {
            cuda: cuda.clone(),
            buffers: flats,
            running: Flat::zeros_in(cx, running, DType::F32)?,
            before: Flat::zeros_in(cx, running, DType::F32)?,
            sum: OnceCell::new(),
            stale: Cell::new(false),
            ahead: Cell::new(true),
            parts: block(48 * layout.entries().len())?,
            owners: block(4 * count as usize)?,
            groups: count,
            status: block(16)?,
            moving: block(Moving::BYTES)?,
            partial: block(4 * 3 * SUMMING)?,
            watch: cuda.watch(16)?,
            found: Cell::new(None),
        };
        gpu.write(&gpu.owners, &owners.flat_map(u32::to_le_bytes).collect::<Vec<_>>())?;
        gpu.clear_status()?;
        Ok(Some(gpu))
    }

    fn write(&self, block: &Block, bytes: &[u8]) -> Result<()> {
        assert_eq!(block.bytes(), bytes.len());
        // SAFETY: so many bytes lie at the address, by the assertion; kernels read them in the order of the stream.
        unsafe { self.cuda.upload(bytes, address(block)) }
    }

    /// Tells the kernels the weight decay of every parameter, and what the learning rate is multiplied with there.
    pub fn set_decays(&self, layout: &Layout, decays: &[f64], factor: impl Fn(f64) -> f64) -> Result<()> {
        let mut first = 0;
        let mut bytes = vec![];
        for (entry, decay) in layout.entries().iter().zip(decays) {
            bytes.extend(Part { entry, first, decay: *decay as f32, factor: factor(*decay) as f32 }.bytes());
            first += groups(entry).end - groups(entry).start;
        }
        self.write(&self.parts, &bytes)
    }

    // ---- copies ------------------------------------------------------------------------------------------------

    /// Brings the copies up to date.
    ///
    /// # Errors
    /// If the GPU is lost.
    pub fn refresh(&self, copies: &[(&'static str, Flat)], running: &Flat) -> Result<()> {
        if !self.stale.get() {
            return Ok(());
        }
        for ((_, copy), flat) in copies.iter().zip(&self.buffers) {
            flat.download_to(copy)?;
        }
        self.running.download_to(running)?;
        self.stale.set(false);
        Ok(())
    }

    /// The copies are about to be written.
    pub fn will_be_written(&self) {
        self.ahead.set(true);
    }

    /// Brings the GPU up to date.
    ///
    /// # Errors
    /// If the GPU is lost.
    pub fn catch_up(&self, copies: &[(&'static str, Flat)], running: &Flat) -> Result<()> {
        if self.ahead.replace(false) {
            for ((_, copy), flat) in copies.iter().zip(&self.buffers) {
                flat.upload_from(copy)?;
            }
            self.running.upload_from(running)?;
            self.clear_status()?;
        }
        Ok(())
    }

    /// A step begins.
    pub fn begin(&self) -> Result<()> {
        self.stale.set(true);
        self.before.copy_from(&self.running)
    }

    /// The step that was begun does not come to its end: the running statistics go back.
    pub fn rewind(&self) -> Result<()> {
        if self.found()?.is_none() {
            // An update that a bad loss has stopped is not to stop the next one.
            self.clear_status()?;
        }
        self.running.copy_from(&self.before)
    }

    // ---- status ------------------------------------------------------------------------------------------------

    fn clear_status(&self) -> Result<()> {
        self.watch.wait()?;
        self.found.set(None);
        let one = 1.0f32.to_bits();
        self.write(&self.status, &[0, 0, one, 0].map(u32::to_le_bytes).concat())
    }

    /// The failure of the last update that was [watched](Gpu::watch_status), once that update is done.
    ///
    /// # Errors
    /// If the GPU is lost.
    pub fn found(&self) -> Result<Option<Bad>> {
        if let Some(bytes) = self.watch.wait()? {
            self.found.set(match bytes[0] {
                0 => None,
                bits if bits & 1 == 1 => Some(Bad::Norm),
                _ => Some(Bad::Range),
            });
        }
        Ok(self.found.get())
    }

    /// Has the status copied back after the update that was asked for.
    pub fn watch_status(&self) -> Result<()> {
        self.watch.begin(address(&self.status), 16)
    }

    /// Tells the kernels what has changed since the step before.
    pub fn set_moving(&self, moving: Moving) -> Result<()> {
        self.write(&self.moving, &moving.bytes())
    }

    /// Lets the next update do nothing if the loss is not finite or something was wrong before. The bits that come of it are cleared by
    /// [`Gpu::rewind`].
    pub fn look(&self, cx: &Context, loss: &Tensor) -> Result<()> {
        let half = Arg::from(loss.dtype() == DType::Bf16);
        KERNELS.launch(cx, "look", Grid::new(1).threads(1), &mut [Arg::In(loss), half, pointer_to(&self.status)])
    }

    // ---- passes ------------------------------------------------------------------------------------------------

    fn table(&self) -> [Arg<'static>; 3] {
        [pointer_to(&self.parts), pointer_to(&self.owners), Arg::U64(self.groups)]
    }

    fn status_and_moving(&self) -> [Arg<'static>; 2] {
        [pointer_to(&self.status), pointer_to(&self.moving)]
    }

    fn launch<'a>(&self, cx: &Context, kernel: &str, args: impl IntoIterator<Item = Arg<'a>>) -> Result<()> {
        let grid = Grid::over(self.groups as usize * GROUP as usize / 4);
        KERNELS.launch(cx, kernel, grid, &mut args.into_iter().collect::<Vec<_>>())
    }

    fn buffer(&self, i: usize) -> Arg<'static> {
        self.buffers.get(i).map_or(Arg::Null, pointer)
    }

    /// Multiplies the gradient with the correction of the micro-batches' weights.
    pub fn correct(&self, cx: &Context, gradient: &Flat) -> Result<()> {
        let elements = gradient.layout().padded();
        KERNELS.launch(
            cx,
            "correct",
            Grid::over(elements).at_most(4096),
            &mut [pointer(gradient), cx.counters()?, Arg::from(elements)],
        )
    }

    /// Adds the gradient of a micro-batch to the sum in f32 and zeroes it; after the last one moves the sum to the gradient, rounded once. Without
    /// effect on a gradient of f32, which backward passes add up themselves.
    pub fn accumulate(&self, cx: &Context, gradient: &Flat, last: bool) -> Result<()> {
        if gradient.dtype() != DType::Bf16 {
            return Ok(());
        }
        let sum = match self.sum.get() {
            Some(sum) => sum,
            None => {
                let zeros = Flat::zeros_in(cx, gradient.layout(), DType::F32)?;
                self.sum.get_or_init(|| zeros)
            }
        };
        let elements = gradient.layout().padded();
        let grid = Grid::over(elements).at_most(4096);
        KERNELS.launch(cx, "accumulate", grid, &mut [pointer(gradient), pointer(sum), Arg::from(elements), Arg::U32(last as u32)])
    }

    /// Forgets the micro-batches of a step that was not finished.
    pub fn clear_sum(&self) -> Result<()> {
        self.sum.get().map_or(Ok(()), |sum| sum.share().clear())
    }

    /// Computes what the gradient has to be multiplied with to be no longer than `largest`.
    pub fn clip(&self, cx: &Context, gradient: &Flat, largest: f64) -> Result<()> {
        let elements = gradient.layout().padded();
        let blocks = elements.div_ceil(256).clamp(1, SUMMING);
        let partial = || pointer_to(&self.partial);
        KERNELS.launch(cx, "squares", Grid::new(blocks), &mut [pointer(gradient), partial(), Arg::from(elements)])?;
        let status = pointer_to(&self.status);
        KERNELS.launch(cx, "clip", Grid::new(1), &mut [partial(), Arg::from(blocks), Arg::from(largest as f32), status])
    }

    /// Draws a sample, or copies the mean, into the weights.
    pub fn draw(&self, cx: &Context, weights: &Flat, noise: Option<Noise>, temperature: f32) -> Result<()> {
        let Noise { key, upper } = noise.unwrap_or(Noise { key: [0; 2], upper: [0; 2] });
        let noise_args = [key[0], key[1], upper[0], upper[1], noise.is_some() as u32].map(Arg::U32);
        let buffers = [self.buffer(0), self.buffer(1), pointer(weights)];
        let args = buffers.into_iter().chain(self.table()).chain(noise_args).chain([Arg::F32(temperature)]);
        self.launch(cx, "ivon_draw", args)
    }

    /// The smallest and the largest h and the sum of sigma, of all that is not frozen: without a copy of the state, which would take longer than many steps.
    ///
    /// # Errors
    /// If the GPU is lost.
    pub fn statistics(&self, cx: &Context, temperature: f32) -> Result<(f32, f32, f64)> {
        let blocks = (self.groups as usize * GROUP as usize / 4).div_ceil(256).clamp(1, SUMMING);
        let args = [self.buffer(1)].into_iter().chain(self.table());
        let args = args.chain([Arg::F32(temperature), pointer_to(&self.partial)]);
        KERNELS.launch(cx, "ivon_statistics", Grid::new(blocks), &mut args.collect::<Vec<_>>())?;
        let mut bytes = vec![0; 4 * 3 * blocks];
        // SAFETY: `partial` has 4 · 3 · SUMMING bytes, and `blocks` is at most SUMMING.
        unsafe { self.cuda.download(address(&self.partial), &mut bytes)? };
        let number = |bytes: &[u8]| bytes.try_into().map_or(f32::NAN, f32::from_le_bytes);
        let parts = bytes.chunks_exact(12).map(|part| [&part[..4], &part[4..8], &part[8..]].map(number));
        let none = (f32::INFINITY, f32::NEG_INFINITY, 0.0);
        Ok(parts.fold(none, |(min, max, total), [least, most, sum]| (min.min(-least), max.max(most), total + sum as f64)))
    }

    /// One pass of IVON.
    pub fn ivon(
        &self,
        cx: &Context,
        weights: &Flat,
        gradient: &Flat,
        sums: Option<(&Flat, &Flat)>,
        pass: &IvonPass,
    ) -> Result<()> {
        let IvonPass { key, last, gradsq, weighed, numbers } = pass;
        let weights_of_samples = if *weighed { cx.counters()? } else { Arg::Null };
        let sums = [sums.map(|s| s.0), sums.map(|s| s.1)].map(|flat| flat.map_or(Arg::Null, pointer));
        let buffers = [self.buffer(0), self.buffer(1), self.buffer(2), pointer(weights), pointer(gradient)];
        let words = [key[0], key[1], *last as u32, *gradsq as u32];
        let args = buffers.into_iter().chain(sums).chain(self.table()).chain(self.status_and_moving());
        let args = args.chain([weights_of_samples]).chain(words.map(Arg::U32)).chain(numbers.map(Arg::F32));
        self.launch(cx, "ivon_update", args)
    }

    /// One pass of an optimizer without a posterior.
    pub fn point(
        &self,
        cx: &Context,
        kernel: &str,
        weights: Option<&Flat>,
        gradient: &Flat,
        more: impl IntoIterator<Item = Arg<'static>>,
    ) -> Result<()> {
        let buffers = (0..self.buffers.len()).map(|i| self.buffer(i));
        let flats = [weights.map_or(Arg::Null, pointer), pointer(gradient)];
        let args = buffers.chain(flats).chain(self.table()).chain(self.status_and_moving()).chain(more);
        self.launch(cx, kernel, args)
    }
}

/// The numbers of one pass of IVON that do not change from step to step.
pub(crate) struct IvonPass {
    /// The key of the noise.
    pub key: [u32; 2],
    /// True if it is the last sample of the update.
    pub last: bool,
    pub gradsq: bool,
    /// True if the samples weigh by the targets that their micro-batches count.
    pub weighed: bool,
    /// ess, 1 / ess, beta1, 1 − beta2, ½ (1 − beta2), clip radius, 1 / samples, 1 − beta1, bounds of the Hessian estimate and of the step.
    pub numbers: [f32; 10],
}

/// The numbers that change from step to step, as `kernel.cu` has it.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Moving {
    pub lr: f32,
    pub debias: f32,
    /// lr, debiased, for rules that have both.
    pub rate: f32,
    /// Upper halves of the noise's counters: of the sample that the gradient was taken at, and of the one to be drawn.
    pub now: [u32; 2],
    pub next: [u32; 2],
}

impl Moving {
    const BYTES: usize = 32;

    fn bytes(&self) -> Vec<u8> {
        let numbers = [self.lr, self.debias, self.rate, 0.0].map(f32::to_bits);
        numbers.into_iter().chain(self.now).chain(self.next).flat_map(u32::to_le_bytes).collect()
    }
}

/// All that follows the backward pass of a step: clipping and update. What of it changes from step to step was written to the GPU before, so
/// that it can be a part of a graph.
pub(crate) struct Finish {
    gpu: Rc<Gpu>,
    /// The buffers that the update writes, but for the gradient.
    written: Vec<(&'static str, Flat)>,
    /// The gradient, where it is that of the last of several micro-batches.
    gradient: Option<Flat>,
    update: Box<Update>,
}

type Update = dyn Fn(&Gpu, &Context) -> Result<()>;

impl Finish {
    pub fn new(
        gpu: &Rc<Gpu>,
        written: Vec<(&'static str, Flat)>,
        gradient: Option<Flat>,
        update: impl Fn(&Gpu, &Context) -> Result<()> + 'static,
    ) -> Finish {
        Finish { gpu: gpu.clone(), written, gradient, update: Box::new(update) }
    }

    /// The update, where the CPU has seen the loss and accumulated the micro-batches.
    pub fn run(&self, cx: &Context) -> Result<()> {
        (self.update)(&self.gpu, cx)
    }
}

impl AfterBackward for Finish {
    fn written(&self) -> Vec<(&'static str, Flat)> {
        self.written.iter().map(|(name, flat)| (*name, flat.share())).collect()
    }

    fn status(&self) -> Result<[u8; 16]> {
        let mut bytes = [0; 16];
        // SAFETY: `status` has 16 bytes.
        unsafe { self.gpu.cuda.download(address(&self.gpu.status), &mut bytes)? };
        Ok(bytes)
    }

    fn set_status(&self, status: &[u8; 16]) -> Result<()> {
        self.gpu.write(&self.gpu.status, status)
    }

    fn run_if_finite(&self, cx: &Context, loss: &Tensor) -> Result<()> {
        self.gpu.look(cx, loss)?;
        if let Some(gradient) = &self.gradient {
            self.gpu.accumulate(cx, gradient, true)?;
        }
        self.run(cx)
    }
}

fn address(block: &Block) -> u64 {
    block.on_gpu().map_or(0, |(_, address)| address)
}

fn pointer_to(block: &Block) -> Arg<'static> {
    // SAFETY: blocks of a `Gpu` live as long as it and are freed in the order of the stream. Nothing but the kernels of this file, in
    // that order, uses them.
    Arg::Pointer(unsafe { Pointer::new(address(block)) })
}

fn pointer(flat: &Flat) -> Arg<'static> {
    // SAFETY: the state, or the context, shares the memory of the flat buffers of a step and outlives it. A pass of the model, which is
    // the only other use, comes before or after in the order of the stream.
    Arg::Pointer(unsafe { Pointer::new(flat.address()) })
}
