//! Products of matrices by cuBLASLt: f32 without TF32, or bf16, with sums in f32 in both.
//!
//! The library is asked once for each shape how to compute it; what it answers is kept. It thinks in columns, so a product is put to it
//! transposed: Cᵀ = Bᵀ Aᵀ, where a row-major matrix is its transpose as it lies.

use super::{Cuda, Memory, Trail};
use crate::context::Context;
use crate::dtype::DType;
use crate::error::{Error, Result};
use crate::profile::Cost;
use crate::tensor::Tensor;
use cudarc::cublaslt::result::{self, CublasError};
use cudarc::cublaslt::sys;
use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ffi::c_void;
use std::sync::OnceLock;

/// What the library may use for sums that it cuts: what NVIDIA recommends for the H100.
const WORKSPACE: usize = 32 << 20;

/// A matrix for a product: a tensor, taken as one row-major matrix or as a batch of them.
#[derive(Clone, Copy)]
pub(crate) struct Operand<'a> {
    tensor: &'a Tensor,
    transposed: bool,
}

impl<'a> Operand<'a> {
    /// The matrix as it lies.
    pub fn new(tensor: &'a Tensor) -> Self {
        Operand { tensor, transposed: false }
    }

    /// Its transpose.
    pub fn transposed(tensor: &'a Tensor) -> Self {
        Operand { tensor, transposed: true }
    }
}

/// The sizes of C \[m, n\] = A \[m, k\] B \[k, n\], or of a batch of such products.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Sizes {
    pub batch: usize,
    pub m: usize,
    pub n: usize,
    pub k: usize,
}

/// What is done along with a product.
pub(crate) enum Along<'a> {
    Nothing,
    /// A vector \[n\] is added to every row of the result.
    Bias(&'a Tensor),
    /// The sums of the rows of A, \[m\], are written here: the gradient of the bias, where A is that of the output, transposed.
    RowSums(&'a mut Tensor),
    /// The result becomes gelu(result), after a vector was added as by [`Along::Bias`]; what GELU is of goes to `input`.
    Gelu {
        bias: Option<&'a Tensor>,
        input: Option<&'a mut Tensor>,
    },
    /// The result is multiplied by gelu'(h), with this h of as many elements.
    GeluSlope(&'a Tensor),
}

impl Along<'_> {
    fn kind(&self) -> Kind {
        match self {
            Along::Nothing => Kind::Nothing,
            Along::Bias(_) => Kind::Bias,
            Along::RowSums(_) => Kind::RowSums,
            Along::Gelu { bias, input } => Kind::Gelu { bias: bias.is_some(), kept: input.is_some() },
            Along::GeluSlope(_) => Kind::GeluSlope,
        }
    }

    /// A vector and a matrix: what is read, and what is written.
    fn parts(&mut self) -> [Part<'_>; 2] {
        match self {
            Along::Nothing => [Part::Nothing, Part::Nothing],
            Along::Bias(bias) => [Part::Read(bias), Part::Nothing],
            Along::RowSums(sums) => [Part::Written(sums), Part::Nothing],
            Along::Gelu { bias, input } => {
                [bias.map_or(Part::Nothing, Part::Read), input.as_mut().map_or(Part::Nothing, |input| Part::Written(input))]
            }
            Along::GeluSlope(input) => [Part::Nothing, Part::Read(input)],
        }
    }
}

/// What an epilogue reads or writes.
enum Part<'a> {
    Nothing,
    Read(&'a Tensor),
    Written(&'a mut Tensor),
}

impl Part<'_> {
    fn place(&self) -> u64 {
        match self {
            Part::Nothing => u64::MAX,
            Part::Read(x) => x.place(),
            Part::Written(x) => x.place(),
        }
    }

    /// What a dry run sees to, as for the operands.
    fn check(&self, kernel: &str) -> Result<()> {
        match self {
            Part::Nothing => Ok(()),
            Part::Read(x) => x.check_launched(kernel),
            Part::Written(x) => {
                x.is_launched();
                Ok(())
            }
        }
    }

    fn address(self, cx: &Context) -> Result<Option<u64>> {
        match self {
            Part::Nothing => Ok(None),
            Part::Read(x) => x.address(cx).map(Some),
            Part::Written(x) => x.address_mut(cx).map(Some),
        }
    }
}

/// C (+)= A B, and what is done along with it.
///
/// # Errors
/// If the library is lacking or refuses.
///
/// # Panics
/// If a tensor is smaller than the sizes say, or `c` is shared: mistakes in the op.
pub(crate) fn multiply(
    cx: &Context,
    sizes: Sizes,
    a: Operand,
    b: Operand,
    mut along: Along,
    c: &mut Tensor,
    accumulate: bool,
) -> Result<()> {
    let Sizes { batch, m, n, k } = sizes;
    cx.launched(|trail| {
        let numbers = [batch, m, n, k, a.transposed as usize, b.transposed as usize, accumulate as usize];
        let [vector, matrix] = along.parts().map(|part| part.place());
        let places = [a.tensor.place(), b.tensor.place(), c.place(), vector, matrix];
        numbers.into_iter().map(|n| n as u64).chain(places).fold(trail.and_text("multiply"), Trail::and)
    });
    if cx.planning() {
        c.is_launched();
        along.parts().iter().try_for_each(|part| part.check("multiply"))?;
        return [a.tensor, b.tensor].iter().try_for_each(|from| from.check_launched("multiply"));
    }
    if batch * m * n == 0 {
        return Ok(());
    }
    let Some(cuda) = cx.cuda() else { panic!("a product on a card was asked for in a context on {}", cx.device()) };
    let _kernel = cx.kernel("multiply", || {
        let cost = Cost::product(cx.precision(), [batch * m, n, k]);
        cost.reads([a.tensor, b.tensor]).writes(c, accumulate).moves(if along.kind().has_matrix() { c.bytes() } else { 0 })
    });
    let elements = [a.tensor, b.tensor, &*c].map(|x| x.shape().elements());
    assert_eq!(elements, [batch * m * k, batch * k * n, batch * m * n], "the operands of {sizes:?}");
    let key = Key::of(sizes, [a, b], along.kind(), c.dtype(), accumulate);
    let from = [a.tensor.address(cx)?, b.tensor.address(cx)?];
    let [vector, matrix] = along.parts();
    let beside = [vector.address(cx)?, matrix.address(cx)?];
    let to = c.address_mut(cx)?;
    cuda.bind()?;
    cuda.blas()?.multiply(cuda, key, from, beside, to)
}

/// Whether the library can do this along with a product C (+)= A B, and should. Also to be asked in a dry run.
///
/// # Errors
/// If the library is lacking.
pub(crate) fn knows(cx: &Context, sizes: Sizes, a: Operand, b: Operand, along: Kind, c: DType, accumulate: bool) -> Result<bool> {
    let Some(cuda) = cx.cuda() else { return Ok(false) };
    let asks = match along {
        Kind::Gelu { .. } | Kind::GeluSlope => gelu_along(cuda, sizes, c),
        _ => true,
    };
    let key = Key::of(sizes, [a, b], along, c, accumulate);
    Ok(asks && sizes.m * sizes.n * sizes.k > 0 && cuda.blas()?.knows(key))
}

/// Whether the library is asked to compute GELU, for C of this type.
///
/// What it knows is not always quick: before Hopper, and in f32, its products with GELU were measured to be slower than a product and a kernel (llm.c, pull request 338).
/// `IVON_GELU_EPILOGUE` = `on` or `off` decides otherwise, so that both can be measured. The rows of the matrix beside C are multiples of 8 elements long: cuBLAS's documentation of
/// CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD.
fn gelu_along(cuda: &Cuda, sizes: Sizes, c: DType) -> bool {
    static CHOICE: OnceLock<Option<bool>> = OnceLock::new();
    let choice = CHOICE.get_or_init(|| std::env::var("IVON_GELU_EPILOGUE").ok().map(|choice| choice != "off"));
    sizes.batch == 1 && sizes.n.is_multiple_of(8) && choice.unwrap_or(c == DType::Bf16 && cuda.capability().0 >= 9)
}

/// [`Along`], without its tensors.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Kind {
    Nothing,
    Bias,
    RowSums,
    Gelu { bias: bool, kept: bool },
    GeluSlope,
}

impl Kind {
    /// Whether an epilogue reads or writes a matrix as large as C.
    fn has_matrix(self) -> bool {
        matches!(self, Kind::Gelu { kept: true, .. } | Kind::GeluSlope)
    }
}

/// What a way to compute depends on.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Key {
    sizes: Sizes,
    transposed: [bool; 2],
    types: [DType; 3],
    along: Kind,
    accumulate: bool,
}

impl Key {
    fn of(sizes: Sizes, [a, b]: [Operand; 2], along: Kind, c: DType, accumulate: bool) -> Key {
        let types = [a.tensor.dtype(), b.tensor.dtype(), c];
        Key { sizes, transposed: [a.transposed, b.transposed], types, along, accumulate }
    }
}

/// The library, opened on one card.
pub(super) struct Blas {
    handle: sys::cublasLtHandle_t,
    workspace: Memory,
    /// Nothing for what the library does not know how to do.
    ways: RefCell<HashMap<Key, Option<Way>>>,
}

/// How one product is computed.
struct Way {
    operation: Operation,
    /// A, B and C as the library sees them: transposed, and B first.
    layouts: [Layout; 3],
    algorithm: sys::cublasLtMatmulAlgo_t,
    workspace: usize,
}

impl Blas {
    pub fn open(cuda: &Cuda) -> Result<Blas> {
        let workspace = cuda.allocate(WORKSPACE)?;
        let handle = result::create_handle().map_err(|e| failed("start", e))?;
        Ok(Blas { handle, workspace, ways: RefCell::default() })
    }

    /// Whether it can compute this.
    fn knows(&self, key: Key) -> bool {
        self.ways.borrow_mut().entry(key).or_insert_with(|| self.way(key).ok()).is_some()
    }

    fn multiply(&self, cuda: &Cuda, key: Key, [a, b]: [u64; 2], [vector, matrix]: [Option<u64>; 2], c: u64) -> Result<()> {
        use sys::cublasLtMatmulDescAttributes_t::*;
        let mut ways = self.ways.borrow_mut();
        let way = match ways.entry(key) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(Some(self.way(key)?)),
        };
        let Some(way) = way else { panic!("{key:?} was asked for, although cuBLASLt does not know how to compute it") };
        if let Some(vector) = vector {
            way.operation.set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, vector)?;
        }
        if let Some(matrix) = matrix {
            way.operation.set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, matrix)?;
        }
        let (alpha, beta) = (1.0f32, if key.accumulate { 1.0f32 } else { 0.0 });
        let pointer = |address: u64| address as *const c_void;
        // SAFETY: descriptors and layouts live in `way`; they describe the tensors whose sizes were compared with those of the key; the
        // workspace is as large as it says, and everything runs on the one stream.
        let code = unsafe {
            sys::cublasLtMatmul(
                self.handle,
                way.operation.0,
                (&raw const alpha).cast(),
                pointer(b),
                way.layouts[1].0,
                pointer(a),
                way.layouts[0].0,
                (&raw const beta).cast(),
                pointer(c),
                way.layouts[2].0,
                c as *mut c_void,
                way.layouts[2].0,
                &way.algorithm,
                self.workspace.address() as *mut c_void,
                way.workspace,
                cuda.stream.cu_stream().cast(),
            )
        };
        code.result().map_err(|e| failed(&format!("compute {key:?}"), e))
    }

    /// Asks the library how to compute.
    fn way(&self, key: Key) -> Result<Way> {
        use sys::cublasLtEpilogue_t as Epilogue;
        use sys::cublasLtMatmulDescAttributes_t::*;
        use sys::cublasLtMatmulPreferenceAttributes_t::*;
        let Sizes { batch, m, n, k } = key.sizes;
        let operation = Operation::new()?;
        // CUBLAS_OP_N is 0, CUBLAS_OP_T is 1.
        let transpose = |yes: bool| yes as i32;
        operation.set(CUBLASLT_MATMUL_DESC_TRANSA, transpose(key.transposed[1]))?;
        operation.set(CUBLASLT_MATMUL_DESC_TRANSB, transpose(key.transposed[0]))?;
        let epilogue = match key.along {
            Kind::Nothing => None,
            Kind::Bias => Some(Epilogue::CUBLASLT_EPILOGUE_BIAS),
            // The library's B is our A.
            Kind::RowSums => Some(Epilogue::CUBLASLT_EPILOGUE_BGRADB),
            Kind::Gelu { bias: false, kept: false } => Some(Epilogue::CUBLASLT_EPILOGUE_GELU),
            Kind::Gelu { bias: true, kept: false } => Some(Epilogue::CUBLASLT_EPILOGUE_GELU_BIAS),
            Kind::Gelu { bias: false, kept: true } => Some(Epilogue::CUBLASLT_EPILOGUE_GELU_AUX),
            Kind::Gelu { bias: true, kept: true } => Some(Epilogue::CUBLASLT_EPILOGUE_GELU_AUX_BIAS),
            Kind::GeluSlope => Some(Epilogue::CUBLASLT_EPILOGUE_DGELU),
        };
        if let Some(epilogue) = epilogue {
            operation.set(CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue as i32)?;
            operation.set(CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, data_type(key.types[1]) as i32)?;
            // Some versions find no way without an address, whichever it is; each product is given its own.
            operation.set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, self.workspace.address())?;
        }
        if key.along.has_matrix() {
            // It lies as C does, and is of its type. An address as above, aligned as every activation is.
            operation.set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, n as i64)?;
            operation.set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, self.workspace.address())?;
        }
        // Rows and columns as they lie.
        let stored = |transposed: bool, rows: usize, columns: usize| if transposed { (columns, rows) } else { (rows, columns) };
        let layout = |dtype: DType, (rows, columns): (usize, usize)| Layout::new(dtype, batch, rows, columns);
        let layouts = [
            layout(key.types[0], stored(key.transposed[0], m, k))?,
            layout(key.types[1], stored(key.transposed[1], k, n))?,
            layout(key.types[2], (m, n))?,
        ];
        let preference = Preference::new()?;
        preference.set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, WORKSPACE as u64)?;
        // Unless told otherwise it takes all matrices to be aligned to 256 bytes; those in flat buffers of bf16 are to 128.
        for operand in [
            CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES,
            CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
            CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES,
            CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES,
        ] {
            preference.set(operand, 128u32)?;
        }
        let [a, b, c] = &layouts;
        // SAFETY: all of them were created and not yet destroyed.
        let found = unsafe { result::get_matmul_algo_heuristic(self.handle, operation.0, b.0, a.0, c.0, c.0, preference.0) };
        let found = found.map_err(|e| failed(&format!("find a way to compute {key:?}"), e))?;
        Ok(Way { operation, layouts, algorithm: found.algo, workspace: found.workspaceSize })
    }
}

impl Drop for Blas {
    fn drop(&mut self) {
        // SAFETY: it was created and is destroyed once. There is nothing to be done about a failure.
        let _ = unsafe { result::destroy_handle(self.handle) };
    }
}

fn failed(what: &str, error: CublasError) -> Error {
    Error::Device { message: format!("cuBLASLt could not {what} ({:?})", error.0) }
}

fn data_type(dtype: DType) -> sys::cudaDataType {
    match dtype {
        DType::Bf16 => sys::cudaDataType::CUDA_R_16BF,
        _ => sys::cudaDataType::CUDA_R_32F,
    }
}

/// What is to be computed.
struct Operation(sys::cublasLtMatmulDesc_t);

impl Operation {
    fn new() -> Result<Operation> {
        // Not CUBLAS_COMPUTE_32F_FAST_TF32: f32 is f32. Operands of bf16 go to the tensor cores in any case.
        let compute = sys::cublasComputeType_t::CUBLAS_COMPUTE_32F;
        let created = result::create_matmul_desc(compute, sys::cudaDataType::CUDA_R_32F);
        created.map(Operation).map_err(|e| failed("describe a product", e))
    }

    fn set<T>(&self, attribute: sys::cublasLtMatmulDescAttributes_t, value: T) -> Result<()> {
        // SAFETY: it was created and not yet destroyed; the value is read before the call returns.
        let set = unsafe { result::set_matmul_desc_attribute(self.0, attribute, (&raw const value).cast(), size_of::<T>()) };
        set.map_err(|e| failed(&format!("set {attribute:?}"), e))
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        // SAFETY: it was created and is destroyed once.
        let _ = unsafe { result::destroy_matmul_desc(self.0) };
    }
}

/// How a matrix lies.
struct Layout(sys::cublasLtMatrixLayout_t);

impl Layout {
    /// A row-major matrix, or a batch of them: for the library the transpose, in columns.
    fn new(dtype: DType, batch: usize, rows: usize, columns: usize) -> Result<Layout> {
        use sys::cublasLtMatrixLayoutAttribute_t::*;
        let created = result::create_matrix_layout(data_type(dtype), columns as u64, rows as u64, columns as i64);
        let layout = created.map(Layout).map_err(|e| failed("describe a matrix", e))?;
        if batch > 1 {
            layout.set(CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, batch as i32)?;
            layout.set(CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, (rows * columns) as i64)?;
        }
        Ok(layout)
    }

    fn set<T>(&self, attribute: sys::cublasLtMatrixLayoutAttribute_t, value: T) -> Result<()> {
        // SAFETY: it was created and not yet destroyed; the value is read before the call returns.
        let set = unsafe { result::set_matrix_layout_attribute(self.0, attribute, (&raw const value).cast(), size_of::<T>()) };
        set.map_err(|e| failed(&format!("set {attribute:?}"), e))
    }
}

impl Drop for Layout {
    fn drop(&mut self) {
        // SAFETY: it was created and is destroyed once.
        let _ = unsafe { result::destroy_matrix_layout(self.0) };
    }
}

/// What the library is to prefer.
struct Preference(sys::cublasLtMatmulPreference_t);

impl Preference {
    fn new() -> Result<Preference> {
        result::create_matmul_pref().map(Preference).map_err(|e| failed("describe a preference", e))
    }

    fn set<T>(&self, attribute: sys::cublasLtMatmulPreferenceAttributes_t, value: T) -> Result<()> {
        // SAFETY: it was created and not yet destroyed; the value is read before the call returns.
        let set = unsafe { result::set_matmul_pref_attribute(self.0, attribute, (&raw const value).cast(), size_of::<T>()) };
        set.map_err(|e| failed(&format!("set {attribute:?}"), e))
    }
}

impl Drop for Preference {
    fn drop(&mut self) {
        // SAFETY: it was created and is destroyed once.
        let _ = unsafe { result::destroy_matmul_pref(self.0) };
    }
}
