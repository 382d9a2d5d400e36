//! The storage of checkpoints: the machine's disk, or that of a test, which fails.

use crate::core::checksum::Crc32c;
use crate::core::error::Result;
use crate::training::disk::unwritable;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

/// The place that receives bytes: real files, or a replacement in tests.
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
