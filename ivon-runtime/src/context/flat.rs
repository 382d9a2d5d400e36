//! Flat buffers: all parameters (or all buffers) of a model in one block of memory, each a 256-byte-aligned view.

use crate::context::Context;
use crate::core::dtype::{DType, Element};
use crate::core::error::{Error, Result};
use crate::device::cuda::{Cuda, Fill};
use crate::memory::{ALIGNMENT, Block, Handle, Reading, Writing};
use crate::tensor::Tensor;
use crate::tensor::parameter::{Model, Parameter};
use std::marker::PhantomData;
use std::ops::Range;
use std::rc::Rc;

/// The place of each parameter, in elements.
#[derive(Clone, Debug)]
pub struct Layout {
    model: &'static str,
    entries: Vec<Entry>,
    elements: usize,
    padded: usize,
}

/// The place of one parameter or buffer.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The parameter. For a buffer: its name and shape.
    pub parameter: Parameter,
    /// The index of its first element in a flat buffer: a multiple of 64, so that it is aligned to 256 bytes in f32.
    pub offset: usize,
    /// The index of its first element if the parameters followed each other without padding: the index for which noise is drawn.
    pub start: usize,
}

impl Entry {
    /// The range of its elements in a flat buffer.
    pub fn range(&self) -> Range<usize> {
        self.offset..self.offset.saturating_add(self.parameter.shape().elements())
    }
}

impl Layout {
    /// The layout of a model's parameters, in declaration order.
    pub fn of<M: Model>(model: &M) -> Rc<Layout> {
        let mut all = vec![];
        model.visit_parameters(&mut |p| all.push(p.clone()));
        Layout::packed(M::NAME, all)
    }

    /// The layout of a model's buffers (its running statistics), in declaration order.
    pub fn of_buffers<M: Model>(model: &M) -> Rc<Layout> {
        let mut all = vec![];
        model.visit_buffers(&mut |b| all.push(b.place().clone()));
        Layout::packed(M::NAME, all)
    }

    fn packed(model: &'static str, all: Vec<Parameter>) -> Rc<Layout> {
        // Parameters with the same index would share memory.
        let in_order = all.iter().enumerate().all(|(i, p)| p.index() == i);
        assert!(in_order, "the parameters of `{model}` are not those of one `Builder` in their order");
        let (mut elements, mut padded) = (0usize, 0usize);
        let mut place = |parameter: Parameter| {
            let count = parameter.shape().elements();
            let entry = Entry { parameter, offset: padded, start: elements };
            // A size that overflows saturates; allocating that much memory fails.
            elements = elements.saturating_add(count);
            padded = padded.saturating_add(count.checked_next_multiple_of(ALIGNMENT / 4).unwrap_or(usize::MAX));
            entry
        };
        let entries = all.into_iter().map(&mut place).collect();
        Rc::new(Layout { model, entries, elements, padded })
    }

    /// Returns the first parameter, by name and shape, in which two layouts differ: that of `self` and that of `other`.
    pub(crate) fn difference(&self, other: &Layout) -> Option<(String, String)> {
        let named = |layout: &Layout, i: usize| {
            let entry = layout.entries.get(i);
            entry.map_or("no parameter".into(), |e| format!("`{}` {}", e.parameter.name(), e.parameter.shape()))
        };
        let count = self.entries.len().max(other.entries.len());
        (0..count).map(|i| (named(self, i), named(other, i))).find(|(ours, theirs)| ours != theirs)
    }

    /// The name of the model's type.
    pub fn model(&self) -> &'static str {
        self.model
    }

    /// Every parameter's place, in declaration order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The number of scalar parameters, without padding.
    pub fn elements(&self) -> usize {
        self.elements
    }

    /// The length of a flat buffer, with padding.
    pub fn padded(&self) -> usize {
        self.padded
    }
}

/// One value for each element of all parameters of a model. A context or posterior that receives a buffer shares its memory.
pub struct Flat {
    layout: Rc<Layout>,
    whole: Rc<Block>,
    parts: Rc<[Rc<Block>]>,
    dtype: DType,
}

impl Flat {
    /// A buffer of zeros.
    ///
    /// # Errors
    /// If there is not enough memory.
    pub fn zeros(layout: &Rc<Layout>, dtype: DType) -> Result<Flat> {
        Flat::zeros_on(None, layout, dtype)
    }

    /// Creates a buffer of zeros on the context's device.
    ///
    /// # Errors
    /// If there is not enough memory.
    pub fn zeros_in(cx: &Context, layout: &Rc<Layout>, dtype: DType) -> Result<Flat> {
        Flat::zeros_on(cx.cuda(), layout, dtype)
    }

    /// Returns the same values on the context's device: a copy on its GPU, otherwise the buffer itself.
    ///
    /// # Errors
    /// If there is not enough memory.
    pub fn moved_to(self, cx: &Context) -> Result<Flat> {
        if cx.cuda().is_none() {
            return Ok(self);
        }
        let moved = Flat::zeros_in(cx, &self.layout, self.dtype)?;
        moved.upload_from(&self)?;
        Ok(moved)
    }

    fn zeros_on(cuda: Option<&Rc<Cuda>>, layout: &Rc<Layout>, dtype: DType) -> Result<Flat> {
        let whole = Rc::new(Block::zeroed(cuda, Flat::bytes_of(layout, dtype))?);
        let part = |e: &Entry| {
            let bytes = e.parameter.shape().elements() * dtype.bytes();
            Rc::new(Block::part(&whole, e.offset * dtype.bytes(), bytes).lasting())
        };
        let parts = layout.entries().iter().map(part).collect();
        Ok(Flat { layout: layout.clone(), whole, parts, dtype })
    }

    /// The size of a buffer of this layout in bytes, with padding; `usize::MAX` if that overflows.
    pub(crate) fn bytes_of(layout: &Layout, dtype: DType) -> usize {
        layout.padded().saturating_mul(dtype.bytes())
    }

    /// Returns another owner of the same memory.
    pub(crate) fn share(&self) -> Flat {
        Flat { layout: self.layout.clone(), whole: self.whole.clone(), parts: self.parts.clone(), dtype: self.dtype }
    }

    /// Copies the values to memory of their own.
    ///
    /// # Errors
    /// If there is not enough memory, or the buffer is being written.
    pub(crate) fn copied(&self) -> Result<Flat> {
        let copy = Flat::zeros(&self.layout, self.dtype)?;
        copy.writing()?.bytes_mut().copy_from_slice(self.reading()?.bytes());
        Ok(copy)
    }

    /// The place of each parameter.
    pub fn layout(&self) -> &Rc<Layout> {
        &self.layout
    }

    /// The type of the elements.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The size in bytes.
    pub fn bytes(&self) -> usize {
        self.whole.bytes()
    }

    /// Returns the part of one parameter as a tensor. It may be written while it is the only tensor on that part.
    ///
    /// # Panics
    /// If the parameter belongs to another model and does not fit. If another tensor on the part exists that may be written, or a
    /// mutable slice of the buffer: memory that is written must not be read elsewhere.
    pub fn tensor(&self, parameter: &Parameter) -> Tensor {
        match self.checked(parameter, Handle::new) {
            Ok(tensor) => tensor,
            Err(error) => panic!("{error}"),
        }
    }

    /// Returns the part of one parameter as a tensor that can only be read. Any number of them may exist.
    ///
    /// # Errors
    /// If a tensor on the part exists that may be written, or a mutable slice of the buffer.
    pub(crate) fn lent(&self, parameter: &Parameter) -> Result<Tensor> {
        self.checked(parameter, Handle::lent)
    }

    /// Returns the part of one parameter as a tensor to be written.
    ///
    /// # Errors
    /// If another tensor on the part exists, or a slice of the buffer.
    pub(crate) fn only(&self, parameter: &Parameter) -> Result<Tensor> {
        if self.whole.is_sliced() {
            return Err(sliced(parameter.name()));
        }
        let tensor = self.checked(parameter, Handle::new)?;
        if tensor.is_unique() { Ok(tensor) } else { Err(held(parameter.name())) }
    }

    fn checked(&self, parameter: &Parameter, handle: fn(&Rc<Block>) -> Option<Handle>) -> Result<Tensor> {
        match handle(&self.parts[parameter.index()]) {
            Some(handle) => Ok(Tensor::on(handle, *parameter.shape(), self.dtype)),
            None if self.whole.is_written() => Err(sliced(parameter.name())),
            None => Err(held(parameter.name())),
        }
    }

    /// True while a tensor on a part exists. The buffer as a whole may not be written then.
    pub fn is_held(&self) -> bool {
        self.whole.is_held()
    }

    /// Checks that no tensor and no slice of the buffer called `name` exists, so that the buffer may be written.
    ///
    /// # Errors
    /// If one exists: the parameter that the tensor is on, and how to release it.
    pub(crate) fn check_free(&self, name: &str) -> Result<()> {
        if self.whole.is_sliced() {
            return Err(sliced(name));
        }
        match self.layout.entries().iter().zip(self.parts.iter()).find(|(_, part)| part.is_held()) {
            Some((entry, _)) => Err(held(&format!("{name} of `{}`", entry.parameter.name()))),
            None => Ok(()),
        }
    }

    /// The address on a GPU; 0 if the buffer lies in the CPU's memory.
    pub(crate) fn address(&self) -> u64 {
        self.whole.on_gpu().map_or(0, |(_, address)| address)
    }

    /// Copies the values of this buffer, which lies on a GPU, to a buffer of the same layout in the CPU's memory.
    ///
    /// # Errors
    /// If a tensor or a slice of the copy exists, or the GPU is lost.
    pub(crate) fn download_to(&self, copy: &Flat) -> Result<()> {
        assert_eq!(self.bytes(), copy.bytes());
        let Some((cuda, address)) = self.whole.on_gpu() else { panic!("{self:?} is not on a GPU") };
        let mut to = copy.writing()?;
        // SAFETY: by the assertion, this many bytes lie at the address.
        unsafe { cuda.download(address, to.bytes_mut()) }
    }

    /// Returns a copy in the CPU's memory of a buffer that lies on a GPU.
    pub(crate) fn host_copy(&self) -> Result<Flat> {
        let copy = Flat::zeros_on(None, &self.layout, self.dtype)?;
        self.download_to(&copy)?;
        Ok(copy)
    }

    /// Copies values to this buffer, which lies on a GPU, from a buffer of the same layout in the CPU's memory.
    ///
    /// # Errors
    /// If the copy is being written, or the GPU is lost.
    pub(crate) fn upload_from(&self, copy: &Flat) -> Result<()> {
        assert_eq!(self.bytes(), copy.bytes());
        let Some((cuda, address)) = self.whole.on_gpu() else { panic!("{self:?} is not on a GPU") };
        let from = copy.reading()?;
        // SAFETY: by the assertion, this many bytes lie at the address; kernels read them in the order of the stream.
        unsafe { cuda.upload(from.bytes(), address) }
    }

    /// Copies the values of a buffer of the same layout. Both lie on a GPU.
    pub(crate) fn copy_from(&self, other: &Flat) -> Result<()> {
        assert_eq!(self.bytes(), other.bytes());
        let Some((cuda, address)) = self.whole.on_gpu() else { panic!("{self:?} is not on a GPU") };
        // SAFETY: this many bytes lie at both addresses; kernels use them in the order of the stream.
        unsafe { cuda.copy(other.address(), address, self.bytes()) }
    }

    /// Sets all values to zero, on any device.
    ///
    /// # Errors
    /// If a tensor or a slice of the buffer exists, or the GPU is lost.
    pub(crate) fn clear(&mut self) -> Result<()> {
        let mut writing = self.writing()?;
        match self.whole.on_gpu() {
            // SAFETY: this many bytes lie at the address. The size is a multiple of 128, because each parameter begins at a
            // multiple of 64 elements.
            Some((cuda, address)) => unsafe { cuda.fill(address, Fill::Word(0), self.bytes() / 4) },
            None => {
                // Zero bytes are the value zero in every type.
                writing.bytes_mut().fill(0);
                Ok(())
            }
        }
    }

    /// All elements including padding, to read. While the slice exists, the buffer cannot be written: a pass that would write it
    /// returns an error.
    ///
    /// # Panics
    /// If `E` is not the element type, the buffer lies on a GPU, a tensor on a part exists that may be written, or a mutable
    /// slice exists.
    #[track_caller]
    pub fn as_slice<E: Element>(&self) -> Values<'_, E> {
        assert_eq!(self.dtype, E::DTYPE);
        match self.reading() {
            Ok(reading) => Values { reading, count: self.layout.padded(), owner: PhantomData },
            Err(error) => panic!("{error}"),
        }
    }

    /// All elements including padding, to write. While the slice exists, the buffer cannot be used otherwise: a pass that would
    /// use it returns an error.
    ///
    /// # Panics
    /// If `E` is not the element type, the buffer lies on a GPU, or a tensor on a part or another slice exists.
    #[track_caller]
    pub fn as_mut_slice<E: Element>(&mut self) -> ValuesMut<'_, E> {
        match self.values_mut() {
            Ok(values) => values,
            Err(error) => panic!("{error}"),
        }
    }

    /// A slice of no elements.
    pub(crate) fn no_values<E: Element>(&self) -> Values<'_, E> {
        Values { count: 0, ..self.as_slice() }
    }

    /// Like [`Flat::as_mut_slice`], with an error instead of a panic if something else uses the buffer.
    ///
    /// # Errors
    /// If a tensor on a part or another slice exists.
    pub(crate) fn values_mut<E: Element>(&mut self) -> Result<ValuesMut<'_, E>> {
        assert_eq!(self.dtype, E::DTYPE);
        Ok(ValuesMut { writing: self.writing()?, count: self.layout.padded(), owner: PhantomData })
    }

    fn reading(&self) -> Result<Reading> {
        Reading::new(&self.whole).ok_or_else(|| {
            let what = "a flat buffer may not be read as a whole while a tensor that may be written, or a mutable slice, is still held: \
                        drop it before";
            Error::value("Flat", what)
        })
    }

    fn writing(&self) -> Result<Writing> {
        let Some(writing) = Writing::new(&self.whole) else {
            self.check_free("Flat")?;
            return Err(sliced("Flat"));
        };
        // The copies on a GPU would keep the old values.
        self.parts.iter().for_each(|part| part.set_mirror(None));
        Ok(writing)
    }
}

/// The error for a slice of a flat buffer that prevents an access.
fn sliced(at: &str) -> Error {
    Error::value(
        at,
        "a slice of its flat buffer is still held (`as_slice`, `as_mut_slice`), and a pass is about to use it: drop the slice before, or \
         keep a copy (`to_vec`)",
    )
}

/// The error for a tensor on a part of a flat buffer that prevents an access.
fn held(at: &str) -> Error {
    Error::value(
        at,
        "a tensor on it (or an `Adjoint`) is still held, and its memory is about to be written: drop it before, and take its values with \
         `to_f64` instead of keeping it",
    )
}

/// The elements of a flat buffer, to read. The buffer cannot be written meanwhile.
pub struct Values<'a, E> {
    reading: Reading,
    count: usize,
    owner: PhantomData<&'a [E]>,
}

impl<E: Element> std::ops::Deref for Values<'_, E> {
    type Target = [E];

    fn deref(&self) -> &[E] {
        self.reading.elements(self.count)
    }
}

impl<E: Element> AsRef<[E]> for Values<'_, E> {
    fn as_ref(&self) -> &[E] {
        self
    }
}

/// The elements of a flat buffer, to write. The buffer cannot be used otherwise meanwhile.
pub struct ValuesMut<'a, E> {
    writing: Writing,
    count: usize,
    owner: PhantomData<&'a mut [E]>,
}

impl<E: Element> std::ops::Deref for ValuesMut<'_, E> {
    type Target = [E];

    fn deref(&self) -> &[E] {
        self.writing.elements(self.count)
    }
}

impl<E: Element> std::ops::DerefMut for ValuesMut<'_, E> {
    fn deref_mut(&mut self) -> &mut [E] {
        self.writing.elements_mut(self.count)
    }
}

impl<E: Element> std::fmt::Debug for Values<'_, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        (**self).fmt(f)
    }
}

impl<E: Element> std::fmt::Debug for ValuesMut<'_, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        (**self).fmt(f)
    }
}

impl<E: Element, S: AsRef<[E]>> PartialEq<S> for Values<'_, E> {
    fn eq(&self, other: &S) -> bool {
        **self == *other.as_ref()
    }
}

impl<E: Element> PartialEq<Values<'_, E>> for Vec<E> {
    fn eq(&self, other: &Values<'_, E>) -> bool {
        **self == **other
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
    fn a_buffer_that_is_read_is_not_written() {
        let model = Bowl::new(3);
        let gradient = Flat::zeros(&Layout::of(&model), DType::F32).unwrap();
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
    fn the_whole_is_neither_read_nor_written_while_a_tensor_may_write() {
        let model = Bowl::new(3);
        let mut flat = Flat::zeros(&Layout::of(&model), DType::F32).unwrap();
        let tensor = flat.tensor(model.parameters()[0]);
        assert!(panics(|| flat.as_slice::<f32>().len()));
        assert!(panics(|| flat.as_mut_slice::<f32>().len()));
        drop(tensor);
        flat.as_mut_slice::<f32>()[0] = 1.0;
        assert_eq!(flat.as_slice::<f32>()[0], 1.0);
    }

    #[test]
    fn a_buffer_that_is_written_is_not_used_otherwise() {
        let model = Bowl::new(3);
        let (mut flat, parameter) = (Flat::zeros(&Layout::of(&model), DType::F32).unwrap(), model.parameters()[0]);
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
