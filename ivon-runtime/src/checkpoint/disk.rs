//! Files that are whole or not there: written beside their place, synced, and renamed into it.

use crate::checksum::Crc32c;
use crate::error::{Error, Result};
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// Where bytes go. Anything but a real file is a test's.
pub(crate) trait Disk {
    /// A new file.
    fn create(&self, path: &Path) -> io::Result<Box<dyn Sink>>;
}

/// A file being written.
pub(crate) trait Sink: Write {
    /// Returns when the bytes are on the disk.
    fn sync(&mut self) -> io::Result<()>;
}

/// The machine's own.
pub(crate) struct Real;

impl Disk for Real {
    fn create(&self, path: &Path) -> io::Result<Box<dyn Sink>> {
        Ok(Box::new(File::create(path)?))
    }
}

impl Sink for File {
    fn sync(&mut self) -> io::Result<()> {
        self.sync_all()
    }
}

/// A file on the way to the disk, with length and checksum of what went through.
pub(crate) struct Counted {
    sink: BufWriter<Box<dyn Sink>>,
    crc: Crc32c,
    bytes: u64,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.sink.write(bytes)?;
        self.crc.add(&bytes[..count]);
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

/// Writes a file and waits until it is on the disk; its length and checksum.
pub(crate) fn write(disk: &dyn Disk, path: &Path, content: impl FnOnce(&mut Counted) -> io::Result<()>) -> Result<(u64, u32)> {
    let run = || {
        let sink = BufWriter::with_capacity(1 << 20, disk.create(path)?);
        let mut file = Counted { sink, crc: Crc32c::new(), bytes: 0 };
        content(&mut file)?;
        file.sink.flush()?;
        file.sink.get_mut().sync()?;
        Ok((file.bytes, file.crc.value()))
    };
    run().map_err(|e| unwritable(path, &e))
}

/// Puts a whole file in the place of `path`: a reader sees the old one or the new one, whatever happens.
pub(crate) fn replace(path: &Path, content: &[u8]) -> Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".writing");
    let beside = path.with_file_name(name);
    write(&Real, &beside, |file| file.write_all(content))?;
    rename(&beside, path)
}

/// Renames and waits until the folder's own entry is on the disk.
pub(crate) fn rename(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).map_err(|e| unwritable(to, &e))?;
    sync_folder(to.parent().unwrap_or(Path::new(".")))
}

/// Waits until the names in a folder are on the disk.
pub(crate) fn sync_folder(path: &Path) -> Result<()> {
    // Only Unix can open a folder; elsewhere the file system sees to it.
    if cfg!(unix) {
        let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        File::open(path).and_then(|folder| folder.sync_all()).map_err(|e| unwritable(path, &e))?;
    }
    Ok(())
}

/// Why a path cannot be written, and what to do.
pub(crate) fn unwritable(path: &Path, error: &io::Error) -> Error {
    let advice = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            ": free some space, or use a folder on another disk, and resume"
        }
        io::ErrorKind::PermissionDenied => ": change its permissions, or use a folder that you may write to",
        io::ErrorKind::ReadOnlyFilesystem => ": use a folder on a disk that can be written to",
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => ": a file is where a folder is needed; use another folder",
        io::ErrorKind::FileTooLarge => ": the file system takes no file of this size; use a folder on another one",
        _ => "",
    };
    Error::file(path, format!("cannot be written: {error}{advice}"))
}

/// Why a path cannot be read.
pub(crate) fn unreadable(path: &Path, error: &io::Error) -> Error {
    let text = match error.kind() {
        io::ErrorKind::NotFound => "is not there".to_string(),
        io::ErrorKind::UnexpectedEof => "ends too early: it was cut short".to_string(),
        _ => format!("cannot be read: {error}"),
    };
    Error::file(path, text)
}
