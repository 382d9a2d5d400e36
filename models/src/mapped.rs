//! Files that are read by memory map.

use ivon_runtime::{Result, disk::unreadable};
use memmap2::Mmap;
use std::fs::File;
use std::io;
use std::path::Path;

/// Maps a file into memory; an empty one is an error of its own kind in every format, so it is `None`.
///
/// # Errors
/// If it cannot be read.
pub fn map(path: &Path) -> Result<Option<Mmap>> {
    let run = || {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        if metadata.is_dir() {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        if metadata.len() == 0 {
            return Ok(None);
        }
        // SAFETY: the bytes are only read, and every value of a byte is one. A program that writes to the file meanwhile changes what
        // is read; one that cuts it short ends this process by a signal, as for every program that maps files.
        unsafe { Mmap::map(&file) }.map(Some)
    };
    run().map_err(|e| unreadable(path, &e))
}
