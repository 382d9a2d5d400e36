//! How a directory of images is arranged: parts (`train`, `val`) with a directory for each class, the classes alone, or no classes.
//!
//! Names decide first, in any case and with the usual additions (`Training`, `seg_train`, `test_set`). Where names leave two readings, the arrangement
//! is refused with what was seen; no class is ever guessed.

use super::tree::Tree;
use ivon_runtime::{Error, Result};
use std::collections::HashMap;
use std::path::PathBuf;

/// The use of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Training,
    Validation,
    Test,
}

const ROLES: [(Role, &[&str]); 3] = [
    (Role::Training, &["train", "training", "trn", "trainval"]),
    (Role::Validation, &["val", "valid", "validation", "validate", "dev", "eval", "evaluation"]),
    (Role::Test, &["test", "testing", "tst"]),
];
/// Words that the name of a part may have besides its role.
const FILLERS: [&str; 13] =
    ["seg", "set", "data", "dataset", "split", "images", "image", "img", "imgs", "pictures", "photos", "directory", "folder"];
/// Names of directories in sets for detection and segmentation, and of wrappers; never of classes.
const STRUCTURE: [&str; 21] = [
    "images",
    "image",
    "imgs",
    "img",
    "jpegimages",
    "labels",
    "label",
    "labeltxt",
    "annotations",
    "annotation",
    "annots",
    "bboxes",
    "masks",
    "groundtruth",
    "gt",
    "segmentations",
    "segmentation",
    "segmentationclass",
    "segmentationobject",
    "imagesets",
    "depth",
];

const EXPECTED: &str = "expected train/CLASS/* and val/CLASS/*, or CLASS/*";

/// The words of a name in small letters: `Seg_Train2` has `seg` and `train`.
fn words(name: &str) -> Vec<String> {
    let lower = name.to_lowercase();
    let words = lower.split(|c: char| !c.is_alphanumeric()).map(|word| word.trim_end_matches(|c: char| c.is_ascii_digit()));
    words.filter(|word| !word.is_empty()).map(String::from).collect()
}

fn role_of_word(word: &str) -> Option<Role> {
    let known = |word: &str| ROLES.iter().find(|(_, names)| names.contains(&word)).map(|(role, _)| *role);
    // `trainset`, `testdata`, `trainimages`.
    known(word).or_else(|| FILLERS.iter().find_map(|filler| known(word.strip_suffix(filler)?)))
}

/// The role of a directory by its name: one word for the role, and none but fillers beside it.
fn role(name: &str) -> Option<Role> {
    let words = words(name);
    let mut rest = words.iter().filter(|word| !FILLERS.contains(&word.as_str()));
    match (rest.next(), rest.next()) {
        (Some(word), None) => role_of_word(word),
        _ => None,
    }
}

/// True for a name that has a word for a role anywhere: `cats_train`.
fn mentions_role(name: &str) -> bool {
    words(name).iter().any(|word| role_of_word(word).is_some())
}

fn is_structure(name: &str) -> bool {
    STRUCTURE.contains(&words(name).concat().as_str())
}

fn is_filler(name: &str) -> bool {
    let words = words(name);
    !words.is_empty() && words.iter().all(|word| FILLERS.contains(&word.as_str()))
}

/// Classes with their images.
#[derive(Debug)]
pub struct Classes {
    /// The directory that the directories of the classes lie in.
    pub directory: PathBuf,
    /// Names and files, in the order of the names.
    pub classes: Vec<(String, Vec<PathBuf>)>,
}

impl Classes {
    /// The names.
    pub fn names(&self) -> Vec<String> {
        self.classes.iter().map(|(name, _)| name.clone()).collect()
    }
}

/// An arrangement.
#[derive(Debug)]
pub enum Arrangement {
    /// A training part, a validation part, or both.
    Parts { training: Option<Classes>, validation: Option<Classes> },
    /// Classes that are not divided into parts.
    Whole(Classes),
    /// Images without classes, directly in one directory.
    Loose(Vec<PathBuf>),
}

/// The arrangement of a directory.
#[derive(Debug)]
pub struct Layout {
    /// The directory itself, or the one in it that holds the parts or the classes.
    pub directory: PathBuf,
    /// How it is arranged.
    pub arrangement: Arrangement,
    /// Remarks for the user on how it was read.
    pub notes: Vec<String>,
}

/// Finds out how a directory is arranged. `None` if it holds no images.
///
/// # Errors
/// If it can be read in several ways, or in none: what was seen, and what is expected.
pub fn layout(tree: &Tree) -> Result<Option<Layout>> {
    if tree.total == 0 {
        return Ok(None);
    }
    let full = tree.full();
    let parts: Vec<&Tree> = tree.dirs.iter().filter(|child| role(&child.name()).is_some()).collect();
    let others: Vec<&Tree> = full.iter().copied().filter(|child| role(&child.name()).is_none()).collect();
    if parts.iter().any(|part| part.total > 0) && !is_a_class(&parts, &others) {
        return parted(tree, &parts, &others).map(Some);
    }
    match full[..] {
        [] => Ok(Some(Layout {
            directory: tree.path.clone(),
            arrangement: Arrangement::Loose(tree.images.clone()),
            notes: unread(&[tree]).into_iter().chain(table(tree)).collect(),
        })),
        // A wrapper. A class whose images lie deeper would be alone in its set, so nothing is lost.
        [child] if tree.images.is_empty() && child.images.is_empty() => layout(child),
        _ => whole(tree, &full).map(Some),
    }
}

/// True for vehicles: a directory `train` that has images and no classes, among others that are classes.
fn is_a_class(parts: &[&Tree], others: &[&Tree]) -> bool {
    let [part] = parts else { return false };
    part.name().eq_ignore_ascii_case("train")
        && part.full().is_empty()
        && others.len() > 1
        && others.iter().all(|o| !o.images.is_empty())
}

/// A directory with parts.
fn parted(tree: &Tree, parts: &[&Tree], others: &[&Tree]) -> Result<Layout> {
    let one = |wanted: Role| -> Result<Option<&Tree>> {
        let mut found = parts.iter().filter(|part| role(&part.name()) == Some(wanted));
        match (found.next(), found.next()) {
            (Some(one), Some(other)) => {
                let message = format!("and {} look like the same part of the set; keep one of them", other.path.display());
                Err(Error::file(&one.path, message))
            }
            (found, _) => Ok(found.copied()),
        }
    };
    let (training, validation, test) = (one(Role::Training)?, one(Role::Validation)?, one(Role::Test)?);
    let mut notes = vec![];
    if let (Some(validation), Some(test)) = (validation, test) {
        notes.push(format!(
            "the images for validation are those of {}; {} is not used",
            validation.path.display(),
            test.path.display()
        ));
    }
    if !others.is_empty() {
        let names: Vec<String> = others.iter().map(|other| other.path.display().to_string()).collect();
        notes.push(format!("not used, because the name is not that of a part such as train or val: {}", names.join(", ")));
    }
    let chosen = [training, validation.or(test)];
    notes.extend(unread(&chosen.iter().copied().flatten().collect::<Vec<_>>()));
    let classes = |part: Option<&Tree>| part.map(|part| classes(part, tree)).transpose();
    let (training, validation) = (classes(chosen[0])?, classes(chosen[1])?);
    if let (Some(training), Some(validation)) = (&training, &validation) {
        same_classes(training, validation)?;
    }
    Ok(Layout { directory: tree.path.clone(), arrangement: Arrangement::Parts { training, validation }, notes })
}

/// The classes of a part.
fn classes(part: &Tree, set: &Tree) -> Result<Classes> {
    let part = unwrapped(part);
    let full = part.full();
    if full.is_empty() {
        return Err(no_classes(part, set));
    }
    if let Some(stray) = part.images.first() {
        return Err(stray_image(stray));
    }
    check_structure(part, &full)?;
    if let Some(empty) = part.dirs.iter().find(|child| child.total == 0) {
        let found = found(empty).map_or(String::new(), |found| format!(" ({found})"));
        let message = format!("has no images (JPEG or PNG){found}: a class has at least one; remove the directory or fill it");
        return Err(Error::file(&empty.path, message));
    }
    gathered(part, &full)
}

/// The directory of a part that holds the classes: `seg_train/seg_train`, `train/images`.
fn unwrapped(part: &Tree) -> &Tree {
    let name = part.name();
    match part.full()[..] {
        [child]
            if part.images.is_empty()
                && child.images.is_empty()
                && (child.name() == name || role(&child.name()) == role(&name) || is_filler(&child.name())) =>
        {
            unwrapped(child)
        }
        _ => part,
    }
}

/// A directory without parts, with several directories of images or images beside them.
fn whole(tree: &Tree, full: &[&Tree]) -> Result<Layout> {
    if let Some(stray) = tree.images.first() {
        return Err(stray_image(stray));
    }
    let has_parts = |child: &&&Tree| child.full().iter().any(|inner| role(&inner.name()).is_some());
    let sets: Vec<String> = full.iter().filter(has_parts).map(|child| child.path.display().to_string()).collect();
    if !sets.is_empty() {
        let message = format!(
            "has several sets of images, with parts of their own: {}; give one of them, or arrange all: {EXPECTED}",
            sets.join(", ")
        );
        return Err(Error::file(&tree.path, message));
    }
    check_structure(tree, full)?;
    let mentions: Vec<String> = full.iter().map(|child| child.name()).filter(|name| mentions_role(name)).collect();
    if mentions.len() > 1 {
        let message = format!("has directories that look like parts and not like classes: {}; {EXPECTED}", mentions.join(", "));
        return Err(Error::file(&tree.path, message));
    }
    check_domains(tree, full)?;
    let mut notes: Vec<String> = unread(full).into_iter().collect();
    let empty: Vec<&Tree> = tree.dirs.iter().filter(|child| child.total == 0).collect();
    if let Some((child, found)) = empty.iter().find_map(|child| Some((child, found(child)?))) {
        let message =
            format!("has no images (JPEG or PNG) ({found}): a class has at least one; convert them, or remove the directory");
        return Err(Error::file(&child.path, message));
    }
    if !empty.is_empty() {
        let names: Vec<String> = empty.iter().map(|child| child.path.display().to_string()).collect();
        notes.push(format!("not used, because they hold no images: {}", names.join(", ")));
    }
    if full.len() == 1 {
        notes.extend(table(tree));
    }
    let classes = gathered(tree, full)?;
    Ok(Layout { directory: tree.path.clone(), arrangement: Arrangement::Whole(classes), notes })
}

/// Refuses directories that all hold the same directories and no images: parts, domains or years whose classes lie deeper.
fn check_domains(tree: &Tree, full: &[&Tree]) -> Result<()> {
    let inner = |child: &Tree| child.full().iter().map(|inner| inner.name()).collect::<Vec<_>>();
    let [first, rest @ ..] = full else { return Ok(()) };
    let names = inner(first);
    let alike = |child: &&Tree| child.images.is_empty() && inner(child) == names;
    if rest.is_empty() || names.is_empty() || !first.images.is_empty() || !rest.iter().all(alike) {
        return Ok(());
    }
    let outer: Vec<String> = full.iter().map(|child| child.name()).collect();
    Err(Error::file(
        &tree.path,
        format!(
            "has the directories {}, which all hold {}: either may be the classes. Give one of them; or, if they are parts, call them train and \
             val; or, if they are the classes, put them into a directory train",
            list(&outer),
            list(&names)
        ),
    ))
}

/// Refuses names that belong to sets for detection and segmentation.
fn check_structure(directory: &Tree, full: &[&Tree]) -> Result<()> {
    let Some(child) = full.iter().find(|child| is_structure(&child.name())) else { return Ok(()) };
    let all: Vec<String> = directory.dirs.iter().map(Tree::name).collect();
    let table = table(directory).map_or(String::new(), |table| format!("; {table}"));
    let message = format!(
        "has the directories {}, of which {} is not a class: a set for detection or segmentation, or one whose labels are in files, cannot be \
         trained on here{table}; {EXPECTED}",
        list(&all),
        child.name()
    );
    Err(Error::file(&directory.path, message))
}

/// The note on a file that may hold the labels of images which are in no directories of classes.
fn table(tree: &Tree) -> Option<String> {
    tree.table.as_ref().map(|path| format!("labels that are in {} are not read", path.display()))
}

/// The error for a part whose images are in no class.
fn no_classes(part: &Tree, set: &Tree) -> Error {
    let table = part.table.as_ref().or(set.table.as_ref());
    let annotations = set
        .dirs
        .iter()
        .map(|child| &child.path)
        .find(|path| path.file_name().is_some_and(|n| is_structure(&n.to_string_lossy())));
    let labels = match (table, annotations) {
        (Some(file), _) | (None, Some(file)) => format!(" Labels that are in {} are not read.", file.display()),
        (None, None) => String::new(),
    };
    if part.total == 0 {
        let found = found(part).map_or(String::new(), |found| format!(" ({found})"));
        return Error::file(&part.path, format!("has no images (JPEG or PNG){found}; fill it, or remove the directory"));
    }
    Error::file(
        &part.path,
        format!(
            "has images in no class ({}).{labels} Put every image into a directory named after its class; {EXPECTED}",
            part.images.len()
        ),
    )
}

fn stray_image(path: &PathBuf) -> Error {
    Error::file(path, "lies beside the directories of the classes; put every image into the directory of its class")
}

/// The images of classes.
fn gathered(directory: &Tree, classes: &[&Tree]) -> Result<Classes> {
    let mut seen = HashMap::new();
    if let Some(class) = classes.iter().find(|class| class.path.file_name().is_some_and(|name| name.to_str().is_none())) {
        return Err(Error::file(&class.path, "is a class whose name is not UTF-8, which no record can keep: rename it"));
    }
    let each = classes.iter().map(|class| Ok((class.name(), class.collect(&mut seen)?)));
    Ok(Classes { directory: directory.path.clone(), classes: each.collect::<Result<_>>()? })
}

/// Images of formats that are not read, in words: `12 .webp, 1 .gif`.
pub fn found(tree: &Tree) -> Option<String> {
    let counts: Vec<String> = tree.unread().iter().map(|(extension, count)| format!("{count} .{extension}")).collect();
    (!counts.is_empty()).then(|| counts.join(", "))
}

/// The note on images that are not read.
fn unread(trees: &[&Tree]) -> Option<String> {
    let counts: Vec<String> =
        trees.iter().filter_map(|tree| Some(format!("{} in {}", found(tree)?, tree.path.display()))).collect();
    (!counts.is_empty()).then(|| format!("not used, because only JPEG and PNG are read: {}", list(&counts)))
}

/// A name without what people mistake: capitals, spaces and marks between words, accents that are characters of their own.
fn folded(name: &str) -> String {
    let is_mark = |c: &char| c.is_whitespace() || matches!(c, '_' | '-' | '\u{300}'..='\u{36f}');
    name.to_lowercase().chars().filter(|c| !is_mark(c)).collect()
}

/// The note on classes whose names differ in capitals, spaces or marks alone: they may be one. `a` and `A` are two letters.
pub fn alike(names: &[String]) -> Option<String> {
    let mut known = HashMap::new();
    let pairs: Vec<String> = names
        .iter()
        .filter_map(|name| {
            let before = known.insert(folded(name), name).filter(|_| folded(name).chars().count() > 1)?;
            Some(format!("`{before}` and `{name}`"))
        })
        .collect();
    (!pairs.is_empty()).then(|| format!("classes whose names hardly differ are taken for several: {}", list(&pairs)))
}

/// Up to five names, and how many more there are.
pub fn list(names: &[String]) -> String {
    const NAMED: usize = 5;
    let more = names.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{}{more}", names[..names.len().min(NAMED)].join(", "))
}

fn same_classes(training: &Classes, validation: &Classes) -> Result<()> {
    let only = |one: &Classes, other: &Classes| {
        let (ours, theirs) = (one.names(), other.names());
        let names = ours.into_iter().filter(|name| !theirs.contains(name));
        let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
        (!names.is_empty()).then(|| format!("only {} has {}", one.directory.display(), list(&names)))
    };
    let differences: Vec<String> = [only(training, validation), only(validation, training)].into_iter().flatten().collect();
    let alike = training.names().iter().any(|one| validation.names().iter().any(|two| one != two && folded(one) == folded(two)));
    let how = if alike { ", in capitals and spaces too" } else { "" };
    match differences.is_empty() {
        true => Ok(()),
        false => Err(Error::config(format!(
            "the classes to train on are not those to validate with: {}; the directories in both must have the same names{how}",
            differences.join("; ")
        ))),
    }
}

#[cfg(test)]
mod tests;
