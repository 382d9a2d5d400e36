//! Flat buffers: all parameters of a model (or all its buffers) one after the other, each a 256-byte-aligned view.

use crate::context::Context;
use crate::device::cuda::{Cuda, Fill};
use crate::dtype::{DType, Element};
use crate::error::{Error, Result};
use crate::memory::{ALIGNMENT, Block};
use crate::parameter::{Buffer, Model, Parameter};
use crate::tensor::Tensor;
use std::ops::Range;
use std::rc::Rc;

/// Where each parameter lies, in elements.
#[derive(Clone, Debug)]
pub struct Layout {
    model: &'static str,
    entries: Vec<Entry>,
    elements: usize,
    padded: usize,
}

/// One parameter's place, or one buffer's.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The parameter; of a buffer, its name and shape.
    pub parameter: Parameter,
    /// Its first element in a flat buffer: a multiple of 64, so that it is aligned to 256 bytes in f32.
    pub offset: usize,
    /// Its first element when all parameters follow each other without padding: the index that noise is drawn for.
    pub start: usize,
}

impl Entry {
    /// Its elements in a flat buffer.
    pub fn range(&self) -> Range<usize> {
        self.offset..self.offset + self.parameter.shape().elements()
    }
}

impl Layout {
    /// The layout of a model's parameters, in declaration order.
    pub fn of<M: Model>(model: &M) -> Rc<Layout> {
        let mut all = vec![];
        model.visit_parameters(&mut |p| all.push(p.clone()));
        Layout::packed(M::NAME, all)
    }

    /// The layout of a model's buffers, in declaration order: that of its running statistics.
    pub fn of_buffers<M: Model>(model: &M) -> Rc<Layout> {
        let mut all = vec![];
        model.visit_buffers(&mut |b| all.push(b.place().clone()));
        Layout::packed(M::NAME, all)
    }

    fn packed(model: &'static str, all: Vec<Parameter>) -> Rc<Layout> {
        debug_assert!(all.iter().enumerate().all(|(i, p)| p.index() == i));
        let (mut elements, mut padded) = (0, 0);
        let mut place = |parameter: Parameter| {
            let count = parameter.shape().elements();
            let entry = Entry { parameter, offset: padded, start: elements };
            elements += count;
            padded += count.next_multiple_of(ALIGNMENT / 4);
            entry
        };
        let entries = all.into_iter().map(&mut place).collect();
        Rc::new(Layout { model, entries, elements, padded })
    }

    /// The name of the model's type.
    pub fn model(&self) -> &'static str {
        self.model
    }

    /// Every parameter's place, in declaration order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The number of parameters in the sense of scalars, without padding.
    pub fn elements(&self) -> usize {
        self.elements
    }

    /// The length of a flat buffer, with padding.
    pub fn padded(&self) -> usize {
        self.padded
    }
}

/// One value per parameter element, for all parameters of a model. A context or posterior that is given it shares the memory.
pub struct Flat {
    layout: Rc<Layout>,
    whole: Rc<Block>,
    parts: Rc<[Rc<Block>]>,
    dtype: DType,
}

impl Flat {
    /// A buffer of zeros.
    ///
    /// # Panics
    /// If there is not so much memory.
    pub fn zeros(layout: &Rc<Layout>, dtype: DType) -> Flat {
        match Flat::zeros_on(None, layout, dtype) {
            Ok(flat) => flat,
            Err(error) => panic!("{error}"),
        }
    }

    /// A buffer of zeros where a context computes.
    ///
    /// # Errors
    /// If there is not so much memory.
    pub fn zeros_in(cx: &Context, layout: &Rc<Layout>, dtype: DType) -> Result<Flat> {
        Flat::zeros_on(cx.cuda(), layout, dtype)
    }

    /// The same values where a context computes: a copy on its card, else the buffer itself.
    ///
    /// # Errors
    /// If there is not so much memory.
    pub fn moved_to(self, cx: &Context) -> Result<Flat> {
        if cx.cuda().is_none() {
            return Ok(self);
        }
        let moved = Flat::zeros_in(cx, &self.layout, self.dtype)?;
        moved.upload_from(&self)?;
        Ok(moved)
    }

    fn zeros_on(cuda: Option<&Rc<Cuda>>, layout: &Rc<Layout>, dtype: DType) -> Result<Flat> {
        let whole = Rc::new(Block::zeroed(cuda, layout.padded().saturating_mul(dtype.bytes()), 0)?);
        let part = |e: &Entry| {
            let bytes = e.parameter.shape().elements() * dtype.bytes();
            Rc::new(Block::part(&whole, e.offset * dtype.bytes(), bytes, 1))
        };
        let parts = layout.entries().iter().map(part).collect();
        Ok(Flat { layout: layout.clone(), whole, parts, dtype })
    }

    /// Another handle on the same memory.
    pub(crate) fn share(&self) -> Flat {
        Flat { layout: self.layout.clone(), whole: self.whole.clone(), parts: self.parts.clone(), dtype: self.dtype }
    }

    /// The same values in memory of their own.
    ///
    /// # Panics
    /// If there is not so much memory.
    pub(crate) fn copied(&self) -> Flat {
        let mut copy = Flat::zeros(&self.layout, self.dtype);
        match self.dtype {
            DType::F64 => copy.slice_mut::<f64>().copy_from_slice(self.slice()),
            _ => copy.slice_mut::<f32>().copy_from_slice(self.slice()),
        }
        copy
    }

    /// Where each parameter lies.
    pub fn layout(&self) -> &Rc<Layout> {
        &self.layout
    }

    /// The type of the elements.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Its size in bytes.
    pub fn bytes(&self) -> usize {
        self.whole.bytes()
    }

    /// One parameter's part as a tensor.
    ///
    /// # Panics
    /// If it is a parameter of another model that does not fit.
    pub fn tensor(&self, parameter: &Parameter) -> Tensor {
        Tensor::on(self.parts[parameter.index()].clone(), *parameter.shape(), self.dtype)
    }

    /// One buffer's part as a tensor.
    ///
    /// # Panics
    /// If it is a buffer of another model that does not fit.
    pub(crate) fn buffer(&self, buffer: &Buffer) -> Tensor {
        self.tensor(buffer.place())
    }

    /// Whether a tensor of a part is still held: the buffer may not be written then.
    pub fn is_held(&self) -> bool {
        self.parts.iter().any(|p| Block::sharers(p) > 0)
    }

    /// Where it lies on a card; 0 in the processor's memory.
    pub(crate) fn address(&self) -> u64 {
        self.whole.on_card().map_or(0, |(_, address)| address)
    }

    /// Copies a buffer on a card to one of the same layout in the processor's memory, of which nobody holds a slice or a tensor.
    pub(crate) fn download_to(&self, copy: &Flat) -> Result<()> {
        assert!(self.bytes() == copy.bytes() && !copy.is_held(), "a copy of {self:?} fits and is free");
        let Some((cuda, address)) = self.whole.on_card() else { panic!("{self:?} is not on a card") };
        // SAFETY: the block has so many bytes. `State` calls this when the card has moved on, which takes the state mutably: no slice
        // that was handed out before is alive.
        let to = unsafe { std::slice::from_raw_parts_mut(copy.whole.pointer(), copy.bytes()) };
        // SAFETY: so many bytes lie at the address.
        unsafe { cuda.download(address, to) }
    }

    /// Copies to a buffer on a card from one of the same layout in the processor's memory.
    pub(crate) fn upload_from(&self, copy: &Flat) -> Result<()> {
        assert_eq!(self.bytes(), copy.bytes());
        let Some((cuda, address)) = self.whole.on_card() else { panic!("{self:?} is not on a card") };
        // SAFETY: the block has so many bytes, which nobody writes meanwhile: writing takes the state mutably.
        let from = unsafe { std::slice::from_raw_parts(copy.whole.pointer(), copy.bytes()) };
        // SAFETY: so many bytes lie at the address, which kernels read in the order of the stream.
        unsafe { cuda.upload(from, address) }
    }

    /// Copies a buffer of the same layout; both lie on a card.
    pub(crate) fn copy_from(&self, other: &Flat) -> Result<()> {
        assert_eq!(self.bytes(), other.bytes());
        let Some((cuda, address)) = self.whole.on_card() else { panic!("{self:?} is not on a card") };
        // SAFETY: so many bytes lie at both addresses, which kernels use in the order of the stream.
        unsafe { cuda.copy(other.address(), address, self.bytes()) }
    }

    /// Zeroes it, wherever it lies.
    ///
    /// # Errors
    /// If the card is lost.
    ///
    /// # Panics
    /// If a tensor on a part is still held.
    pub(crate) fn clear(&mut self) -> Result<()> {
        assert!(!self.is_held(), "a flat buffer may not be written while a tensor on one of its parameters is held");
        match self.whole.on_card() {
            // SAFETY: so many bytes lie at the address; the size is a multiple of 128, for each parameter begins at a multiple of 64 elements.
            Some((cuda, address)) => unsafe { cuda.fill(address, Fill::Word(0), self.bytes() / 4) },
            None => {
                // SAFETY: the block has so many bytes; as in `slice_mut`. Zero bytes are a zero of every type.
                unsafe { self.whole.pointer().write_bytes(0, self.bytes()) };
                Ok(())
            }
        }
    }

    /// All elements, with padding, to be read. While the slice is held nobody writes the buffer: a pass that would is refused.
    ///
    /// # Panics
    /// If the element type is another one, or a tensor on a part is still held, which might be written.
    pub fn as_slice<E: Element>(&self) -> Values<'_, E> {
        assert!(!self.is_held(), "a flat buffer may not be read as a whole while a tensor on one of its parameters is held");
        assert_eq!(self.dtype, E::DTYPE);
        assert!(self.whole.begin_reading(), "a flat buffer may not be read while somebody writes it");
        Values { slice: self.slice(), whole: &self.whole }
    }

    /// All elements, with padding, to be written. While the slice is held nobody else uses the buffer: a pass that would is refused.
    ///
    /// # Panics
    /// If a tensor on a part is still held, or the element type is another one.
    pub fn as_mut_slice<E: Element>(&mut self) -> ValuesMut<'_, E> {
        let whole = self.whole.clone();
        let slice = self.slice_mut();
        assert!(whole.begin_writing(), "a flat buffer may not be written while somebody reads it");
        ValuesMut { slice, whole }
    }

    /// All elements, with padding, for those who see to it that nobody writes meanwhile.
    pub(crate) fn slice<E: Element>(&self) -> &[E] {
        assert_eq!(self.dtype, E::DTYPE);
        // SAFETY: the block holds `padded` values of type E. It is written through `slice_mut`, which takes this handle mutably: what a
        // `State` hands out of its buffers borrows the state, and whoever steps has that mutably. Or it is written through a part's
        // only tensor: that of a gradient or of running statistics in a pass, or one that a person asked for; `as_slice` refuses while
        // there is one, and is counted, and then no tensor is unique and the context gives none out.
        unsafe { std::slice::from_raw_parts(self.whole.pointer() as *const E, self.layout.padded()) }
    }

    /// All elements, with padding, to be written by the only one who does: an optimizer between two passes, a posterior that draws.
    ///
    /// # Panics
    /// If a tensor on a part is still held, somebody reads, or the element type is another one.
    pub(crate) fn slice_mut<E: Element>(&mut self) -> &mut [E] {
        assert_eq!(self.dtype, E::DTYPE);
        assert!(!self.is_held(), "a flat buffer may not be written while a tensor on one of its parameters is held");
        assert!(!self.whole.is_sliced(), "a flat buffer may not be written while somebody reads it");
        // Copies on a card would keep the old content.
        self.parts.iter().for_each(|part| part.set_mirror(None));
        // SAFETY: as above; no tensor and no slice is on it. Other handles are the context's and the posterior's, which give out tensors
        // and counted slices alone, and none while `as_mut_slice` is counted; optimizers update between passes.
        unsafe { std::slice::from_raw_parts_mut(self.whole.pointer() as *mut E, self.layout.padded()) }
    }

    /// Refuses a part while a slice of the whole is held: one to be written, or, for those who write, any.
    pub(crate) fn check_free(&self, part: &str, write: bool) -> Result<()> {
        if self.whole.is_written() || write && self.whole.is_sliced() {
            return Err(Error::value(
                part,
                "a slice of its flat buffer is still held (`as_slice`, `as_mut_slice`), and a pass is about to use it",
            ));
        }
        Ok(())
    }
}

/// The elements of a flat buffer, while somebody reads them.
pub struct Values<'a, E> {
    slice: &'a [E],
    whole: &'a Block,
}

impl<E> std::ops::Deref for Values<'_, E> {
    type Target = [E];

    fn deref(&self) -> &[E] {
        self.slice
    }
}

impl<E> AsRef<[E]> for Values<'_, E> {
    fn as_ref(&self) -> &[E] {
        self.slice
    }
}

/// The elements of a flat buffer, while somebody writes them.
pub struct ValuesMut<'a, E> {
    slice: &'a mut [E],
    whole: Rc<Block>,
}

impl<E> std::ops::Deref for ValuesMut<'_, E> {
    type Target = [E];

    fn deref(&self) -> &[E] {
        self.slice
    }
}

impl<E> std::ops::DerefMut for ValuesMut<'_, E> {
    fn deref_mut(&mut self) -> &mut [E] {
        self.slice
    }
}

impl<E> Drop for ValuesMut<'_, E> {
    fn drop(&mut self) {
        self.whole.end_slice();
    }
}

impl<E> Drop for Values<'_, E> {
    fn drop(&mut self) {
        self.whole.end_slice();
    }
}

impl<E: std::fmt::Debug> std::fmt::Debug for Values<'_, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        self.slice.fmt(f)
    }
}

impl<E: PartialEq, S: AsRef<[E]>> PartialEq<S> for Values<'_, E> {
    fn eq(&self, other: &S) -> bool {
        self.slice == other.as_ref()
    }
}

impl std::fmt::Debug for Flat {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "Flat({:?}, {} elements)", self.dtype, self.layout.elements())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::Device;
    use crate::optimizers::tests::Bowl;

    fn panics<T>(f: impl FnOnce() -> T) -> bool {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(f)).is_err()
    }

    #[test]
    fn nobody_writes_while_somebody_reads() {
        let model = Bowl::new(3);
        let gradient = Flat::zeros(&Layout::of(&model), DType::F32);
        let cx = Context::new(Device::Cpu, DType::F32).unwrap();
        cx.set_gradient(Some(&gradient));
        let parameter = model.parameters()[0];
        let values = gradient.as_slice::<f32>();
        let message = cx.gradient(parameter).unwrap_err().to_string();
        assert!(message.contains("a slice of its flat buffer is still held"), "{message}");
        assert!(panics(|| gradient.tensor(parameter).as_mut_slice::<f32>()[0] = 1.0));
        drop(values);
        gradient.tensor(parameter).as_mut_slice::<f32>()[0] = 1.0;
        assert!(cx.gradient(parameter).unwrap().wanted());
        assert_eq!(gradient.as_slice::<f32>()[0], 1.0);
    }

    #[test]
    fn nobody_reads_or_writes_the_whole_while_a_tensor_is_held() {
        let model = Bowl::new(3);
        let mut flat = Flat::zeros(&Layout::of(&model), DType::F32);
        let tensor = flat.tensor(model.parameters()[0]);
        assert!(panics(|| flat.as_slice::<f32>().len()));
        assert!(panics(|| flat.as_mut_slice::<f32>().len()));
        drop(tensor);
        flat.as_mut_slice::<f32>()[0] = 1.0;
        assert_eq!(flat.as_slice::<f32>()[0], 1.0);
    }

    #[test]
    fn nobody_else_uses_what_somebody_writes() {
        let model = Bowl::new(3);
        let (mut flat, parameter) = (Flat::zeros(&Layout::of(&model), DType::F32), model.parameters()[0]);
        let cx = Context::new(Device::Cpu, DType::F32).unwrap();
        cx.set_weights(&flat);
        let shared = flat.share();
        let mut values = flat.as_mut_slice::<f32>();
        values[0] = 1.0;
        assert!(cx.sample(parameter).is_err());
        assert!(panics(|| shared.as_slice::<f32>().len()));
        drop(values);
        assert_eq!(cx.sample(parameter).unwrap().to_f64()[0], 1.0);
        assert_eq!(shared.as_slice::<f32>()[0], 1.0);
    }
}
