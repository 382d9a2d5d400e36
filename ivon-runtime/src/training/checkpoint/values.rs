//! One state buffer as a safetensors file: every parameter by name and shape, f32, unpadded, in declaration order.

use super::disk::{self, Disk};
use super::manifest::FileEntry;
use crate::context::flat::Layout;
use crate::core::checksum::Crc32c;
use crate::core::error::{Error, Result};
use crate::training::disk::unreadable;
use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};
use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

/// Elements converted at a time.
const PIECE: usize = 1 << 16;
/// The longest header that the format allows.
const MAX_HEADER: u64 = 100_000_000;

fn header(layout: &Layout, note: &str) -> io::Result<Vec<u8>> {
    let info = |e: &crate::context::flat::Entry| {
        let (start, count) = (4 * e.start, 4 * e.parameter.shape().elements());
        let info = TensorInfo { dtype: Dtype::F32, shape: e.parameter.shape().to_vec(), data_offsets: (start, start + count) };
        (e.parameter.name().to_string(), info)
    };
    let metadata = HashMap::from([("buffer".to_string(), note.to_string())]);
    let table = Metadata::new(Some(metadata), layout.entries().iter().map(info).collect()).map_err(io::Error::other)?;
    let mut json = serde_json::to_vec(&table)?;
    // The data begins at a multiple of 8 bytes.
    json.resize(json.len().next_multiple_of(8), b' ');
    Ok(json)
}

/// Writes a buffer; length and checksum of the file.
pub(super) fn write(disk: &dyn Disk, path: &Path, layout: &Layout, name: &str, values: &[f32]) -> Result<(u64, u32)> {
    disk::write(disk, path, |file| {
        let header = header(layout, name)?;
        file.write_all(&(header.len() as u64).to_le_bytes())?;
        file.write_all(&header)?;
        let mut bytes = Vec::with_capacity(4 * PIECE);
        for entry in layout.entries() {
            for piece in values[entry.range()].chunks(PIECE) {
                bytes.clear();
                bytes.extend(piece.iter().flat_map(|x| x.to_le_bytes()));
                file.write_all(&bytes)?;
            }
        }
        Ok(())
    })
}

/// A file that is checked against its entry in the manifest while it is read.
struct Checked<'a> {
    file: File,
    path: &'a Path,
    entry: &'a FileEntry,
    crc: Crc32c,
}

impl<'a> Checked<'a> {
    fn open(folder: &Path, path: &'a Path, entry: &'a FileEntry) -> Result<Checked<'a>> {
        let file = File::open(path).map_err(|e| unreadable(path, &e))?;
        let found = file.metadata().map_err(|e| unreadable(path, &e))?.len();
        if found != entry.bytes {
            let what = if found < entry.bytes { "it was cut short" } else { "it is not the file that was saved" };
            return Err(damaged(folder, path, format!("it has {found} bytes where {} are expected: {what}", entry.bytes)));
        }
        Ok(Checked { file, path, entry, crc: Crc32c::new() })
    }

    fn take(&mut self, bytes: &mut [u8]) -> Result<()> {
        self.file.read_exact(bytes).map_err(|e| unreadable(self.path, &e))?;
        self.crc.add(bytes);
        Ok(())
    }

    fn finish(self, folder: &Path) -> Result<()> {
        let (found, expected) = (self.crc.value(), self.entry.crc32c);
        if found == expected {
            return Ok(());
        }
        Err(damaged(
            folder,
            self.path,
            format!("its checksum is {found:08x} where {expected:08x} is expected: its content was altered"),
        ))
    }
}

fn damaged(folder: &Path, path: &Path, what: String) -> Error {
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    Error::file(folder, format!("the checkpoint is damaged: `{file}`: {what}"))
}

/// Checks length and checksum of a file.
pub(super) fn verify(folder: &Path, entry: &FileEntry) -> Result<()> {
    let path = folder.join(&entry.name);
    let mut file = Checked::open(folder, &path, entry)?;
    let mut bytes = vec![0; (4 * PIECE).min(entry.bytes as usize)];
    let mut left = entry.bytes;
    while left > 0 {
        let count = left.min(bytes.len() as u64);
        file.take(&mut bytes[..count as usize])?;
        left -= count;
    }
    file.finish(folder)
}

/// Reads a buffer into a flat one of this layout.
pub(super) fn read(folder: &Path, entry: &FileEntry, layout: &Layout, values: &mut [f32]) -> Result<()> {
    let path = folder.join(&entry.name);
    let mut file = Checked::open(folder, &path, entry)?;
    let mut length = [0; 8];
    file.take(&mut length)?;
    let length = u64::from_le_bytes(length);
    if length > MAX_HEADER.min(entry.bytes) {
        return Err(damaged(folder, &path, format!("it says that its header has {length} bytes")));
    }
    let mut header = vec![0; length as usize];
    file.take(&mut header)?;
    let table: Metadata = serde_json::from_slice(&header).map_err(|e| damaged(folder, &path, format!("its header: {e}")))?;
    if 8 + length + table.data_len() as u64 != entry.bytes {
        return Err(damaged(folder, &path, "its header does not describe all of it".into()));
    }
    for entry in layout.entries() {
        let p = &entry.parameter;
        let place = (4 * entry.start, 4 * (entry.start + p.shape().elements()));
        let fits = |info: &TensorInfo| info.dtype == Dtype::F32 && info.shape == **p.shape() && info.data_offsets == place;
        if !table.info(p.name()).is_some_and(fits) {
            return Err(damaged(folder, &path, format!("`{}` is not where the manifest says", p.name())));
        }
    }
    let mut bytes = vec![0; 4 * PIECE];
    for entry in layout.entries() {
        for piece in values[entry.range()].chunks_mut(PIECE) {
            let bytes = &mut bytes[..4 * piece.len()];
            file.take(bytes)?;
            piece.iter_mut().zip(bytes.as_chunks::<4>().0).for_each(|(x, b)| *x = f32::from_le_bytes(*b));
        }
    }
    file.finish(folder)
}
