//! cuBLASLt's epilogues.

use cudarc::cublaslt::sys::cublasLtEpilogue_t as Epilogue;
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
    /// The library's name for the epilogue. Products are transposed for the library: its D is our C transposed, its B our A.
    pub fn epilogue(self) -> Epilogue {
        match self {
            Kind::Nothing => Epilogue::CUBLASLT_EPILOGUE_DEFAULT,
            Kind::Bias => Epilogue::CUBLASLT_EPILOGUE_BIAS,
            Kind::RowSums => Epilogue::CUBLASLT_EPILOGUE_BGRADB,
            Kind::Gelu { bias: false, kept: false } => Epilogue::CUBLASLT_EPILOGUE_GELU,
            Kind::Gelu { bias: true, kept: false } => Epilogue::CUBLASLT_EPILOGUE_GELU_BIAS,
            Kind::Gelu { bias: false, kept: true } => Epilogue::CUBLASLT_EPILOGUE_GELU_AUX,
            Kind::Gelu { bias: true, kept: true } => Epilogue::CUBLASLT_EPILOGUE_GELU_AUX_BIAS,
            Kind::GeluSlope => Epilogue::CUBLASLT_EPILOGUE_DGELU,
        }
    }

    /// True if a vector is read or written.
    pub fn has_vector(self) -> bool {
        matches!(self, Kind::Bias | Kind::RowSums | Kind::Gelu { bias: true, .. })
    }

    /// True if a matrix as large as C is read or written.
    pub fn has_matrix(self) -> bool {
        matches!(self, Kind::Gelu { kept: true, .. } | Kind::GeluSlope)
    }
}
