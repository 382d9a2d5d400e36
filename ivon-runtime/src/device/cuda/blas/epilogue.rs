//! cuBLASLt's epilogues.

use super::Kind;
use cudarc::cublaslt::sys::cublasLtEpilogue_t as Epilogue;

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
}
