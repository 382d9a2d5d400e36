//! CIFAR-10 and CIFAR-100, binary version: records of a label (CIFAR-100: coarse and fine label) and 3072 bytes, the red, green and blue plane of
//! an image of 32 x 32.

use super::find::Part;
use super::pictures::{Pictures, Stored};
use super::{ImageSet, Style};
use flate2::Crc;
use ivon_runtime::{Error, Result, disk::unreadable};
use std::fs;
use std::path::{Path, PathBuf};

const SIDE: usize = 32;
const PLANE: usize = SIDE * SIDE;

/// One of the two sets.
struct Version {
    /// Bytes before the pixels; the last one is the label.
    labels: usize,
    classes: usize,
    /// Files that the names of the classes are in.
    names: &'static str,
    /// Those names, if the file is missing.
    known: &'static [&'static str],
    training: &'static [&'static str],
    test: &'static [&'static str],
}

const CIFAR_10: Version = Version {
    labels: 1,
    classes: 10,
    names: "batches.meta.txt",
    known: &["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"],
    training: &["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"],
    test: &["test_batch.bin"],
};

const CIFAR_100: Version =
    Version { labels: 2, classes: 100, names: "fine_label_names.txt", known: &[], training: &["train.bin"], test: &["test.bin"] };

/// Looks for the files of either set in a folder. `None` if there are none.
///
/// # Errors
/// If they are there and cannot be used: why.
pub fn find(folder: &Path, channels: usize) -> Result<Option<ImageSet<Part>>> {
    if let Some(python) = ["data_batch_1", "batches.meta", "meta"].iter().map(|f| folder.join(f)).find(|p| p.is_file()) {
        return Err(Error::file(
            python,
            "is of the Python version of CIFAR; the binary version is read here (cifar-10-binary.tar.gz)",
        ));
    }
    for version in [CIFAR_10, CIFAR_100] {
        if let Some(set) = load(folder, &version, channels)? {
            return Ok(Some(set));
        }
    }
    Ok(None)
}

fn load(folder: &Path, version: &Version, channels: usize) -> Result<Option<ImageSet<Part>>> {
    let present = |names: &[&str]| names.iter().map(|n| folder.join(n)).filter(|p| p.is_file()).collect::<Vec<PathBuf>>();
    let (training, test) = (present(version.training), present(version.test));
    // CIFAR-100's file names are those of many things, such as tokens; one of them with its names beside it is meant.
    let certain = version.training.len() > 1 || folder.join(version.names).is_file() || training.len() + test.len() == 2;
    if training.is_empty() && test.is_empty() || !certain {
        return Ok(None);
    }
    if !training.is_empty() && training.len() < version.training.len() {
        let missing = version.training.iter().find(|n| !folder.join(n).is_file()).copied().unwrap_or_default();
        return Err(Error::file(folder.join(missing), "is missing, and the other files of CIFAR are there"));
    }
    let [training, validation] = [training, test].map(|files| {
        (!files.is_empty())
            .then(|| read(&files, version))
            .transpose()
            .map(|part| part.map(|(p, l)| Pictures::new(p, l, channels)))
    });
    Ok(Some(ImageSet {
        origin: folder.display().to_string(),
        style: Style::Cifar { classes: version.classes },
        classes: names(&folder.join(version.names), version)?,
        notes: unused(folder, version)?.into_iter().collect(),
        parts: Part::Parts { training: training?, validation: validation? },
    }))
}

/// The note on files that look like those of the set and are none.
fn unused(folder: &Path, version: &Version) -> Result<Option<String>> {
    let failed = |e: std::io::Error| unreadable(folder, &e);
    let names =
        fs::read_dir(folder).map_err(failed)?.map(|entry| entry.map(|entry| entry.file_name().to_string_lossy().into_owned()));
    let mut names = names.collect::<Result<Vec<String>, _>>().map_err(failed)?;
    names.retain(|name| name.ends_with(".bin") && ![version.training, version.test].concat().contains(&name.as_str()));
    names.sort();
    let count = version.classes;
    Ok((!names.is_empty()).then(|| format!("not used, because CIFAR-{count} has no such files: {}", names.join(", "))))
}

fn names(file: &Path, version: &Version) -> Result<Vec<String>> {
    if !file.is_file() {
        let number = |i: usize| version.known.get(i).map_or(i.to_string(), |name| name.to_string());
        return Ok((0..version.classes).map(number).collect());
    }
    let text = fs::read_to_string(file).map_err(|e| unreadable(file, &e))?;
    let names: Vec<String> = text.lines().map(str::trim).filter(|line| !line.is_empty()).map(String::from).collect();
    match names.len() == version.classes {
        true => Ok(names),
        false => Err(Error::file(file, format!("names {} classes, and there are {}", names.len(), version.classes))),
    }
}

fn read(files: &[PathBuf], version: &Version) -> Result<(Stored, Vec<u32>)> {
    let record = version.labels + 3 * PLANE;
    let (mut pixels, mut labels) = (vec![], vec![]);
    let mut known: Vec<(Crc, &PathBuf)> = vec![];
    for file in files {
        let bytes = fs::read(file).map_err(|e| unreadable(file, &e))?;
        let mut checksum = Crc::new();
        checksum.update(&bytes);
        let same = |(other, _): &&(Crc, &PathBuf)| (other.sum(), other.amount()) == (checksum.sum(), checksum.amount());
        if let Some((_, other)) = known.iter().find(same) {
            let message =
                format!("has the content of {}: its images would count double; one of them was copied wrongly", other.display());
            return Err(Error::file(file, message));
        }
        known.push((checksum, file));
        if bytes.is_empty() || !bytes.len().is_multiple_of(record) {
            let message = format!("has {} bytes: CIFAR-{} has records of {record}", bytes.len(), version.classes);
            return Err(Error::file(file, format!("{message}; it is cut short, or something else")));
        }
        for (i, record) in bytes.chunks_exact(record).enumerate() {
            let (head, planes) = record.split_at(version.labels);
            let label = head[version.labels - 1];
            if usize::from(label) >= version.classes {
                let message = format!("record {i} has label {label}, and there are {} classes", version.classes);
                return Err(Error::file(file, message));
            }
            labels.push(u32::from(label));
            pixels.extend((0..PLANE).flat_map(|p| [planes[p], planes[PLANE + p], planes[2 * PLANE + p]]));
        }
    }
    let origin = files.first().map_or(String::new(), |f| f.parent().unwrap_or(f).display().to_string());
    Ok((Stored { origin, size: [SIDE, SIDE, 3], pixels }, labels))
}

#[cfg(test)]
mod tests;
