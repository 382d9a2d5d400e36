//! Files that are whole or not there: written beside their place, synced, and renamed into it. What to say of those that cannot be.

use crate::core::error::{Error, Result};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

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

/// [`write()`] for what is in memory.
///
/// # Errors
/// If the file cannot be written: why.
pub fn write_bytes(path: &Path, bytes: &[u8]) -> Result<()> {
    write(path, |file| file.write_all(bytes).map_err(|e| unwritable(path, &e)))
}

/// [`write()`] for content that wants a path to write to.
///
/// # Errors
/// As there.
pub fn replace(path: &Path, content: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let (place, beside) = places(path)?;
    let run = || {
        content(&beside)?;
        File::open(&beside).and_then(|file| file.sync_all()).map_err(|e| unwritable(path, &e))?;
        rename(&beside, &place)
    };
    run().inspect_err(|_| {
        // The error says what matters.
        let _ = fs::remove_file(&beside);
    })
}

/// That [`write()`] will be able to write a file, as far as can be known before: what is not a file, or lies where nothing can be made, is refused.
///
/// # Errors
/// The file that is in the way.
pub fn check_writable(path: &Path) -> Result<()> {
    let (_, beside) = places(path)?;
    match File::create_new(&beside) {
        Ok(_) => fs::remove_file(&beside).map_err(|e| unwritable(path, &e)),
        // Another process writes there now, or one was killed while it wrote.
        Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(e) => Err(unwritable(path, &e)),
    }
}

/// The final path of a file, and the path beside it that holds the bytes until the file is complete.
fn places(path: &Path) -> Result<(PathBuf, PathBuf)> {
    if path.is_dir() {
        return Err(Error::file(path, "is a folder; give the name of a file"));
    }
    if path.exists() && !path.is_file() {
        return Err(Error::file(path, "is a device or a pipe, and would be replaced; give the name of a file"));
    }
    if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty() && !f.is_dir()) {
        return Err(Error::file(path, format!("cannot be written: there is no folder {}; make it first", folder.display())));
    }
    // A link stays one.
    let place = fs::canonicalize(path).unwrap_or_else(|_| path.to_path_buf());
    let beside = beside(&place)?;
    Ok((place, beside))
}

/// A path without `.`, `..` and links as far as it is there, with the rest as it was given.
pub fn resolved(path: &Path) -> PathBuf {
    let full = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let found = full.ancestors().find_map(|there| Some((fs::canonicalize(there).ok()?, full.strip_prefix(there).ok()?)));
    found.map_or(full.clone(), |(there, rest)| if rest.as_os_str().is_empty() { there } else { there.join(rest) })
}

/// `folder/name` is written as `folder/.name.writing`.
fn beside(path: &Path) -> Result<PathBuf> {
    let Some(name) = path.file_name() else { return Err(Error::file(path, "has no file name; give the name of a file")) };
    let mut hidden = std::ffi::OsString::from(".");
    hidden.push(name);
    hidden.push(".writing");
    Ok(path.with_file_name(hidden))
}

/// Renames and waits until the folder's own entry is on the disk.
///
/// # Errors
/// If the disk fails.
pub fn rename(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).map_err(|e| unwritable(to, &e))?;
    sync_folder(to.parent().unwrap_or(Path::new(".")))
}

/// Waits until the names in a folder are on the disk.
///
/// # Errors
/// If the disk fails.
pub fn sync_folder(path: &Path) -> Result<()> {
    // Only Unix can open a folder; elsewhere the file system sees to it.
    if cfg!(unix) {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        File::open(path).and_then(|folder| folder.sync_all()).map_err(|e| unwritable(path, &e))?;
    }
    Ok(())
}

/// True while an open file is the one that a path names: neither removed nor replaced since.
#[cfg(feature = "run")]
pub(crate) fn is_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::metadata(path)) {
        (Ok(held), Ok(there)) => same_file(&held, &there),
        _ => false,
    }
}

#[cfg(all(unix, feature = "run"))]
fn same_file(a: &fs::Metadata, b: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

/// Other systems do not remove a file that is open.
#[cfg(all(not(unix), feature = "run"))]
fn same_file(_: &fs::Metadata, _: &fs::Metadata) -> bool {
    true
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

/// Why a path cannot be written, and what to do.
pub fn unwritable(path: &Path, error: &io::Error) -> Error {
    let advice = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ": free some space, or use another disk",
        io::ErrorKind::PermissionDenied => ": change its permissions, or use a place that you may write to",
        io::ErrorKind::ReadOnlyFilesystem => ": use a disk that can be written to",
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => ": a file is where a folder is needed; use another folder",
        io::ErrorKind::FileTooLarge => {
            ": the file system or a limit (`ulimit -f`) takes no file of this size; raise it, or use another disk"
        }
        _ => "",
    };
    Error::file(path, format!("cannot be written: {error}{advice}"))
}

/// Why a path cannot be read.
pub fn unreadable(path: &Path, error: &io::Error) -> Error {
    let text = match error.kind() {
        io::ErrorKind::NotFound => "does not exist".to_string(),
        io::ErrorKind::PermissionDenied => "may not be read: permission denied".to_string(),
        io::ErrorKind::IsADirectory => "is a folder; give a file".to_string(),
        io::ErrorKind::UnexpectedEof => "ends too early: it was cut short".to_string(),
        _ => format!("cannot be read: {error}"),
    };
    Error::file(path, text)
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
    fn what_is_not_a_file_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let _socket = std::os::unix::net::UnixListener::bind(path("socket")).unwrap();
        let message = write_bytes(&path("socket"), b"new").unwrap_err().to_string();
        assert!(message.contains("device or a pipe"), "{message}");
        fs::write(path("file"), "old").unwrap();
        std::os::unix::fs::symlink(path("file"), path("link")).unwrap();
        write_bytes(&path("link"), b"new").unwrap();
        assert!(path("link").is_symlink());
        assert_eq!(fs::read(path("file")).unwrap(), b"new");
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
