//! `metrics.jsonl`: a JSON object a line, each with the `step` after which it was written.

use crate::core::error::{Error, Result};
use crate::training::disk;
use crate::training::disk::{unreadable, unwritable};
use serde_json::{Map, Value};
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

/// The file's name.
pub(super) const NAME: &str = "metrics.jsonl";

/// The file, open for more.
pub(super) struct Metrics {
    path: PathBuf,
    file: File,
}

impl Metrics {
    /// A new file.
    pub fn create(folder: &Path) -> Result<Metrics> {
        let path = folder.join(NAME);
        let file = File::create_new(&path).map_err(|e| unwritable(&path, &e))?;
        Ok(Metrics { path, file })
    }

    /// The file of a run that goes on after `step`. Lines of later steps, which the run will write again, and a line that was cut
    /// off are taken out; `visit` sees the others.
    pub fn resume(folder: &Path, step: u64, mut visit: impl FnMut(&Map<String, Value>)) -> Result<Metrics> {
        let path = folder.join(NAME);
        // Read first: a file that cannot be read stays as it is.
        let mut kept = Vec::new();
        read(folder, |line, text| {
            if line.get("step").and_then(Value::as_u64).is_some_and(|s| s <= step) {
                visit(&line);
                kept.extend_from_slice(text);
                kept.push(b'\n');
            }
            Ok(())
        })?;
        disk::write_bytes(&path, &kept)?;
        let file = OpenOptions::new().append(true).open(&path).map_err(|e| unwritable(&path, &e))?;
        Ok(Metrics { path, file })
    }

    /// Adds a line.
    pub fn add(&mut self, line: &Map<String, Value>) -> Result<()> {
        let mut text = serde_json::to_vec(line).map_err(|e| Error::file(&self.path, e))?;
        text.push(b'\n');
        // In one call, so that a reader never sees half a line.
        self.file.write_all(&text).map_err(|e| unwritable(&self.path, &e))
    }

    /// True while the file in the run directory is the one that is being written.
    pub fn in_place(&self) -> bool {
        disk::is_at(&self.file, &self.path)
    }

    /// Waits until everything is on the disk.
    pub fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(|e| unwritable(&self.path, &e))
    }
}

/// Calls `visit` with each line of the file in a run directory and its text, without those that were cut off; not at all where there
/// is no file.
pub(super) fn read(folder: &Path, mut visit: impl FnMut(Map<String, Value>, &[u8]) -> Result<()>) -> Result<()> {
    let path = folder.join(NAME);
    let file = match File::open(&path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(|e| unreadable(&path, &e))?,
    };
    for text in BufReader::new(file).split(b'\n') {
        let text = text.map_err(|e| unreadable(&path, &e))?;
        if let Ok(line) = serde_json::from_slice(&text) {
            visit(line, &text)?;
        }
    }
    Ok(())
}
