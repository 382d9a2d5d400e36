//! The descriptors of cuDNN. Attributes are set one by one; then the descriptor is finalized, and the library checks it.

use crate::core::error::{Error, Result};
use cudarc::cudnn::sys::{self, cudnnStatus_t};
pub(super) use cudarc::cudnn::sys::{
    cudnnBackendAttributeName_t as Name, cudnnBackendAttributeType_t as Type, cudnnBackendDescriptorType_t as Kind,
};
use std::ffi::CStr;

/// A description of a tensor, an operation or an algorithm. Dropping it destroys it.
pub(crate) struct Descriptor(sys::cudnnBackendDescriptor_t);

impl Descriptor {
    pub fn new(kind: Kind) -> Result<Descriptor> {
        let mut fresh = std::ptr::null_mut();
        // SAFETY: the function writes one pointer.
        told(unsafe { sys::cudnnBackendCreateDescriptor(kind, &mut fresh) }, || format!("make a {kind:?}"))?;
        Ok(Descriptor(fresh))
    }

    /// Creates a finalized descriptor.
    pub fn of(kind: Kind, fill: impl FnOnce(&Descriptor) -> Result<()>) -> Result<Descriptor> {
        let fresh = Descriptor::new(kind)?;
        fill(&fresh)?;
        fresh.finalize(kind)?;
        Ok(fresh)
    }

    pub fn finalize(&self, kind: Kind) -> Result<()> {
        // SAFETY: the descriptor was created and not yet destroyed, and so were those that it refers to, which its creator keeps.
        told(unsafe { sys::cudnnBackendFinalize(self.0) }, || format!("finalize a {kind:?}"))
    }

    /// Sets an attribute. Its elements must have the type that cuDNN's manual gives for it.
    pub fn set<T: Copy>(&self, name: Name, of: Type, values: &[T]) -> Result<()> {
        // SAFETY: this many elements are read before the call returns.
        let code = unsafe { sys::cudnnBackendSetAttribute(self.0, name, of, values.len() as i64, values.as_ptr().cast()) };
        told(code, || format!("set {name:?}"))
    }

    /// Sets an attribute that is a list of other descriptors. The caller must keep them as long as this one.
    pub fn set_descriptors<const N: usize>(&self, name: Name, values: [&Descriptor; N]) -> Result<()> {
        self.set(name, Type::CUDNN_TYPE_BACKEND_DESCRIPTOR, &values.map(|value| value.0))
    }

    /// Reads numbers of an attribute. Returns their count.
    pub fn get<T: Copy>(&self, name: Name, of: Type, to: &mut [T]) -> Result<usize> {
        let mut count = 0;
        // SAFETY: at most as many elements are written as there is room for. They are numbers, for which all bit patterns are
        // valid.
        let code =
            unsafe { sys::cudnnBackendGetAttribute(self.0, name, of, to.len() as i64, &mut count, to.as_mut_ptr().cast()) };
        told(code, || format!("read {name:?}"))?;
        Ok((count.max(0) as usize).min(to.len()))
    }

    /// Reads at most `most` descriptors of an attribute.
    pub fn get_descriptors(&self, name: Name, kind: Kind, most: usize) -> Result<Vec<Descriptor>> {
        let mut all = (0..most).map(|_| Descriptor::new(kind)).collect::<Result<Vec<_>>>()?;
        let mut pointers: Vec<_> = all.iter().map(|descriptor| descriptor.0).collect();
        let count = self.get(name, Type::CUDNN_TYPE_BACKEND_DESCRIPTOR, &mut pointers)?;
        all.truncate(count);
        Ok(all)
    }

    /// The pointer for calls of the library.
    pub fn raw(&self) -> sys::cudnnBackendDescriptor_t {
        self.0
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        // SAFETY: the descriptor was created and is destroyed once. A failure cannot be handled here.
        let _ = unsafe { sys::cudnnBackendDestroyDescriptor(self.0) };
    }
}

/// Converts a status to an error with the library's message.
pub(super) fn told(status: cudnnStatus_t, what: impl FnOnce() -> String) -> Result<()> {
    if status == cudnnStatus_t::CUDNN_STATUS_SUCCESS {
        return Ok(());
    }
    let mut words = [0; 1024];
    // SAFETY: at most this many bytes are written.
    unsafe { sys::cudnnGetLastErrorString(words.as_mut_ptr(), words.len()) };
    if let Some(last) = words.last_mut() {
        *last = 0;
    }
    // SAFETY: the text ends with a zero, at the latest with the one just written.
    let words = unsafe { CStr::from_ptr(words.as_ptr()) }.to_string_lossy().into_owned();
    let message = format!("cuDNN could not {} ({status:?}) {words}; IVON_CUDNN=off computes without it", what());
    Err(Error::Device { message })
}
