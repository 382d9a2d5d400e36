//! Addresses of tensors on a GPU.

use crate::context::Context;
use crate::core::error::Result;
use crate::memory::Block;
use crate::tensor::Tensor;
use std::rc::Rc;

impl Tensor {
    /// The address on the context's GPU, for a kernel that reads the tensor. A tensor in the CPU's memory is copied to the GPU
    /// once.
    pub(crate) fn address(&self, cx: &Context) -> Result<u64> {
        if let Some((_, address)) = self.block().on_gpu() {
            return Ok(address);
        }
        let Some(cuda) = cx.cuda() else { panic!("a context on {} has no addresses on a GPU", cx.device()) };
        assert!(!self.block().is_ghost(), "a tensor of a dry run was given to a real pass");
        let mirror = self.block().mirrored(cuda, || {
            let bytes = self.host_bytes().unwrap_or_default();
            let mirror = Block::zeroed(Some(cuda), bytes.len())?;
            let address = mirror.on_gpu().map_or(0, |(_, address)| address);
            // SAFETY: the mirror has as many bytes as `bytes`, and no kernel has its address yet.
            unsafe { cuda.upload(bytes, address)? };
            Ok(Rc::new(mirror))
        })?;
        Ok(mirror.on_gpu().map_or(0, |(_, address)| address))
    }

    /// The address on the context's GPU, for a kernel that writes the tensor.
    ///
    /// # Panics
    /// If the memory is shared or not on the GPU. Both are bugs in an op.
    pub(crate) fn address_mut(&mut self, cx: &Context) -> Result<u64> {
        assert!(self.is_unique(), "a tensor whose memory is shared may not be written");
        assert!(self.block().on_gpu().is_some(), "a kernel was told to write a tensor in the CPU's memory");
        self.address(cx)
    }
}
