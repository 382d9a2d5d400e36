//! Tensors in safetensors files: names, shapes and values.

use ivon_runtime::{DType, Error, Result, Tensor};
use safetensors::View;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// A tensor of a file. Read ones are f64, in which every type that weights come in is exact.
#[derive(Clone, Debug, PartialEq)]
pub struct Values<E = f64> {
    /// Dimensions, outermost first.
    pub shape: Vec<usize>,
    /// Elements, row-major.
    pub data: Vec<E>,
}

/// Tensors by name.
pub type Table<E = f64> = BTreeMap<String, Values<E>>;

/// How elements are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// 32-bit floating point.
    F32,
    /// 64-bit floating point.
    F64,
}

/// Reads every tensor of a file: floating point of 16, 32 or 64 bits, or integers.
///
/// # Errors
/// If the file cannot be read, is no safetensors file, or a tensor has another type.
pub fn read(path: &Path) -> Result<Table> {
    let bytes = std::fs::read(path).map_err(|e| Error::file(path, format!("cannot be read: {e}")))?;
    let file = SafeTensors::deserialize(&bytes)
        .map_err(|e| Error::file(path, format!("is not a whole safetensors file ({e}); was it cut short?")))?;
    let values = |(name, view): (String, TensorView)| {
        let data = elements(&view).ok_or_else(|| {
            let found = view.dtype();
            Error::file(path, format!("tensor `{name}` is of type {found:?}; expected F16, BF16, F32, F64, I32 or I64"))
        })?;
        Ok((name, Values { shape: view.shape().to_vec(), data }))
    };
    file.tensors().into_iter().map(values).collect()
}

fn elements(view: &TensorView) -> Option<Vec<f64>> {
    fn each<const N: usize>(bytes: &[u8], value: impl Fn([u8; N]) -> f64) -> Option<Vec<f64>> {
        Some(bytes.as_chunks::<N>().0.iter().map(|b| value(*b)).collect())
    }
    let bytes = view.data();
    match view.dtype() {
        Dtype::F64 => each(bytes, f64::from_le_bytes),
        Dtype::F32 => each(bytes, |b| f32::from_le_bytes(b) as f64),
        Dtype::F16 => each(bytes, |b| half::f16::from_le_bytes(b).to_f64()),
        Dtype::BF16 => each(bytes, |b| half::bf16::from_le_bytes(b).to_f64()),
        Dtype::I64 => each(bytes, |b| i64::from_le_bytes(b) as f64),
        Dtype::I32 => each(bytes, |b| i32::from_le_bytes(b) as f64),
        _ => None,
    }
}

/// Writes a table, with some text beside it.
///
/// # Errors
/// If the file cannot be written.
pub fn write<E: Copy + Into<f64>>(
    path: &Path,
    table: &Table<E>,
    precision: Precision,
    metadata: Option<HashMap<String, String>>,
) -> Result<()> {
    let views = table.iter().map(|(name, values)| (name, Written { values, precision }));
    safetensors::serialize_to_file(views, metadata, path).map_err(|e| Error::file(path, format!("cannot be written: {e}")))
}

/// Turns into bytes one tensor at a time, so that a large table is not in memory twice.
struct Written<'a, E> {
    values: &'a Values<E>,
    precision: Precision,
}

impl<E: Copy + Into<f64>> View for Written<'_, E> {
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

/// Puts values into a tensor of f32 or f64.
pub fn fill(tensor: &mut Tensor, values: &[f64]) {
    match tensor.dtype() {
        DType::F64 => tensor.as_mut_slice::<f64>().copy_from_slice(values),
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
        assert_eq!(read(&path).unwrap()["a.weight"].data, [1.0, -0.1f32 as f64, 1e-30f32 as f64, 3.5]);
    }

    #[test]
    fn a_broken_file_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.safetensors");
        write(&path, &table(), Precision::F32, None).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for length in [0, 4, whole.len() - 1] {
            std::fs::write(&path, &whole[..length]).unwrap();
            let error = read(&path).unwrap_err().to_string();
            assert!(error.contains("w.safetensors") && error.contains("cut short"), "{error}");
        }
    }
}
