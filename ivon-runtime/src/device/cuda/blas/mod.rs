//! Matrix products by cuBLASLt: in f32 without TF32, or in bf16. Sums are f32 in both.
//!
//! The library is asked once per shape for an algorithm, which is kept. It stores matrices by columns, so products are transposed
//! for it: Cᵀ = Bᵀ Aᵀ. A row-major matrix in memory is its transpose stored by columns.

mod descriptors;
mod epilogue;
mod kind;
mod library;
mod sizes;

pub(crate) use kind::Kind;
pub(crate) use library::{Blas, Key, Places};
pub(crate) use sizes::Sizes;

use crate::core::dtype::DType;
use crate::device::cuda::Cuda;

/// True if the library should do this along with a product whose C has this type.
///
/// An epilogue that the library supports is not always fast. GELU along with a product was measured to be slower than a product
/// and a separate kernel before Hopper and in f32 (llm.c, pull request 338), and so were sums (NVIDIA/CUDALibrarySamples, issue
/// 90). On Hopper NVIDIA's own TransformerEngine uses both. The user may decide otherwise ([`Choices`](super::choices::Choices)).
/// The rows of the matrix beside C must have a multiple of 8 elements: cuBLAS's documentation of
/// CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD.
pub(crate) fn asked(cuda: &Cuda, sizes: Sizes, along: Kind, c: DType) -> bool {
    let quick = c == DType::Bf16 && cuda.capability().0 >= 9;
    match along {
        Kind::Nothing | Kind::Bias => true,
        Kind::RowSums => cuda.choices.sums.unwrap_or(quick),
        Kind::Gelu { .. } | Kind::GeluSlope => {
            sizes.batch == 1 && sizes.n.is_multiple_of(8) && cuda.choices.gelu.unwrap_or(quick)
        }
    }
}
