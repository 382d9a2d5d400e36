//! The sizes of products.

/// The sizes of C \[m, n\] = A \[m, k\] B \[k, n\], or of a batch of such products.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Sizes {
    pub batch: usize,
    pub m: usize,
    pub n: usize,
    pub k: usize,
}
