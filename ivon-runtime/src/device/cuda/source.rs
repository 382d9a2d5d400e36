//! Kernels as text in CUDA C++, and the guarantee that its creator gives.

use super::HEADER;
use super::signature::{Signature, Signatures};
use crate::core::digest::{Digest, Digester};
use crate::core::dtype::DType;
use crate::core::error::{Error, Result};
use std::borrow::Cow;
use std::sync::OnceLock;

/// The text of some kernels in CUDA C++, without includes. [`HEADER`] is put in front. A text cannot be launched.
pub struct Text {
    name: Cow<'static, str>,
    body: Cow<'static, str>,
}

impl Text {
    pub(crate) fn new(name: String, body: String) -> Text {
        Text { name: Cow::Owned(name), body: Cow::Owned(body) }
    }

    /// The name of the op.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The input of the compiler for a model that computes in f32 or bf16.
    pub fn whole(&self, real: DType) -> String {
        let real = match real {
            DType::Bf16 => "bf16",
            _ => "float",
        };
        format!("{HEADER}\ntypedef {real} real;\n#line 1 \"{}.cu\"\n{}", self.name, self.body)
    }
}

/// Kernels that can be launched: see [`Source::launch`].
pub struct Source {
    text: Text,
    parsed: OnceLock<Parsed>,
}

/// The parts of a source that every launch uses, made at the first launch.
struct Parsed {
    digest: Digest,
    kernels: Signatures,
}

impl Source {
    /// Creates the kernels of an op. The name is used in messages, profiles and the kernel cache.
    ///
    /// ```ignore
    /// // SAFETY: launched in this file alone, with the sizes of the tensors; every index is compared with them.
    /// static KERNELS: Source = unsafe { Source::new("softmax", include_str!("kernel.cu")) };
    /// ```
    ///
    /// # Safety
    /// A launch checks its arguments against the declaration of the kernel, but it cannot check the addresses that a kernel
    /// computes from numbers. The caller guarantees for every launch of these kernels that passes the checks of
    /// [`Source::launch`]:
    ///
    /// * it reads and writes only memory of the tensors that it is given, within their elements, shared memory of the size that
    ///   it requests, and memory of its own; it writes through no pointer that is declared `const`;
    /// * it writes every element that it does not add to and that other code reads;
    /// * it terminates.
    ///
    /// If these properties depend on numbers or the grid, only code that passes valid ones may use the source: keep it private to
    /// the module that launches it.
    pub const unsafe fn new(name: &'static str, text: &'static str) -> Source {
        Source { text: Text { name: Cow::Borrowed(name), body: Cow::Borrowed(text) }, parsed: OnceLock::new() }
    }

    /// Creates kernels whose text is made at run time.
    ///
    /// # Safety
    /// As [`Source::new`].
    pub(crate) unsafe fn generated(text: Text) -> Source {
        Source { text, parsed: OnceLock::new() }
    }

    /// The text.
    pub fn text(&self) -> &Text {
        &self.text
    }

    fn parsed(&self) -> &Parsed {
        self.parsed.get_or_init(|| Parsed {
            digest: Digester::new("kernels").text(&self.text.name).text(&self.text.body).finish(),
            kernels: Signatures::of(&self.text.body),
        })
    }

    /// The digest of name and text, which is the key for all data kept about this source.
    pub(crate) fn digest(&self) -> Digest {
        self.parsed().digest
    }

    /// Returns the parameters of a kernel.
    ///
    /// # Errors
    /// If the text does not declare the kernel, or not in a form that a launch can check.
    pub(crate) fn signature(&self, kernel: &str) -> Result<&Signature> {
        self.parsed().kernels.get(&self.text.name, kernel)
    }

    /// Returns the error for a launch of one of the kernels.
    pub(crate) fn refused(&self, kernel: &str, message: &str) -> Error {
        Error::value(format!("kernel `{kernel}` of `{}`", self.text().name()), message)
    }
}
