//! Files that are read by memory map.

use ivon_runtime::{Error, Result, disk::unreadable};
use memmap2::Mmap;
use std::fs::{File, Metadata};
use std::io;
use std::path::Path;

/// Maps a file into memory; an empty one is an error of its own kind in every format, so it is `None`.
///
/// # Errors
/// If it cannot be read, or may never end.
pub fn map(path: &Path) -> Result<Option<Mmap>> {
    let failed = |e: io::Error| unreadable(path, &e);
    // Before it is opened: that waits at a pipe.
    let metadata = std::fs::metadata(path).map_err(failed)?;
    check_regular(path, &metadata)?;
    if metadata.is_dir() {
        return Err(failed(io::ErrorKind::IsADirectory.into()));
    }
    let file = File::open(path).map_err(failed)?;
    if metadata.len() == 0 {
        return Ok(None);
    }
    // SAFETY: the bytes are only read, and every value of a byte is one. A program that writes to the file meanwhile changes what
    // is read; one that cuts it short ends this process by a signal, as for every program that maps files.
    unsafe { Mmap::map(&file) }.map(Some).map_err(failed)
}

/// Reads a small file into memory, a configuration for instance.
///
/// # Errors
/// As [`map`], and if the file has more than `most` bytes.
pub fn read(path: &Path, most: u64) -> Result<Vec<u8>> {
    let failed = |e: io::Error| unreadable(path, &e);
    let metadata = std::fs::metadata(path).map_err(failed)?;
    check_regular(path, &metadata)?;
    if metadata.len() > most {
        return Err(Error::file(path, format!("has {} bytes; expected {most} at most", metadata.len())));
    }
    std::fs::read(path).map_err(failed)
}

/// Refuses a device, a pipe and a socket.
///
/// # Errors
/// If the path is one.
pub fn check_regular(path: &Path, metadata: &Metadata) -> Result<()> {
    match special(metadata) {
        Some(name) => Err(Error::file(path, format!("is a {name}, which may never end; give a file"))),
        None => Ok(()),
    }
}

#[cfg(unix)]
fn special(metadata: &Metadata) -> Option<&'static str> {
    use std::os::unix::fs::FileTypeExt;
    let kind = metadata.file_type();
    let kinds =
        [(kind.is_char_device() || kind.is_block_device(), "device"), (kind.is_fifo(), "pipe"), (kind.is_socket(), "socket")];
    kinds.into_iter().find_map(|(is, name)| is.then_some(name))
}

#[cfg(not(unix))]
fn special(_: &Metadata) -> Option<&'static str> {
    None
}
