//! What a person should know, and a run goes on without.

use std::collections::BTreeSet;
use std::sync::Mutex;

static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Says something on stderr, the first time in a process that something is said about this.
pub(super) fn once(about: &str, message: &str) {
    if SAID.lock().is_ok_and(|mut said| said.insert(about.to_string())) {
        eprintln!("note: {message}");
    }
}

/// What something was said about so far.
pub(super) fn said() -> Vec<String> {
    SAID.lock().map_or(vec![], |said| said.iter().cloned().collect())
}
