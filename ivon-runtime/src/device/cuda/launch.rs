//! How an op launches its kernels.

use super::error::Context as _;
use super::{Cuda, HEADER, Trail};
use crate::context::Context;
use crate::dtype::DType;
use crate::error::Result;
use crate::profile::Cost;
use crate::tensor::Tensor;
#[cfg(debug_assertions)]
use cudarc::driver::CudaFunction;
use cudarc::driver::{LaunchConfig, PushKernelArg, sys};
use std::borrow::Cow;

/// The text of some kernels in CUDA C++, without includes; [`HEADER`] is put in front.
pub struct Source {
    name: Cow<'static, str>,
    text: Cow<'static, str>,
}

impl Source {
    /// The kernels of an op: `Source::new("softmax", include_str!("kernel.cu"))`. The name is that of the op, and no other's.
    pub const fn new(name: &'static str, text: &'static str) -> Source {
        Source { name: Cow::Borrowed(name), text: Cow::Borrowed(text) }
    }

    /// Kernels whose text is made at run time. Equal names must have equal texts.
    pub(crate) fn generated(name: String, text: String) -> Source {
        Source { name: Cow::Owned(name), text: Cow::Owned(text) }
    }

    /// The name of the op.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the compiler is given, for a model that computes in f32 or bf16.
    pub fn whole(&self, real: DType) -> String {
        let real = match real {
            DType::Bf16 => "bf16",
            _ => "float",
        };
        format!("{HEADER}\ntypedef {real} real;\n#line 1 \"{}.cu\"\n{}", self.name, self.text)
    }

    /// Launches a kernel, compiled for the type that the context computes in; in a dry run, nothing.
    ///
    /// The arguments are those of the kernel, in its order: tensors as pointers, `None` as a null pointer, `usize` as a 64-bit number.
    /// A `&mut` tensor is one that the kernel writes. A tensor in the processor's memory is copied to the card first, if it is not there yet.
    ///
    /// # Errors
    /// If the kernels cannot be compiled or launched.
    ///
    /// # Panics
    /// If the context is not one on a card, or a tensor to be written is shared or not on the card: mistakes in the op.
    pub fn launch(&self, cx: &Context, kernel: &str, grid: Grid, args: &mut [Arg]) -> Result<()> {
        if cx.planning() {
            cx.launched(|trail| {
                let grid = [grid.blocks, grid.threads].into_iter().flatten().chain([grid.shared]);
                let trail = grid.fold(trail.and_text(kernel), |trail, n| trail.and(n as u64));
                args.iter().fold(trail, |trail, arg| arg.leave(trail))
            });
            return args.iter().try_for_each(|arg| arg.check(kernel));
        }
        let Some(cuda) = cx.cuda() else { panic!("`{kernel}` was launched in a context on {}", cx.device()) };
        let _kernel = cx.kernel(kernel, || Cost::default().moves(args.iter().map(Arg::bytes).sum()));
        let values = args.iter_mut().map(|arg| arg.value(cx)).collect::<Result<Vec<Value>>>()?;
        self.launch_on(cuda, cx.dtype(), kernel, grid, &values)
    }

    fn launch_on(&self, cuda: &Cuda, real: DType, kernel: &str, grid: Grid, values: &[Value]) -> Result<()> {
        if grid.blocks.contains(&0) {
            return Ok(()); // nothing to be computed
        }
        let function = cuda.function(self, real, kernel)?;
        if grid.shared > 48 * 1024 {
            let attribute = sys::CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
            let set = function.set_attribute(attribute, grid.shared as i32);
            set.doing(&format!("give `{kernel}` {} bytes of shared memory", grid.shared))?;
        }
        #[cfg(debug_assertions)]
        check_arguments(&function, kernel, values);
        let mut launch = cuda.stream.launch_builder(&function);
        for value in values {
            match value {
                Value::Word(x) => launch.arg(x),
                Value::Long(x) => launch.arg(x),
                Value::Float(x) => launch.arg(x),
            };
        }
        let config = LaunchConfig { grid_dim: grid.blocks.into(), block_dim: grid.threads.into(), shared_mem_bytes: grid.shared };
        // SAFETY: the op gives the arguments that its kernel declares, which the tests on the emulated driver check with the address sanitizer;
        // what a kernel writes was given as `&mut`.
        let launched = unsafe { launch.launch(config) };
        launched.map(drop).doing(&format!("launch `{kernel}`"))
    }
}

/// That a kernel takes what it is given, as far as sizes tell: the driver copies as many bytes as the kernel declares, whatever is there.
#[cfg(debug_assertions)]
fn check_arguments(function: &CudaFunction, kernel: &str, values: &[Value]) {
    let taken = |i: usize| {
        let (mut offset, mut size) = (0, 0);
        // SAFETY: the function lives, and two numbers are written.
        let code = unsafe { sys::cuFuncGetParamInfo(function.cu_function(), i, &mut offset, &mut size) };
        code.result().is_ok().then_some(size)
    };
    let given: Vec<usize> = values.iter().map(Value::bytes).collect();
    let taken: Vec<usize> = (0..).map_while(taken).collect();
    assert_eq!(given, taken, "the bytes of the arguments that `{kernel}` is given, and of those that it takes");
}

/// How many blocks of how many threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    blocks: [u32; 3],
    threads: [u32; 3],
    shared: u32,
}

impl Grid {
    /// So many blocks, of 256 threads where nothing else is said.
    pub fn new(blocks: usize) -> Grid {
        Grid { blocks: [Grid::count(blocks), 1, 1], threads: [256, 1, 1], shared: 0 }
    }

    /// One thread for each of so many elements, or for each of so many groups of them.
    pub fn over(elements: usize) -> Grid {
        Grid::new(elements.div_ceil(256))
    }

    /// A grid of blocks with y and z.
    pub fn of(x: usize, y: usize, z: usize) -> Grid {
        Grid { blocks: [x, y, z].map(Grid::count), threads: [256, 1, 1], shared: 0 }
    }

    /// So many blocks in y.
    pub fn tall(self, y: usize) -> Grid {
        let [x, _, z] = self.blocks;
        Grid { blocks: [x, Grid::count(y), z], ..self }
    }

    /// So many blocks in z.
    pub fn deep(self, z: usize) -> Grid {
        let [x, y, _] = self.blocks;
        Grid { blocks: [x, y, Grid::count(z)], ..self }
    }

    /// No more than so many blocks in x: for kernels whose threads go on to further elements.
    pub fn at_most(self, blocks: usize) -> Grid {
        let [x, y, z] = self.blocks;
        Grid { blocks: [x.min(Grid::count(blocks)), y, z], ..self }
    }

    /// Threads a block.
    pub fn threads(self, threads: usize) -> Grid {
        Grid { threads: [Grid::count(threads), 1, 1], ..self }
    }

    /// Threads a block, with y.
    pub fn threads_2d(self, x: usize, y: usize) -> Grid {
        Grid { threads: [Grid::count(x), Grid::count(y), 1], ..self }
    }

    /// Bytes of dynamic shared memory a block.
    pub fn shared(self, bytes: usize) -> Grid {
        Grid { shared: Grid::count(bytes), ..self }
    }

    fn count(n: usize) -> u32 {
        u32::try_from(n).unwrap_or(u32::MAX) // which the driver refuses
    }
}

/// An argument of a kernel.
pub enum Arg<'a> {
    /// A tensor that is read: a pointer.
    In(&'a Tensor),
    /// A tensor that is written: a pointer.
    Out(&'a mut Tensor),
    /// No tensor: a null pointer.
    Null,
    /// `uint32_t`
    U32(u32),
    /// `int32_t`
    I32(i32),
    /// `uint64_t`
    U64(u64),
    /// `float`
    F32(f32),
}

/// An argument as the driver takes it.
enum Value {
    Word(u32),
    Long(u64),
    Float(f32),
}

impl Value {
    #[cfg(debug_assertions)]
    fn bytes(&self) -> usize {
        match self {
            Value::Word(_) | Value::Float(_) => 4,
            Value::Long(_) => 8,
        }
    }
}

impl Arg<'_> {
    fn value(&mut self, cx: &Context) -> Result<Value> {
        Ok(match self {
            Arg::In(tensor) => Value::Long(tensor.address(cx)?),
            Arg::Out(tensor) => Value::Long(tensor.address_mut(cx)?),
            Arg::Null => Value::Long(0),
            Arg::U32(x) => Value::Word(*x),
            Arg::I32(x) => Value::Word(*x as u32),
            Arg::U64(x) => Value::Long(*x),
            Arg::F32(x) => Value::Float(*x),
        })
    }
}

impl Arg<'_> {
    /// Bytes that a kernel moves for it: of a tensor once, whatever the kernel does.
    fn bytes(&self) -> usize {
        match self {
            Arg::In(tensor) => tensor.bytes(),
            Arg::Out(tensor) => tensor.bytes(),
            _ => 0,
        }
    }

    /// What a dry run sees to: what is read was written, if only on paper.
    fn check(&self, kernel: &str) -> Result<()> {
        match self {
            Arg::In(tensor) => tensor.check_launched(kernel),
            Arg::Out(tensor) => {
                tensor.is_launched();
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// What it adds to the trail of a dry run.
    fn leave(&self, trail: Trail) -> Trail {
        match self {
            Arg::In(tensor) => trail.and(tensor.place()),
            Arg::Out(tensor) => trail.and(tensor.place()),
            Arg::Null => trail.and(u64::MAX),
            Arg::U32(x) => trail.and(*x as u64),
            Arg::I32(x) => trail.and(*x as u64),
            Arg::U64(x) => trail.and(*x),
            Arg::F32(x) => trail.and(x.to_bits() as u64),
        }
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

/// 64 bits.
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

/// As `uint32_t` 0 or 1.
impl From<bool> for Arg<'_> {
    fn from(x: bool) -> Self {
        Arg::U32(x as u32)
    }
}

/// The arguments of a kernel: `&mut args![x, bias, &mut y, width, eps as f32]`. A name that holds a `&mut Tensor` is given as it is.
#[macro_export]
macro_rules! args {
    ($($arg:expr),* $(,)?) => { [$($crate::device::cuda::Arg::from($arg)),*] };
}
