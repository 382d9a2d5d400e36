//! Images that are both trained on and validated with.

use super::pictures::Pictures;
use std::collections::{HashMap, HashSet};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

/// The bytes that an image is made of.
#[derive(Clone, Copy, Debug)]
pub enum Content<'a> {
    /// A file; `linked` when links may lead to the same file under several paths.
    File { path: &'a Path, linked: bool },
    /// Pixels in memory.
    Bytes(&'a [u8]),
}

/// Sets of more files than this are compared by their paths alone.
const MOST_FILES: usize = 100_000;
/// At most this many bytes of files are read to compare them.
const MOST_BYTES: u64 = 256 << 20;

/// The warning about validation images that are in the training part too: their number, and one of them. `None` if there are none.
pub fn warning(training: &Pictures, validation: &Pictures) -> Option<String> {
    let found = shared(training, validation);
    let (of_validation, of_training) = *found.first()?;
    Some(format!(
        "warning: {} of the {} images for validation are trained on too, so that validation is too good; the first: {} is {}",
        found.len(),
        validation.len(),
        validation.name(of_validation),
        training.name(of_training)
    ))
}

/// The shared images: their index in validation, in order, and one of them in training.
fn shared(training: &Pictures, validation: &Pictures) -> Vec<(usize, usize)> {
    let mut found: HashMap<usize, usize> = by_key(training, validation, |content| match content {
        Content::Bytes(bytes) => Some(Key::Bytes(bytes)),
        Content::File { path, linked: true } => fs::canonicalize(path).ok().map(Key::Path),
        Content::File { .. } => None,
    });
    if training.len() + validation.len() <= MOST_FILES {
        let lengths =
            |images: &Pictures| -> HashSet<u64> { (0..images.len()).filter_map(|i| length(images.content(i)?)).collect() };
        let (ours, theirs) = (lengths(training), lengths(validation));
        let common: HashSet<u64> = ours.intersection(&theirs).copied().collect();
        let each = |images: &Pictures| -> u64 {
            (0..images.len()).filter_map(|i| length(images.content(i)?)).filter(|length| common.contains(length)).sum()
        };
        if !common.is_empty() && each(training) + each(validation) <= MOST_BYTES {
            let by_content = by_key(training, validation, |content| match content {
                Content::File { path, .. } => length(content).filter(|length| common.contains(length)).and_then(|_| hash(path)),
                Content::Bytes(_) => None,
            });
            by_content.into_iter().for_each(|(index, same)| {
                found.entry(index).or_insert(same);
            });
        }
    }
    let mut found: Vec<(usize, usize)> = found.into_iter().collect();
    found.sort_unstable();
    found
}

/// Equal keys are equal images.
#[derive(PartialEq, Eq, Hash)]
enum Key<'a> {
    Bytes(&'a [u8]),
    Path(PathBuf),
}

fn by_key<'a, K: Eq + Hash>(
    training: &'a Pictures,
    validation: &'a Pictures,
    key: impl Fn(Content<'a>) -> Option<K>,
) -> HashMap<usize, usize> {
    let of = |images: &'a Pictures, i: usize| images.content(i).and_then(&key);
    let ours: HashMap<K, usize> = (0..training.len()).filter_map(|i| Some((of(training, i)?, i))).collect();
    (0..validation.len()).filter_map(|i| Some((i, *ours.get(&of(validation, i)?)?))).collect()
}

/// The length of a file. An empty file is not an image, so two empty files do not count as equal.
fn length(content: Content) -> Option<u64> {
    match content {
        Content::File { path, .. } => fs::metadata(path).ok().filter(|m| m.is_file()).map(|m| m.len()).filter(|n| *n > 0),
        Content::Bytes(_) => None,
    }
}

/// Length and hash of a file's content.
fn hash(path: &Path) -> Option<(usize, u64)> {
    let bytes = fs::read(path).ok()?;
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    Some((bytes.len(), hasher.finish()))
}

#[cfg(test)]
mod tests {
    use super::super::Stored;
    use super::*;

    #[test]
    fn equal_pixels_in_memory_are_the_same_image() {
        let stored = |pixels: &[u8]| {
            let labels = vec![0; pixels.len() / 4];
            Pictures::new(Stored { origin: "F".into(), size: [2, 2, 1], pixels: pixels.to_vec() }, labels, 1)
        };
        let training = stored(&[1, 2, 3, 4, 5, 6, 7, 8]);
        let validation = stored(&[9, 9, 9, 9, 5, 6, 7, 8, 1, 2, 3, 4]);
        assert_eq!(shared(&training, &validation), [(1, 1), (2, 0)]);
        let warning = warning(&training, &validation).unwrap();
        assert!(
            warning.contains("2 of the 3 images for validation") && warning.contains("F, image 1 is F, image 1"),
            "{warning}"
        );
        assert!(super::warning(&training, &stored(&[0; 4])).is_none());
    }
}
