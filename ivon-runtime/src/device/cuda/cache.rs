//! Compiled kernels on disk, so that only the first run on a machine compiles, and the results of measured choices.
//!
//! The name of an entry is the digest of everything that determines it (text, options, version of the compiler). The entry also
//! contains that in full, so that two with the same hash are distinguished. It is first written to a file of another name:
//! readers see all of it or nothing. A damaged entry is compiled again.
//!
//! An entry is machine code that runs with the rights of the user, so only files that belong to the user are read: see
//! [`trust`](super::trust).

use super::{compile, notice, trust};
use crate::core::checksum::crc32c;
use crate::core::digest::Digest;
use crate::core::error::Result;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// The directory of the entries, if not in the user's cache directory.
const VARIABLE: &str = "IVON_KERNEL_CACHE";

/// The largest size of an entry in bytes.
const MOST: u64 = 64 << 20;

/// The largest total size of all entries in bytes. Those that were unused for longest are removed.
const MOST_IN_ALL: u64 = 1 << 30;

const MAGIC: &[u8; 8] = b"ivoncub1";

/// Returns the machine code of a source for GPUs of this compute capability: from the disk, or compiled and then stored.
///
/// # Errors
/// If the source has to be compiled and compiling fails. If it cannot be stored, it is compiled in every run.
pub(super) fn cubin(name: &str, text: &str, capability: (u32, u32)) -> Result<Vec<u8>> {
    let options = compile::options(capability);
    let (major, minor) = compile::version();
    let key = format!("NVRTC {major}.{minor}\n{}\n{text}", options.join(" "));
    through(directory().as_deref(), name, "cubin", &key, || compile::compile(name, text, &options))
}

/// Returns the number that was chosen under this key. It is chosen once, if it can be stored.
///
/// # Errors
/// Those of `choose`.
pub(super) fn choice(key: &str, choose: impl FnOnce() -> Result<usize>) -> Result<usize> {
    let bytes = through(directory().as_deref(), "way", "choice", key, || Ok(choose()?.to_le_bytes().to_vec()))?;
    Ok(bytes.first_chunk().map_or(0, |bytes| usize::from_le_bytes(*bytes)))
}

/// Returns the entry of this key. If there is none, stores and returns the result of `make`.
fn through(
    directory: Option<&Path>,
    name: &str,
    extension: &str,
    key: &str,
    make: impl FnOnce() -> Result<Vec<u8>>,
) -> Result<Vec<u8>> {
    let Some(directory) = directory else { return make() };
    let name: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).take(40).collect();
    let path = directory.join(format!("{name}-{}.{extension}", Digest::of_text(extension, key)));
    if let Err(reason) = trust::directory(directory) {
        notice::once("kernel cache", &format!("{reason}; kernels are compiled in every run"));
        return make();
    }
    if let Some(image) = trust::read(&path, MOST).and_then(|entry| image_of(&entry, key)) {
        // Records the time of the last use. If that fails, the entry counts as not used.
        let _ = std::fs::File::open(&path).and_then(|file| file.set_modified(SystemTime::now()));
        return Ok(image);
    }
    let image = make()?;
    // If storing fails, the image is still valid.
    let _ = write(directory, &path, &entry_of(key, &image)).and_then(|()| limit(directory, MOST_IN_ALL));
    Ok(image)
}

/// An entry: checksum of the rest, lengths, key, image.
fn entry_of(key: &str, image: &[u8]) -> Vec<u8> {
    let mut body = vec![];
    body.extend((key.len() as u64).to_le_bytes());
    body.extend(key.as_bytes());
    body.extend(image);
    let checksum = crc32c(&body);
    [MAGIC.as_slice(), &checksum.to_le_bytes(), &body].concat()
}

/// Returns the image of an entry that is complete and belongs to this key.
fn image_of(entry: &[u8], key: &str) -> Option<Vec<u8>> {
    let rest = entry.strip_prefix(MAGIC)?;
    let (checksum, body) = rest.split_first_chunk::<4>()?;
    if u32::from_le_bytes(*checksum) != crc32c(body) {
        return None;
    }
    let (length, body) = body.split_first_chunk::<8>()?;
    let (found, image) = body.split_at_checked(usize::try_from(u64::from_le_bytes(*length)).ok()?)?;
    (found == key.as_bytes()).then(|| image.to_vec())
}

fn write(directory: &Path, path: &Path, entry: &[u8]) -> std::io::Result<()> {
    trust::create(directory)?;
    let number = SystemTime::UNIX_EPOCH.elapsed().map_or(0, |since| since.as_nanos());
    let fresh = path.with_extension(format!("{}-{number}.new", std::process::id()));
    let written = trust::write(&fresh, entry).and_then(|()| std::fs::rename(&fresh, path));
    written.inspect_err(|_| drop(std::fs::remove_file(&fresh)))
}

/// Removes the entries that were unused for longest, until the others take at most `most` bytes.
fn limit(directory: &Path, most: u64) -> std::io::Result<()> {
    let mut entries = vec![];
    for entry in std::fs::read_dir(directory)? {
        let entry = entry?;
        let is_ours = entry.path().extension().is_some_and(|end| ["cubin", "choice", "new"].iter().any(|ours| end == *ours));
        // Another process may have removed the file.
        if let (true, Ok(metadata)) = (is_ours, entry.metadata()) {
            entries.push((metadata.modified()?, metadata.len(), entry.path()));
        }
    }
    entries.sort();
    let mut all: u64 = entries.iter().map(|(_, length, _)| length).sum();
    for (_, length, path) in entries {
        if all <= most {
            break;
        }
        std::fs::remove_file(path)?;
        all -= length;
    }
    Ok(())
}

/// `$IVON_KERNEL_CACHE`, or `ivon/kernels` in the user's cache directory. `None` if both are missing or the variable is empty.
fn directory() -> Option<PathBuf> {
    let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if std::env::var_os(VARIABLE).is_some() {
        return set(VARIABLE);
    }
    let caches = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
    caches.map(|caches| caches.join("ivon").join("kernels"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    struct Folder(tempfile::TempDir, Cell<usize>);

    impl Folder {
        fn new() -> Folder {
            Folder(tempfile::tempdir().unwrap(), Cell::new(0))
        }
        /// Returns the content under the key, if compiling returns `image`.
        fn get(&self, key: &str, image: &[u8]) -> Vec<u8> {
            let make = || {
                self.1.set(self.1.get() + 1);
                Ok(image.to_vec())
            };
            through(Some(self.0.path()), "softmax", "cubin", key, make).unwrap()
        }
        fn files(&self) -> Vec<PathBuf> {
            std::fs::read_dir(self.0.path()).unwrap().map(|f| f.unwrap().path()).collect()
        }
    }

    #[test]
    fn a_kernel_is_compiled_once() {
        let folder = Folder::new();
        assert_eq!(folder.get("a", b"code"), b"code");
        assert_eq!(folder.get("a", b"other"), b"code");
        assert_eq!(folder.get("b", b"other"), b"other");
        assert_eq!((folder.1.get(), folder.files().len()), (2, 2));
    }

    #[test]
    fn every_damaged_entry_is_compiled_again() {
        let folder = Folder::new();
        folder.get("key", b"code");
        let path = folder.files().remove(0);
        let whole = std::fs::read(&path).unwrap();
        for byte in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[byte] ^= 4;
            std::fs::write(&path, &damaged).unwrap();
            assert_eq!(folder.get("key", b"code"), b"code", "byte {byte}");
            std::fs::write(&path, &whole[..byte]).unwrap();
            assert_eq!(folder.get("key", b"code"), b"code", "cut at {byte}");
            assert_eq!(std::fs::read(&path).unwrap(), whole, "mended");
        }
        assert_eq!(folder.1.get(), 1 + 2 * whole.len());
    }

    #[test]
    fn the_entries_that_were_not_used_for_longest_go() {
        let folder = Folder::new();
        let age = |path: &Path, seconds| {
            let then = SystemTime::now() - std::time::Duration::from_secs(seconds);
            std::fs::File::open(path).unwrap().set_modified(then).unwrap();
        };
        for (key, seconds) in [("a", 40), ("b", 30), ("c", 20)] {
            let before = folder.files();
            folder.get(key, &[7; 100]);
            let fresh = folder.files().into_iter().find(|file| !before.contains(file)).unwrap();
            age(&fresh, seconds);
        }
        std::fs::write(folder.0.path().join("of the user.txt"), [0; 1000]).unwrap();
        folder.get("a", b"is used");
        let one =
            std::fs::metadata(folder.files().iter().find(|file| file.extension().unwrap() == "cubin").unwrap()).unwrap().len();
        limit(folder.0.path(), 2 * one).unwrap();
        assert_eq!(folder.files().len(), 3);
        let before = folder.1.get();
        folder.get("a", b"new");
        folder.get("c", b"new");
        assert_eq!(folder.1.get(), before, "a, used just now, and c are kept");
        folder.get("b", b"new");
        assert_eq!(folder.1.get(), before + 1, "b had to go");
    }

    #[test]
    fn keys_of_one_hash_are_told_apart() {
        let folder = Folder::new();
        folder.get("key", b"code");
        let entry = entry_of("another key of the same hash", b"wrong");
        std::fs::write(folder.files().remove(0), entry).unwrap();
        assert_eq!(folder.get("key", b"code"), b"code");
    }

    #[test]
    fn where_nothing_can_be_kept_it_is_compiled_each_time() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for _ in 0..2 {
            assert_eq!(through(Some(file.path()), "x", "cubin", "key", || Ok(vec![7])), Ok(vec![7]));
            assert_eq!(through(None, "x", "cubin", "key", || Ok(vec![8])), Ok(vec![8]));
        }
    }
}
