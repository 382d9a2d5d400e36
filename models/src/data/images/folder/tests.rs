use super::super::ImageSet;
use super::*;
use ivon_runtime::Error;
use std::fs;

/// Writes a PNG file of these rows and columns in one colour.
fn put(path: &Path, [height, width]: [u32; 2], colour: [u8; 3]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut encoder = png::Encoder::new(fs::File::create(path).unwrap(), width, height);
    encoder.set_color(png::ColorType::Rgb);
    let pixels = colour.repeat((height * width) as usize);
    encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
}

/// A directory with images at these places; the red of image i is i.
fn folder(places: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (i, place) in places.iter().enumerate() {
        put(&folder.path().join(place), [8, 8], [i as u8, 100, 200]);
    }
    folder
}

/// Labels and reds.
fn seen(pictures: &Pictures) -> Vec<(u32, u8)> {
    (0..pictures.len()).map(|i| (pictures.label(i), pictures.picture(i).unwrap().pixels()[0])).collect()
}

fn refused(folder: &tempfile::TempDir) -> String {
    ImageSet::open(folder.path(), 3).unwrap_err().to_string()
}

#[test]
fn classes_and_pictures_come_in_the_order_of_their_names() {
    let places = [
        "train/dog/b.png",
        "train/cat/z.png",
        "train/dog/a.PNG",
        "train/cat/more/c.png",
        "val/dog/x.png",
        "val/cat/x.png",
        "val/cat/w.png",
    ];
    let folder = folder(&places);
    fs::write(folder.path().join("train/cat/notes.txt"), "nothing").unwrap();
    fs::write(folder.path().join("train/cat/.hidden.png"), "nothing").unwrap();
    let set = ImageSet::open(folder.path(), 3).unwrap();
    assert_eq!(set.classes, ["cat", "dog"]);
    assert_eq!(seen(&set.parts.training), [(0, 1), (0, 3), (1, 2), (1, 0)]);
    assert_eq!(seen(&set.parts.validation), [(0, 6), (0, 5), (1, 4)]);
    assert_eq!(set.style, Style::Small { size: 8, fit: Fit::Cover, mirrored: true });
    assert_eq!(set.origin, folder.path().display().to_string());
}

#[test]
fn without_a_validation_part_a_tenth_is_held_out_the_same_every_time() {
    for train in ["train/", ""] {
        let places: Vec<String> = (0..40).map(|i| format!("{train}{}/{i:02}.png", i % 2)).collect();
        let folder = folder(&places.iter().map(String::as_str).collect::<Vec<_>>());
        let open = || ImageSet::open(folder.path(), 3).unwrap().parts;
        let (one, two) = (open(), open());
        assert_eq!((one.training.len(), one.validation.len()), (36, 4));
        assert_eq!(seen(&one.validation), seen(&two.validation));
        let mut all = [seen(&one.training), seen(&one.validation)].concat();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 40);
        // A set for evaluation is not divided.
        assert_eq!(ImageSet::for_evaluation(folder.path(), 3).unwrap().parts.len(), 40);
    }
}

#[test]
fn a_set_in_the_only_folder_of_a_folder_is_found() {
    let one = folder(&["dogs/train/a/0.png", "dogs/train/b/1.png", "dogs/val/a/2.png", "dogs/val/b/3.png"]);
    let set = ImageSet::open(one.path(), 3).unwrap();
    assert_eq!((set.classes, seen(&set.parts.training)), (vec!["a".to_string(), "b".to_string()], vec![(0, 0), (1, 1)]));
    let two = folder(&["dogs/train/a/0.png", "dogs/val/a/1.png", "cats/train/a/2.png", "cats/val/a/3.png"]);
    let error = refused(&two);
    assert!(error.contains("has several sets of images") && error.contains("dogs") && error.contains("cats"), "{error}");
}

#[test]
fn pictures_without_classes_can_be_evaluated_but_not_trained_on() {
    let folder = folder(&["b.png", "a.png"]);
    let set = ImageSet::for_evaluation(folder.path(), 3).unwrap();
    assert!(set.classes.is_empty());
    assert_eq!(seen(&set.parts), [(0, 1), (0, 0)]);
    assert!(refused(&folder).contains("has images of no class"), "{}", refused(&folder));
    fs::write(folder.path().join("labels.csv"), "a.png,cat\n").unwrap();
    assert!(refused(&folder).contains("labels.csv are not read"), "{}", refused(&folder));
}

#[test]
fn classes_that_differ_between_the_parts_are_named() {
    let folder = folder(&["train/cat/0.png", "train/dog/1.png", "train/cow/1.png", "val/cat/2.png", "val/horse/3.png"]);
    let path = folder.path().display();
    assert_eq!(
        refused(&folder),
        format!(
            "the classes to train on are not those to validate with: only {path}/train has `cow`, `dog`; only {path}/val has `horse`; the \
             directories in both must have the same names"
        )
    );
}

#[test]
fn empty_directories_and_stray_images_are_named() {
    let empty_class = folder(&["train/cat/0.png", "val/cat/1.png"]);
    fs::create_dir(empty_class.path().join("train/dog")).unwrap();
    assert!(refused(&empty_class).contains("train/dog: has no images (JPEG or PNG): a class has at least one"));

    for places in [&["train/cat/0.png", "train/1.png", "val/cat/1.png"][..], &["cat/0.png", "dog/0.png", "1.png"]] {
        let stray = folder(places);
        assert!(refused(&stray).contains("1.png: lies beside the directories of the classes"), "{}", refused(&stray));
    }

    let empty = tempfile::tempdir().unwrap();
    assert!(refused(&empty).contains("is empty; give a directory with train/CLASS/*.jpg"), "{}", refused(&empty));
    fs::write(empty.path().join("readme.txt"), "nothing").unwrap();
    assert!(refused(&empty).contains("has no images; give"), "{}", refused(&empty));
}

#[test]
fn one_class_has_nothing_to_tell_apart() {
    for places in [&["cat/0.png", "cat/1.png"][..], &["train/cat/0.png", "val/cat/1.png"]] {
        let folder = folder(places);
        let message = refused(&folder);
        assert!(message.contains("has one class, `cat`") && message.contains("expected two classes or more"), "{message}");
        // It can still be evaluated on.
        assert_eq!(ImageSet::for_evaluation(folder.path(), 3).unwrap().classes, ["cat"]);
    }
}

#[test]
fn a_class_that_is_held_out_alone_is_named() {
    // One of ten images is held out, the same one each time: the class of one image is it at one of the ten places.
    let message = |place: usize| {
        let class = |i: usize| ["a", "m", "z"][usize::from(i >= place) + usize::from(i > place)];
        let places: Vec<String> = (0..10).map(|i| format!("{}/{i}.png", class(i))).collect();
        let folder = folder(&places.iter().map(String::as_str).collect::<Vec<_>>());
        ImageSet::open(folder.path(), 3).err().map(|e| e.to_string())
    };
    let messages: Vec<String> = (0..10).filter_map(message).collect();
    assert_eq!(messages.len(), 1, "{messages:?}");
    assert!(messages[0].contains("has images for validation, and none to train on, of the classes `m`"), "{messages:?}");
}

#[test]
fn damaged_files_are_named_by_their_paths() {
    let folder = folder(&["train/a/0.png", "train/a/1.png", "train/a/2.png", "train/b/3.png", "val/a/0.png", "val/b/0.png"]);
    fs::write(folder.path().join("train/a/1.png"), "no image").unwrap();
    let images = ImageSet::open(folder.path(), 3).unwrap().parts.training;
    assert_eq!(images.good(1).unwrap().0.pixels()[0], 2);
    let summary = images.damage_summary().unwrap();
    assert!(summary.starts_with("1 damaged image of 4 skipped:\n  /"), "{summary}");
    assert!(summary.contains("train/a/1.png: is not a JPEG or PNG file"), "{summary}");
}

#[test]
fn a_class_of_which_no_image_can_be_used_is_an_error() {
    let folder = folder(&["train/a/0.png", "train/b/1.png", "train/b/2.png", "val/a/0.png", "val/b/0.png"]);
    let names = ["a".to_string(), "b".to_string()];
    let open = || ImageSet::open(folder.path(), 3).unwrap().parts.training;
    fs::write(folder.path().join("train/b/1.png"), "no image").unwrap();
    open().check_classes(&names).unwrap();
    assert!(open().strict(true).check_classes(&names).is_err());
    fs::write(folder.path().join("train/b/2.png"), "").unwrap();
    let message = open().check_classes(&names).unwrap_err().to_string();
    assert!(
        message.starts_with("none of the 2 images of class `b` can be used; the first: ") && message.contains("train/b/1.png"),
        "{message}"
    );
    // Colour is of no use to a model that takes grey.
    let message = open().in_channels(1).check_classes(&names).unwrap_err().to_string();
    assert!(message.contains("class `a`") && message.contains("is in colour"), "{message}");
    assert!(open().greyed().in_channels(1).check_classes(&names[..1]).is_ok());
}

#[test]
fn the_style_follows_from_sizes_colours_and_names() {
    let (red, grey) = ([200, 0, 0], [50, 50, 50]);
    let of = |class: &str, sizes: &[([u32; 2], [u8; 3])]| {
        let folder = tempfile::tempdir().unwrap();
        for (i, (size, colour)) in sizes.iter().enumerate() {
            put(&folder.path().join(format!("{class}/{i}.png")), *size, *colour);
        }
        ImageSet::for_evaluation(folder.path(), 3).unwrap().style
    };
    let small = |size, fit, mirrored| Style::Small { size, fit, mirrored };
    assert_eq!(of("cat", &[([32, 32], red), ([32, 32], grey)]), small(32, Fit::Cover, true));
    assert_eq!(of("cat", &[([28, 28], grey), ([28, 28], grey)]), small(28, Fit::Cover, false));
    assert_eq!(of("cat", &[([28, 20], red), ([28, 20], red)]), small(28, Fit::Contain, true));
    assert_eq!(of("cat", &[([32, 32], red), ([31, 31], red)]), Style::Photos);
    assert_eq!(of("cat", &[([65, 65], red)]), Style::Photos);
    for digit in ["7", "a", "Z", "seven", "digit_7"] {
        assert_eq!(of(digit, &[([32, 32], red)]), small(32, Fit::Cover, false), "{digit}");
        assert_eq!(of(digit, &[([28, 20], grey)]), small(28, Fit::Contain, false), "{digit}");
        assert_eq!(of(digit, &[([28, 20], red), ([30, 25], red)]), Style::Characters, "{digit}");
    }
}

#[test]
fn images_that_are_trained_on_and_validated_with_are_counted() {
    let folder = folder(&["train/a/0.png", "train/b/1.png", "val/a/2.png", "val/b/3.png"]);
    let notes = || ImageSet::open(folder.path(), 3).unwrap().notes.join("\n").replace(&folder.path().display().to_string(), "F");
    assert_eq!(notes(), "");
    fs::copy(folder.path().join("train/b/1.png"), folder.path().join("val/b/copy.png")).unwrap();
    let warning = "warning: 1 of the 3 images for validation are trained on too, so that validation is too good; the first: F/val/b/copy.png is \
                   F/train/b/1.png";
    assert_eq!(notes(), warning);
    #[cfg(unix)]
    {
        fs::remove_dir_all(folder.path().join("val")).unwrap();
        std::os::unix::fs::symlink(folder.path().join("train"), folder.path().join("val")).unwrap();
        assert!(notes().starts_with("warning: 2 of the 2 images for validation are trained on too"), "{}", notes());
    }
}

#[test]
fn without_their_classes_all_images_are_read_whatever_the_arrangement() {
    let folder = folder(&["train/images/1.png", "train/labels/x/2.png", "b/3.png"]);
    assert!(ImageSet::for_evaluation(folder.path(), 3).is_err());
    let set = ImageSet::without_classes(folder.path(), 3).unwrap();
    assert_eq!((set.parts.len(), set.classes.len()), (3, 0));
    assert!(seen(&set.parts).iter().all(|(label, _)| *label == 0));
}

#[cfg(unix)]
#[test]
fn what_is_not_a_file_ends_in_an_error() {
    let folder = folder(&["a/0.png", "b/1.png"]);
    let fifo = folder.path().join("a/2.png");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let message = format!("{}: is a FIFO; expected a JPEG or PNG file", fifo.display());
    let error = |result: Result<ImageSet>| result.unwrap_err().to_string();
    assert_eq!(error(ImageSet::open(folder.path(), 3)), message);
    assert_eq!(error(ImageSet::open(&fifo, 3)), message);
    assert_eq!(read(&fifo).map_err(|e: Error| e.to_string()).unwrap_err(), message);
    assert!(error(ImageSet::open(Path::new("/dev/zero"), 3)).contains("is a device"));
    assert!(read(folder.path()).unwrap_err().to_string().contains("is a directory"));
}
