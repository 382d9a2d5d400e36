//! Output of commands. A reader may close standard output early, as `ivon generate .. | head -1` does: the command then ends quietly with
//! status 0. A closed standard error stops nothing: messages of a long run are written only while they can be.

use ivon_runtime::{Error, Result};
use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// Writes a line to standard output, as `println!` does. On a closed standard output it returns an error, which [`closed`] recognises.
macro_rules! say {
    ($($text:tt)*) => { $crate::command::output::line(format_args!($($text)*)) };
}

/// Writes a line to standard error, as `eprintln!` does, if that is possible.
macro_rules! tell {
    ($($text:tt)*) => { $crate::command::output::aside(format_args!($($text)*)) };
}

static CLOSED: AtomicBool = AtomicBool::new(false);

/// True if the reader closed standard output: then the error that ended the command is not reported.
pub fn closed() -> bool {
    CLOSED.load(Ordering::Relaxed)
}

/// Writes a line to standard output.
///
/// # Errors
/// If it cannot be written, or standard output is closed.
pub fn line(text: Arguments) -> Result<()> {
    text_now(&format!("{text}\n"))
}

/// Writes text to standard output and flushes it.
///
/// # Errors
/// As [`line`].
pub fn text_now(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|e| {
        CLOSED.store(e.kind() == ErrorKind::BrokenPipe, Ordering::Relaxed);
        Error::file("standard output", format!("cannot be written: {e}"))
    })
}

/// Writes a line to standard error. A closed standard error is ignored.
pub fn aside(text: Arguments) {
    let _ = writeln!(io::stderr(), "{text}");
}
