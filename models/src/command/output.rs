//! What commands say. Whoever reads it may stop reading: a command whose output nobody wants any more ends quietly and well, as
//! `ivon generate .. | head -1` expects; what is told on standard error, of a run that goes on over night, is told while somebody listens.

use ivon_runtime::{Error, Result};
use std::fmt::Arguments;
use std::io::{self, ErrorKind, Write};
use std::sync::atomic::{AtomicBool, Ordering};

/// Writes a line to standard output, as `println!` does; the error of a command that nobody reads is for [`closed`].
macro_rules! say {
    ($($text:tt)*) => { $crate::command::output::line(format_args!($($text)*)) };
}

/// Writes a line to standard error, as `eprintln!` does, if that is possible.
macro_rules! tell {
    ($($text:tt)*) => { $crate::command::output::aside(format_args!($($text)*)) };
}

static CLOSED: AtomicBool = AtomicBool::new(false);

/// True if standard output was closed by who read it: then the error that ended the command is none.
pub fn closed() -> bool {
    CLOSED.load(Ordering::Relaxed)
}

/// A line on standard output.
///
/// # Errors
/// If it cannot be written, or nobody reads it.
pub fn line(text: Arguments) -> Result<()> {
    text_now(&format!("{text}\n"))
}

/// Text on standard output, at once.
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

/// A line on standard error. That nobody reads it is no reason to stop.
pub fn aside(text: Arguments) {
    let _ = writeln!(io::stderr(), "{text}");
}
