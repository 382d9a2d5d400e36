//! Flat buffers: all parameters of a model (or all its buffers) one after the other, each a 256-byte-aligned view.

use crate::context::Context;
use crate::device::cuda::{Cuda, Fill};
use crate::dtype::{DType, Element};
use crate::error::Result;
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

/// One value per parameter element, for all parameters of a model. Handles share the memory.
#[derive(Clone)]
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

    fn zeros_on(cuda: Option<&Rc<Cuda>>, layout: &Rc<Layout>, dtype: DType) -> Result<Flat> {
        let whole = Rc::new(Block::zeroed(cuda, layout.padded().saturating_mul(dtype.bytes()), 0)?);
        let part = |e: &Entry| {
            let bytes = e.parameter.shape().elements() * dtype.bytes();
            Rc::new(Block::part(&whole, e.offset * dtype.bytes(), bytes, 1))
        };
        let parts = layout.entries().iter().map(part).collect();
        Ok(Flat { layout: layout.clone(), whole, parts, dtype })
    }

    /// The same values in memory of their own.
    ///
    /// # Panics
    /// If there is not so much memory.
    pub(crate) fn copied(&self) -> Flat {
        let mut copy = Flat::zeros(&self.layout, self.dtype);
        match self.dtype {
            DType::F64 => copy.as_mut_slice::<f64>().copy_from_slice(self.as_slice()),
            _ => copy.as_mut_slice::<f32>().copy_from_slice(self.as_slice()),
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
                // SAFETY: the block has so many bytes; as in `as_mut_slice`. Zero bytes are a zero of every type.
                unsafe { self.whole.pointer().write_bytes(0, self.bytes()) };
                Ok(())
            }
        }
    }

    /// All elements, with padding.
    ///
    /// # Panics
    /// If the element type is another one.
    pub fn as_slice<E: Element>(&self) -> &[E] {
        assert_eq!(self.dtype, E::DTYPE);
        // SAFETY: the block holds `padded` values of type E; it is written only through `as_mut_slice`, which takes this
        // handle mutably, or through a part's only tensor, which `State` hands out for the gradient alone.
        unsafe { std::slice::from_raw_parts(self.whole.pointer() as *const E, self.layout.padded()) }
    }

    /// All elements, with padding, to be written.
    ///
    /// # Panics
    /// If a tensor on a part is still held, or the element type is another one.
    pub fn as_mut_slice<E: Element>(&mut self) -> &mut [E] {
        assert_eq!(self.dtype, E::DTYPE);
        assert!(!self.is_held(), "a flat buffer may not be written while a tensor on one of its parameters is held");
        // Copies on a card would keep the old content.
        self.parts.iter().for_each(|part| part.set_mirror(None));
        // SAFETY: as above; no tensor is on it, and handles on the whole are held by the state and the context, which run in turn.
        unsafe { std::slice::from_raw_parts_mut(self.whole.pointer() as *mut E, self.layout.padded()) }
    }
}

impl std::fmt::Debug for Flat {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "Flat({:?}, {} elements)", self.dtype, self.layout.elements())
    }
}
