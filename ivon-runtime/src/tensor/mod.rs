//! Tensors: a shape, an element type and a handle on memory. Also parameters of models, and the noise of posterior samples.

pub mod graph;
pub mod noise;
pub(crate) mod parameter;

use crate::core::digest::Digester;
use crate::core::dtype::{DType, Element};
use crate::core::error::{Error, Result};
use crate::core::shape::Shape;
use crate::device::Device;
use crate::memory::{Block, Handle};
use half::bf16;
use std::borrow::Cow;
use std::fmt;
use std::rc::Rc;

/// A dense, row-major tensor. Cloning shares the memory, which is freed with the last handle.
///
/// A tensor is written by the op that made it, while its handle is the only one. After that it is only read.
#[derive(Clone)]
pub struct Tensor {
    memory: Handle,
    shape: Shape,
    dtype: DType,
}

impl Tensor {
    /// Creates a tensor with a copy of these elements.
    ///
    /// # Errors
    /// If the number of elements is not the product of the dimensions.
    pub fn from_slice<E: Element>(elements: &[E], shape: impl Into<Shape>) -> Result<Tensor> {
        let shape = shape.into();
        if shape.elements() != elements.len() {
            let message = format!("{} elements do not fill {shape}, which has {}", elements.len(), shape.elements());
            return Err(Error::shape("Tensor::from_slice", message));
        }
        let mut tensor = Tensor::on(Handle::of(Block::heap(size_of_val(elements))?), shape, E::DTYPE);
        tensor.as_mut_slice().copy_from_slice(elements);
        Ok(tensor)
    }

    pub(crate) fn on(memory: Handle, shape: Shape, dtype: DType) -> Tensor {
        let fits = memory.block().bytes() >= shape.elements().saturating_mul(dtype.bytes());
        assert!(fits, "a tensor lies inside its block");
        Tensor { memory, shape, dtype }
    }

    pub(crate) fn block(&self) -> &Block {
        self.memory.block()
    }

    /// The dimensions.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// The size of dimension `i`, counted from the outermost.
    pub fn dim(&self, i: usize) -> usize {
        self.shape[i]
    }

    /// The type of the elements.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// The size of all elements in bytes.
    pub fn bytes(&self) -> usize {
        self.shape.elements() * self.dtype.bytes()
    }

    /// The device on which the elements lie.
    pub fn device(&self) -> Device {
        self.block().on_gpu().map_or(Device::Cpu, |(cuda, _)| cuda.device())
    }

    /// Returns the same elements in the CPU's memory: a copy if they lie on a GPU, otherwise another handle.
    ///
    /// # Errors
    /// If the GPU is lost.
    pub fn to_host(&self) -> Result<Tensor> {
        let Some((cuda, address)) = self.block().on_gpu() else { return Ok(self.clone()) };
        let mut host = Tensor::on(Handle::of(Block::heap(self.bytes())?), self.shape, self.dtype);
        // SAFETY: the tensor lies inside of its block (checked at construction), so this many bytes lie at the address.
        let download = |to: &mut [u8]| unsafe { cuda.download(address, to) };
        host.memory.host_bytes_mut().map_or(Ok(()), download)?;
        Ok(host)
    }

    /// Its bytes, if they lie in host memory.
    pub(crate) fn host_bytes(&self) -> Option<&[u8]> {
        self.memory.host_bytes()
    }

    /// Its elements, if they lie in the CPU's memory.
    pub(crate) fn on_host<E: Element>(&self) -> Option<&[E]> {
        self.host_bytes().map(|_| self.as_slice())
    }

    /// Sets or removes the copy on the GPU.
    pub(crate) fn set_mirror(&self, mirror: Option<Rc<Block>>) {
        self.block().set_mirror(mirror);
    }

    /// True for a tensor of a dry run, which has no memory.
    pub(crate) fn is_ghost(&self) -> bool {
        self.block().is_ghost()
    }

    /// Adds the tensor to the trail of a dry run, as a launched kernel sees it: its place, its element type and its shape.
    pub(crate) fn leave(&self, trail: &mut Digester) {
        trail.number(self.block().place()).number(self.dtype as u64).numbers(&self.shape);
    }

    /// In a dry run: notes a launch that writes the tensor.
    pub(crate) fn is_launched(&self) {
        if let Some(ghost) = self.block().as_ghost() {
            ghost.write();
        }
    }

    /// In a dry run for a GPU: checks that a launch has written the tensor, before `reader` is launched.
    ///
    /// # Errors
    /// If no launch has written it: the op that made it has no kernel.
    pub(crate) fn check_launched(&self, reader: &str) -> Result<()> {
        let Some(maker) = self.block().as_ghost().and_then(|ghost| ghost.unwritten()) else { return Ok(()) };
        let message = format!(
            "`{reader}` reads a tensor {} that no kernel wrote. It was made by the op at {maker}, which has no kernel for a GPU: give it \
             one, as docs/op.md shows, or compute with --device cpu",
            self.shape
        );
        Err(Error::value("dry run for a GPU", message))
    }

    /// True if this is the only handle on the memory, so that the tensor may be written. Always false for weights of a model, and
    /// while a slice of [`Flat::as_slice`](crate::context::flat::Flat::as_slice) exists on the memory.
    pub fn is_unique(&self) -> bool {
        self.memory.is_unique()
    }

    /// True for a parameter's place in a buffer that is to be written, such as the gradient: a copy would not reach the buffer.
    pub(crate) fn is_place(&self) -> bool {
        self.memory.is_place()
    }

    /// The elements, row-major.
    ///
    /// # Panics
    /// If `E` is not the element type, in a dry run, or if the elements lie on a GPU. All are bugs in an op.
    #[track_caller]
    pub fn as_slice<E: Element>(&self) -> &[E] {
        self.expect::<E>();
        self.memory.elements(self.shape.elements())
    }

    /// The elements, to write.
    ///
    /// # Panics
    /// If the memory is shared or on a GPU, `E` is not the element type, or in a dry run. All are bugs in an op.
    #[track_caller]
    pub fn as_mut_slice<E: Element>(&mut self) -> &mut [E] {
        self.expect::<E>();
        match self.memory.elements_mut(self.shape.elements()) {
            Some(elements) => elements,
            None => panic!("a tensor whose memory is shared may not be written"),
        }
    }

    fn expect<E: Element>(&self) {
        assert!(self.dtype == E::DTYPE, "a tensor of {:?} was taken for one of {:?}", self.dtype, E::DTYPE);
    }

    /// Returns the same memory with another shape of the same number of elements.
    ///
    /// # Panics
    /// If the number of elements differs. `ops::reshape` checks it before.
    pub fn reshaped(&self, shape: impl Into<Shape>) -> Tensor {
        let shape = shape.into();
        assert_eq!(shape.elements(), self.shape.elements(), "a reshape keeps the number of elements");
        Tensor { memory: self.memory.clone(), shape, dtype: self.dtype }
    }

    /// The elements as `f64`, whatever their type and wherever they lie.
    ///
    /// # Panics
    /// If they lie on a GPU that is lost. [`Tensor::to_host`] returns an error instead.
    pub fn to_f64(&self) -> Vec<f64> {
        if self.block().on_gpu().is_some() {
            return match self.to_host() {
                Ok(host) => host.to_f64(),
                Err(error) => panic!("{error}"),
            };
        }
        match self.dtype {
            DType::F32 => self.as_slice::<f32>().iter().map(|x| *x as f64).collect(),
            DType::F64 => self.as_slice::<f64>().to_vec(),
            DType::Bf16 => self.as_slice::<bf16>().iter().map(|x| x.to_f64()).collect(),
            DType::U32 => self.as_slice::<u32>().iter().map(|x| *x as f64).collect(),
        }
    }

    /// The elements of an f32 or bf16 tensor on any device, as f32. Elements of f32 in the CPU's memory are not copied.
    ///
    /// # Errors
    /// If they lie on a GPU that is lost, or are of another type.
    pub fn to_f32(&self) -> Result<Cow<'_, [f32]>> {
        if self.block().on_gpu().is_some() {
            return self.to_host()?.to_f32().map(|values| Cow::Owned(values.into_owned()));
        }
        match self.dtype {
            DType::F32 => Ok(Cow::Borrowed(self.as_slice())),
            DType::Bf16 => Ok(self.as_slice::<bf16>().iter().map(|x| x.to_f32()).collect()),
            other => Err(Error::value("to_f32", format!("a tensor of {other:?} is not one of f32 or bf16"))),
        }
    }

    /// The only element of a scalar as `f64`; 0 in a dry run.
    ///
    /// # Errors
    /// If there is not exactly one element, or it lies on a GPU that is lost.
    pub fn item(&self) -> Result<f64> {
        if self.shape.elements() != 1 {
            return Err(Error::shape("item", format!("a tensor of shape {} is not a single number", self.shape)));
        }
        Ok(match self.dtype {
            _ if self.block().is_ghost() => 0.0,
            _ if self.block().on_gpu().is_some() => self.to_host()?.item()?,
            DType::F32 => self.as_slice::<f32>()[0] as f64,
            DType::F64 => self.as_slice::<f64>()[0],
            DType::Bf16 => self.as_slice::<bf16>()[0].to_f64(),
            DType::U32 => self.as_slice::<u32>()[0] as f64,
        })
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{:?} {}", self.dtype, self.shape)?;
        if let Some((cuda, _)) = self.block().on_gpu() {
            return write!(f, " on {}", cuda.device());
        }
        if !self.block().is_ghost() && self.shape.elements() <= 16 {
            write!(f, " {:?}", self.to_f64())?;
        }
        Ok(())
    }
}
