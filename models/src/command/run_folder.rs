//! The folder that a run leaves behind: its configuration, and a line of figures a report.

use ivon_runtime::{Error, Result};
use serde::Serialize;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const METRICS: &str = "metrics.jsonl";
const CONFIG: &str = "config.json";

/// An open run folder.
pub struct RunFolder {
    path: PathBuf,
    metrics: File,
}

impl RunFolder {
    /// Makes the folder `out`, or `runs/<name>-<number>` with the next free number.
    ///
    /// # Errors
    /// If it cannot be made, or `out` holds a run already.
    pub fn create(out: Option<&Path>, name: &str) -> Result<RunFolder> {
        let path = match out {
            Some(path) => {
                fs::create_dir_all(path).map_err(|e| unwritable(path, &e))?;
                path.to_path_buf()
            }
            None => numbered(Path::new("runs"), name)?,
        };
        let file = path.join(METRICS);
        let metrics = File::create_new(&file).map_err(|e| match e.kind() {
            io::ErrorKind::AlreadyExists => Error::file(&path, "holds a run already; give another folder with --out"),
            _ => unwritable(&file, &e),
        })?;
        Ok(RunFolder { path, metrics })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Keeps the configuration.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write_config(&self, config: &serde_json::Value) -> Result<()> {
        let path = self.path.join(CONFIG);
        fs::write(&path, format!("{config:#}\n")).map_err(|e| unwritable(&path, &e))
    }

    /// Adds a line of figures.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn log(&mut self, line: &impl Serialize) -> Result<()> {
        let path = self.path.join(METRICS);
        let json = serde_json::to_string(line).map_err(|e| Error::file(&path, e))?;
        writeln!(self.metrics, "{json}").map_err(|e| unwritable(&path, &e))
    }
}

/// Makes `parent/name-1`, or the first of that kind that is not there yet.
fn numbered(parent: &Path, name: &str) -> Result<PathBuf> {
    fs::create_dir_all(parent).map_err(|e| unwritable(parent, &e))?;
    for number in 1u32.. {
        let path = parent.join(format!("{name}-{number}"));
        match fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(unwritable(&path, &e)),
        }
    }
    Err(Error::file(parent, format!("holds every number of {name} already; give a folder with --out")))
}

fn unwritable(path: &Path, error: &io::Error) -> Error {
    Error::file(path, format!("cannot be written: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_takes_one_run() {
        let root = tempfile::tempdir().unwrap();
        let out = root.path().join("deep/run");
        let mut run = RunFolder::create(Some(&out), "gpt2").unwrap();
        run.log(&serde_json::json!({"step": 1, "loss": 2.5})).unwrap();
        run.log(&serde_json::json!({"step": 2})).unwrap();
        assert_eq!(fs::read_to_string(out.join(METRICS)).unwrap(), "{\"loss\":2.5,\"step\":1}\n{\"step\":2}\n");
        let error = RunFolder::create(Some(&out), "gpt2").err().unwrap().to_string();
        assert!(error.contains("holds a run already"), "{error}");
    }

    #[test]
    fn runs_without_a_name_are_numbered() {
        let root = tempfile::tempdir().unwrap();
        let names: Vec<_> = (0..3).map(|_| numbered(root.path(), "gpt2-micro").unwrap()).collect();
        assert_eq!(names, [1, 2, 3].map(|n| root.path().join(format!("gpt2-micro-{n}"))));
    }
}
