//! The library, opened on one GPU, and the algorithms that it proposed for products.

use super::descriptors::{Layout, Operation, Preference, failed};
use super::{Kind, Sizes};
use crate::core::dtype::DType;
use crate::core::error::{Error, Result};
use crate::device::cuda::{Cuda, Memory, notice, tune};
use cudarc::cublaslt::result::{self, CublasError};
use cudarc::cublaslt::sys::{self, cublasLtMatmulHeuristicResult_t as Proposal, cublasStatus_t as Status};
use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ffi::c_void;
use std::fmt;
use std::mem::MaybeUninit;

/// The workspace of the library in bytes, for sums that it splits. NVIDIA recommends this size for the H100.
const WORKSPACE: usize = 32 << 20;

/// The alignment of every operand in bytes: 128 for parameters in a flat buffer of bf16, 256 for all others. By default the
/// library assumes 256.
const ALIGNED: u32 = 128;

/// Everything on which the choice of an algorithm depends.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Key {
    sizes: Sizes,
    transposed: [bool; 2],
    types: [DType; 3],
    along: Kind,
    accumulate: bool,
}

impl Key {
    /// `transposed` is for A and B, `types` for A, B and C.
    pub fn new(sizes: Sizes, transposed: [bool; 2], types: [DType; 3], along: Kind, accumulate: bool) -> Key {
        Key { sizes, transposed, types, along, accumulate }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Sizes { batch, m, n, k } = self.sizes;
        if batch > 1 {
            write!(f, "{batch} times ")?;
        }
        write!(f, "[{m}, {k}] by [{k}, {n}] in {:?} and {} along with it", self.types[0], self.along)
    }
}

/// The addresses of a product's matrices and of the operands of the work along with it.
#[derive(Clone, Copy)]
pub(crate) struct Places {
    pub a: u64,
    pub b: u64,
    pub c: u64,
    pub vector: Option<u64>,
    pub matrix: Option<u64>,
}

/// The library, opened on one GPU.
pub(crate) struct Blas {
    handle: sys::cublasLtHandle_t,
    workspace: Memory,
    /// `None` for products that the library cannot compute.
    ways: RefCell<HashMap<Key, Option<Way>>>,
}

/// The algorithm of one product.
struct Way {
    operation: Operation,
    /// A, B and C as the library sees them: transposed, and B is its first operand.
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

    /// True if the library can compute this. Otherwise the run continues with kernels of our own, with one notice.
    pub fn knows(&self, cuda: &Cuda, key: Key) -> bool {
        let tell = |error: &Error| {
            notice::once(
                &format!("{:?}", key.along),
                &format!("{error}; kernels of our own serve, here and wherever it is the same"),
            )
        };
        let find = || self.way(cuda, key).inspect_err(tell).ok();
        self.ways.borrow_mut().entry(key).or_insert_with(find).is_some()
    }

    pub fn multiply(&self, cuda: &Cuda, key: Key, places: Places) -> Result<()> {
        let mut ways = self.ways.borrow_mut();
        let way = match ways.entry(key) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(unknown) => unknown.insert(Some(self.way(cuda, key)?)),
        };
        let Some(way) = way else { panic!("{key:?} was asked for, although cuBLASLt does not know how to compute it") };
        self.run(cuda, key, way, places)
    }

    /// Launches a product on the GPU's stream.
    fn run(&self, cuda: &Cuda, key: Key, way: &Way, places: Places) -> Result<()> {
        use sys::cublasLtMatmulDescAttributes_t::*;
        if let Some(vector) = places.vector {
            way.operation.set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, vector)?;
        }
        if let Some(matrix) = places.matrix {
            way.operation.set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, matrix)?;
        }
        let (alpha, beta) = (1.0f32, if key.accumulate { 1.0f32 } else { 0.0 });
        let pointer = |address: u64| address as *const c_void;
        // SAFETY: descriptors and layouts live in `way`. They describe the tensors, whose sizes were compared with those of the
        // key. The workspace has the described size, and everything runs on the one stream.
        let code = unsafe {
            sys::cublasLtMatmul(
                self.handle,
                way.operation.0,
                (&raw const alpha).cast(),
                pointer(places.b),
                way.layouts[1].0,
                pointer(places.a),
                way.layouts[0].0,
                (&raw const beta).cast(),
                pointer(places.c),
                way.layouts[2].0,
                places.c as *mut c_void,
                way.layouts[2].0,
                &way.algorithm,
                self.workspace.address() as *mut c_void,
                way.workspace,
                cuda.stream.cu_stream().cast(),
            )
        };
        code.result().map_err(|e| failed(&format!("compute {key}"), e))
    }

    /// Asks the library for an algorithm.
    fn way(&self, cuda: &Cuda, key: Key) -> Result<Way> {
        let (operation, layouts) = self.described(key)?;
        let found = self.heuristics(key, &operation, &layouts, cuda.ways_wanted())?;
        let mut way = Way { operation, layouts, algorithm: found[0].algo, workspace: found[0].workspaceSize };
        let take = |way: &mut Way, i: usize| (way.algorithm, way.workspace) = (found[i].algo, found[i].workspaceSize);
        let best = cuda.choose(
            &format!("cuBLASLt {}, {key:?}", version()),
            found.len(),
            || Scratch::new(cuda, key),
            |scratch, i| {
                take(&mut way, i);
                self.run(cuda, key, &way, scratch.places())
            },
        );
        take(&mut way, best);
        Ok(way)
    }

    /// Describes the product to the library.
    fn described(&self, key: Key) -> Result<(Operation, [Layout; 3])> {
        use sys::cublasLtMatmulDescAttributes_t::*;
        let Sizes { batch, m, n, k } = key.sizes;
        let operation = Operation::new()?;
        // CUBLAS_OP_N is 0, CUBLAS_OP_T is 1.
        let transpose = |yes: bool| yes as i32;
        operation.set(CUBLASLT_MATMUL_DESC_TRANSA, transpose(key.transposed[1]))?;
        operation.set(CUBLASLT_MATMUL_DESC_TRANSB, transpose(key.transposed[0]))?;
        operation.set(CUBLASLT_MATMUL_DESC_EPILOGUE, key.along.epilogue() as u32)?;
        // The heuristics read the alignment of an address, and some versions find no algorithm without an address. Each product
        // sets its own address later.
        let some_address = self.workspace.address() + ALIGNED as u64;
        if key.along.has_vector() {
            // By default the vector has C's type.
            operation.set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, some_address)?;
        }
        if key.along.has_matrix() {
            // By default the matrix has C's layout and type.
            operation.set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD, n as i64)?;
            operation.set(CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_POINTER, some_address)?;
        }
        // Rows and columns in memory.
        let stored = |transposed: bool, [rows, columns]: [usize; 2]| if transposed { [columns, rows] } else { [rows, columns] };
        let [a, b] = [stored(key.transposed[0], [m, k]), stored(key.transposed[1], [k, n])];
        let layout = |i: usize, matrix| Layout::new(key.types[i], batch, matrix);
        Ok((operation, [layout(0, a)?, layout(1, b)?, layout(2, [m, n])?]))
    }

    /// Returns the algorithms that the library expects to be the fastest: at least one, at most `most`.
    fn heuristics(&self, key: Key, operation: &Operation, [a, b, c]: &[Layout; 3], most: usize) -> Result<Vec<Proposal>> {
        use sys::cublasLtMatmulPreferenceAttributes_t::*;
        let preference = Preference::new()?;
        preference.set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, WORKSPACE as u64)?;
        // Partial sums must be added in f32. Adding them in place or in C's type would round each one to bf16.
        let in_f32 = sys::cublasLtReductionScheme_t::CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE as u32;
        preference.set(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, in_f32)?;
        for operand in [
            CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES,
            CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES,
            CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES,
            CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES,
        ] {
            preference.set(operand, ALIGNED)?;
        }
        let mut found = [const { MaybeUninit::uninit() }; tune::MOST];
        let mut count = 0;
        // SAFETY: all descriptors were created and not yet destroyed; the library writes at most as many proposals as there is
        // room for.
        let code = unsafe {
            sys::cublasLtMatmulAlgoGetHeuristic(
                self.handle,
                operation.0,
                b.0,
                a.0,
                c.0,
                c.0,
                preference.0,
                most.min(found.len()) as i32,
                found.as_mut_ptr().cast(),
                &mut count,
            )
        };
        let failed = |error| failed(&format!("find a way to compute {key}"), CublasError(error));
        code.result().map_err(|error| failed(error.0))?;
        // SAFETY: the library wrote this many.
        let found = found.into_iter().take(count.max(0) as usize).map(|found| unsafe { found.assume_init() });
        let known: Vec<Proposal> = found.filter(|found: &Proposal| found.state == Status::CUBLAS_STATUS_SUCCESS).collect();
        if known.is_empty() { Err(failed(Status::CUBLAS_STATUS_NOT_SUPPORTED)) } else { Ok(known) }
    }
}

impl Drop for Blas {
    fn drop(&mut self) {
        // SAFETY: the handle was created and is destroyed once. A failure cannot be handled here.
        let _ = unsafe { result::destroy_handle(self.handle) };
    }
}

fn version() -> usize {
    // SAFETY: the function has no arguments.
    unsafe { sys::cublasLtGetVersion() }
}

/// Matrices for measurements, because those of the run may not be available or must not change.
struct Scratch {
    operands: [Memory; 3],
    vector: Option<Memory>,
    matrix: Option<Memory>,
}

impl Scratch {
    fn new(cuda: &Cuda, key: Key) -> Result<Scratch> {
        let Sizes { batch, m, n, k } = key.sizes;
        let filled = |elements: usize, dtype: DType| cuda.scratch(elements * dtype.bytes());
        let [a, b, c] = key.types;
        Ok(Scratch {
            operands: [filled(batch * m * k, a)?, filled(batch * k * n, b)?, filled(batch * m * n, c)?],
            vector: key.along.has_vector().then(|| filled(m.max(n), c)).transpose()?,
            matrix: key.along.has_matrix().then(|| filled(m * n, c)).transpose()?,
        })
    }

    fn places(&self) -> Places {
        let [a, b, c] = self.operands.each_ref().map(Memory::address);
        let [vector, matrix] = [&self.vector, &self.matrix].map(|memory| memory.as_ref().map(Memory::address));
        Places { a, b, c, vector, matrix }
    }
}
