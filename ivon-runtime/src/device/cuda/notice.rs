//! Notices to the user. Each is printed once, and the run continues.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::sync::Mutex;

static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Prints a message on stderr, once per process and subject.
pub(crate) fn once(about: &str, message: &str) {
    if SAID.lock().is_ok_and(|mut said| said.insert(about.to_string())) {
        // A run must continue if stderr is closed; `eprintln!` would panic.
        let _ = writeln!(std::io::stderr(), "note: {message}");
    }
}

/// Returns the subjects of the notices so far.
pub(crate) fn said() -> Vec<String> {
    SAID.lock().map_or(vec![], |said| said.iter().cloned().collect())
}
