//! Notices to the user: each is printed once, and the run goes on.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::sync::Mutex;

static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// Says something on stderr, the first time in a process that something is said about this.
pub(crate) fn once(about: &str, message: &str) {
    if SAID.lock().is_ok_and(|mut said| said.insert(about.to_string())) {
        // A run goes on where nobody reads stderr; `eprintln!` would panic.
        let _ = writeln!(std::io::stderr(), "note: {message}");
    }
}

/// The subjects of the notices so far.
pub(crate) fn said() -> Vec<String> {
    SAID.lock().map_or(vec![], |said| said.iter().cloned().collect())
}
