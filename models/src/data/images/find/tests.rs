use super::*;
use std::fs;

fn refused(name: &str, bytes: &[u8]) -> (String, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    let clean = |error: Error| error.to_string().replace(&folder.path().display().to_string(), "F");
    (clean(find(&path, 3, Need::Classes).unwrap_err()), clean(find(folder.path(), 3, Need::Classes).unwrap_err()))
}

#[test]
fn archives_are_to_be_unpacked_first_and_the_command_is_said() {
    for (name, command) in [("a.tar.gz", "tar xzf"), ("b.TGZ", "tar xzf"), ("c.zip", "unzip"), ("d.tar", "tar xf")] {
        let (file, folder) = refused(name, b"packed");
        assert_eq!(file, format!("F/{name}: is packed; unpack it (`{command} F/{name}`) and give what comes out"));
        assert!(
            folder.contains(&format!("F: has no images, but something packed: unpack it (`{command} F/{name}`)")),
            "{folder}"
        );
    }
}

#[test]
fn what_is_no_set_is_refused_with_what_would_be_one() {
    for (name, what) in [
        ("train_32x32.mat", "a MATLAB file"),
        ("x.npz", "NumPy arrays"),
        ("labels.csv", "a table"),
        ("X.Parquet", "a Parquet table"),
    ] {
        let (file, folder) = refused(name, b"content");
        assert!(file.starts_with(&format!("F/{name}: is {what}, which is not read; give a directory with")), "{file}");
        assert!(folder.starts_with(&format!("F: has no images; F/{name} is {what}, which is not read")), "{folder}");
    }
    assert!(refused("a.webp", b"").1.contains("has images of formats that are not read (1 .webp): convert them"));
    assert!(refused("notes.txt", b"text").0.contains("is not a set of images; give a directory with train/CLASS/*.jpg"));
    let folder = tempfile::tempdir().unwrap();
    let cat = folder.path().join("cat.jpg");
    fs::write(&cat, b"").unwrap();
    assert!(find(&cat, 3, Need::Classes).unwrap_err().to_string().contains("is a single image; give the directory of a set"));
    assert_eq!(find(Path::new("/nowhere/at/all"), 3, Need::Classes).unwrap_err().to_string(), "/nowhere/at/all: does not exist");
}
