//! Tensors in safetensors files: names, shapes and values.

use crate::data::kind;
use crate::{json, mapped, shards};
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

/// The types that tensors are read as: f64, in which every type that weights come in is exact, or f32, in which all but f64 and large integers are.
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

/// The types of elements that a reader takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Types {
    /// Floating point; integers only where they are not weights: counters and masks.
    Weights,
    /// Floating point or integers.
    All,
}

/// Reads every tensor of a file, or of the files that an index names: floating point of 16, 32 or 64 bits, or integers.
///
/// # Errors
/// If the file cannot be read, is not a safetensors file, or a tensor has another type or values beyond `E`.
pub fn read<E: Number>(path: &Path) -> Result<Table<E>> {
    Ok(read_types(path, Types::All)?.0)
}

/// [`read`] of weights, which are floating point, and the text beside the tensors.
///
/// # Errors
/// As [`read`], and if weights are integers.
pub fn read_with_notes<E: Number>(path: &Path) -> Result<(Table<E>, Notes)> {
    read_types(path, Types::Weights)
}

/// [`read`] of tensors of these types, and the text beside them.
///
/// # Errors
/// As [`read`].
pub fn read_types<E: Number>(path: &Path, types: Types) -> Result<(Table<E>, Notes)> {
    if shards::is_index(path) {
        return Ok((shards::read(path, types)?, Notes::new()));
    }
    let bytes = mapped::map(path)?;
    let (file, notes) = open(path, bytes.as_deref().unwrap_or_default())?;
    let values = |(name, view): (String, TensorView)| {
        let found = view.dtype();
        let wrong = |what: String| Error::file(path, format!("tensor `{name}` {what}"));
        let integer = !matches!(found, Dtype::F64 | Dtype::F32 | Dtype::F16 | Dtype::BF16);
        if integer && types == Types::Weights && !is_counter_or_mask(&name) {
            return Err(wrong(format!("is of type {found:?}; expected weights in F16, BF16, F32 or F64")));
        }
        let Some(data) = elements(&view) else {
            return Err(wrong(format!("is of type {found:?}; expected F16, BF16, F32, F64, I32, I64, U8 or BOOL")));
        };
        let values = Values { shape: view.shape().to_vec(), data };
        if found == Dtype::F64 {
            let beyond = |(x, bytes): (&E, &[u8; 8])| {
                let (x, stored): (f64, f64) = ((*x).into(), f64::from_le_bytes(*bytes));
                (!x.is_finite() && stored.is_finite()).then_some(stored)
            };
            let each = values.data.iter().zip(view.data().as_chunks::<8>().0).map(beyond);
            if let Some((i, Some(x))) = each.enumerate().find(|(_, x)| x.is_some()) {
                return Err(wrong(format!("holds {x:e} at {}, which is beyond the range of f32", values.place(i))));
            }
        }
        Ok((name, values))
    };
    let table = file.tensors().into_iter().map(values).collect::<Result<_>>()?;
    Ok((table, notes))
}

/// Tensors of integers in files of weights: the batches that batch norm has counted, and the masks of old GPT-2 files.
fn is_counter_or_mask(name: &str) -> bool {
    ["num_batches_tracked", ".attn.bias", ".attn.masked_bias"].iter().any(|end| name.ends_with(end))
}

/// The names of the tensors of a file, or of those that an index names, and the text beside them.
///
/// # Errors
/// If the file cannot be read, or is not a safetensors file.
pub fn names(path: &Path) -> Result<(Vec<String>, Notes)> {
    if shards::is_index(path) {
        return Ok((shards::names(path)?, Notes::new()));
    }
    let bytes = mapped::map(path)?;
    let (file, notes) = open(path, bytes.as_deref().unwrap_or_default())?;
    Ok((file.names().into_iter().map(Into::into).collect(), notes))
}

/// The way from a file of PyTorch's own kind to one that is read.
pub const FROM_PYTORCH: &str = "make a safetensors file of it in Python: `weights = torch.load(file, weights_only=True); \
     safetensors.torch.save_file({name: x.clone() for name, x in weights.items()}, \"model.safetensors\")`";

fn open<'a>(path: &Path, bytes: &'a [u8]) -> Result<(SafeTensors<'a>, Notes)> {
    if !kind::is_safetensors(bytes) {
        check_format(path, bytes)?;
    }
    let broken = |e| Error::file(path, format!("is no safetensors file, or not a whole one ({e}); was it cut short?"));
    let (header, metadata) = SafeTensors::read_metadata(bytes).map_err(broken)?;
    // The header's length comes before it, in 8 bytes. The reader lets the last of two equal names win.
    let header = bytes.get(8..8 + header).unwrap_or_default();
    json::parse(header).map_err(|e| Error::file(path, format!("has a header that cannot be read: {e}")))?;
    let file = SafeTensors::deserialize(bytes).map_err(broken)?;
    Ok((file, metadata.metadata().clone().unwrap_or_default()))
}

/// Refuses a file of another format by its name.
///
/// # Errors
/// If its first bytes are those of a format that is known: which, and the way to a safetensors file.
fn check_format(path: &Path, bytes: &[u8]) -> Result<()> {
    // The name of the first file of a zip archive stands behind 30 bytes.
    let name = bytes.get(30..bytes.len().min(286)).unwrap_or_default();
    if bytes.starts_with(b"PK\x03\x04") && name.windows(4).any(|part| part == b".npy") {
        return Err(Error::file(path, "is a NumPy archive (.npz); expected weights in a safetensors file"));
    }
    if bytes.starts_with(b"PK\x03\x04") || matches!(bytes, [0x80, 2..=5, ..]) {
        return Err(Error::file(path, format!("is a file of PyTorch's own kind; {FROM_PYTORCH}")));
    }
    if bytes.starts_with(b"version https://git-lfs") {
        return Err(Error::file(path, "stands for a file that is kept elsewhere (Git LFS); fetch it with `git lfs pull`"));
    }
    if let Some(kind) = kind::by_signature(bytes) {
        return Err(Error::file(path, format!("is {}; expected weights in a safetensors file", kind.name)));
    }
    let start = &bytes[..bytes.len().min(kind::LOOK)];
    if !start.is_empty() && kind::is_text(start) {
        let line: String = String::from_utf8_lossy(start).chars().take(40).take_while(|c| *c != '\n').collect();
        return Err(Error::file(path, format!("is text (`{}`); expected weights in a safetensors file", line.escape_debug())));
    }
    Ok(())
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

impl<E> Values<E> {
    /// The indices of element `i`: `[2, 0]`.
    fn place(&self, i: usize) -> String {
        let (mut left, mut indices) = (i, vec![]);
        for n in self.shape.iter().rev() {
            indices.push(left % n);
            left /= n;
        }
        indices.reverse();
        format!("{indices:?}")
    }
}

/// A name without the parts that PyTorch's wrappers of a model put into it (`module.`, `_orig_mod.`, ..), wherever and however often, and without
/// `leading` parts that the model of another program has.
pub fn bare(name: &str, leading: &[&str]) -> String {
    const WRAPPERS: [&str; 5] = ["module", "_orig_mod", "_forward_module", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"];
    let mut parts = name.split('.').filter(|part| !WRAPPERS.contains(part)).peekable();
    while parts.next_if(|part| leading.contains(part)).is_some() {}
    parts.collect::<Vec<_>>().join(".")
}

/// A table under [`bare`] names.
///
/// # Errors
/// If two names are one without them.
pub fn bare_table<E>(table: Table<E>, leading: &[&str]) -> Result<Table<E>> {
    let (mut found, mut origins) = (Table::new(), BTreeMap::new());
    for (name, values) in table {
        let short = bare(&name, leading);
        if let Some(other) = origins.insert(short.clone(), name.clone()) {
            return Err(Error::config(format!(
                "holds `{other}` and `{name}`, two names of the tensor `{short}`: leave the ones out that the model does not use"
            )));
        }
        found.insert(short, values);
    }
    Ok(found)
}

/// Takes the tensors of these names and shapes out of a table, in order, and adds what is wrong to `wrong`: names that are missing, shapes
/// that differ, values that are not finite. `prefix` is put before the names in messages.
pub fn take<E: Number>(
    table: &mut Table<E>,
    wanted: &[(String, Vec<usize>)],
    prefix: &str,
    wrong: &mut Vec<String>,
) -> Vec<Values<E>> {
    let mut found = vec![];
    for (name, shape) in wanted {
        match table.remove(name) {
            None => wrong.push(format!("missing: {prefix}{name} {shape:?}")),
            Some(v) if v.shape != *shape => {
                wrong.push(format!("wrong shape: {prefix}{name} is {:?}, expected {shape:?}", v.shape))
            }
            Some(v) => {
                wrong.extend(unusable(name, &v).map(|what| format!("{prefix}{name} {what}")));
                found.push(v);
            }
        }
    }
    found
}

/// Describes the first value that is not finite or, where the name is that of variances, negative.
pub fn unusable<E: Number>(name: &str, values: &Values<E>) -> Option<String> {
    let variance = name.ends_with("running_var") || name.ends_with("running_variance");
    let wrong = |x: &E| {
        let x: f64 = (*x).into();
        !x.is_finite() || variance && x < 0.0
    };
    let i = values.data.iter().position(wrong)?;
    let x: f64 = values.data[i].into();
    let expected = if variance { "finite variances, 0 or above" } else { "finite numbers" };
    Some(format!("holds {x} at {}; expected {expected}", values.place(i)))
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

    /// A file of one tensor `w` of two elements.
    fn file(dtype: &str, bytes: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.safetensors");
        let header = format!(r#"{{"w":{{"dtype":"{dtype}","shape":[1,2],"data_offsets":[0,{}]}}}}"#, bytes.len());
        std::fs::write(&path, [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), bytes].concat()).unwrap();
        (folder, path)
    }

    #[test]
    fn weights_are_floating_point_within_f32() {
        let error = |path: &Path| read_with_notes::<f32>(path).unwrap_err().to_string();
        let (_folder, path) = file("I32", &[0; 8]);
        assert!(error(&path).contains("tensor `w` is of type I32; expected weights in F16"), "{}", error(&path));
        assert_eq!(read::<f32>(&path).unwrap()["w"].data, [0.0; 2]);
        let bytes: Vec<u8> = [1.0f64, -1e300].iter().flat_map(|x| x.to_le_bytes()).collect();
        let (_folder, path) = file("F64", &bytes);
        assert!(error(&path).contains("tensor `w` holds -1e300 at [0, 1], which is beyond the range of f32"), "{}", error(&path));
        assert_eq!(read::<f64>(&path).unwrap()["w"].data, [1.0, -1e300]);
    }

    #[test]
    fn values_that_no_weight_can_have_are_named_by_place() {
        let values = |x: f64| Values { shape: vec![2, 3], data: vec![0.0, 1.0, 2.0, 3.0, x, 5.0] };
        for x in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            assert_eq!(unusable("w", &values(x)).unwrap(), format!("holds {x} at [1, 1]; expected finite numbers"));
        }
        assert_eq!(unusable("w", &values(-1.0)), None);
        let message = unusable("layer1.0.bn1.running_var", &values(-1.0)).unwrap();
        assert!(message.contains("holds -1 at [1, 1]; expected finite variances"), "{message}");
    }

    #[test]
    fn names_lose_the_parts_of_wrappers_in_any_order_and_number() {
        for name in [
            "wte.weight",
            "module._orig_mod.wte.weight",
            "_orig_mod._orig_mod.model.wte.weight",
            "_forward_module.module.wte.weight",
        ] {
            assert_eq!(bare(name, &["model"]), "wte.weight");
        }
        assert_eq!(bare("model.h.0._orig_mod.mlp.model.weight", &["model"]), "h.0.mlp.model.weight");
        let twice =
            ["wte.weight", "module.wte.weight"].map(|name| (name.to_string(), Values::<f32> { shape: vec![], data: vec![] }));
        let error = bare_table(Table::from(twice), &[]).unwrap_err().to_string();
        assert!(error.contains("`module.wte.weight` and `wte.weight`, two names of the tensor `wte.weight`"), "{error}");
    }

    #[test]
    fn a_header_whose_length_looks_like_a_pickle_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.safetensors");
        let header = r#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#;
        // In bytes 80 02, 80 03, 80 04 and 80 05: the beginnings of pickles.
        for length in [640usize, 896, 1152, 1408] {
            let header = format!("{header:<length$}");
            std::fs::write(&path, [&(length as u64).to_le_bytes()[..], header.as_bytes(), &[0; 8]].concat()).unwrap();
            assert_eq!(read::<f32>(&path).unwrap()["w"].data, [0.0; 2], "{length}");
        }
        std::fs::write(&path, b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x05\0\0\0x.npy\x93NUMPY").unwrap();
        assert!(read::<f32>(&path).unwrap_err().to_string().contains("is a NumPy archive"));
        std::fs::write(&path, "<!DOCTYPE html>\n<html>Access denied</html>").unwrap();
        let error = read::<f32>(&path).unwrap_err().to_string();
        assert!(error.contains("is text (`<!DOCTYPE html>`)"), "{error}");
    }

    #[test]
    fn a_header_with_one_name_twice_is_refused() {
        let tensor = r#""w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}"#;
        let header = format!("{{{tensor},{tensor}}}");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w.safetensors");
        std::fs::write(&path, [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &[0; 8]].concat()).unwrap();
        let error = read::<f32>(&path).unwrap_err().to_string();
        assert!(error.contains("`w` is there twice"), "{error}");
    }
}
