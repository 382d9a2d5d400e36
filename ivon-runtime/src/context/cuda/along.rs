//! Work that cuBLASLt does along with a product: its epilogues.

use crate::context::Context;
use crate::core::digest::Digester;
use crate::core::dtype::DType;
use crate::core::error::Result;
use crate::device::cuda::blas::Kind;
use crate::tensor::Tensor;

/// Work that is done along with a product C \[m, n\] = A B. Vectors and matrices have C's type.
pub(crate) enum Along<'a> {
    Nothing,
    /// Adds a vector \[n\] to every row of the result.
    Bias(&'a Tensor),
    /// Writes the sums of the rows of A, \[m\]. If A is the transposed gradient of the output, they are the gradient of the bias.
    RowSums(&'a mut Tensor),
    /// Replaces the result by gelu(result), after adding a vector as in [`Along::Bias`]. The argument of GELU is written to
    /// `input`.
    Gelu {
        bias: Option<&'a Tensor>,
        input: Option<&'a mut Tensor>,
    },
    /// Multiplies the result by gelu'(h). h has as many elements as the result.
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

    /// The operands: a vector and a matrix, each read or written.
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

    /// Adds the operand to the trail of a dry run.
    pub fn leave(&self, trail: &mut Digester) {
        trail.number(self.tensor().is_some() as u64);
        self.tensor().inspect(|tensor| tensor.leave(trail));
    }

    /// True if the operand has as many elements, and the type, that the library reads or writes.
    pub fn fits(&self, elements: usize, dtype: DType) -> bool {
        self.tensor().is_none_or(|x| x.shape().elements() == elements && x.dtype() == dtype)
    }

    /// In a dry run: checks that an operand to be read was written before, and marks a written one.
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
