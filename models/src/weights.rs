//! Tensors in safetensors files: names, shapes and values.

use crate::{mapped, shards};
use half::bf16;
use ivon_runtime::{DType, Error, Result, Tensor, disk};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use safetensors::{SafeTensorError, View};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// A tensor of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Values<E = f64> {
    /// Dimensions, outermost first.
    pub shape: Vec<usize>,
    /// Elements, row-major.
    pub data: Vec<E>,
}

/// Tensors by name.
pub type Table<E = f64> = BTreeMap<String, Values<E>>;

/// What tensors are read as: f64, in which every type that weights come in is exact, or f32, in which all but f64 and large integers are.
pub trait Number: Copy + PartialEq + Default + Into<f64> {
    /// The nearest value.
    fn of(x: f64) -> Self;
}

impl Number for f64 {
    fn of(x: f64) -> Self {
        x
    }
}

impl Number for f32 {
    fn of(x: f64) -> Self {
        x as f32
    }
}

/// How elements are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// 32-bit floating point.
    F32,
    /// 64-bit floating point.
    F64,
}

/// Text that a file holds beside its tensors.
pub type Notes = HashMap<String, String>;

/// Reads every tensor of a file, or of the files that an index names: floating point of 16, 32 or 64 bits, or integers.
///
/// # Errors
/// If the file cannot be read, is no safetensors file, or a tensor has another type.
pub fn read<E: Number>(path: &Path) -> Result<Table<E>> {
    Ok(read_with_notes(path)?.0)
}

/// [`read`], and the text beside the tensors.
///
/// # Errors
/// As [`read`].
pub fn read_with_notes<E: Number>(path: &Path) -> Result<(Table<E>, Notes)> {
    if shards::is_index(path) {
        return Ok((shards::read(path)?, Notes::new()));
    }
    let bytes = mapped::map(path)?;
    let (file, notes) = open(path, bytes.as_deref().unwrap_or_default())?;
    let values = |(name, view): (String, TensorView)| {
        let data = elements(&view).ok_or_else(|| {
            let found = view.dtype();
            Error::file(path, format!("tensor `{name}` is of type {found:?}; expected F16, BF16, F32, F64, I32, I64, U8 or BOOL"))
        })?;
        Ok((name, Values { shape: view.shape().to_vec(), data }))
    };
    let table = file.tensors().into_iter().map(values).collect::<Result<_>>()?;
    Ok((table, notes))
}

/// The names of the tensors of a file, or of those that an index names, and the text beside them.
///
/// # Errors
/// If the file cannot be read, or is no safetensors file.
pub fn names(path: &Path) -> Result<(Vec<String>, Notes)> {
    if shards::is_index(path) {
        return Ok((shards::names(path)?, Notes::new()));
    }
    let bytes = mapped::map(path)?;
    let (file, notes) = open(path, bytes.as_deref().unwrap_or_default())?;
    Ok((file.names().into_iter().map(Into::into).collect(), notes))
}

fn open<'a>(path: &Path, bytes: &'a [u8]) -> Result<(SafeTensors<'a>, Notes)> {
    if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(&[0x80, 2]) {
        let advice = "in Python, `safetensors.torch.save_file(torch.load(file, weights_only=True), \"model.safetensors\")`";
        return Err(Error::file(path, format!("is a file of PyTorch's own kind; make a safetensors file of it: {advice}")));
    }
    let broken = |e| Error::file(path, format!("is no safetensors file, or not a whole one ({e}); was it cut short?"));
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(broken)?;
    let file = SafeTensors::deserialize(bytes).map_err(broken)?;
    Ok((file, metadata.metadata().clone().unwrap_or_default()))
}

fn elements<E: Number>(view: &TensorView) -> Option<Vec<E>> {
    fn each<E: Number, const N: usize>(bytes: &[u8], value: impl Fn([u8; N]) -> f64) -> Option<Vec<E>> {
        Some(bytes.as_chunks::<N>().0.iter().map(|b| E::of(value(*b))).collect())
    }
    let bytes = view.data();
    match view.dtype() {
        Dtype::F64 => each(bytes, f64::from_le_bytes),
        Dtype::F32 => each(bytes, |b| f32::from_le_bytes(b) as f64),
        Dtype::F16 => each(bytes, |b| half::f16::from_le_bytes(b).to_f64()),
        Dtype::BF16 => each(bytes, |b| bf16::from_le_bytes(b).to_f64()),
        Dtype::I64 => each(bytes, |b| i64::from_le_bytes(b) as f64),
        Dtype::I32 => each(bytes, |b| i32::from_le_bytes(b) as f64),
        // The masks of old GPT-2 files.
        Dtype::U8 | Dtype::BOOL => each(bytes, |[b]| f64::from(b)),
        _ => None,
    }
}

/// Takes the tensors of these names and shapes out of a table, in order, and adds what is wrong to `wrong`: names that are missing, shapes
/// that differ. `prefix` is put before the names in messages.
pub fn take<E>(table: &mut Table<E>, wanted: &[(String, Vec<usize>)], prefix: &str, wrong: &mut Vec<String>) -> Vec<Values<E>> {
    let mut found = vec![];
    for (name, shape) in wanted {
        match table.remove(name) {
            None => wrong.push(format!("missing: {prefix}{name} {shape:?}")),
            Some(v) if v.shape != *shape => {
                wrong.push(format!("wrong shape: {prefix}{name} is {:?}, expected {shape:?}", v.shape))
            }
            Some(v) => found.push(v),
        }
    }
    found
}

/// # Errors
/// If anything is wrong: all of it.
pub fn check_fit(wrong: &[String]) -> Result<()> {
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(Error::config(format!("the weights do not fit this model:\n  {}", wrong.join("\n  ")))),
    }
}

/// Writes a table, with some text beside it.
///
/// # Errors
/// If the file cannot be written.
pub fn write<E: Number>(path: &Path, table: &Table<E>, precision: Precision, notes: Option<Notes>) -> Result<()> {
    let views = table.iter().map(|(name, values)| (name, Written { values, precision }));
    disk::replace(path, |beside| {
        safetensors::serialize_to_file(views, notes, beside).map_err(|e| match e {
            SafeTensorError::IoError(e) => disk::unwritable(path, &e),
            e => Error::file(path, format!("cannot be written: {e}")),
        })
    })
}

/// Turns into bytes one tensor at a time, so that a large table is not in memory twice.
struct Written<'a, E> {
    values: &'a Values<E>,
    precision: Precision,
}

impl<E: Number> View for Written<'_, E> {
    fn dtype(&self) -> Dtype {
        match self.precision {
            Precision::F32 => Dtype::F32,
            Precision::F64 => Dtype::F64,
        }
    }

    fn shape(&self) -> &[usize] {
        &self.values.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        let numbers = self.values.data.iter().map(|x| (*x).into());
        match self.precision {
            Precision::F32 => numbers.flat_map(|x: f64| (x as f32).to_le_bytes()).collect(),
            Precision::F64 => numbers.flat_map(f64::to_le_bytes).collect(),
        }
    }

    fn data_len(&self) -> usize {
        let width = if self.precision == Precision::F32 { 4 } else { 8 };
        self.values.data.len() * width
    }
}

/// Puts values into a tensor of f32, f64 or bf16.
pub fn fill(tensor: &mut Tensor, values: &[f64]) {
    match tensor.dtype() {
        DType::F64 => tensor.as_mut_slice::<f64>().copy_from_slice(values),
        DType::Bf16 => tensor.as_mut_slice::<bf16>().iter_mut().zip(values).for_each(|(t, v)| *t = bf16::from_f64(*v)),
        _ => tensor.as_mut_slice::<f32>().iter_mut().zip(values).for_each(|(t, v)| *t = *v as f32),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let values = Values { shape: vec![2, 2], data: vec![1.0, -0.1, 1e-30, 3.5] };
        Table::from([("a.weight".into(), values), ("scalar".into(), Values { shape: vec![], data: vec![2.0] })])
    }

    #[test]
    fn what_is_written_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.safetensors");
        write(&path, &table(), Precision::F64, None).unwrap();
        assert_eq!(read(&path).unwrap(), table());
        write(&path, &table(), Precision::F32, None).unwrap();
        assert_eq!(read::<f64>(&path).unwrap()["a.weight"].data, [1.0, -0.1f32 as f64, 1e-30f32 as f64, 3.5]);
    }

    #[test]
    fn a_pickle_is_refused_with_the_way_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pytorch_model.bin");
        std::fs::write(&path, b"PK\x03\x04archive/data.pkl").unwrap();
        let error = read::<f32>(&path).unwrap_err().to_string();
        assert!(error.contains("PyTorch") && error.contains("save_file"), "{error}");
        let error = read::<f32>(folder.path()).unwrap_err().to_string();
        assert!(error.contains("is a folder"), "{error}");
    }

    #[test]
    fn a_broken_file_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.safetensors");
        write(&path, &table(), Precision::F32, None).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for length in [0, 4, whole.len() - 1] {
            std::fs::write(&path, &whole[..length]).unwrap();
            let error = read::<f32>(&path).unwrap_err().to_string();
            assert!(error.contains("w.safetensors") && error.contains("cut short"), "{error}");
        }
    }
}
