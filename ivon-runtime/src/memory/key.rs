//! The key of a planned step.

use crate::core::digest::{Digest, Digester};

/// A name, and a digest of everything beside the shapes of its inputs that decides what a step allocates: dimensions and settings
/// of the model, numbers that it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StepKey {
    name: &'static str,
    fingerprint: Digest,
}

impl StepKey {
    /// The key of a step of this name with this digest of what else decides.
    pub(crate) fn with(name: &'static str, fingerprint: Digest) -> StepKey {
        StepKey { name, fingerprint }
    }

    /// The same with one more number.
    pub fn and(self, number: u64) -> StepKey {
        let fingerprint = Digester::new("one more number").digest(self.fingerprint).number(number).finish();
        StepKey { fingerprint, ..self }
    }

    /// The name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The digest of name and numbers.
    pub(crate) fn digest(&self) -> Digest {
        Digester::new("step").text(self.name).digest(self.fingerprint).finish()
    }
}

impl From<&'static str> for StepKey {
    /// The key of a step whose allocations depend on the shapes of its inputs alone.
    fn from(name: &'static str) -> Self {
        StepKey { name, fingerprint: Digest::default() }
    }
}
