use super::super::ImageSet;
use super::*;

/// Writes a PNG file of `side` x `side` pixels of one colour.
fn put(path: &Path, side: u32, colour: [u8; 3]) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut encoder = png::Encoder::new(fs::File::create(path).unwrap(), side, side);
    encoder.set_color(png::ColorType::Rgb);
    let pixels = colour.repeat((side * side) as usize);
    encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
}

/// A folder with pictures at these places; the red of picture i is i.
fn folder(places: &[&str]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (i, place) in places.iter().enumerate() {
        put(&folder.path().join(place), 8, [i as u8, 100, 200]);
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
    assert_eq!(seen(&set.parts.training), [(0, 3), (0, 1), (1, 2), (1, 0)]);
    assert_eq!(seen(&set.parts.validation), [(0, 6), (0, 5), (1, 4)]);
    assert_eq!(set.style, Style::Small { size: 8, mirrored: true });
    assert_eq!(set.origin, folder.path().display().to_string());
}

#[test]
fn the_validation_part_goes_by_several_names() {
    for name in ["val", "valid", "validation", "test"] {
        let place = format!("{name}/a/2.png");
        let folder = folder(&["train/a/0.png", "train/a/1.png", &place]);
        assert_eq!(seen(&ImageSet::open(folder.path(), 3).unwrap().parts.validation), [(0, 2)], "{name}");
    }
    let both = folder(&["train/a/0.png", "test/a/1.png", "val/a/2.png"]);
    assert_eq!(seen(&ImageSet::open(both.path(), 3).unwrap().parts.validation), [(0, 2)]);
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
        // To evaluate with there is no need to hold out.
        assert_eq!(ImageSet::for_evaluation(folder.path(), 3).unwrap().parts.len(), 40);
    }
}

#[test]
fn a_set_in_the_only_folder_of_a_folder_is_found() {
    let one = folder(&["dogs/train/a/0.png", "dogs/val/a/1.png"]);
    let set = ImageSet::open(one.path(), 3).unwrap();
    assert_eq!((set.classes, seen(&set.parts.training)), (vec!["a".to_string()], vec![(0, 0)]));
    let two = folder(&["dogs/train/a/0.png", "dogs/val/a/1.png", "cats/train/a/2.png", "cats/val/a/3.png"]);
    let error = refused(&two);
    assert!(error.contains("has several sets of pictures") && error.contains("dogs") && error.contains("cats"), "{error}");
}

#[test]
fn pictures_without_classes_can_be_evaluated_but_not_trained_on() {
    let folder = folder(&["b.png", "a.png"]);
    let set = ImageSet::for_evaluation(folder.path(), 3).unwrap();
    assert!(set.classes.is_empty());
    assert_eq!(seen(&set.parts), [(0, 1), (0, 0)]);
    assert!(refused(&folder).contains("has pictures of no class"), "{}", refused(&folder));
}

#[test]
fn classes_that_differ_between_the_parts_are_named() {
    let folder = folder(&["train/cat/0.png", "train/dog/1.png", "train/cow/1.png", "val/cat/2.png", "val/horse/3.png"]);
    let path = folder.path().display();
    assert_eq!(
        refused(&folder),
        format!(
            "the classes to train on are not those to validate with: only {path}/train has cow, dog; only {path}/val has horse; the folders in \
             both must have the same names"
        )
    );
}

#[test]
fn empty_folders_and_stray_pictures_are_named() {
    let empty_class = folder(&["train/cat/0.png", "val/cat/1.png"]);
    fs::create_dir(empty_class.path().join("train/dog")).unwrap();
    assert!(refused(&empty_class).contains("train/dog: has no pictures (JPEG or PNG): a class has at least one"));

    let stray = folder(&["train/cat/0.png", "train/1.png", "val/cat/1.png"]);
    assert!(refused(&stray).contains("train/1.png: lies beside the folders of the classes"), "{}", refused(&stray));

    let empty_part = folder(&["train/cat/0.png"]);
    fs::create_dir(empty_part.path().join("val")).unwrap();
    assert!(refused(&empty_part).contains("val: has no pictures (JPEG or PNG) in folders named after their classes"));

    let empty = tempfile::tempdir().unwrap();
    assert!(refused(&empty).contains("is empty; give a folder with train/CLASS/*.jpg"), "{}", refused(&empty));
    fs::write(empty.path().join("readme.txt"), "nothing").unwrap();
    assert!(refused(&empty).contains("has no pictures; give"), "{}", refused(&empty));
}

#[test]
fn damaged_files_are_named_by_their_paths() {
    let folder = folder(&["train/a/0.png", "train/a/1.png", "train/a/2.png", "val/a/0.png"]);
    fs::write(folder.path().join("train/a/1.png"), "no picture").unwrap();
    let pictures = ImageSet::open(folder.path(), 3).unwrap().parts.training;
    assert_eq!(pictures.good(1).unwrap().0.pixels()[0], 2);
    let summary = pictures.damage_summary().unwrap();
    assert!(summary.starts_with("1 damaged picture of 3 skipped:\n  /"), "{summary}");
    assert!(summary.contains("train/a/1.png: is not a JPEG or PNG file"), "{summary}");
}

#[test]
fn the_kind_of_pictures_is_seen_from_some_of_them() {
    let of = |sizes: &[(u32, [u8; 3])]| {
        let folder = tempfile::tempdir().unwrap();
        for (i, (side, colour)) in sizes.iter().enumerate() {
            put(&folder.path().join(format!("train/a/{i}.png")), *side, *colour);
        }
        put(&folder.path().join("val/a/0.png"), 8, [0; 3]);
        ImageSet::open(folder.path(), 3).unwrap().style
    };
    let (red, grey) = ([200, 0, 0], [50, 50, 50]);
    assert_eq!(of(&[(32, red), (32, grey)]), Style::Small { size: 32, mirrored: true });
    assert_eq!(of(&[(28, grey), (28, grey)]), Style::Small { size: 28, mirrored: false });
    assert_eq!(of(&[(32, red), (31, red)]), Style::Photos);
    assert_eq!(of(&[(65, red)]), Style::Photos);
}

#[cfg(unix)]
#[test]
fn a_link_in_a_circle_ends_in_an_error() {
    let folder = folder(&["train/a/0.png", "val/a/0.png"]);
    std::os::unix::fs::symlink(folder.path().join("train/a"), folder.path().join("train/a/again")).unwrap();
    assert!(refused(&folder).contains("is there a link in a circle?"), "{}", refused(&folder));
}
