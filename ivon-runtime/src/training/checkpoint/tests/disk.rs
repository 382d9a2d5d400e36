//! Disks that fail.

use super::super::disk::Sink;
use super::*;
use std::cell::Cell;
use std::io::{self, Write};
use std::rc::Rc;

/// A disk with room for so many bytes, or one that refuses for another reason.
struct Small {
    room: Rc<Cell<usize>>,
    reason: io::ErrorKind,
}

struct Measured {
    file: std::fs::File,
    room: Rc<Cell<usize>>,
    reason: io::ErrorKind,
}

impl Disk for Small {
    fn create(&self, path: &Path) -> io::Result<Box<dyn Sink>> {
        Ok(Box::new(Measured { file: std::fs::File::create(path)?, room: self.room.clone(), reason: self.reason }))
    }
}

impl Write for Measured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(self.room.get());
        if count == 0 && !bytes.is_empty() {
            return Err(self.reason.into());
        }
        self.room.set(self.room.get() - count);
        self.file.write(&bytes[..count])
    }
    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Sink for Measured {
    fn sync(&mut self) -> io::Result<()> {
        self.file.sync_all()
    }
}

fn failing(folder: &Path, room: usize, reason: io::ErrorKind) -> Checkpoints {
    Checkpoints::on(Box::new(Small { room: Rc::new(Cell::new(room)), reason }), folder, 3)
}

#[test]
fn a_disk_that_is_full_after_any_number_of_bytes_leaves_the_last_checkpoint() {
    let root = tempfile::tempdir().unwrap();
    let mut optimizer = ivon(&Shapes::small(), 0);
    step(&mut optimizer);
    let good = Checkpoints::new(root.path(), 3).save(&optimizer, Notes::default()).unwrap();
    let bytes: u64 = std::fs::read_dir(good.path()).unwrap().map(|f| f.unwrap().metadata().unwrap().len()).sum();
    step(&mut optimizer);
    for room in 0..bytes as usize {
        let store = failing(root.path(), room, io::ErrorKind::StorageFull);
        let message = store.save(&optimizer, Notes::default()).unwrap_err().to_string();
        assert!(message.contains("cannot be written") && message.contains("free some space"), "{message}");
        assert_eq!(store.find(Which::Latest).unwrap().manifest().step, 1);
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 1, "something is left behind after {room} bytes");
    }
    failing(root.path(), bytes as usize, io::ErrorKind::StorageFull).save(&optimizer, Notes::default()).unwrap();
}

#[test]
fn each_reason_comes_with_what_to_do() {
    let root = tempfile::tempdir().unwrap();
    let optimizer = ivon(&Shapes::small(), 0);
    let message = |reason| failing(root.path(), 0, reason).save(&optimizer, Notes::default()).unwrap_err().to_string();
    assert!(message(io::ErrorKind::PermissionDenied).contains("permissions"));
    assert!(
        message(io::ErrorKind::ReadOnlyFilesystem).contains("another disk")
            || message(io::ErrorKind::ReadOnlyFilesystem).contains("can be written")
    );
    assert!(message(io::ErrorKind::QuotaExceeded).contains("free some space"));
}

#[cfg(target_os = "linux")]
#[test]
fn a_device_that_is_full_is_an_error() {
    let full = |_: &mut super::super::disk::Counted| Ok(());
    super::super::disk::write(&super::super::disk::Real, Path::new("/dev/null"), full).unwrap_err(); // cannot be synced
    let error = super::super::disk::write(&super::super::disk::Real, Path::new("/dev/full"), |file| file.write_all(b"x"));
    assert!(error.unwrap_err().to_string().contains("free some space"));
}

#[test]
fn a_file_in_the_place_of_the_folder_is_an_error() {
    let root = tempfile::tempdir().unwrap();
    let file = root.path().join("checkpoints");
    std::fs::write(&file, "").unwrap();
    let message = Checkpoints::new(&file, 1).save(&ivon(&Shapes::small(), 0), Notes::default()).unwrap_err().to_string();
    assert!(message.contains("cannot be written") && message.contains("use another folder"), "{message}");
}
