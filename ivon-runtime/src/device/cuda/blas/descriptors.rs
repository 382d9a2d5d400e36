//! The descriptors of cuBLASLt: of a product, of a matrix, of preferences.

use crate::core::dtype::DType;
use crate::core::error::{Error, Result};
use cudarc::cublaslt::result::{self, CublasError};
use cudarc::cublaslt::sys;

pub(super) fn failed(what: &str, error: CublasError) -> Error {
    Error::Device { message: format!("cuBLASLt could not {what} ({:?})", error.0) }
}

fn data_type(dtype: DType) -> sys::cudaDataType {
    match dtype {
        DType::Bf16 => sys::cudaDataType::CUDA_R_16BF,
        _ => sys::cudaDataType::CUDA_R_32F,
    }
}

/// A description of the product.
pub(super) struct Operation(pub sys::cublasLtMatmulDesc_t);

impl Operation {
    pub fn new() -> Result<Operation> {
        // Not CUBLAS_COMPUTE_32F_FAST_TF32: products of f32 must be computed in f32. Operands of bf16 use the tensor cores in any
        // case.
        let compute = sys::cublasComputeType_t::CUBLAS_COMPUTE_32F;
        let created = result::create_matmul_desc(compute, sys::cudaDataType::CUDA_R_32F);
        created.map(Operation).map_err(|e| failed("describe a product", e))
    }

    pub fn set<T>(&self, attribute: sys::cublasLtMatmulDescAttributes_t, value: T) -> Result<()> {
        // SAFETY: the descriptor was created and not yet destroyed; the value is read before the call returns.
        let set = unsafe { result::set_matmul_desc_attribute(self.0, attribute, (&raw const value).cast(), size_of::<T>()) };
        set.map_err(|e| failed(&format!("set {attribute:?}"), e))
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        // SAFETY: the descriptor was created and is destroyed once.
        let _ = unsafe { result::destroy_matmul_desc(self.0) };
    }
}

/// The layout of a matrix in memory.
pub(super) struct Layout(pub sys::cublasLtMatrixLayout_t);

impl Layout {
    /// Describes a row-major matrix, or a batch of them. The library sees the transpose, stored by columns.
    pub fn new(dtype: DType, batch: usize, [rows, columns]: [usize; 2]) -> Result<Layout> {
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
        // SAFETY: the descriptor was created and not yet destroyed; the value is read before the call returns.
        let set = unsafe { result::set_matrix_layout_attribute(self.0, attribute, (&raw const value).cast(), size_of::<T>()) };
        set.map_err(|e| failed(&format!("set {attribute:?}"), e))
    }
}

impl Drop for Layout {
    fn drop(&mut self) {
        // SAFETY: the descriptor was created and is destroyed once.
        let _ = unsafe { result::destroy_matrix_layout(self.0) };
    }
}

/// The preferences given to the library.
pub(super) struct Preference(pub sys::cublasLtMatmulPreference_t);

impl Preference {
    pub fn new() -> Result<Preference> {
        result::create_matmul_pref().map(Preference).map_err(|e| failed("describe a preference", e))
    }

    pub fn set<T>(&self, attribute: sys::cublasLtMatmulPreferenceAttributes_t, value: T) -> Result<()> {
        // SAFETY: the descriptor was created and not yet destroyed; the value is read before the call returns.
        let set = unsafe { result::set_matmul_pref_attribute(self.0, attribute, (&raw const value).cast(), size_of::<T>()) };
        set.map_err(|e| failed(&format!("set {attribute:?}"), e))
    }
}

impl Drop for Preference {
    fn drop(&mut self) {
        // SAFETY: the descriptor was created and is destroyed once.
        let _ = unsafe { result::destroy_matmul_pref(self.0) };
    }
}
