//! Files and directories that no other user can have written.

use std::fs::{DirBuilder, File, Metadata, OpenOptions};
use std::io::{Read as _, Result, Write as _};
use std::path::Path;

/// Checks that a directory, if it exists, belongs to this user and that no other user can write to it.
///
/// # Errors
/// The reason why the directory is not used, and how to change that.
pub(super) fn directory(path: &Path) -> std::result::Result<(), String> {
    match std::fs::metadata(path) {
        Ok(found) if found.is_dir() && !is_private(&found) => Err(format!(
            "{} is not used, because another user owns it or can write to it: `chmod go-w` it, or name another directory in \
             IVON_KERNEL_CACHE",
            path.display()
        )),
        _ => Ok(()),
    }
}

/// Reads a file that has at most this size, belongs to this user, cannot be written by other users, and is not a link. `None` for
/// any other file.
pub(super) fn read(path: &Path, most: u64) -> Option<Vec<u8>> {
    let named = std::fs::symlink_metadata(path).ok().filter(Metadata::is_file)?;
    let file = File::open(path).ok()?;
    // The opened file is checked, because another file may have received its name meanwhile.
    let opened = file.metadata().ok()?;
    if !is_same(&named, &opened) || !is_private(&opened) || opened.len() > most {
        return None;
    }
    let mut content = Vec::with_capacity(opened.len() as usize);
    file.take(most).read_to_end(&mut content).ok()?;
    Some(content)
}

/// Creates a directory that only this user can enter, and its missing parents.
pub(super) fn create(path: &Path) -> Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Creates a file that only this user can read. The file must not exist.
pub(super) fn write(path: &Path, content: &[u8]) -> Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(content)
}

/// True if the file belongs to this user and no other user may write it.
#[cfg(unix)]
fn is_private(found: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    // This directory belongs to the user of this process.
    let own = std::fs::metadata("/proc/self").map(|process| process.uid());
    own.is_ok_and(|own| found.uid() == own) && found.mode() & 0o022 == 0
}

#[cfg(unix)]
fn is_same(a: &Metadata, b: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

#[cfg(not(unix))]
fn is_private(_: &Metadata) -> bool {
    true
}

#[cfg(not(unix))]
fn is_same(a: &Metadata, b: &Metadata) -> bool {
    a.len() == b.len()
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn what_is_written_is_private() {
        let folder = tempfile::tempdir().unwrap();
        let (inner, file) = (folder.path().join("a/b"), folder.path().join("a/b/c"));
        create(&inner).unwrap();
        write(&file, b"code").unwrap();
        assert_eq!((mode(&inner), mode(&file)), (0o700, 0o600));
        assert_eq!(read(&file, 4), Some(b"code".to_vec()));
        assert_eq!(directory(&inner), Ok(()));
        assert!(write(&file, b"again").is_err(), "a file that is there is not written over");
    }

    #[test]
    fn files_that_others_may_have_written_are_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        write(&file, b"code").unwrap();
        symlink(&file, &link).unwrap();
        assert_eq!(read(&link, 100), None, "a link");
        assert_eq!(read(folder.path(), 100), None, "a directory");
        assert_eq!(read(&file, 3), None, "too large");
        for open in [0o620, 0o602] {
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(open)).unwrap();
            assert_eq!(read(&file, 100), None, "writable by others");
        }
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
        let reason = directory(folder.path()).unwrap_err();
        assert!(reason.contains("chmod go-w"), "{reason}");
    }
}
