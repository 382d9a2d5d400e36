//! Tensors in safetensors files: names, shapes and values.

use ivon_runtime::{Error, Result};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

/// A tensor as a file has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Values {
    /// Dimensions, outermost first.
    pub shape: Vec<usize>,
    /// Elements, row-major. Every type that weights come in is exact in f64.
    pub data: Vec<f64>,
}

/// Tensors by name.
pub type Table = BTreeMap<String, Values>;

/// How the elements are written.
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
    let file = SafeTensors::deserialize(&bytes).map_err(|e| {
        Error::file(path, format!("is not a whole safetensors file: {e:?}. Was its download or its writing cut short?"))
    })?;
    let values = |(name, view): (String, TensorView)| {
        let data = elements(&view).ok_or_else(|| {
            Error::file(path, format!("tensor `{name}` is of type {:?}; expected F16, BF16, F32, F64, I32 or I64", view.dtype()))
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

/// Writes a table.
///
/// # Errors
/// If the file cannot be written.
pub fn write(path: &Path, table: &Table, precision: Precision, metadata: Option<HashMap<String, String>>) -> Result<()> {
    let (dtype, width) = match precision {
        Precision::F32 => (Dtype::F32, 4),
        Precision::F64 => (Dtype::F64, 8),
    };
    let bytes: Vec<(&str, &[usize], Vec<u8>)> = table
        .iter()
        .map(|(name, v)| {
            let mut bytes = Vec::with_capacity(v.data.len() * width);
            match precision {
                Precision::F32 => v.data.iter().for_each(|x| bytes.extend((*x as f32).to_le_bytes())),
                Precision::F64 => v.data.iter().for_each(|x| bytes.extend(x.to_le_bytes())),
            }
            (name.as_str(), v.shape.as_slice(), bytes)
        })
        .collect();
    let broken = |e: &dyn std::fmt::Display| Error::file(path, format!("cannot be written: {e}"));
    let views: Vec<(&str, TensorView)> = bytes
        .iter()
        .map(|(name, shape, bytes)| Ok((*name, TensorView::new(dtype, shape.to_vec(), bytes).map_err(|e| broken(&e))?)))
        .collect::<Result<_>>()?;
    safetensors::serialize_to_file(views, metadata, path).map_err(|e| broken(&e))
}
