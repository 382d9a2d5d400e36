//! The image files below a directory, with the directories that hold them.
//!
//! Hidden entries and the leftovers of archives are skipped. Links are followed; one that leads to a directory above itself is an error.

use super::decode::is_picture;
use super::special;
use ivon_runtime::{Error, Result, disk::unreadable};
use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

/// Directories are read down to this depth below the first one.
const DEEPEST: usize = 32;
/// Directories that programs leave behind.
const LEFTOVERS: [&str; 4] = ["__MACOSX", "lost+found", "@eaDir", "$RECYCLE.BIN"];
/// Extensions of image formats that are not read.
const OTHER_FORMATS: [&str; 26] = [
    "avif", "bmp", "cr2", "dcm", "dng", "exr", "gif", "heic", "heif", "ico", "jfif", "jif", "jp2", "jpe", "jxl", "nef", "nii",
    "npy", "pbm", "pgm", "pnm", "ppm", "tga", "tif", "tiff", "webp",
];
/// Extensions of tables and annotations, where labels may be.
const TABLES: [&str; 9] = ["csv", "tsv", "json", "jsonl", "xml", "mat", "parquet", "xlsx", "yaml"];

/// A directory with the images in it and in the directories below it.
#[derive(Debug)]
pub struct Tree {
    /// The path as it was reached.
    pub path: PathBuf,
    /// The path without links.
    real: PathBuf,
    /// Image files directly in it, in the order of their names.
    pub images: Vec<PathBuf>,
    /// Directories in it, in the order of their names.
    pub dirs: Vec<Tree>,
    /// Images in it and below it.
    pub total: usize,
    /// Files directly in it that are images of formats that are not read, counted by extension.
    pub other_formats: BTreeMap<String, usize>,
    /// A file directly in it that may hold labels.
    pub table: Option<PathBuf>,
    /// True when a link led to anything in it or below it.
    pub linked: bool,
}

impl Tree {
    /// Scans a directory.
    ///
    /// # Errors
    /// If a directory cannot be read, links form a loop, or an entry with the name of an image is a FIFO, a socket or a device.
    pub fn scan(path: &Path) -> Result<Tree> {
        let real = fs::canonicalize(path).map_err(|e| unreadable(path, &e))?;
        scan(path.to_path_buf(), real, &mut vec![])
    }

    /// The name of the directory.
    pub fn name(&self) -> String {
        self.path.file_name().map_or(String::new(), |name| name.to_string_lossy().into_owned())
    }

    /// The directories that hold images.
    pub fn full(&self) -> Vec<&Tree> {
        self.dirs.iter().filter(|tree| tree.total > 0).collect()
    }

    /// All directories from this one down.
    fn all(&self) -> Vec<&Tree> {
        let mut all = vec![self];
        let mut next = 0;
        while next < all.len() {
            all.extend(&all[next].dirs);
            next += 1;
        }
        all
    }

    /// All images in the order of torchvision's `ImageFolder`: the directories by their whole paths as text, the files of each by name. A
    /// directory that links reach twice counts once; `seen` has the directories of other classes, which may not be reached at all.
    ///
    /// # Errors
    /// If a directory belongs to another class too.
    pub fn collect(&self, seen: &mut HashMap<PathBuf, PathBuf>) -> Result<Vec<PathBuf>> {
        let mut all = self.all();
        all.sort_by(|a, b| a.path.as_os_str().as_encoded_bytes().cmp(b.path.as_os_str().as_encoded_bytes()));
        let mut images = vec![];
        for tree in all {
            match seen.get(&tree.real) {
                None => {
                    seen.insert(tree.real.clone(), self.path.clone());
                    images.extend(tree.images.iter().cloned());
                }
                Some(class) if *class == self.path => {}
                Some(class) => {
                    let message = format!(
                        "is the same directory as one in {}: an image belongs to one class; remove the link",
                        class.display()
                    );
                    return Err(Error::file(&tree.path, message));
                }
            }
        }
        Ok(images)
    }

    /// Images of formats that are not read, counted by extension, in this directory and below it.
    pub fn unread(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for (extension, count) in self.all().into_iter().flat_map(|tree| &tree.other_formats) {
            *counts.entry(extension.clone()).or_default() += count;
        }
        counts
    }
}

fn scan(path: PathBuf, real: PathBuf, above: &mut Vec<PathBuf>) -> Result<Tree> {
    if above.contains(&real) {
        return Err(Error::file(
            &path,
            format!("is a link to {}, in which it lies: the links form a loop; remove it", real.display()),
        ));
    }
    if above.len() > DEEPEST {
        return Err(Error::file(&path, format!("lies more than {DEEPEST} directories below the data; expected train/CLASS/*")));
    }
    let failed = |e: std::io::Error| unreadable(&path, &e);
    let mut entries = fs::read_dir(&path).map_err(failed)?.collect::<Result<Vec<_>, _>>().map_err(failed)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    let mut tree = Tree {
        path: path.clone(),
        real,
        images: vec![],
        dirs: vec![],
        total: 0,
        other_formats: BTreeMap::new(),
        table: None,
        linked: false,
    };
    above.push(tree.real.clone());
    for entry in entries {
        let name = entry.file_name();
        if name.as_encoded_bytes().starts_with(b".") || LEFTOVERS.iter().any(|known| name == *known) {
            continue;
        }
        let path = entry.path();
        // The directory's entry holds the type, so that the disk is not asked about every file.
        let mut kind = entry.file_type().map_err(failed)?;
        let link = kind.is_symlink();
        if link {
            tree.linked = true;
            match fs::metadata(&path) {
                Ok(metadata) => kind = metadata.file_type(),
                // A link to nothing: with the name of an image it is a damaged image, like a file that cannot be read.
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                    tree.images.extend(Some(path).filter(|path| is_picture(path)));
                    continue;
                }
                Err(e) => return Err(unreadable(&path, &e)),
            }
        }
        if kind.is_dir() {
            let real = if link { fs::canonicalize(&path).map_err(|e| unreadable(&path, &e))? } else { tree.real.join(&name) };
            let child = scan(path, real, above)?;
            tree.total += child.total;
            tree.linked |= child.linked;
            tree.dirs.push(child);
        } else if is_picture(&path) {
            if !kind.is_file() {
                return Err(special::not_a_file(&path, kind));
            }
            tree.images.push(path);
        } else {
            tree.note(path);
        }
    }
    above.pop();
    tree.total += tree.images.len();
    Ok(tree)
}

impl Tree {
    /// Keeps the kind of a file that is not an image, for messages.
    fn note(&mut self, path: PathBuf) {
        let Some(extension) = path.extension().map(|e| e.to_string_lossy().to_lowercase()) else { return };
        if OTHER_FORMATS.contains(&extension.as_str()) {
            *self.other_formats.entry(extension).or_default() += 1;
        } else if self.table.is_none() && TABLES.contains(&extension.as_str()) {
            self.table = Some(path);
        }
    }
}
