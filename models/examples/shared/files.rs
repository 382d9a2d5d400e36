//! Pictures from files: MNIST in IDX format and CIFAR-10 in its binary format.

use super::pictures::Examples;
use ivon_runtime::{Error, Result};
use std::fs;
use std::path::Path;

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|e| Error::file(path.display().to_string(), e))
}

fn wrong(path: &Path, what: &str) -> Error {
    Error::config(format!("{}: {what}", path.display()))
}

/// The dimensions and the bytes of an IDX file of bytes: two zeros, type 8, the number of dimensions, and each as a big-endian u32.
fn idx(path: &Path) -> Result<(Vec<usize>, Vec<u8>)> {
    let bytes = read(path)?;
    let &[0, 0, 8, rank, ..] = bytes.as_slice() else {
        return Err(wrong(path, "this is no IDX file of bytes (is it still compressed? then run gunzip)"));
    };
    let header = 4 + 4 * rank as usize;
    let dims: Option<Vec<usize>> = bytes
        .get(4..header)
        .map(|dims| dims.chunks_exact(4).map(|d| u32::from_be_bytes([d[0], d[1], d[2], d[3]]) as usize).collect());
    match dims {
        Some(dims)
            if dims.iter().try_fold(header, |n, d| Some((n - header).max(1).checked_mul(*d)? + header)) == Some(bytes.len()) =>
        {
            Ok((dims, bytes[header..].to_vec()))
        }
        _ => Err(wrong(path, "the length of the file is not what its header says")),
    }
}

/// Grey images of digits `[n, 784]` from a directory with the four files of MNIST (or Fashion-MNIST), unpacked: for training and for tests.
///
/// # Errors
/// If a file is missing or not what it should be.
pub fn mnist(folder: &Path) -> Result<(Examples, Examples)> {
    let part = |name: &str| -> Result<Examples> {
        let (images, labels) =
            (folder.join(format!("{name}-images-idx3-ubyte")), folder.join(format!("{name}-labels-idx1-ubyte")));
        let ((dims, pixels), (_, labels_found)) = (idx(&images)?, idx(&labels)?);
        if dims.len() != 3 || dims[0] != labels_found.len() || labels_found.iter().any(|l| *l > 9) {
            return Err(wrong(&labels, "labels 0 to 9, as many as there are images, are expected"));
        }
        let x = pixels.iter().map(|p| f32::from(*p) / 127.5 - 1.0).collect();
        Ok(Examples { x, y: labels_found.iter().map(|l| u32::from(*l)).collect(), width: dims[1] * dims[2], classes: 10 })
    };
    Ok((part("train")?, part("t10k")?))
}

/// Colour images `[n, 3072]` from a directory with `data_batch_1.bin` to `data_batch_5.bin` (one is enough) and `test_batch.bin` of
/// CIFAR-10: for training and for tests.
///
/// # Errors
/// If a file is missing or not what it should be.
pub fn cifar(folder: &Path) -> Result<(Examples, Examples)> {
    const WIDTH: usize = 3072;
    let add = |path: &Path, to: &mut Examples| -> Result<()> {
        let bytes = read(path)?;
        if bytes.is_empty() || bytes.len() % (WIDTH + 1) != 0 || bytes.iter().step_by(WIDTH + 1).any(|label| *label > 9) {
            return Err(wrong(path, "records of a label from 0 to 9 and 3072 bytes are expected"));
        }
        for record in bytes.chunks_exact(WIDTH + 1) {
            to.y.push(u32::from(record[0]));
            to.x.extend(record[1..].iter().map(|p| f32::from(*p) / 127.5 - 1.0));
        }
        Ok(())
    };
    let empty = || Examples { x: Vec::new(), y: Vec::new(), width: WIDTH, classes: 10 };
    let (mut training, mut test) = (empty(), empty());
    add(&folder.join("data_batch_1.bin"), &mut training)?;
    for path in (2..=5).map(|i| folder.join(format!("data_batch_{i}.bin"))).filter(|path| path.exists()) {
        add(&path, &mut training)?;
    }
    add(&folder.join("test_batch.bin"), &mut test)?;
    Ok((training, test))
}
