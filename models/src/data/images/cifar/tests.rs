use super::*;

/// Records whose red is 10 + i, green 20 + i, blue 30 + i everywhere, but for the first pixel of every plane, which is 0.
fn records(labels: &[&[u8]]) -> Vec<u8> {
    let record = |(i, label): (usize, &&[u8])| {
        let mut planes: Vec<u8> = [10, 20, 30].iter().flat_map(|c| vec![c + i as u8; PLANE]).collect();
        (0..3).for_each(|plane| planes[plane * PLANE] = 0);
        [label.to_vec(), planes].concat()
    };
    labels.iter().enumerate().flat_map(record).collect()
}

fn folder(files: &[(&str, Vec<u8>)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    files.iter().for_each(|(name, bytes)| fs::write(folder.path().join(name), bytes).unwrap());
    folder
}

/// The files of CIFAR-10, with one more file or another content of one.
fn cifar10(other: (&str, Vec<u8>)) -> tempfile::TempDir {
    let mut files: Vec<(&str, Vec<u8>)> =
        CIFAR_10.training.iter().chain(CIFAR_10.test).zip(0..).map(|(name, label)| (*name, records(&[&[label], &[9]]))).collect();
    files.retain(|(name, _)| *name != other.0);
    files.push(other);
    folder(&files)
}

fn refused(folder: &tempfile::TempDir) -> String {
    let error = ImageSet::open(folder.path(), 3).unwrap_err().to_string();
    error.replace(&folder.path().display().to_string(), "F")
}

#[test]
fn the_batches_of_cifar_10_follow_each_other_with_their_planes_put_together() {
    let folder = cifar10(("readme.html", vec![]));
    let set = ImageSet::open(folder.path(), 3).unwrap();
    assert_eq!(set.style, Style::Cifar { classes: 10 });
    assert_eq!(set.classes[..3], ["airplane", "automobile", "bird"]);
    let training = &set.parts.training;
    let labels: Vec<u32> = (0..10).map(|i| training.label(i)).collect();
    assert_eq!(labels, [0, 9, 1, 9, 2, 9, 3, 9, 4, 9]);
    let picture = training.picture(3).unwrap();
    assert_eq!([picture.height(), picture.width(), picture.channels()], [32, 32, 3]);
    assert_eq!(picture.pixels()[..6], [0, 0, 0, 11, 21, 31]);
    assert_eq!((set.parts.validation.len(), set.parts.validation.label(0)), (2, 5));
}

#[test]
fn cifar_100_has_fine_labels_and_names_in_a_file() {
    let names: String = (0..100).map(|i| format!("name {i}\n")).collect();
    let files = [
        ("train.bin", records(&[&[3, 77], &[0, 99]])),
        ("test.bin", records(&[&[1, 0]])),
        ("fine_label_names.txt", names.into_bytes()),
    ];
    let set = ImageSet::open(folder(&files).path(), 3).unwrap();
    assert_eq!(set.style, Style::Cifar { classes: 100 });
    assert_eq!((set.parts.training.label(0), set.parts.training.label(1)), (77, 99));
    assert_eq!(set.classes[77], "name 77");
    // Other things go by the name of train.bin.
    let error = refused(&folder(&[("train.bin", vec![0; 1000])]));
    assert!(error.contains("has no images"), "{error}");
}

#[test]
fn the_folder_that_the_archive_unpacks_to_is_found_in_its_parent() {
    let parent = tempfile::tempdir().unwrap();
    let child = parent.path().join("cifar-10-batches-bin");
    fs::rename(cifar10(("readme.html", vec![])).keep(), &child).unwrap();
    assert_eq!(ImageSet::open(parent.path(), 3).unwrap().parts.training.len(), 10);
}

#[test]
fn files_of_other_sizes_and_labels_are_refused_by_name() {
    let cut = records(&[&[1], &[2]])[..5000].to_vec();
    let error = refused(&cifar10(("data_batch_3.bin", cut)));
    assert_eq!(error, "F/data_batch_3.bin: has 5000 bytes: CIFAR-10 has records of 3073; it is cut short, or something else");
    let error = refused(&cifar10(("test_batch.bin", vec![])));
    assert!(error.starts_with("F/test_batch.bin: has 0 bytes"), "{error}");
    let error = refused(&cifar10(("data_batch_2.bin", records(&[&[1], &[10]]))));
    assert_eq!(error, "F/data_batch_2.bin: record 1 has label 10, and there are 10 classes");
    let error = refused(&cifar10(("batches.meta.txt", b"cat\ndog\n".to_vec())));
    assert_eq!(error, "F/batches.meta.txt: names 2 classes, and there are 10");
    let error = refused(&folder(&[("data_batch_1.bin", records(&[&[1]])), ("test_batch.bin", records(&[&[1]]))]));
    assert_eq!(error, "F/data_batch_2.bin: is missing, and the other files of CIFAR are there");
    let error = refused(&folder(&[("data_batch_1", vec![1])]));
    assert!(error.contains("is of the Python version of CIFAR; the binary version is read here"), "{error}");
}

#[test]
fn colour_pictures_for_a_grey_model_are_refused_with_the_reason() {
    let folder = cifar10(("readme.html", vec![]));
    let set = ImageSet::open(folder.path(), 1).unwrap();
    let error = set.parts.training.good(0).unwrap_err().to_string();
    assert!(error.starts_with("none of the 10 images can be used; the first:") && error.contains("is in colour"), "{error}");
}

#[test]
fn a_batch_that_is_there_twice_and_files_that_are_no_batches_are_named() {
    let folder = cifar10(("data_batch_2.bin", records(&[&[0], &[9]])));
    let message = refused(&folder);
    assert!(message.starts_with("F/data_batch_2.bin: has the content of F/data_batch_1.bin"), "{message}");
    let set = ImageSet::open(cifar10(("data_batch_6.bin", records(&[&[1]]))).path(), 3).unwrap();
    assert_eq!(set.notes[0], "not used, because CIFAR-10 has no such files: data_batch_6.bin");
}
