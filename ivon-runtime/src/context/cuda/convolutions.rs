//! Convolutions of tensors by cuDNN.

use crate::context::Context;
use crate::context::profile::Cost;
use crate::core::dtype::DType;
use crate::core::error::Result;
use crate::device::cuda::dnn::{Convolution, Cudnn, INSTEAD, Product, Way};
use crate::tensor::Tensor;
use std::rc::Rc;

/// How cuDNN computes a convolution in this context; nothing where there is no cuDNN, or none of its engines will do: a run goes on without.
/// Of one that `is_product` as it lies, [`Cudnn`] says when.
///
/// # Errors
/// If the GPU is lost.
pub(crate) fn convolution(cx: &Context, c: Convolution, is_product: bool) -> Result<Option<Rc<Way>>> {
    let Some(cuda) = cx.cuda() else { return Ok(None) };
    let asked = match cuda.dnn.computes.get() {
        Cudnn::Off => false,
        Cudnn::Windows => !is_product,
        Cudnn::Weights => !is_product || (c.product == Product::Weight && c.dtype == DType::Bf16),
        Cudnn::All => true,
    };
    if !asked {
        return Ok(None);
    }
    cuda.bind()?;
    let instead = if is_product { "cuBLASLt serves" } else { INSTEAD };
    Ok(cuda.cudnn().and_then(|opened| opened.way(cuda, c, instead)))
}

impl Way {
    /// Computes the tensor that the convolution writes, from the other two. What it works in comes from the context, in a dry run too.
    ///
    /// # Errors
    /// If there is no memory for what it works in, or the library fails.
    ///
    /// # Panics
    /// If a tensor is of another size than the convolution says, or the written one is shared: mistakes in the op.
    pub fn run(&self, cx: &Context, from: [&Tensor; 2], to: &mut Tensor) -> Result<()> {
        let mut workspace = match self.execution.workspace {
            0 => None,
            bytes => Some(cx.empty_of(DType::F32, [bytes.div_ceil(4)])?),
        };
        cx.launched(|trail| {
            let c = &self.convolution;
            // The engine follows from these for the life of the GPU: it is chosen once.
            let numbers = [c.stride, c.padding, c.dilation, c.product as usize, c.dtype as usize, self.execution.workspace];
            trail.text("convolve").numbers(&[c.x, c.weight, c.y].concat()).numbers(&numbers);
            [from[0], from[1], &*to].into_iter().chain(&workspace).for_each(|tensor| tensor.leave(trail));
        });
        if cx.planning() {
            to.is_launched();
            return from.iter().try_for_each(|tensor| tensor.check_launched("convolve"));
        }
        let _kernel = cx.kernel("convolve", || Cost::default().reads(from).writes(to, false));
        let Some(cuda) = cx.cuda() else { return Ok(()) };
        let Some(opened) = cuda.cudnn() else { panic!("a way of cuDNN to compute was found without it") };
        cuda.bind()?;
        let Convolution { product, x, weight, y, .. } = self.convolution;
        let elements = [x, weight, y].map(|dims| dims.into_iter().product::<usize>());
        let (first, second, written) = (from[0].address(cx)?, from[1].address(cx)?, to.address_mut(cx)?);
        let (addresses, given) = match product {
            Product::Forward => ([first, second, written], [from[0], from[1], to]),
            Product::Input => ([written, first, second], [to, from[0], from[1]]),
            Product::Weight => ([first, written, second], [from[0], to, from[1]]),
        };
        assert_eq!(given.map(|tensor| tensor.shape().elements()), elements, "the operands of {:?}", self.convolution);
        assert!(given.iter().all(|x| x.dtype() == self.convolution.dtype), "the element types of {:?}", self.convolution);
        let workspace = workspace.as_mut().map_or(Ok(0), |workspace| workspace.address_mut(cx))?;
        // SAFETY: the tensors are of the sizes just compared, of the context's type, and aligned, as all blocks are; the workspace is as large as it was asked for.
        unsafe { self.execution.run(opened.handle, addresses, workspace) }
    }
}
