use super::*;
use std::fs;
use std::path::Path;

/// A directory with empty files at these places; a place that ends in `/` is an empty directory.
fn directory(places: &[&str]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    for place in places {
        let path = directory.path().join(place);
        if place.ends_with('/') {
            fs::create_dir_all(path).unwrap();
        } else {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, b"").unwrap();
        }
    }
    directory
}

fn read(path: &Path) -> Result<Layout, String> {
    let clean = |e: Error| e.to_string().replace(&path.display().to_string(), "F");
    Tree::scan(path).and_then(|tree| layout(&tree)).map(|layout| layout.expect("has images")).map_err(clean)
}

/// The arrangement in a line: `training: a 1, b 2; validation: a 1, b 1`, with the numbers of images.
fn arranged(places: &[&str]) -> String {
    let directory = directory(places);
    let classes = |classes: &Classes| {
        classes.classes.iter().map(|(name, files)| format!("{name} {}", files.len())).collect::<Vec<_>>().join(", ")
    };
    match read(directory.path()).map(|layout| layout.arrangement) {
        Ok(Arrangement::Parts { training, validation }) => {
            let parts = [("training", training), ("validation", validation)];
            let parts = parts.iter().filter_map(|(name, part)| Some(format!("{name}: {}", classes(part.as_ref()?))));
            parts.collect::<Vec<_>>().join("; ")
        }
        Ok(Arrangement::Whole(whole)) => classes(&whole),
        Ok(Arrangement::Loose(files)) => format!("{} loose", files.len()),
        Err(message) => message,
    }
}

/// Two classes with an image each in every directory.
fn classes(directories: &[&str]) -> Vec<String> {
    directories.iter().flat_map(|part| ["a", "b"].map(|class| format!("{part}/{class}/1.png"))).collect()
}

fn arranged_classes(directories: &[&str]) -> String {
    arranged(&classes(directories).iter().map(String::as_str).collect::<Vec<_>>())
}

const BOTH: &str = "training: a 1, b 1; validation: a 1, b 1";

#[test]
fn parts_go_by_many_names_in_any_case_and_within_wrappers() {
    for parts in [
        ["train", "val"],
        ["Training", "Testing"],
        ["Training", "Test"],
        ["Train", "Val"],
        ["TRAIN", "TEST"],
        ["train_set", "test_set"],
        ["training_set", "test_set"],
        ["TrainSet", "TestSet"],
        ["train-images", "validation-images"],
        ["train2017", "val2017"],
        ["seg_train/seg_train", "seg_test/seg_test"],
        ["train/train", "test/test"],
        ["train/images", "valid/images"],
        ["archive/train", "archive/val"],
        ["archive/data/set/Train", "archive/data/set/Validation"],
    ] {
        assert_eq!(arranged_classes(&parts), BOTH, "{parts:?}");
    }
    assert_eq!(arranged_classes(&["Train"]), "training: a 1, b 1");
    assert_eq!(arranged_classes(&["set/test"]), "validation: a 1, b 1");
}

#[test]
fn of_validation_and_test_the_first_is_taken_and_the_other_is_named() {
    let places = classes(&["Train", "Validation", "Test", "extra"]);
    let directory = directory(&places.iter().map(String::as_str).collect::<Vec<_>>());
    let layout = read(directory.path()).unwrap();
    let Arrangement::Parts { validation: Some(validation), .. } = layout.arrangement else { panic!("no parts") };
    assert!(validation.directory.ends_with("Validation"));
    let notes = layout.notes.join("\n").replace(&directory.path().display().to_string(), "F");
    assert!(
        notes.contains("F/Validation; F/Test is not used") && notes.contains("not that of a part such as train or val: F/extra"),
        "{notes}"
    );
}

#[test]
fn classes_without_parts_are_found_within_wrappers() {
    for wrapper in ["", "images/", "PetImages/", "x/images/", "a b/c/"] {
        let places = ["Cat/1.jpg", "Cat/2.jpg", "Dog/deep/1.jpg", "Dog/deep/more/2.PNG"].map(|place| format!("{wrapper}{place}"));
        assert_eq!(arranged(&places.each_ref().map(String::as_str)), "Cat 2, Dog 2", "{wrapper}");
    }
}

#[test]
fn the_order_is_that_of_torchvisions_image_folder() {
    let directory =
        directory(&["cat/z.png", "cat/more/c.png", "cat/a-b/1.png", "cat/a/2.png", "cat/a/x/3.png", "cat/B.png", "dog/1.png"]);
    let Arrangement::Whole(classes) = read(directory.path()).unwrap().arrangement else { panic!("has parts") };
    let cat = directory.path().join("cat");
    let names: Vec<String> =
        classes.classes[0].1.iter().map(|path| path.strip_prefix(&cat).unwrap().display().to_string()).collect();
    assert_eq!(names, ["B.png", "z.png", "a/2.png", "a-b/1.png", "a/x/3.png", "more/c.png"]);
}

#[test]
fn leftovers_hidden_files_and_directories_called_like_images_are_no_trouble() {
    let places = [
        "set/train/cat/1.png",
        "set/train/cat/.hidden.png",
        "set/train/cat/._1.png",
        "set/train/dog/x.png/1.png",
        "set/train/.ipynb_checkpoints/1.png",
        "set/val/cat/1.png",
        "set/val/dog/1.jpeg",
        "__MACOSX/set/train/cat/._1.png",
        "__MACOSX/set/train/cat/2.png",
    ];
    assert_eq!(arranged(&places), "training: cat 1, dog 1; validation: cat 1, dog 1");
    assert_eq!(arranged(&["cat.png/1.png", "dog.png/1.png"]), "cat.png 1, dog.png 1");
}

#[test]
fn a_class_of_vehicles_may_be_called_train() {
    assert_eq!(arranged(&["bus/1.png", "car/1.png", "train/1.png"]), "bus 1, car 1, train 1");
    assert_eq!(arranged(&["train/bus/1.png", "train/car/1.png", "train/train/1.png"]), "training: bus 1, car 1, train 1");
}

#[test]
fn parts_that_are_taken_for_classes_elsewhere_are_refused() {
    for (places, wanted) in [
        (&["train/1.png", "test/1.png"][..], "F/train: has images in no class (1)"),
        (
            &["cats_train/1.png", "cats_test/1.png"],
            "has directories that look like parts and not like classes: cats_test, cats_train",
        ),
        (
            &["amazon/images/bike/1.png", "amazon/images/mug/1.png", "dslr/images/bike/1.png", "dslr/images/mug/1.png"],
            "which all hold images",
        ),
        (
            &["2019/a/1.png", "2019/b/1.png", "2020/a/1.png", "2020/b/1.png"],
            "has the directories 2019, 2020, which all hold a, b: either may be",
        ),
        (
            &["cat/train/1.png", "cat/val/1.png", "dog/train/1.png", "dog/val/1.png"],
            "has several sets of images, with parts of their own: F/cat, F/dog",
        ),
        (&["train/a/1.png", "Training/a/1.png"], "F/Training: and F/train look like the same part"),
        (&["train/a/1.png", "train/b/1.png", "val/"], "F/val: has no images"),
        (&["train/a/1.png", "train/b/1.png", "val/1.png"], "F/val: has images in no class (1)"),
    ] {
        let message = arranged(places);
        assert!(message.contains(wanted), "{places:?}: {message}");
    }
}

#[test]
fn sets_for_detection_and_tables_of_labels_are_refused_by_name() {
    for (places, wanted) in [
        (
            &["train/images/1.jpg", "train/labels/1.txt", "val/images/1.jpg", "val/labels/1.txt"][..],
            "F/train: has the directories images, labels, of which images is not a class",
        ),
        (&["images/train/1.jpg", "images/val/1.jpg", "labels/train/1.txt"], "F/images/train: has images in no class (1)"),
        (&["images/1.jpg", "labels/1.txt"], "a set for detection or segmentation"),
        (&["images/1.jpg", "masks/1.png"], "F: has the directories images, masks, of which images is not a class"),
        (&["JPEGImages/1.jpg", "SegmentationClass/1.png", "Annotations/1.xml"], "JPEGImages is not a class"),
        (&["train2017/1.jpg", "val2017/1.jpg", "annotations/instances.json"], "Labels that are in F/annotations are not read"),
        (
            &["train/1.png", "train.csv"],
            "Labels that are in F/train.csv are not read. Put every image into a directory named after its class",
        ),
        (&["train/1.png", "train/labels.csv", "test/1.png"], "Labels that are in F/train/labels.csv are not read"),
    ] {
        let message = arranged(places);
        assert!(message.contains(wanted), "{places:?}: {message}");
    }
}

#[test]
fn images_of_other_formats_are_counted_and_a_class_of_them_alone_is_refused() {
    let message = arranged(&["a/1.png", "b/1.webp", "b/2.WEBP", "b/3.gif"]);
    assert!(message.contains("F/b: has no images (JPEG or PNG) (1 .gif, 2 .webp)"), "{message}");
    let directory = directory(&["a/1.png", "a/2.webp", "b/1.png", "docs/readme.txt"]);
    let notes = read(directory.path()).unwrap().notes.join("\n").replace(&directory.path().display().to_string(), "F");
    assert_eq!(
        notes,
        "not used, because only JPEG and PNG are read: 1 .webp in F/a\nnot used, because they hold no images: F/docs"
    );
}

#[test]
fn classes_whose_names_hardly_differ_are_named() {
    let names = |names: &[&str]| alike(&names.iter().map(|name| name.to_string()).collect::<Vec<_>>());
    assert_eq!(names(&["Cat", "dog", "golden retriever"]), None);
    assert_eq!(names(&["A", "a"]), None, "letters");
    for (one, other) in [("Cat", "cat"), ("golden retriever", "golden_retriever"), ("dog", "dog "), ("cafe\u{301}", "cafe")] {
        let note = names(&["bird", one, other]).unwrap();
        assert!(note.contains(&format!("`{one}` and `{other}`")), "{note}");
    }
    let message = arranged(&["train/a/1.png", "train/Cat/1.png", "val/a/1.png", "val/cat/1.png"]);
    assert!(message.contains("train has `Cat`") && message.contains("in capitals and spaces too"), "{message}");
}

#[cfg(unix)]
#[test]
fn a_class_whose_name_is_not_utf_8_is_refused() {
    use std::os::unix::ffi::OsStrExt;
    let set = directory(&["a/1.png", "b/1.png"]);
    let class = set.path().join(std::ffi::OsStr::from_bytes(b"\xff"));
    fs::create_dir(&class).unwrap();
    fs::write(class.join("1.png"), b"").unwrap();
    assert!(read(set.path()).unwrap_err().contains("is a class whose name is not UTF-8"));
}

#[cfg(unix)]
mod links {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn directories_behind_links_are_read_once() {
        let elsewhere = directory(&["photos/1.png", "photos/2.png"]);
        let set = directory(&["a/1.png", "b/1.png"]);
        symlink(elsewhere.path().join("photos"), set.path().join("a/more")).unwrap();
        symlink(elsewhere.path().join("photos"), set.path().join("a/again")).unwrap();
        let Arrangement::Whole(classes) = read(set.path()).unwrap().arrangement else { panic!("has parts") };
        assert_eq!(classes.classes.iter().map(|(_, files)| files.len()).collect::<Vec<_>>(), [3, 1]);
        // A set made of links alone.
        let links = tempfile::tempdir().unwrap();
        for class in ["a", "b"] {
            symlink(set.path().join(class), links.path().join(class)).unwrap();
        }
        let Arrangement::Whole(classes) = read(links.path()).unwrap().arrangement else { panic!("has parts") };
        assert_eq!(classes.names(), ["a", "b"]);
    }

    #[test]
    fn a_directory_in_two_classes_and_a_loop_are_refused() {
        let set = directory(&["a/1.png", "b/1.png"]);
        symlink(set.path().join("a"), set.path().join("c")).unwrap();
        assert!(read(set.path()).unwrap_err().contains("F/c: is the same directory as one in F/a"));
        let set = directory(&["a/1.png", "b/1.png"]);
        symlink("..", set.path().join("a/up")).unwrap();
        let message = read(set.path()).unwrap_err();
        assert!(message.starts_with("F/a/up: is a link to") && message.contains("the links form a loop"), "{message}");
        let set = directory(&["a/1.png"]);
        symlink("self", set.path().join("a/self")).unwrap();
        assert!(read(set.path()).unwrap_err().starts_with("F/a/self: "));
    }

    #[test]
    fn a_link_to_nothing_is_an_image_that_cannot_be_read() {
        let set = directory(&["a/1.png", "b/1.png"]);
        symlink("/nowhere/at/all.png", set.path().join("a/2.png")).unwrap();
        let Arrangement::Whole(classes) = read(set.path()).unwrap().arrangement else { panic!("has parts") };
        assert_eq!(classes.classes[0].1.len(), 2);
    }
}
