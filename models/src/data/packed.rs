//! Archives, which nothing here reads: what to do with one.

use ivon_runtime::Error;
use std::path::Path;

/// Endings, and how to unpack what has them.
const ENDINGS: [(&str, &str); 10] = [
    (".tar.gz", "tar xzf"),
    (".tgz", "tar xzf"),
    (".tar.xz", "tar xJf"),
    (".tar", "tar xf"),
    (".zip", "unzip"),
    (".gz", "gunzip"),
    (".xz", "unxz"),
    (".bz2", "bunzip2"),
    (".zst", "unzstd"),
    (".7z", "7z x"),
];

/// How to unpack a file, if its name is an archive's.
pub fn unpacking(path: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?.to_lowercase();
    let (_, command) = ENDINGS.iter().find(|(ending, _)| name.ends_with(ending))?;
    Some(format!("{command} {}", path.display()))
}

/// The error for a packed file.
pub fn error(path: &Path, command: &str) -> Error {
    Error::file(path, format!("is packed; unpack it (`{command}`) and give what comes out"))
}
