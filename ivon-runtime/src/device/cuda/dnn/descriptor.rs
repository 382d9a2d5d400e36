//! cuDNN's descriptors: attributes are set one by one, then it is finalized, which is when the library checks it.

use crate::core::error::{Error, Result};
use cudarc::cudnn::sys::{self, cudnnStatus_t};
pub(super) use cudarc::cudnn::sys::{
    cudnnBackendAttributeName_t as Name, cudnnBackendAttributeType_t as Type, cudnnBackendDescriptorType_t as Kind,
};
use std::ffi::CStr;

/// A description of a tensor, an operation, a way to compute. It goes with this handle.
pub(crate) struct Descriptor(sys::cudnnBackendDescriptor_t);

impl Descriptor {
    pub fn new(kind: Kind) -> Result<Descriptor> {
        let mut fresh = std::ptr::null_mut();
        // SAFETY: it writes one pointer.
        told(unsafe { sys::cudnnBackendCreateDescriptor(kind, &mut fresh) }, || format!("make a {kind:?}"))?;
        Ok(Descriptor(fresh))
    }

    /// A finalized one.
    pub fn of(kind: Kind, fill: impl FnOnce(&Descriptor) -> Result<()>) -> Result<Descriptor> {
        let fresh = Descriptor::new(kind)?;
        fill(&fresh)?;
        fresh.finalize(kind)?;
        Ok(fresh)
    }

    pub fn finalize(&self, kind: Kind) -> Result<()> {
        // SAFETY: it was created and not yet destroyed, and so were those that it names, which its maker keeps.
        told(unsafe { sys::cudnnBackendFinalize(self.0) }, || format!("finalize a {kind:?}"))
    }

    /// Sets an attribute, whose elements are of the type that cuDNN's manual gives for it.
    pub fn set<T: Copy>(&self, name: Name, of: Type, values: &[T]) -> Result<()> {
        // SAFETY: so many elements are read before the call returns.
        let code = unsafe { sys::cudnnBackendSetAttribute(self.0, name, of, values.len() as i64, values.as_ptr().cast()) };
        told(code, || format!("set {name:?}"))
    }

    /// Sets an attribute that is a list of other descriptors, which the caller keeps as long as this one.
    pub fn set_descriptors<const N: usize>(&self, name: Name, values: [&Descriptor; N]) -> Result<()> {
        self.set(name, Type::CUDNN_TYPE_BACKEND_DESCRIPTOR, &values.map(|value| value.0))
    }

    /// Reads numbers of an attribute; how many there are.
    pub fn get<T: Copy>(&self, name: Name, of: Type, to: &mut [T]) -> Result<usize> {
        let mut count = 0;
        // SAFETY: no more elements are written than there is room for. They are numbers: every pattern of bits is one.
        let code =
            unsafe { sys::cudnnBackendGetAttribute(self.0, name, of, to.len() as i64, &mut count, to.as_mut_ptr().cast()) };
        told(code, || format!("read {name:?}"))?;
        Ok((count.max(0) as usize).min(to.len()))
    }

    /// Reads descriptors of an attribute, at most so many.
    pub fn get_descriptors(&self, name: Name, kind: Kind, most: usize) -> Result<Vec<Descriptor>> {
        let mut all = (0..most).map(|_| Descriptor::new(kind)).collect::<Result<Vec<_>>>()?;
        let mut pointers: Vec<_> = all.iter().map(|descriptor| descriptor.0).collect();
        let count = self.get(name, Type::CUDNN_TYPE_BACKEND_DESCRIPTOR, &mut pointers)?;
        all.truncate(count);
        Ok(all)
    }

    /// As the library takes it.
    pub fn raw(&self) -> sys::cudnnBackendDescriptor_t {
        self.0
    }
}

impl Drop for Descriptor {
    fn drop(&mut self) {
        // SAFETY: it was created and is destroyed once. There is nothing to be done about a failure.
        let _ = unsafe { sys::cudnnBackendDestroyDescriptor(self.0) };
    }
}

/// The error of a status, with the library's own words.
pub(super) fn told(status: cudnnStatus_t, what: impl FnOnce() -> String) -> Result<()> {
    if status == cudnnStatus_t::CUDNN_STATUS_SUCCESS {
        return Ok(());
    }
    let mut words = [0; 1024];
    // SAFETY: no more than so many bytes are written.
    unsafe { sys::cudnnGetLastErrorString(words.as_mut_ptr(), words.len()) };
    if let Some(last) = words.last_mut() {
        *last = 0;
    }
    // SAFETY: it ends with a zero, at the latest with the one just written.
    let words = unsafe { CStr::from_ptr(words.as_ptr()) }.to_string_lossy().into_owned();
    let message = format!("cuDNN could not {} ({status:?}) {words}; IVON_CUDNN=off computes without it", what());
    Err(Error::Device { message })
}
