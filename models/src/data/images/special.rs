//! Paths that are neither a file nor a directory: FIFOs, sockets, devices. Reading one may never end.

use ivon_runtime::{Error, Result, disk::unreadable};
use std::fs::FileType;
use std::path::Path;

/// Refuses a path that is not a regular file. A link counts as what it leads to.
///
/// # Errors
/// If the path does not exist, or is a directory, a FIFO, a socket or a device.
pub fn check_file(path: &Path) -> Result<()> {
    let kind = path.metadata().map_err(|e| unreadable(path, &e))?.file_type();
    if kind.is_file() { Ok(()) } else { Err(not_a_file(path, kind)) }
}

/// The error for a path of another kind than a regular file.
pub fn not_a_file(path: &Path, kind: FileType) -> Error {
    Error::file(path, format!("is {}; expected a JPEG or PNG file", name(kind)))
}

fn name(kind: FileType) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if kind.is_fifo() {
            return "a FIFO";
        }
        if kind.is_socket() {
            return "a socket";
        }
        if kind.is_block_device() || kind.is_char_device() {
            return "a device";
        }
    }
    if kind.is_dir() { "a directory" } else { "not a regular file" }
}
