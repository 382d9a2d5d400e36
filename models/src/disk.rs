//! Files: read by memory map, and written beside their place and renamed into it, so that they are whole or not there.

use ivon_runtime::{Error, Result};
use memmap2::Mmap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

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

/// Writes a file: `content` fills it beside its place, and when it is on the disk it gets its name. What was there before stays until then.
///
/// # Errors
/// Those of `content`, and if the file cannot be written: why. Nothing is left behind.
pub fn write(path: &Path, content: impl FnOnce(&mut BufWriter<File>) -> Result<()>) -> Result<()> {
    replace(path, |beside| {
        let failed = |e: io::Error| unwritable(path, &e);
        let mut file = BufWriter::with_capacity(1 << 20, File::create(beside).map_err(failed)?);
        content(&mut file)?;
        file.flush().map_err(failed)
    })
}

/// [`write`] for content that wants a path to write to.
///
/// # Errors
/// As there.
pub fn replace(path: &Path, content: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    if path.is_dir() {
        return Err(Error::file(path, "is a folder; give the name of a file"));
    }
    if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty() && !f.is_dir()) {
        return Err(Error::file(path, format!("cannot be written: there is no folder {}; make it first", folder.display())));
    }
    let beside = beside(path)?;
    let run = || {
        content(&beside)?;
        let synced = File::open(&beside).and_then(|file| file.sync_all());
        synced.and_then(|()| fs::rename(&beside, path)).map_err(|e| unwritable(path, &e))
    };
    run().inspect_err(|_| {
        // The error says what matters.
        let _ = fs::remove_file(&beside);
    })
}

/// Refuses to write over what is read.
///
/// # Errors
/// If `out` is one of the inputs, by whatever name.
pub fn apart<'a>(out: &Path, inputs: impl IntoIterator<Item = &'a Path>) -> Result<()> {
    let Ok(place) = fs::canonicalize(out) else { return Ok(()) };
    match inputs.into_iter().any(|input| fs::canonicalize(input).is_ok_and(|input| input == place)) {
        true => Err(Error::file(out, "is what is read; give another file to write")),
        false => Ok(()),
    }
}

/// `folder/name` is written as `folder/.name.writing`.
fn beside(path: &Path) -> Result<PathBuf> {
    let Some(name) = path.file_name() else { return Err(Error::file(path, "has no file name; give the name of a file")) };
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(".writing");
    Ok(path.with_file_name(hidden))
}

/// Why a path cannot be written, and what to do.
pub fn unwritable(path: &Path, error: &io::Error) -> Error {
    let advice = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ": free some space, or use another disk",
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => ": use a place that you may write to",
        _ => "",
    };
    Error::file(path, format!("cannot be written: {error}{advice}"))
}

/// Why a path cannot be read.
pub fn unreadable(path: &Path, error: &io::Error) -> Error {
    Error::file(
        path,
        match error.kind() {
            io::ErrorKind::NotFound => "does not exist".to_string(),
            io::ErrorKind::PermissionDenied => "may not be read: permission denied".to_string(),
            io::ErrorKind::IsADirectory => "is a folder; give a file".to_string(),
            _ => format!("cannot be read: {error}"),
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_fails_half_way_leaves_what_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.bin");
        write(&path, |f| f.write_all(b"old").map_err(|e| unwritable(&path, &e))).unwrap();
        let fails = |f: &mut BufWriter<File>| {
            f.write_all(b"ne").map_err(|e| unwritable(&path, &e))?;
            Err(Error::config("half way"))
        };
        assert_eq!(write(&path, fails).unwrap_err().to_string(), "half way");
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_read_is_not_written_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("a"), "text").unwrap();
        std::os::unix::fs::symlink(path("a"), path("link")).unwrap();
        fs::create_dir(path("in")).unwrap();
        let refused = |out: &str| apart(&path(out), [path("other").as_path(), &path("a")]).is_err();
        assert!(refused("a") && refused("link") && refused("in/../a"));
        assert!(!refused("b") && !refused("in/a"));
    }

    #[test]
    fn places_that_cannot_be_written_are_refused_with_advice() {
        let folder = tempfile::tempdir().unwrap();
        let message = |path: &Path| write(path, |_| Ok(())).unwrap_err().to_string();
        assert!(message(folder.path()).contains("is a folder"));
        assert!(message(&folder.path().join("no/x.bin")).contains("make it first"));
        assert!(message(Path::new("/")).contains("folder"));
    }
}
