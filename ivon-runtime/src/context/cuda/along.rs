//! Work done along with a product: cuBLASLt's epilogues.

use crate::context::Context;
use crate::core::digest::Digester;
use crate::core::dtype::DType;
use crate::core::error::Result;
use crate::device::cuda::blas::Kind;
use crate::tensor::Tensor;

/// Work done along with a product C \[m, n\] = A B. Vectors and matrices are of C's type.
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

/// An operand of an epilogue.
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

    /// True if it has as many elements of this type as the library will read or write.
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
