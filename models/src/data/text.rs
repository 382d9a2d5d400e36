//! What `--data` names: text and token files, in folders and by pattern.

use super::{TokenFile, packed};
use ivon_runtime::{Error, Result, disk::unreadable};
use std::path::{Path, PathBuf};

/// One document: where it is from, for messages, and its bytes.
pub struct Document {
    /// A path, or what stands for one.
    pub origin: String,
    /// What it holds.
    pub bytes: Vec<u8>,
}

/// Something to learn from.
pub enum Input {
    /// Text, to be encoded.
    Text(Document),
    /// Tokens.
    Tokens(TokenFile),
}

/// The files under `paths`: a file is itself, a folder all files in it, recursively and sorted by name, hidden ones left out, and a pattern
/// with `*`, `?`, `[..]` or `**` what it matches, sorted by name.
///
/// # Errors
/// If a path does not exist or cannot be read, a folder holds no file, or a pattern matches nothing; if one is a device or packed.
pub fn files(paths: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut all = vec![];
    for path in paths {
        if let Some(pattern) = pattern(path) {
            let matched = matches(path, pattern)?;
            all.extend(files(&matched)?);
            continue;
        }
        let metadata = std::fs::metadata(path).map_err(|e| unreadable(path, &e))?;
        if is_device(&metadata) {
            return Err(Error::file(path, "is a device, which may never end; give a file"));
        }
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
    match all.iter().find_map(|file| Some((file, packed::unpacking(file)?))) {
        Some((file, command)) => Err(packed::error(file, &command)),
        None => Ok(all),
    }
}

#[cfg(unix)]
fn is_device(metadata: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::FileTypeExt;
    let kind = metadata.file_type();
    kind.is_char_device() || kind.is_block_device()
}

#[cfg(not(unix))]
fn is_device(_: &std::fs::Metadata) -> bool {
    false
}

/// The path as a pattern, if it is one and no file of that name is there.
fn pattern(path: &Path) -> Option<&str> {
    path.to_str().filter(|text| text.contains(['*', '?', '[']) && !path.exists())
}

fn matches(path: &Path, pattern: &str) -> Result<Vec<PathBuf>> {
    let found = glob::glob(pattern).map_err(|e| Error::file(path, format!("is no pattern that can be matched: {e}")))?;
    let found = found.collect::<Result<Vec<_>, _>>().map_err(|e| unreadable(e.path(), e.error()))?;
    match found.is_empty() {
        true => Err(Error::file(path, "matches no file")),
        false => Ok(found),
    }
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

/// What is under `paths`, in the order of [`files`]. Token files are recognised by their content, or by `.bin`.
///
/// # Errors
/// Those of [`files`], and if a file cannot be read.
pub fn read(paths: &[PathBuf]) -> Result<Vec<Input>> {
    let input = |path: PathBuf| {
        if let Some(tokens) = TokenFile::recognise(&path)? {
            return Ok(Input::Tokens(tokens));
        }
        let bytes = std::fs::read(&path).map_err(|e| unreadable(&path, &e))?;
        Ok(Input::Text(Document { origin: path.display().to_string(), bytes }))
    };
    files(paths)?.into_iter().map(input).collect()
}

/// The text of this project's own repository, as it was when the program was built: the default to train on.
pub fn embedded() -> Document {
    Document {
        origin: "the text of this repository".into(),
        bytes: include_bytes!(concat!(env!("OUT_DIR"), "/repository.txt")).to_vec(),
    }
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
        let text = |path: PathBuf| -> Vec<u8> {
            let bytes = |input| match input {
                Input::Text(document) => document.bytes,
                Input::Tokens(_) => panic!("text is no tokens"),
            };
            read(&[path]).unwrap().into_iter().flat_map(bytes).collect()
        };
        assert_eq!(text(root.path().into()), b"123");
        assert_eq!(text(root.path().join("*.txt")), b"13");
        assert_eq!(text(root.path().join("**/x.*")), b"2");
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let root = tempfile::tempdir().unwrap();
        let missing = root.path().join("nowhere.txt");
        let error = files(std::slice::from_ref(&missing)).unwrap_err().to_string();
        assert_eq!(error, format!("{}: does not exist", missing.display()));
        let error = files(&[root.path().into()]).unwrap_err().to_string();
        assert!(error.contains("folder without files"), "{error}");
        let error = files(&[root.path().join("*.bin")]).unwrap_err().to_string();
        assert!(error.contains("*.bin: matches no file"), "{error}");
        let error = files(&[root.path().join("a[.bin")]).unwrap_err().to_string();
        assert!(error.contains("no pattern"), "{error}");
    }

    #[test]
    fn what_is_no_text_is_refused_before_it_is_read() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("books.zip"), "PK").unwrap();
        let error = files(&[root.path().into()]).unwrap_err().to_string();
        let path = root.path().join("books.zip");
        let path = path.display();
        assert_eq!(error, format!("{path}: is packed; unpack it (`unzip {path}`) and give what comes out"));
        let error = files(&["/dev/zero".into()]).unwrap_err().to_string();
        assert!(error.contains("is a device"), "{error}");
    }

    #[test]
    fn the_embedded_text_is_this_repository() {
        let text = String::from_utf8(embedded().bytes).unwrap();
        assert!(text.contains("fn the_embedded_text_is_this_repository"));
        assert!(text.len() > 50_000, "{} bytes", text.len());
    }
}
