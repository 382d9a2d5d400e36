//! The key of a planned step.

use crate::core::digest::{Digest, Digester};

/// The key of a planned step: a name, and a digest of everything except the shapes of its inputs that determines its allocations,
/// such as dimensions and settings of the model and numeric arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StepKey {
    name: &'static str,
    fingerprint: Digest,
}

impl StepKey {
    /// Creates the key of the step `name`. The fingerprint is the digest of everything else that determines its allocations.
    pub(crate) fn with(name: &'static str, fingerprint: Digest) -> StepKey {
        StepKey { name, fingerprint }
    }

    /// Returns the key with one more number.
    pub fn and(self, number: u64) -> StepKey {
        let fingerprint = Digester::new("one more number").digest(self.fingerprint).number(number).finish();
        StepKey { fingerprint, ..self }
    }

    /// The name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The digest of name and fingerprint.
    pub(crate) fn digest(&self) -> Digest {
        Digester::new("step").text(self.name).digest(self.fingerprint).finish()
    }
}

impl From<&'static str> for StepKey {
    /// The key of a step whose allocations depend only on the shapes of its inputs.
    fn from(name: &'static str) -> Self {
        StepKey { name, fingerprint: Digest::default() }
    }
}
