//! One process on a run folder.

use crate::core::error::{Error, Result};
use crate::training::disk;
use crate::training::disk::{unreadable, unwritable};
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

/// The file's name.
const NAME: &str = "run.lock";

/// A lock that the operating system gives back when the process ends, however it ends.
pub(super) struct Lock {
    path: PathBuf,
    file: File,
}

impl Lock {
    /// Takes the lock of a folder.
    pub fn take(folder: &Path) -> Result<Lock> {
        let path = folder.join(NAME);
        let open = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = open.map_err(|e| unwritable(&path, &e))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut owner = String::new();
                // Who it is only helps; that it is locked is the error.
                let _ = file.read_to_string(&mut owner);
                let owner = owner.trim();
                let who = if owner.is_empty() { "another process".to_string() } else { format!("process {owner}") };
                return Err(Error::file(
                    folder,
                    format!("{who} works on this run already: wait for it or end it, or use another folder"),
                ));
            }
            Err(TryLockError::Error(e)) => return Err(unreadable(&path, &e)),
        }
        let write = |file: &mut File| {
            file.set_len(0)?;
            file.rewind()?;
            writeln!(file, "{}", std::process::id())
        };
        write(&mut file).map_err(|e| unwritable(&path, &e))?;
        Ok(Lock { path, file })
    }

    /// True while the run directory is the one that was locked.
    pub fn in_place(&self) -> bool {
        disk::is_at(&self.file, &self.path)
    }
}
