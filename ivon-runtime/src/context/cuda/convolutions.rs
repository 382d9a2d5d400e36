//! Convolutions of tensors by cuDNN.

use crate::context::Context;
use crate::context::profile::Cost;
use crate::core::dtype::DType;
use crate::core::error::Result;
use crate::device::cuda::dnn::{Convolution, Cudnn, INSTEAD, Product, Way};
use crate::tensor::Tensor;
use std::rc::Rc;

/// Returns the way in which cuDNN computes a convolution in this context. Returns `None` if cuDNN is not found, not asked for, or
/// has no suitable engine; the op's own kernels are used then. `is_product` is true for a convolution that is a matrix product
/// without rearranging memory; [`Cudnn`] says which of these cuDNN computes.
///
/// # Errors
/// If the GPU is lost.
pub(crate) fn convolution(cx: &Context, c: Convolution, is_product: bool) -> Result<Option<Rc<Way>>> {
    let Some(cuda) = cx.cuda() else { return Ok(None) };
    let asked = match cuda.convolutions_of_cudnn() {
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
    /// Computes the tensor that the convolution writes from the other two. The workspace is allocated from the context, in a dry
    /// run too.
    ///
    /// # Errors
    /// If there is not enough memory for the workspace, or the library fails.
    ///
    /// # Panics
    /// If the size of a tensor differs from that of the convolution, or the written tensor is shared. Both are bugs in the op.
    pub fn run(&self, cx: &Context, from: [&Tensor; 2], to: &mut Tensor) -> Result<()> {
        let mut workspace = match self.workspace() {
            0 => None,
            bytes => Some(cx.empty_of(DType::F32, [bytes.div_ceil(4)])?),
        };
        cx.launched(|trail| {
            let c = self.convolution();
            // These numbers determine the engine for the life of the GPU: it is chosen once.
            let window = [c.stride, c.padding, c.dilation].concat();
            let numbers = [c.product as usize, c.dtype as usize, self.workspace()];
            trail.text("convolve").numbers(&[c.x, c.weight, c.y].concat()).numbers(&window).numbers(&numbers);
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
        let Convolution { product, x, weight, y, .. } = *self.convolution();
        let elements = [x, weight, y].map(|dims| dims.into_iter().product::<usize>());
        let (first, second, written) = (from[0].address(cx)?, from[1].address(cx)?, to.address_mut(cx)?);
        let (addresses, given) = match product {
            Product::Forward => ([first, second, written], [from[0], from[1], to]),
            Product::Input => ([written, first, second], [to, from[0], from[1]]),
            Product::Weight => ([first, written, second], [from[0], to, from[1]]),
        };
        assert_eq!(given.map(|tensor| tensor.shape().elements()), elements, "the operands of {:?}", self.convolution());
        assert!(given.iter().all(|x| x.dtype() == self.convolution().dtype), "the element types of {:?}", self.convolution());
        let workspace = workspace.as_mut().map_or(Ok(0), |workspace| workspace.address_mut(cx))?;
        // SAFETY: the sizes of the tensors were compared above, they have the context's type, and all blocks are aligned; the
        // workspace has the requested size.
        unsafe { self.compute(opened, addresses, workspace) }
    }
}
