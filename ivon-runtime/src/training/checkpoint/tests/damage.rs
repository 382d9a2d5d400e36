//! Nothing that happens to a file passes unnoticed.

use super::*;
use std::fs;

/// A saved checkpoint, its files with their content, and the bits of the state in it.
struct Saved {
    _root: tempfile::TempDir,
    path: PathBuf,
    files: Vec<(PathBuf, Vec<u8>)>,
    bits: Vec<u32>,
}

fn saved() -> Saved {
    let root = tempfile::tempdir().unwrap();
    let mut optimizer = ivon(&Shapes::small(), 1);
    step(&mut optimizer);
    let see = |state: &mut crate::optimizers::state::State| {
        state.running_statistics_mut()?[..2].copy_from_slice(&[0.25, -3.0]);
        Ok(())
    };
    optimizer.restore(&mut { see }).unwrap();
    let path = Checkpoints::new(root.path(), 1).save(&optimizer, Notes::default()).unwrap().path().to_path_buf();
    let mut files: Vec<_> = fs::read_dir(&path).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    let files = files.into_iter().map(|f| (f.clone(), fs::read(&f).unwrap())).collect();
    Saved { _root: root, path, files, bits: bits(&optimizer) }
}

impl Saved {
    /// Opens and restores with `content` in the place of a file: an error, or the same state. Whether it was an error.
    fn refused(&self, file: usize, content: &[u8], what: &str) -> bool {
        let (name, whole) = &self.files[file];
        fs::write(name, content).unwrap();
        let opened = Checkpoint::open(&self.path);
        let refused = match &opened {
            Ok(checkpoint) => {
                let mut optimizer = ivon(&Shapes::small(), 99);
                let result = checkpoint.restore(&mut optimizer);
                let same = result.is_err() || bits(&optimizer) == self.bits;
                assert!(same, "{}: {what} was loaded as another state", name.display());
                result.is_err()
            }
            Err(e) => {
                assert!(e.to_string().contains("checkpoint"), "{what}: {e}");
                true
            }
        };
        fs::write(name, whole).unwrap();
        refused
    }
}

#[test]
fn every_bit_of_every_file_counts() {
    let saved = saved();
    for (i, (name, whole)) in saved.files.iter().enumerate() {
        for bit in 0..8 * whole.len() {
            let mut content = whole.clone();
            content[bit / 8] ^= 1 << (bit % 8);
            assert!(saved.refused(i, &content, &format!("bit {bit} flipped")), "{}: bit {bit} does not count", name.display());
        }
    }
    assert!(!saved.refused(0, &saved.files[0].1.clone(), "the whole file"));
}

#[test]
fn every_length_but_the_right_one_is_refused() {
    let saved = saved();
    for (i, (_, whole)) in saved.files.iter().enumerate() {
        for length in 0..whole.len() {
            assert!(saved.refused(i, &whole[..length], &format!("the first {length} bytes")));
        }
        for more in [&b"\0"[..], b"\n", b" ", b"}\n"] {
            assert!(saved.refused(i, &[whole, more].concat(), "more at the end"));
        }
    }
}

#[test]
fn a_file_that_is_missing_is_named() {
    for (name, _) in &saved().files {
        let saved = saved();
        let name = name.file_name().unwrap();
        fs::remove_file(saved.path.join(name)).unwrap();
        let message = Checkpoint::open(&saved.path).unwrap_err().to_string();
        assert!(message.contains(name.to_str().unwrap()), "{message}");
    }
    let message = Checkpoint::open("/nowhere/step-00000001").unwrap_err().to_string();
    assert!(message.contains("step-00000001: is not there"), "{message}");
}

/// A manifest whose checksum is right again after an alteration.
fn sealed(altered: &[u8]) -> Option<Vec<u8>> {
    let text = str::from_utf8(altered).ok()?;
    let above = &text[..text.rfind("  \"crc32c\"")?];
    let crc = crate::core::checksum::Crc32c::of(above.as_bytes());
    Some(format!("{above}  \"crc32c\": \"{crc:08x}\"\n}}\n").into_bytes())
}

/// Somebody who repairs the checksum gets past it, but neither into a panic nor into memory that is not theirs.
#[test]
fn no_manifest_makes_the_reader_panic() {
    let saved = saved();
    let manifest = saved.files.iter().position(|(name, _)| name.ends_with("manifest.json")).unwrap();
    let (name, whole) = &saved.files[manifest];
    for position in 0..whole.len() {
        for byte in *b"09-.\"{[]},:x \xFF" {
            let mut content = whole.clone();
            content[position] = byte;
            let Some(content) = sealed(&content) else { continue };
            fs::write(name, content).unwrap();
            if let Ok(checkpoint) = Checkpoint::open(&saved.path) {
                let _ = checkpoint.restore(&mut ivon(&Shapes::small(), 2));
                let _ = checkpoint.posterior(&Shapes::small());
            }
        }
    }
}

#[test]
fn no_tensor_file_makes_the_reader_panic() {
    let saved = saved();
    let manifest = saved.files.iter().position(|(name, _)| name.ends_with("manifest.json")).unwrap();
    let (mean, whole) = saved.files.iter().find(|(name, _)| name.ends_with("mean.safetensors")).unwrap();
    let old = format!("{:08x}", crate::core::checksum::Crc32c::of(whole));
    for position in 0..whole.len() {
        for byte in [0, 1, 0x7F, 0xFF, b'9', b'"', b'}', b']'] {
            let mut content = whole.clone();
            content[position] = byte;
            fs::write(mean, &content).unwrap();
            let text = str::from_utf8(&saved.files[manifest].1).unwrap();
            let text = text.replace(&old, &format!("{:08x}", crate::core::checksum::Crc32c::of(&content)));
            fs::write(&saved.files[manifest].0, sealed(text.as_bytes()).unwrap()).unwrap();
            let mut optimizer = ivon(&Shapes::small(), 2);
            // Right checksums everywhere: what opens either loads values or says what is wrong with the header.
            if let Err(error) = Checkpoint::open(&saved.path).unwrap().restore(&mut optimizer) {
                assert!(error.to_string().contains("mean.safetensors"), "{error}");
            }
        }
    }
}
