//! Puts the repository's own text together: what `ivon train` learns from when no `--data` is given.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// Files and directories whose Rust and Markdown text is collected. Build output, runs and downloads lie elsewhere.
const SOURCES: [&str; 6] = ["README.md", "docs", "ivon-macros", "ivon-runtime", "models", "tests"];

fn main() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = vec![];
    for source in SOURCES.map(|s| root.join(s)).into_iter().filter(|s| s.exists()) {
        println!("cargo::rerun-if-changed={}", source.display());
        collect(&source, &mut files)?;
    }
    files.sort();
    let mut text = String::new();
    for file in files {
        // A file that is not text teaches nothing.
        if let Ok(content) = fs::read_to_string(&file) {
            text.push_str(&content);
            text.push('\n');
        }
    }
    let out = env::var_os("OUT_DIR").map(PathBuf::from).ok_or_else(|| io::Error::other("cargo sets OUT_DIR"))?;
    fs::write(out.join("repository.txt"), text)
}

/// The Rust and Markdown files under `path`.
fn collect(path: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    // A link leads to text that is collected at its own place.
    if path.is_dir() && path.is_symlink() {
        return Ok(());
    }
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            let path = entry?.path();
            if path.file_name().is_some_and(|n| n != "target" && !n.as_encoded_bytes().starts_with(b".")) {
                collect(&path, files)?;
            }
        }
    } else if path.extension().is_some_and(|e| e == "rs" || e == "md") {
        files.push(path.to_path_buf());
    }
    Ok(())
}
