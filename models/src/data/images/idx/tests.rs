use super::*;
use crate::data::images::random::{Draws, Purpose};
use flate2::Compression;
use flate2::write::GzEncoder;
use std::fs;
use std::io::Write;

/// An IDX file of bytes.
fn idx(dimensions: &[u32], values: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0, 0, 8, dimensions.len() as u8];
    dimensions.iter().for_each(|d| bytes.extend(d.to_be_bytes()));
    bytes.extend(values);
    bytes
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(vec![], Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn folder(files: &[(&str, Vec<u8>)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    files.iter().for_each(|(name, bytes)| fs::write(folder.path().join(name), bytes).unwrap());
    folder
}

/// Two images of 2 x 3 with labels 4 and 1.
fn images() -> Vec<u8> {
    idx(&[2, 2, 3], &(0..12).collect::<Vec<u8>>())
}

fn labels() -> Vec<u8> {
    idx(&[2], &[4, 1])
}

fn refused(files: &[(&str, Vec<u8>)]) -> String {
    let folder = folder(files);
    let error = ImageSet::open(folder.path(), 1).unwrap_err().to_string();
    error.replace(&folder.path().display().to_string(), "F")
}

#[test]
fn files_are_read_packed_or_not_under_each_of_their_names() {
    for (images_name, labels_name) in [
        ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
        ("train-images.idx3-ubyte", "train-labels.idx1-ubyte"),
        ("emnist-letters-train-images-idx3-ubyte", "emnist-letters-train-labels-idx1-ubyte"),
    ] {
        for (pack_images, pack_labels) in [(false, false), (true, true), (true, false), (false, true)] {
            let file = |name: &str, bytes: Vec<u8>, pack| match pack {
                true => (format!("{name}.gz"), gzipped(&bytes)),
                false => (name.to_string(), bytes),
            };
            let files = [
                file(images_name, images(), pack_images),
                file(labels_name, labels(), pack_labels),
                file("t10k-images-idx3-ubyte", idx(&[1, 2, 3], &[9; 6]), pack_images),
                file("t10k-labels-idx1-ubyte", idx(&[1], &[4]), pack_labels),
            ];
            let folder = folder(&files.each_ref().map(|(name, bytes)| (name.as_str(), bytes.clone())));
            let set = ImageSet::open(folder.path(), 1).unwrap();
            assert_eq!(set.classes, ["1", "4"]);
            let training = &set.parts.training;
            assert_eq!((training.len(), training.label(0), training.label(1)), (2, 1, 0));
            assert_eq!(training.picture(1).unwrap().pixels(), [6, 7, 8, 9, 10, 11]);
            assert_eq!(set.parts.validation.picture(0).unwrap().pixels(), [9; 6]);
            assert_eq!(set.style, Style::Small { size: 3, fit: Fit::Contain, mirrored: false });
        }
    }
}

#[test]
fn a_packed_file_of_other_content_beside_the_one_that_is_read_is_named() {
    const I: &str = "train-images-idx3-ubyte";
    let packed = format!("{I}.gz");
    let notes = |content: Vec<u8>| {
        let test = [("t10k-images-idx3-ubyte", images()), ("t10k-labels-idx1-ubyte", labels())];
        let train = [(I, images()), ("train-labels-idx1-ubyte", labels()), (&packed, content)];
        let folder = folder(&[&train[..], &test].concat());
        ImageSet::open(folder.path(), 1).unwrap().notes.join("\n")
    };
    assert!(!notes(gzipped(&images())).contains("is not used"));
    let note = notes(gzipped(&idx(&[2, 2, 3], &[7; 12])));
    assert!(note.contains("train-images-idx3-ubyte.gz is not used: it holds something else"), "{note}");
}

#[test]
fn a_test_set_alone_is_enough_to_evaluate_with() {
    let folder = folder(&[("t10k-images-idx3-ubyte.gz", gzipped(&images())), ("t10k-labels-idx1-ubyte.gz", gzipped(&labels()))]);
    for path in [folder.path().to_path_buf(), folder.path().join("t10k-images-idx3-ubyte.gz")] {
        let set = ImageSet::for_evaluation(&path, 3).unwrap();
        assert_eq!((set.parts.len(), set.parts.channels()), (2, 3));
        assert_eq!(set.parts.picture(0).unwrap().pixels()[..6], [0, 0, 0, 1, 1, 1]);
        assert!(ImageSet::open(&path, 1).unwrap().parts.training.is_empty());
    }
}

#[test]
fn files_of_other_sizes_and_kinds_are_refused_by_name() {
    const I: &str = "train-images-idx3-ubyte";
    const L: &str = "train-labels-idx1-ubyte";
    assert_eq!(refused(&[(I, images())]), format!("F/{I}: has no labels beside it: {L} or {L}.gz is missing"));
    assert_eq!(refused(&[(I, images()), (L, idx(&[3], &[0; 3]))]), format!("F/{I}: has 2 images, and F/{L} has 3 labels"));
    assert_eq!(
        refused(&[(I, images()[..20].to_vec()), (L, labels())]),
        format!("F/{I}: is cut short: it has 4 of 2 x 2 x 3 values")
    );
    assert_eq!(
        refused(&[(I, [images(), vec![0]].concat()), (L, labels())]),
        format!("F/{I}: goes on after its 2 x 2 x 3 values")
    );
    assert_eq!(refused(&[(I, vec![]), (L, labels())]), format!("F/{I}: is cut short: it ends before its data do"));
    let error = refused(&[(I, labels()), (L, labels())]);
    assert!(
        error
            .contains("is not an IDX file of bytes in 3 dimensions: it begins with [00, 00, 08, 01] instead of [00, 00, 08, 03]"),
        "{error}"
    );
    let floats = [&[0, 0, 0x0d, 3], &images()[4..]].concat();
    assert!(refused(&[(I, floats), (L, labels())]).contains("begins with [00, 00, 0d, 03]"));
    assert!(refused(&[(I, idx(&[0, 28, 28], &[])), (L, idx(&[0], &[]))]).contains("there is nothing to see"));
    let error = refused(&[(I, images()), (L, labels()), ("fashion-train-images-idx3-ubyte", images())]);
    assert!(error.contains("are both there: put every set into a directory of its own"), "{error}");
    // A header that promises more than any memory holds.
    assert!(refused(&[(I, idx(&[u32::MAX; 3], &[1, 2])), (L, labels())]).contains("cut short"));
}

#[test]
fn labels_are_numbered_anew_where_they_begin_at_1_or_have_gaps() {
    let set = |training: &[u8], test: &[u8]| {
        let part = |labels: &[u8]| (idx(&[labels.len() as u32, 1, 1], labels), idx(&[labels.len() as u32], labels));
        let ((images, labels), (test_images, test_labels)) = (part(training), part(test));
        let folder = folder(&[
            ("train-images-idx3-ubyte", images),
            ("train-labels-idx1-ubyte", labels),
            ("t10k-images-idx3-ubyte", test_images),
            ("t10k-labels-idx1-ubyte", test_labels),
        ]);
        ImageSet::open(folder.path(), 1).map_err(|e| e.to_string())
    };
    let letters: Vec<u8> = (1..=26).collect();
    let found = set(&letters, &letters).unwrap();
    assert_eq!((found.classes.len(), &found.classes[0][..], &found.classes[25][..]), (26, "1", "26"));
    assert_eq!((found.parts.training.label(0), found.parts.validation.label(25)), (0, 25));
    assert_eq!(found.notes[0], "the labels are 1 to 26: 26 classes, named by their labels");
    assert_eq!(set(&[0, 1, 2, 4, 9], &[4]).unwrap().notes[0], "the labels are 0 to 2, 4, 9: 5 classes, named by their labels");
    // All classes are trained on, and some are tested.
    let found = set(&[0, 1, 2], &[0, 1]).unwrap();
    assert_eq!(found.classes, ["0", "1", "2"]);
    // A test label that is not trained on.
    let error = set(&[0, 1, 2], &[0, 3]).unwrap_err();
    assert!(error.contains("has images for validation, and none to train on, of the classes `3`"), "{error}");
    let error = set(&[0, 255, 2], &[0]).unwrap_err();
    assert!(
        error.contains("train-labels-idx1-ubyte: has the label 255 for image 1, which marks an image without a class"),
        "{error}"
    );
}

#[test]
fn damage_gives_an_error_or_pictures_and_never_a_panic() {
    let mut errors = 0;
    for (file, bytes) in [images(), gzipped(&images())].into_iter().enumerate() {
        for round in 0..400 {
            let mut draws = Draws::new(file as u64, Purpose::Augmentation, 1, round);
            let mut bytes = bytes.clone();
            let place = draws.below(bytes.len());
            match draws.below(3) {
                0 => bytes[place] ^= 1 << draws.below(8),
                1 => bytes[place] = draws.below(256) as u8,
                _ => bytes.truncate(place),
            }
            let folder = folder(&[("train-images-idx3-ubyte", bytes), ("train-labels-idx1-ubyte", labels())]);
            match ImageSet::for_evaluation(folder.path(), 1) {
                Ok(set) => assert_eq!(set.parts.len(), 2),
                Err(error) => {
                    errors += 1;
                    assert!(error.to_string().contains("train-images-idx3-ubyte"), "{error}");
                }
            }
        }
    }
    assert!(errors > 300, "{errors} of 800 were noticed");
}
