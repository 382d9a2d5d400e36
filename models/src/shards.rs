//! Weights in several files, as Hugging Face's library saves large models: `model.safetensors.index.json` says which tensor is in which.

use crate::weights::{self, Number, Table, Types};
use crate::{json, mapped};
use ivon_runtime::{Error, Result};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// How the names of such files end.
const ENDING: &str = ".index.json";
/// Bytes of the largest index that is read: one of some hundred thousand tensors.
const LARGEST: u64 = 64 << 20;

/// The index's content, as far as it matters here.
#[derive(Deserialize)]
struct Index {
    /// The file of each tensor, beside the index.
    weight_map: BTreeMap<String, String>,
}

/// True if a path is that of an index.
pub fn is_index(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(ENDING))
}

fn index(path: &Path) -> Result<Index> {
    let text = mapped::read(path, LARGEST)?;
    let none =
        |e: String| Error::file(path, format!("is no index of weights: {e}; expected {{\"weight_map\": {{name: file, ..}}}}"));
    serde_json::from_value(json::parse(&text).map_err(none)?).map_err(|e| none(e.to_string()))
}

/// The names of the tensors that an index knows.
///
/// # Errors
/// If it cannot be read, or is none.
pub fn names(path: &Path) -> Result<Vec<String>> {
    Ok(index(path)?.weight_map.into_keys().collect())
}

/// Reads every tensor, of these types, of every file that an index names.
///
/// # Errors
/// If the index cannot be read, names a file of another directory or one that cannot be read, or the files differ from the index: the error
/// lists all tensors that are missing or unknown.
pub fn read<E: Number>(path: &Path, types: Types) -> Result<Table<E>> {
    let index = index(path)?;
    let files: BTreeSet<&String> = index.weight_map.values().collect();
    let (mut table, mut wrong) = (Table::new(), vec![]);
    for file in files {
        if Path::new(file).file_name().is_none_or(|name| name != file.as_str()) {
            return Err(Error::file(path, format!("names the file {file:?}; expected one in the same folder")));
        }
        if is_index(Path::new(file)) {
            return Err(Error::file(path, format!("names the index {file:?}; expected files of weights")));
        }
        let (shard, _) = weights::read_types(&path.with_file_name(file), types)
            .map_err(|e| Error::file(path, format!("names a file: {e}")))?;
        for (name, values) in shard {
            match index.weight_map.get(&name) {
                Some(known) if known == file => {
                    table.insert(name, values);
                }
                Some(other) => wrong.push(format!("twice: {name} is in {file} and, says the index, in {other}")),
                None => wrong.push(format!("unexpected: {name} in {file}")),
            }
        }
    }
    let missing = index.weight_map.iter().filter(|(name, _)| !table.contains_key(*name));
    wrong.extend(missing.map(|(name, file)| format!("missing: {name} in {file}")));
    match wrong.is_empty() {
        true => Ok(table),
        false => Err(Error::file(path, format!("does not describe its files:\n  {}", wrong.join("\n  ")))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weights::{Precision, Values};

    fn tensors(names: &[&str]) -> Table {
        names.iter().map(|name| (name.to_string(), Values { shape: vec![2], data: vec![1.0, name.len() as f64] })).collect()
    }

    /// Two files with `a`, `bb` and `ccc`, and an index of this content.
    fn shards(map: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        for (file, names) in [("1.safetensors", &["a", "bb"][..]), ("2.safetensors", &["ccc"])] {
            weights::write(&folder.path().join(file), &tensors(names), Precision::F32, None).unwrap();
        }
        let index = folder.path().join("model.safetensors.index.json");
        std::fs::write(&index, format!("{{\"metadata\": {{\"total_size\": 24}}, \"weight_map\": {map}}}")).unwrap();
        (folder, index)
    }

    #[test]
    fn tensors_of_all_files_are_one_table() {
        let (_folder, index) = shards(r#"{"a": "1.safetensors", "bb": "1.safetensors", "ccc": "2.safetensors"}"#);
        assert!(is_index(&index));
        assert_eq!(weights::read::<f64>(&index).unwrap(), tensors(&["a", "bb", "ccc"]));
    }

    #[test]
    fn what_does_not_fit_together_is_named() {
        for (map, wanted) in [
            (r#"{"a": "1.safetensors", "ccc": "2.safetensors"}"#, vec!["unexpected: bb in 1.safetensors"]),
            (
                r#"{"a": "1.safetensors", "bb": "2.safetensors", "ccc": "2.safetensors", "d": "2.safetensors"}"#,
                vec!["twice: bb", "missing: bb in 2.safetensors", "missing: d in 2.safetensors"],
            ),
            (r#"{"a": "3.safetensors"}"#, vec!["3.safetensors", "does not exist"]),
            (r#"{"a": "../1.safetensors"}"#, vec!["\"../1.safetensors\"", "same folder"]),
            (r#"{"a": ".."}"#, vec!["same folder"]),
            (r#"{"a": "1.safetensors", "a": "2.safetensors"}"#, vec!["`a` is there twice"]),
            (r#"{"a": "model.safetensors.index.json"}"#, vec!["names the index"]),
            (r#"{"a": 3}"#, vec!["no index of weights", "expected"]),
            ("3", vec!["no index of weights"]),
        ] {
            let (_folder, index) = shards(map);
            let error = read::<f32>(&index, Types::Weights).unwrap_err().to_string();
            assert!(wanted.iter().all(|w| error.contains(w)), "{error}");
        }
    }
}
