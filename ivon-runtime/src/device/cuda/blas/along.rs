//! What is done along with a product: cuBLASLt's epilogues.

use crate::context::Context;
use crate::digest::Digester;
use crate::dtype::DType;
use crate::error::Result;
use crate::tensor::Tensor;
use cudarc::cublaslt::sys::cublasLtEpilogue_t as Epilogue;
use std::fmt;

/// What is done along with a product C \[m, n\] = A B. Vectors and matrices are of C's type.
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
    pub fn kind(&self) -> Kind {
        match self {
            Along::Nothing => Kind::Nothing,
            Along::Bias(_) => Kind::Bias,
            Along::RowSums(_) => Kind::RowSums,
            Along::Gelu { bias, input } => Kind::Gelu { bias: bias.is_some(), kept: input.is_some() },
            Along::GeluSlope(_) => Kind::GeluSlope,
        }
    }

    /// A vector and a matrix: what is read, and what is written.
    pub fn parts(&mut self) -> [Part<'_>; 2] {
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
pub(crate) enum Part<'a> {
    Nothing,
    Read(&'a Tensor),
    Written(&'a mut Tensor),
}

impl Part<'_> {
    fn tensor(&self) -> Option<&Tensor> {
        match self {
            Part::Nothing => None,
            Part::Read(x) => Some(x),
            Part::Written(x) => Some(x),
        }
    }

    /// Adds it to the trail of a dry run.
    pub fn leave(&self, trail: &mut Digester) {
        trail.number(self.tensor().is_some() as u64);
        self.tensor().inspect(|tensor| tensor.leave(trail));
    }

    /// Whether it has as many elements of this type as the library will read or write.
    pub fn fits(&self, elements: usize, dtype: DType) -> bool {
        self.tensor().is_none_or(|x| x.shape().elements() == elements && x.dtype() == dtype)
    }

    /// What a dry run sees to, as for the operands.
    pub fn check(&self, kernel: &str) -> Result<()> {
        match self {
            Part::Nothing => Ok(()),
            Part::Read(x) => x.check_launched(kernel),
            Part::Written(x) => {
                x.is_launched();
                Ok(())
            }
        }
    }

    pub fn address(self, cx: &Context) -> Result<Option<u64>> {
        match self {
            Part::Nothing => Ok(None),
            Part::Read(x) => x.address(cx).map(Some),
            Part::Written(x) => x.address_mut(cx).map(Some),
        }
    }
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
    /// What the library calls it. Products are put to it transposed: its D is our C transposed, its B our A.
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

    /// Whether a vector is read or written.
    pub fn has_vector(self) -> bool {
        matches!(self, Kind::Bias | Kind::RowSums | Kind::Gelu { bias: true, .. })
    }

    /// Whether a matrix as large as C is read or written.
    pub fn has_matrix(self) -> bool {
        matches!(self, Kind::Gelu { kept: true, .. } | Kind::GeluSlope)
    }
}
