//! Errors at run time. A message says what was expected, what was found, where, and what to do.

use crate::core::shape::Shape;
use std::fmt;

/// The result of every fallible function in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The reason why an operation failed.
///
/// There is no conversion from [`std::io::Error`], which does not contain a path:
/// `std::fs::read(path).map_err(|e| Error::file(path, e))?` names the file. A `main` with errors of several kinds returns
/// `Result<(), Box<dyn std::error::Error>>`.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub enum Error {
    /// Shapes that do not fit an operation. `at` is the op or the model's method.
    Shape { at: String, message: String },
    /// An id that is not in its table.
    Id { at: String, id: u32, position: usize, limit: usize },
    /// A value that is not finite, or outside of the range in which the algorithm is valid.
    Value { at: String, message: String },
    /// A run that has lost what it had learnt: the step at which that was certain, and what to change.
    Diverged { step: usize, message: String },
    /// An invalid configuration: the key, and the values that are allowed.
    Config { message: String },
    /// A requested device that cannot be used.
    Device { message: String },
    /// A file that cannot be read or written.
    File { path: std::path::PathBuf, message: String },
}

impl Error {
    /// Creates an error for shapes that do not fit.
    pub fn shape(at: impl Into<String>, message: impl Into<String>) -> Self {
        Error::Shape { at: at.into(), message: message.into() }
    }

    /// Creates an error for two named shapes that must be equal.
    pub fn mismatch(at: &str, left: (&str, &Shape), right: (&str, &Shape)) -> Self {
        Error::shape(at, format!("`{}` is {} but `{}` is {}", left.0, left.1, right.0, right.1))
    }

    /// Creates an error for a value out of range.
    pub fn value(at: impl Into<String>, message: impl Into<String>) -> Self {
        Error::Value { at: at.into(), message: message.into() }
    }

    /// Creates an error for an invalid configuration.
    pub fn config(message: impl Into<String>) -> Self {
        Error::Config { message: message.into() }
    }

    /// Creates an error for a file that cannot be used.
    pub fn file(path: impl Into<std::path::PathBuf>, message: impl fmt::Display) -> Self {
        Error::File { path: path.into(), message: message.to_string() }
    }

    /// Adds an outer level to the place of the error: `outer` is put in front of `at`, so that a message reads like a path,
    /// `Gpt2::loss: blocks[3]: attention: layer_norm: ...`.
    pub fn within(self, outer: &str) -> Self {
        let join = |at: String| format!("{outer}: {at}");
        match self {
            Error::Shape { at, message } => Error::Shape { at: join(at), message },
            Error::Value { at, message } => Error::Value { at: join(at), message },
            Error::Id { at, id, position, limit } => Error::Id { at: join(at), id, position, limit },
            other => other,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Error::Shape { at, message } | Error::Value { at, message } => write!(f, "{at}: {message}"),
            Error::Id { at, id, position, limit } => {
                let last = limit.checked_sub(1).map_or(String::new(), |last| format!(", 0 to {last}"));
                write!(f, "{at}: id {id} at position {position} is out of range: the table has {limit} rows{last}")
            }
            Error::Diverged { step, message } => write!(f, "step {step}: {message}"),
            Error::Config { message } | Error::Device { message } => f.write_str(message),
            Error::File { path, message } => write!(f, "{}: {message}", path.display()),
        }
    }
}

/// Prints the message, because users see the `Debug` form of an error that `main` returns.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_main_that_fails_ends_with_the_message() {
        let error = Error::file("data.bin", "does not exist");
        assert_eq!(format!("{error:?}"), "data.bin: does not exist");
    }
}
