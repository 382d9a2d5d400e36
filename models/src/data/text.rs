//! Text from files and folders.

use ivon_runtime::{Error, Result};
use std::path::{Path, PathBuf};

/// One document: where it is from, for messages, and its bytes.
pub struct Document {
    /// A path, or what stands for one.
    pub origin: String,
    /// What it holds.
    pub bytes: Vec<u8>,
}

/// The files under `paths`: a file is itself, a folder all files in it, recursively and sorted by name, hidden ones left out.
///
/// # Errors
/// If a path does not exist or cannot be read, or a folder holds no file.
pub fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut all = vec![];
    for path in paths {
        let metadata = std::fs::metadata(path).map_err(|e| unreadable(path, &e))?;
        if !metadata.is_dir() {
            all.push(path.clone());
            continue;
        }
        let before = all.len();
        walk(path, &mut all)?;
        if all.len() == before {
            return Err(Error::file(path, "is a folder without files; give one that holds text, or a file"));
        }
    }
    Ok(all)
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let entries = std::fs::read_dir(folder).map_err(|e| unreadable(folder, &e))?;
    let mut entries = entries.collect::<std::io::Result<Vec<_>>>().map_err(|e| unreadable(folder, &e))?;
    entries.sort_by_key(|e| e.file_name());
    for entry in entries {
        if entry.file_name().as_encoded_bytes().starts_with(b".") {
            continue;
        }
        let (path, kind) = (entry.path(), entry.file_type().map_err(|e| unreadable(&entry.path(), &e))?);
        // Links to folders are not followed: they may lead in circles.
        if kind.is_dir() {
            walk(&path, files)?;
        } else if kind.is_file() || path.is_file() {
            files.push(path);
        }
    }
    Ok(())
}

/// The documents under `paths`, in the order of [`files`].
///
/// # Errors
/// Those of [`files`], and if a file cannot be read.
pub fn read(paths: &[PathBuf]) -> Result<Vec<Document>> {
    let document = |path: PathBuf| {
        let bytes = std::fs::read(&path).map_err(|e| unreadable(&path, &e))?;
        Ok(Document { origin: path.display().to_string(), bytes })
    };
    files(paths)?.into_iter().map(document).collect()
}

/// The text of this project's own repository, as it was when the program was built: the default to train on.
pub fn embedded() -> Document {
    Document {
        origin: "the text of this repository".into(),
        bytes: include_bytes!(concat!(env!("OUT_DIR"), "/repository.txt")).to_vec(),
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    use std::io::ErrorKind;
    Error::file(
        path,
        match error.kind() {
            ErrorKind::NotFound => "does not exist".to_string(),
            ErrorKind::PermissionDenied => "may not be read: permission denied".to_string(),
            _ => format!("cannot be read: {error}"),
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn folders_are_read_recursively_in_the_order_of_names() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("b/deep")).unwrap();
        for (name, text) in [("c.txt", "3"), ("a.txt", "1"), ("b/deep/x.txt", "2"), (".hidden", "no")] {
            fs::write(root.path().join(name), text).unwrap();
        }
        let text: Vec<u8> = read(&[root.path().into()]).unwrap().into_iter().flat_map(|d| d.bytes).collect();
        assert_eq!(text, b"123");
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let root = tempfile::tempdir().unwrap();
        let missing = root.path().join("nowhere.txt");
        let error = files(std::slice::from_ref(&missing)).unwrap_err().to_string();
        assert_eq!(error, format!("{}: does not exist", missing.display()));
        let error = files(&[root.path().into()]).unwrap_err().to_string();
        assert!(error.contains("folder without files"), "{error}");
    }

    #[test]
    fn the_embedded_text_is_this_repository() {
        let text = String::from_utf8(embedded().bytes).unwrap();
        assert!(text.contains("fn the_embedded_text_is_this_repository"));
        assert!(text.len() > 50_000, "{} bytes", text.len());
    }
}
