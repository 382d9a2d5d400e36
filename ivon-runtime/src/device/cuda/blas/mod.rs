//! Products of matrices by cuBLASLt: f32 without TF32, or bf16, with sums in f32 in both.
//!
//! The library is asked once for each shape how to compute it; what it answers is kept. It thinks in columns, so a product is put to it
//! transposed: Cᵀ = Bᵀ Aᵀ, where a row-major matrix is its transpose as it lies.

mod descriptors;
mod kind;
mod library;

pub(crate) use kind::Kind;
pub(crate) use library::{Blas, Key, Places};

use crate::core::dtype::DType;
use crate::device::cuda::Cuda;

/// The sizes of C \[m, n\] = A \[m, k\] B \[k, n\], or of a batch of such products.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Sizes {
    pub batch: usize,
    pub m: usize,
    pub n: usize,
    pub k: usize,
}

/// True if the library is asked to do this along with a product whose C is of this type.
///
/// An epilogue that the library knows is not always quick. GELU along with a product was measured to be slower than a product and a kernel before Hopper and in f32 (llm.c, pull request 338), and so were
/// sums (NVIDIA/CUDALibrarySamples, issue 90). On Hopper NVIDIA's own TransformerEngine asks for both. A person may decide otherwise ([`Choices`](super::choices::Choices)).
/// The rows of the matrix beside C are multiples of 8 elements long: cuBLAS's documentation of CUBLASLT_MATMUL_DESC_EPILOGUE_AUX_LD.
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
