//! Tensors: a shape, an element type and a handle on memory.

use crate::dtype::{DType, Element};
use crate::error::{Error, Result};
use crate::memory::Block;
use crate::shape::Shape;
use std::fmt;
use std::rc::Rc;

/// A dense, row-major tensor. Cloning shares the memory; it is given back when the last handle goes.
///
/// A tensor is written once, by the op that made it, while its handle is the only one; from then on it is read.
#[derive(Clone)]
pub struct Tensor {
    block: Rc<Block>,
    shape: Shape,
    dtype: DType,
    /// Whether the memory belongs to somebody who goes on using it, such as the weights of a model.
    lent: bool,
}

impl Tensor {
    /// A tensor with a copy of these elements.
    ///
    /// # Errors
    /// If the number of elements is not the product of the dimensions.
    pub fn from_slice<E: Element>(elements: &[E], shape: impl Into<Shape>) -> Result<Tensor> {
        let shape = shape.into();
        if shape.elements() != elements.len() {
            let message = format!("{} elements do not fill {shape}, which has {}", elements.len(), shape.elements());
            return Err(Error::shape("Tensor::from_slice", message));
        }
        let block = Rc::new(Block::heap(std::mem::size_of_val(elements), 0)?);
        let mut tensor = Tensor::on(block, shape, E::DTYPE);
        tensor.as_mut_slice().copy_from_slice(elements);
        Ok(tensor)
    }

    pub(crate) fn on(block: Rc<Block>, shape: Shape, dtype: DType) -> Tensor {
        // What `as_slice` relies on.
        assert!(block.bytes() >= shape.elements().saturating_mul(dtype.bytes()), "a tensor lies inside its block");
        Tensor { block, shape, dtype, lent: false }
    }

    /// The same tensor, never to be written through this handle or one made of it.
    pub(crate) fn lent(self) -> Tensor {
        Tensor { lent: true, ..self }
    }

    /// The dimensions.
    pub fn shape(&self) -> &Shape {
        &self.shape
    }

    /// Dimension `i`, counted from the outermost.
    pub fn dim(&self, i: usize) -> usize {
        self.shape[i]
    }

    /// The type of the elements.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Whether this is the only handle on its memory, so that it may be written. Weights of a model never may.
    pub fn is_unique(&self) -> bool {
        !self.lent && Block::sharers(&self.block) == 1
    }

    /// The elements, row-major.
    ///
    /// # Panics
    /// If the element type is another one, or in a dry run: both are mistakes in an op.
    pub fn as_slice<E: Element>(&self) -> &[E] {
        self.expect::<E>();
        let pointer = self.block.pointer() as *const E;
        // SAFETY: the block holds `elements` initialised values of type E (checked on construction; every bit pattern is one),
        // aligned to 256 bytes. It is not written while this handle lives: writing takes the only handle, mutably.
        unsafe { std::slice::from_raw_parts(pointer, self.shape.elements()) }
    }

    /// The elements, to be written.
    ///
    /// # Panics
    /// If the memory is shared, the element type another one, or in a dry run: all are mistakes in an op.
    pub fn as_mut_slice<E: Element>(&mut self) -> &mut [E] {
        self.expect::<E>();
        assert!(self.is_unique(), "a tensor whose memory is shared may not be written");
        let pointer = self.block.pointer() as *mut E;
        // SAFETY: as above, and this is the only handle, borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(pointer, self.shape.elements()) }
    }

    fn expect<E: Element>(&self) {
        assert!(self.dtype == E::DTYPE, "a tensor of {:?} was taken for one of {:?}", self.dtype, E::DTYPE);
    }

    /// The same memory under another shape of as many elements.
    ///
    /// # Panics
    /// If the number of elements differs; `ops::reshape` checks before.
    pub fn reshaped(&self, shape: impl Into<Shape>) -> Tensor {
        let shape = shape.into();
        assert_eq!(shape.elements(), self.shape.elements(), "a reshape keeps the number of elements");
        Tensor { block: self.block.clone(), shape, ..*self }
    }

    /// The elements as `f64`, whatever their type.
    pub fn to_f64(&self) -> Vec<f64> {
        match self.dtype {
            DType::F32 => self.as_slice::<f32>().iter().map(|x| *x as f64).collect(),
            DType::F64 => self.as_slice::<f64>().to_vec(),
            DType::U32 => self.as_slice::<u32>().iter().map(|x| *x as f64).collect(),
        }
    }

    /// The only element of a scalar as `f64`; 0 in a dry run.
    ///
    /// # Errors
    /// If there is not exactly one element.
    pub fn item(&self) -> Result<f64> {
        if self.shape.elements() != 1 {
            return Err(Error::shape("item", format!("a tensor of shape {} is not a single number", self.shape)));
        }
        Ok(match self.dtype {
            _ if self.block.is_ghost() => 0.0,
            DType::F32 => self.as_slice::<f32>()[0] as f64,
            DType::F64 => self.as_slice::<f64>()[0],
            DType::U32 => self.as_slice::<u32>()[0] as f64,
        })
    }
}

impl fmt::Debug for Tensor {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{:?} {}", self.dtype, self.shape)?;
        if !self.block.is_ghost() && self.shape.elements() <= 16 {
            write!(f, " {:?}", self.to_f64())?;
        }
        Ok(())
    }
}
