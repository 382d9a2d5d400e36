//! IDX files, the format of MNIST: `train-images-idx3-ubyte` and `t10k-images-idx3-ubyte` with their labels, gzipped or not.
//!
//! A header of four bytes (0, 0, 8 for bytes, the number of dimensions), the dimensions as big-endian 32-bit numbers, and the values.

use super::find::Part;
use super::pictures::{Pictures, Stored};
use super::transform::Fit;
use super::{ImageSet, Style};
use flate2::Crc;
use flate2::read::MultiGzDecoder;
use ivon_runtime::{Error, Result, disk::unreadable};
use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// The content of a file of an IDX set, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    TrainingImages,
    TestImages,
}

/// The role of a file of images: `[prefix-](train|t10k|test)-images[-.]idx3-ubyte[.gz]`.
fn role(path: &Path) -> Option<Role> {
    let name = path.file_name()?.to_str()?.to_lowercase().replace('.', "-");
    let name = name.strip_suffix("-gz").unwrap_or(&name).strip_suffix("-images-idx3-ubyte")?;
    match name.rsplit('-').next()? {
        "train" => Some(Role::TrainingImages),
        "t10k" | "test" => Some(Role::TestImages),
        _ => None,
    }
}

/// The file with the labels of a file of images: beside it, gzipped or not.
fn labels_of(images: &Path) -> Result<PathBuf> {
    let name = images.file_name().map_or(String::new(), |n| n.to_string_lossy().into_owned());
    let place = name.to_lowercase().rfind("images").unwrap_or(0);
    let (before, after) = (&name[..place], &name[place + "images".len()..]);
    let plain = format!("{before}labels{}", after.replacen("idx3", "idx1", 1).trim_end_matches(".gz"));
    let candidates = [plain.clone(), format!("{plain}.gz")];
    let found = candidates.iter().map(|name| images.with_file_name(name)).find(|path| path.is_file());
    found.ok_or_else(|| Error::file(images, format!("has no labels beside it: {plain} or {plain}.gz is missing")))
}

/// Looks for IDX files in a directory, or takes the one that is given. `None` if there are none.
///
/// # Errors
/// If they are there and cannot be used: why.
pub fn find(path: &Path, channels: usize) -> Result<Option<ImageSet<Part>>> {
    let files: Vec<PathBuf> = match path.is_dir() {
        false => vec![path.to_path_buf()],
        true => {
            let failed = |e: std::io::Error| unreadable(path, &e);
            let entries = std::fs::read_dir(path).map_err(failed)?.collect::<Result<Vec<_>, _>>().map_err(failed)?;
            entries.into_iter().map(|entry| entry.path()).filter(|path| path.is_file()).collect()
        }
    };
    let training = only(&files, Role::TrainingImages)?;
    let validation = only(&files, Role::TestImages)?;
    if training.is_none() && validation.is_none() {
        return Ok(None);
    }
    let used: Vec<PathBuf> = [&training, &validation].into_iter().flatten().cloned().collect();
    let [training, validation] = [training, validation].map(|file| file.map(|file| load(&file)).transpose());
    let (training, validation) = (training?, validation?);
    let both = || training.iter().chain(&validation);
    let labels: BTreeSet<u32> = both().flat_map(|(_, labels)| labels).copied().collect();
    let labels: Vec<u32> = labels.into_iter().collect();
    let style = style(both().map(|(images, _)| [images.size[0], images.size[1]]));
    let mut notes: Vec<String> = [note_on_labels(&labels), note_on_shape(style)].into_iter().flatten().collect();
    let used = used.iter().flat_map(|images| [Some(images.clone()), labels_of(images).ok()]).flatten();
    notes.extend(used.filter_map(|file| note_on_packed(&file)));
    // Labels that begin at 1 or have gaps are numbered anew; the name of a class is its label.
    let rank = |label: u32| labels.partition_point(|other| *other < label) as u32;
    let pictures = |(images, labels): (Stored, Vec<u32>)| Pictures::new(images, labels.into_iter().map(rank).collect(), channels);
    Ok(Some(ImageSet {
        origin: path.display().to_string(),
        style,
        classes: labels.iter().map(u32::to_string).collect(),
        notes,
        parts: Part::Parts { training: training.map(pictures), validation: validation.map(pictures) },
    }))
}

/// Square images are seen as they are. Others get black pixels on two sides, so that nothing is cut off.
fn style(sizes: impl Iterator<Item = [usize; 2]> + Clone) -> Style {
    let square = sizes.clone().all(|[height, width]| height == width);
    let sides = sizes.flatten();
    let (size, fit) = if square { (sides.min(), Fit::Cover) } else { (sides.max(), Fit::Contain) };
    Style::Small { size: size.unwrap_or(0), fit, mirrored: false }
}

fn note_on_shape(style: Style) -> Option<String> {
    match style {
        Style::Small { size, fit: Fit::Contain, .. } => {
            Some(format!("the images are not square; black pixels on two sides make them {size} x {size}"))
        }
        _ => None,
    }
}

/// The note on a packed file beside the one that is read, if it holds something else. The end of such a file says what it unpacks to.
fn note_on_packed(file: &Path) -> Option<String> {
    let packed = PathBuf::from(format!("{}.gz", file.display()));
    let (archive, content) = (std::fs::read(&packed).ok()?, std::fs::read(file).ok()?);
    let (_, [c0, c1, c2, c3, length @ ..]) = archive.split_last_chunk::<8>()?;
    let mut checksum = Crc::new();
    checksum.update(&content);
    let same = u32::from_le_bytes([*c0, *c1, *c2, *c3]) == checksum.sum() && u32::from_le_bytes(*length) == checksum.amount();
    let same = same || archive == content;
    (!same).then(|| format!("{} is not used: it holds something else than {}, which is read", packed.display(), file.display()))
}

/// The note on labels that are not 0, 1, 2 and so on.
fn note_on_labels(labels: &[u32]) -> Option<String> {
    if labels.iter().zip(0..).all(|(label, i)| *label == i) {
        return None;
    }
    let runs = labels.chunk_by(|a, b| a + 1 == *b).map(|run| match run {
        [one] => one.to_string(),
        run => format!("{} to {}", run[0], run[run.len() - 1]),
    });
    Some(format!("the labels are {}: {} classes, named by their labels", runs.collect::<Vec<_>>().join(", "), labels.len()))
}

/// The file of a role.
fn only(files: &[PathBuf], wanted: Role) -> Result<Option<PathBuf>> {
    let mut found: Vec<&PathBuf> = files.iter().filter(|path| role(path) == Some(wanted)).collect();
    found.sort();
    // Unpacked and packed side by side are the same set.
    found.dedup_by(|a, b| a.display().to_string().trim_end_matches(".gz") == b.display().to_string().trim_end_matches(".gz"));
    match found[..] {
        [] => Ok(None),
        [file] => Ok(Some(file.clone())),
        [one, other, ..] => {
            let other = other.display();
            Err(Error::file(one, format!("and {other} are both there: put every set into a directory of its own")))
        }
    }
}

/// A label that other programs write for an image without a class (-1 as a byte).
const UNLABELLED: u8 = 255;

fn load(file: &Path) -> Result<(Stored, Vec<u32>)> {
    let ([count, height, width], pixels) = read::<3>(file)?;
    let labels_file = labels_of(file)?;
    let ([labelled], labels) = read::<1>(&labels_file)?;
    if count == 0 || height == 0 || width == 0 {
        return Err(Error::file(file, format!("says to hold {count} images of {height} x {width}: there is nothing to see")));
    }
    if labelled != count {
        return Err(Error::file(file, format!("has {count} images, and {} has {labelled} labels", labels_file.display())));
    }
    if let Some(i) = labels.iter().position(|label| *label == UNLABELLED) {
        let message =
            format!("has the label {UNLABELLED} for image {i}, which marks an image without a class; remove such images");
        return Err(Error::file(&labels_file, message));
    }
    let images = Stored { origin: file.display().to_string(), size: [height, width, 1], pixels };
    Ok((images, labels.into_iter().map(u32::from).collect()))
}

/// Dimensions and values.
fn read<const RANK: usize>(path: &Path) -> Result<([usize; RANK], Vec<u8>)> {
    let failed = |e: std::io::Error| match e.kind() {
        std::io::ErrorKind::UnexpectedEof => Error::file(path, "is cut short: it ends before its data do"),
        std::io::ErrorKind::InvalidInput | std::io::ErrorKind::InvalidData => Error::file(path, format!("is damaged: {e}")),
        _ => unreadable(path, &e),
    };
    let mut file = BufReader::new(File::open(path).map_err(failed)?);
    let gzipped = file.fill_buf().map_err(failed)?.starts_with(&[0x1f, 0x8b]);
    let mut reader: Box<dyn Read> = if gzipped { Box::new(MultiGzDecoder::new(file)) } else { Box::new(file) };
    let mut word = || {
        let mut bytes = [0; 4];
        reader.read_exact(&mut bytes).map(|()| bytes).map_err(failed)
    };
    let magic = word()?;
    let expected = [0, 0, 8, RANK as u8];
    if magic != expected {
        let message =
            format!("is not an IDX file of bytes in {RANK} dimensions: it begins with {magic:02x?} instead of {expected:02x?}");
        return Err(Error::file(path, message));
    }
    let mut dimensions = [0; RANK];
    for dimension in &mut dimensions {
        *dimension = u32::from_be_bytes(word()?) as usize;
    }
    let size = dimensions.iter().try_fold(1usize, |all, d| all.checked_mul(*d)).unwrap_or(usize::MAX);
    let mut values = vec![];
    reader.take((size as u64).saturating_add(1)).read_to_end(&mut values).map_err(failed)?;
    let product = dimensions.map(|d| d.to_string()).join(" x ");
    match values.len() {
        n if n == size => Ok((dimensions, values)),
        n if n > size => Err(Error::file(path, format!("goes on after its {product} values"))),
        n => Err(Error::file(path, format!("is cut short: it has {n} of {product} values"))),
    }
}

#[cfg(test)]
mod tests;
