//! Differences between two configurations, in words.

use crate::training::disk;
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::path::Path;

/// A value in which two configurations differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its key, `table.key` in a table.
    pub key: String,
    /// The value of the first one, in words.
    pub then: String,
    /// The value of the second one, in words.
    pub now: String,
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        write!(f, "{} was {} and is {} now", self.key, self.then, self.now)
    }
}

/// Every value in which two configurations differ.
pub fn changes(then: &Map<String, Value>, now: &Map<String, Value>) -> Vec<Change> {
    let keys: BTreeSet<&String> = then.keys().chain(now.keys()).collect();
    let mut found = vec![];
    for key in keys {
        let value = |map: &Map<String, Value>| map.get(key).cloned().unwrap_or(Value::Null);
        match (value(then), value(now)) {
            (Value::Object(then), Value::Object(now)) => {
                let inner = changes(&then, &now).into_iter();
                found.extend(inner.map(|change| Change { key: format!("{key}.{}", change.key), ..change }));
            }
            (then, now) if same(&then, &now) => {}
            (then, now) => found.push(Change { key: key.clone(), then: words(&then), now: words(&now) }),
        }
    }
    found
}

/// True where two values mean the same: 3 is 3.0, a switch that is off is one that is not there, and a path is the one that it leads to.
fn same(a: &Value, b: &Value) -> bool {
    let off = |value: &Value| matches!(value, Value::Null | Value::Bool(false));
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => x == y || x.is_f64() != y.is_f64() && x.as_f64() == y.as_f64(),
        (Value::String(x), Value::String(y)) => x == y || same_path(Path::new(x), Path::new(y)),
        (Value::Array(x), Value::Array(y)) => x.len() == y.len() && x.iter().zip(y).all(|(x, y)| same(x, y)),
        _ => a == b || off(a) && off(b),
    }
}

/// True for two absolute paths that lead to the same place, through links and `..`.
pub fn same_path(a: &Path, b: &Path) -> bool {
    a.is_absolute() && b.is_absolute() && disk::resolved(a) == disk::resolved(b)
}

/// A value as a reader would say it.
pub fn words(value: &Value) -> String {
    match value {
        Value::Null => "not set".into(),
        Value::String(text) if text.is_empty() => "empty".into(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Array(items) if items.is_empty() => "empty".into(),
        Value::Array(items) => items.iter().map(words).collect::<Vec<_>>().join(", "),
        Value::Object(map) => {
            let each = map.iter().map(|(key, value)| match value {
                Value::Object(_) => format!("{key} ({})", words(value)),
                _ => format!("{key} {}", words(value)),
            });
            each.collect::<Vec<_>>().join(", ")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn found(then: Value, now: Value) -> Vec<String> {
        changes(then.as_object().unwrap(), now.as_object().unwrap()).iter().map(Change::to_string).collect()
    }

    #[test]
    fn what_differs_is_named_and_what_is_written_differently_is_the_same() {
        let then =
            json!({"lr": 10, "no-flip": false, "batch": 4, "data": ["a"], "text": {"checksum": "x", "tokens": 3}, "ess": 1e6});
        let now = json!({"lr": 10.0, "batch": 2, "data": ["a"], "text": {"checksum": "y", "tokens": 3}, "seed": 1});
        let expected = [
            "batch was 4 and is 2 now",
            "ess was 1000000.0 and is not set now",
            "seed was not set and is 1 now",
            "text.checksum was x and is y now",
        ];
        assert_eq!(found(then, now), expected);
    }

    #[test]
    fn values_are_said_in_words() {
        let then = json!({"a": ["x", "y"], "b": "cosine", "c": 1e-5, "d": true, "e": 1.5});
        let now = json!({"a": ["x"], "b": {"step": {"every": 3, "factor": 0.1}}, "c": 0.0, "e": []});
        let expected = [
            "a was x, y and is x now",
            "b was cosine and is step (every 3, factor 0.1) now",
            "c was 0.00001 and is 0.0 now",
            "d was true and is not set now",
            "e was 1.5 and is empty now",
        ];
        assert_eq!(found(then, now), expected);
    }

    #[test]
    fn a_path_is_the_place_that_it_leads_to() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
        std::fs::create_dir(path("in")).unwrap();
        std::fs::write(path("a"), "").unwrap();
        let of = |text: String| json!({"data": [text]});
        assert_eq!(found(of(path("a")), of(path("in/../a"))), [""; 0]);
        assert_eq!(found(of(path("a")), of(path("b"))).len(), 1);
        // A word is not a path.
        assert_eq!(found(json!({"x": "a"}), json!({"x": "./a"})).len(), 1);
    }
}
