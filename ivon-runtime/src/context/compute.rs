//! The driver of computations. It decides whether one runs, where, and in which type, so that no op does.

use super::Context;
use crate::context::adjoint::Adjoint;
use crate::context::profile::Cost;
use crate::core::dtype::DType;
use crate::core::error::{Error, Result};
use crate::core::shape::Shape;
use crate::device::cpu::matmul::Stored;
use crate::device::cpu::real::Real;
use crate::tensor::Tensor;
use half::bf16;

/// A computation of an op: its operands, the tensors that it writes, and its arithmetic. [`Context::run`] runs it.
///
/// All tensors are allocated before. In a dry run [`Compute::cpu`] is not called, and launches in [`Compute::cuda`] launch
/// nothing: a dry run reaches no memory.
pub trait Compute: Sized {
    /// Operations, and bytes that move, for profiles. A step of an op whose scope is open needs none: see [`Context::compute`].
    fn cost(&self, cx: &Context) -> Cost {
        let _ = cx;
        Cost::default()
    }

    /// Computes on the CPU in the type of activations, `f32` or `f64`.
    fn cpu<E: Real>(self);

    /// Launches kernels on the context's GPU, and allocates the memory that only they need.
    ///
    /// # Errors
    /// Those of allocations and launches. Without an implementation: the computation has no kernel.
    fn cuda(self, cx: &Context) -> Result<()> {
        let message = "it has no kernel for a GPU: implement `Compute::cuda`, as docs/op.md shows, or compute with --device cpu";
        Err(Error::value(format!("{} on {}", std::any::type_name::<Self>(), cx.device()), message))
    }
}

/// A [`Compute`] with a `Weight` argument, whose elements may be of a stored type: `f32`, `f64` or bf16. It runs as
/// [`Weighted`].
pub trait ComputeWeighted: Sized {
    /// The weight.
    fn weight(&self) -> &Tensor;
    /// As [`Compute::cost`].
    fn cost(&self, cx: &Context) -> Cost;
    /// As [`Compute::cpu`], with a weight of elements `W`.
    fn cpu<E: Real, W: Stored<E>>(self);
    /// As [`Compute::cuda`].
    ///
    /// # Errors
    /// As [`Compute::cuda`].
    fn cuda(self, cx: &Context) -> Result<()>;
}

/// Runs a [`ComputeWeighted`] in the type of its weight.
pub struct Weighted<C>(pub C);

impl<C: ComputeWeighted> Compute for Weighted<C> {
    fn cost(&self, cx: &Context) -> Cost {
        self.0.cost(cx)
    }

    fn cpu<E: Real>(self) {
        match self.0.weight().dtype() {
            DType::Bf16 => self.0.cpu::<E, bf16>(),
            _ => self.0.cpu::<E, E>(),
        }
    }

    fn cuda(self, cx: &Context) -> Result<()> {
        self.0.cuda(cx)
    }
}

impl Context {
    /// Runs a computation in the scope `name` of profiles: on the context's device and in its type, or not at all in a dry run.
    ///
    /// # Errors
    /// Those of [`Compute::cuda`].
    pub fn run(&self, name: &str, computation: impl Compute) -> Result<()> {
        let _op = self.op(name, || computation.cost(self));
        self.compute(computation)
    }

    /// [`Context::run`] without a scope, for a step of an op whose scope ([`Context::op`]) is open.
    ///
    /// # Errors
    /// As [`Context::run`].
    pub fn compute(&self, computation: impl Compute) -> Result<()> {
        match self.dtype {
            _ if self.cuda.is_some() => return computation.cuda(self),
            _ if self.planning() => {}
            DType::F64 => computation.cpu::<f64>(),
            _ => computation.cpu::<f32>(),
        }
        Ok(())
    }

    /// Allocates memory of the type of activations that only [`Compute::cpu`] uses. On a GPU the tensor is empty.
    ///
    /// # Errors
    /// As [`Context::empty`].
    #[track_caller]
    pub fn scratch(&self, shape: impl Into<Shape>) -> Result<Tensor> {
        if self.cuda.is_some() { self.empty([0]) } else { self.empty(shape) }
    }
}

impl Adjoint {
    /// Runs the computation of a contribution: `computation(d_x, add)` writes it to `d_x`, or adds it to what is there. Does
    /// nothing if the adjoint is not wanted.
    ///
    /// # Errors
    /// Those of [`Adjoint::target`] and [`Context::run`].
    #[track_caller]
    pub fn run<'a, C: Compute>(
        &'a mut self,
        cx: &Context,
        name: &str,
        shape: impl Into<Shape>,
        computation: impl FnOnce(&'a mut Tensor, bool) -> C,
    ) -> Result<()> {
        match self.target(cx, shape)? {
            Some((sum, add)) => cx.run(name, computation(sum, add)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::Device;

    /// x += the number of bytes of an element.
    struct AddBytes<'a>(&'a mut Tensor);

    impl Compute for AddBytes<'_> {
        fn cost(&self, _: &Context) -> Cost {
            Cost::each(self.0, 1).writes(self.0, true)
        }

        fn cpu<E: Real>(self) {
            self.0.as_mut_slice::<E>().iter_mut().for_each(|x| *x += E::of(size_of::<E>() as f64));
        }
    }

    #[test]
    fn a_computation_runs_in_the_type_of_the_context_and_in_a_scope() {
        for (dtype, bytes) in [(DType::F32, 4.0), (DType::F64, 8.0)] {
            let cx = Context::new(Device::Cpu, dtype).unwrap();
            let mut x = cx.zeros([3]).unwrap();
            cx.record().unwrap();
            cx.run("bytes", AddBytes(&mut x)).unwrap();
            let ops: Vec<_> = cx.recorded().unwrap().phases().into_iter().flat_map(|phase| phase.ops).collect();
            assert_eq!(ops.iter().map(|op| (op.name.as_str(), op.cost.flops)).collect::<Vec<_>>(), [("bytes", 3)]);
            assert_eq!(x.to_f64(), [bytes; 3]);
        }
    }

    #[test]
    fn nothing_is_computed_in_a_dry_run() {
        let cx = Context::new(Device::Cpu, DType::F32).unwrap();
        let plan = cx.plan(|cx| {
            // The memory of a dry run may not be touched: `cpu` would panic.
            let mut x = cx.empty([3])?;
            cx.run("bytes", AddBytes(&mut x))?;
            let mut d_x = Adjoint::new();
            d_x.run(cx, "bytes", [3], |d_x, _| AddBytes(d_x))?;
            Ok(())
        });
        assert_eq!(plan.unwrap().lifetimes.iter().map(|lifetime| lifetime.bytes).collect::<Vec<_>>(), [12, 12]);
    }

    #[test]
    fn a_contribution_is_written_once_and_added_after_that() {
        let cx = Context::new(Device::Cpu, DType::F32).unwrap();
        let mut d_x = Adjoint::new();
        let mut adds = vec![];
        for _ in 0..2 {
            let adds = &mut adds;
            let computation = |d_x, add| {
                adds.push(add);
                AddBytes(d_x)
            };
            d_x.run(&cx, "bytes", [1], computation).unwrap();
        }
        assert_eq!(adds, [false, true]);
        Adjoint::skip().run(&cx, "bytes", [1], |_, _| -> AddBytes { panic!("the gradient is not wanted") }).unwrap();
    }

    #[test]
    fn a_computation_without_a_kernel_says_so() {
        let cx = Context::new(Device::Cpu, DType::F32).unwrap();
        let error = AddBytes(&mut cx.zeros([1]).unwrap()).cuda(&cx).unwrap_err().to_string();
        assert!(
            error.contains("AddBytes") && error.contains("no kernel for a GPU") && error.contains("Compute::cuda"),
            "{error}"
        );
    }
}
