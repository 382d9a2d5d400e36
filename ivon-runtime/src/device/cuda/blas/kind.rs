//! The kinds of work that cuBLASLt does along with a product.

use std::fmt;

/// The kinds of work done along with a product.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Kind {
    Nothing,
    Bias,
    RowSums,
    Gelu { bias: bool, kept: bool },
    GeluSlope,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Kind::Nothing => "nothing",
            Kind::Bias => "a bias",
            Kind::RowSums => "sums of rows",
            Kind::Gelu { .. } => "GELU",
            Kind::GeluSlope => "the slope of GELU",
        })
    }
}

impl Kind {
    /// True if a vector is read or written.
    pub fn has_vector(self) -> bool {
        matches!(self, Kind::Bias | Kind::RowSums | Kind::Gelu { bias: true, .. })
    }

    /// True if a matrix as large as C is read or written.
    pub fn has_matrix(self) -> bool {
        matches!(self, Kind::Gelu { kept: true, .. } | Kind::GeluSlope)
    }
}
