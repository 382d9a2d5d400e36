//! `metrics.jsonl`: a JSON object a line, each with the `step` after which it was written.

use crate::disk::{self, unreadable, unwritable};
use crate::error::{Error, Result};
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
        let mut kept = Vec::new();
        match File::open(&path) {
            Ok(file) => {
                for line in BufReader::new(file).split(b'\n') {
                    let line = line.map_err(|e| unreadable(&path, &e))?;
                    let Ok(Value::Object(object)) = serde_json::from_slice(&line) else { continue };
                    if object.get("step").and_then(Value::as_u64).is_some_and(|s| s <= step) {
                        visit(&object);
                        kept.extend(line);
                        kept.push(b'\n');
                    }
                }
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
            Err(e) => return Err(unreadable(&path, &e)),
        }
        disk::write_bytes(&path, &kept)?;
        let file = OpenOptions::new().append(true).open(&path).map_err(|e| unwritable(&path, &e))?;
        Ok(Metrics { path, file })
    }

    /// Adds a line.
    pub fn add(&mut self, line: &Value) -> Result<()> {
        let text = serde_json::to_string(line).map_err(|e| Error::file(&self.path, e))?;
        // In one call, so that a reader never sees half a line.
        self.file.write_all(format!("{text}\n").as_bytes()).map_err(|e| unwritable(&self.path, &e))
    }

    /// Waits until everything is on the disk.
    pub fn sync(&self) -> Result<()> {
        self.file.sync_data().map_err(|e| unwritable(&self.path, &e))
    }
}
