//! Arguments of kernels.

use crate::context::Context;
use crate::core::digest::Digester;
use crate::core::dtype::DType;
use crate::core::error::Result;
use crate::device::Device;
use crate::device::cuda::Value;
use crate::device::cuda::signature::{Kind, Parameter, Pointee};
use crate::tensor::Tensor;
use std::marker::PhantomData;

/// An argument of a kernel.
pub enum Arg<'a> {
    /// A tensor that is read: a pointer to `const`.
    In(&'a Tensor),
    /// A tensor that is written: a pointer.
    Out(&'a mut Tensor),
    /// No tensor: a null pointer.
    Null,
    /// Memory of the GPU that is not a tensor.
    Pointer(Pointer<'a>),
    /// `uint32_t`
    U32(u32),
    /// `int32_t`
    I32(i32),
    /// `uint64_t`
    U64(u64),
    /// `float`
    F32(f32),
}

/// An address on the GPU that the runtime guarantees to be valid as long as its owner lives. Cannot be made from a number.
#[derive(Clone, Copy)]
pub struct Pointer<'a>(u64, PhantomData<&'a ()>);

impl Pointer<'_> {
    /// # Safety
    /// The memory at the address must live until all kernels that receive it have finished, and they must use it as their
    /// declarations say.
    pub(crate) unsafe fn new(address: u64) -> Self {
        Pointer(address, PhantomData)
    }
}

impl Arg<'_> {
    /// The value that is passed. A tensor in the CPU's memory is copied to the GPU first.
    pub(super) fn value(&mut self, cx: &Context) -> Result<Value> {
        Ok(match self {
            Arg::In(tensor) => Value::Long(tensor.address(cx)?),
            Arg::Out(tensor) => Value::Long(tensor.address_mut(cx)?),
            Arg::Null => Value::Long(0),
            Arg::Pointer(pointer) => Value::Long(pointer.0),
            Arg::U32(x) => Value::Word(*x),
            Arg::I32(x) => Value::Word(*x as u32),
            Arg::U64(x) => Value::Long(*x),
            Arg::F32(x) => Value::Float(*x),
        })
    }

    /// Checks that a kernel of a context that computes in `real` on `device` may take this argument for its parameter. Compares
    /// the kind of the argument and the element type of a tensor. A tensor that is written must be the only handle on its memory
    /// and lie on this GPU.
    ///
    /// # Errors
    /// The reason, as text.
    pub(super) fn fits(&self, parameter: &Parameter, device: Device, real: DType) -> Result<(), String> {
        match (self, parameter.kind) {
            (Arg::U32(_), Kind::U32) | (Arg::I32(_), Kind::I32) | (Arg::U64(_), Kind::U64) | (Arg::F32(_), Kind::F32) => Ok(()),
            (Arg::Null | Arg::Pointer(_), Kind::Pointer { .. }) => Ok(()),
            (Arg::In(tensor), Kind::Pointer { constant: true, to }) => {
                has_type(tensor, to, real).and_then(|()| is_on(tensor, device, true))
            }
            (Arg::In(_), Kind::Pointer { constant: false, .. }) => {
                Err("a tensor that is only read goes to a pointer to `const`; pass `&mut` where the kernel writes it".into())
            }
            (Arg::Out(_), Kind::Pointer { constant: true, .. }) => {
                Err("a tensor that is written goes to a pointer without `const`; pass `&` where the kernel reads it".into())
            }
            (Arg::Out(tensor), Kind::Pointer { to, .. }) => {
                has_type(tensor, to, real)?;
                is_on(tensor, device, false)?;
                match tensor.is_unique() {
                    true => Ok(()),
                    false => Err("the tensor is shared, and one that is written may have one handle only".into()),
                }
            }
            _ => Err(format!("the argument is {}", self.noun())),
        }
    }

    fn noun(&self) -> &'static str {
        match self {
            Arg::In(_) => "a tensor to be read",
            Arg::Out(_) => "a tensor to be written",
            Arg::Null => "a null pointer",
            Arg::Pointer(_) => "a pointer",
            Arg::U32(_) => "a number of `uint32_t` (a bool is one, too)",
            Arg::I32(_) => "a number of `int32_t`",
            Arg::U64(_) => "a number of `uint64_t` (a usize is one, too)",
            Arg::F32(_) => "a number of `float`",
        }
    }

    /// Bytes that a kernel moves for this argument. A tensor counts once, whatever the kernel does.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Arg::In(tensor) => tensor.bytes(),
            Arg::Out(tensor) => tensor.bytes(),
            _ => 0,
        }
    }

    /// In a dry run: marks a tensor that is written, and checks that a tensor that is read was written before.
    pub(super) fn check(&self, kernel: &str) -> Result<()> {
        match self {
            Arg::In(tensor) => tensor.check_launched(kernel),
            Arg::Out(tensor) => {
                tensor.is_launched();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Adds the argument to the trail of a dry run.
    pub(super) fn leave(&self, trail: &mut Digester) {
        match self {
            Arg::In(tensor) => tensor.leave(trail.number(0)),
            Arg::Out(tensor) => tensor.leave(trail.number(1)),
            Arg::Null => drop(trail.number(2)),
            Arg::Pointer(pointer) => drop(trail.number(3).number(pointer.0)),
            Arg::U32(x) => drop(trail.number(4).number(*x as u64)),
            Arg::I32(x) => drop(trail.number(5).number(*x as u64)),
            Arg::U64(x) => drop(trail.number(6).number(*x)),
            Arg::F32(x) => drop(trail.number(7).number(x.to_bits() as u64)),
        }
    }
}

/// Checks that the elements of a tensor are of the declared type.
fn has_type(tensor: &Tensor, declared: Pointee, real: DType) -> Result<(), String> {
    let expected = match declared {
        Pointee::Real => real,
        Pointee::F32 => DType::F32,
        Pointee::Bf16 => DType::Bf16,
        Pointee::U32 => DType::U32,
        Pointee::Any => return Ok(()),
        Pointee::Own => return Err("a tensor has no elements of this type: declare `void*` and convert it in the kernel".into()),
    };
    match tensor.dtype() == expected {
        true => Ok(()),
        false => Err(format!("it takes elements of {expected:?}, and the tensor has {:?}", tensor.dtype())),
    }
}

/// Checks that a tensor lies on this GPU, or can be copied there.
fn is_on(tensor: &Tensor, device: Device, copied: bool) -> Result<(), String> {
    match tensor.device() {
        found if found == device || tensor.is_ghost() => Ok(()),
        Device::Cpu if copied => Ok(()),
        Device::Cpu => Err("the tensor lies in the CPU's memory, and a kernel writes only tensors of its context".into()),
        found => Err(format!("the tensor lies on {found}, and the kernel runs on {device}")),
    }
}

impl<'a> From<&'a Tensor> for Arg<'a> {
    fn from(tensor: &'a Tensor) -> Self {
        Arg::In(tensor)
    }
}

impl<'a> From<&'a mut Tensor> for Arg<'a> {
    fn from(tensor: &'a mut Tensor) -> Self {
        Arg::Out(tensor)
    }
}

impl<'a> From<Option<&'a Tensor>> for Arg<'a> {
    fn from(tensor: Option<&'a Tensor>) -> Self {
        tensor.map_or(Arg::Null, Arg::In)
    }
}

impl<'a> From<Option<&'a mut Tensor>> for Arg<'a> {
    fn from(tensor: Option<&'a mut Tensor>) -> Self {
        tensor.map_or(Arg::Null, Arg::Out)
    }
}

impl From<u32> for Arg<'_> {
    fn from(x: u32) -> Self {
        Arg::U32(x)
    }
}

impl From<i32> for Arg<'_> {
    fn from(x: i32) -> Self {
        Arg::I32(x)
    }
}

impl From<u64> for Arg<'_> {
    fn from(x: u64) -> Self {
        Arg::U64(x)
    }
}

/// Becomes `uint64_t`.
impl From<usize> for Arg<'_> {
    fn from(x: usize) -> Self {
        Arg::U64(x as u64)
    }
}

impl From<f32> for Arg<'_> {
    fn from(x: f32) -> Self {
        Arg::F32(x)
    }
}

/// Becomes `uint32_t`, 0 or 1.
impl From<bool> for Arg<'_> {
    fn from(x: bool) -> Self {
        Arg::U32(x as u32)
    }
}

/// The arguments of a kernel: `&mut args![x, bias, &mut y, width, eps as f32]`. A variable of type `&mut Tensor` is passed
/// without `&mut`.
#[macro_export]
macro_rules! args {
    ($($arg:expr),* $(,)?) => { [$($crate::cuda::Arg::from($arg)),*] };
}
