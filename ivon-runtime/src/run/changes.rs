//! In what two configurations of a run differ.

use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// Every value in which two configurations differ, by its key (`table.key` in a table), with both in words.
pub(super) fn changes(then: &Map<String, Value>, now: &Map<String, Value>) -> Vec<(String, String, String)> {
    let keys: BTreeSet<&String> = then.keys().chain(now.keys()).collect();
    let mut found = vec![];
    for key in keys {
        let value = |map: &Map<String, Value>| map.get(key).cloned().unwrap_or(Value::Null);
        match (value(then), value(now)) {
            (Value::Object(then), Value::Object(now)) => {
                found.extend(changes(&then, &now).into_iter().map(|(inner, then, now)| (format!("{key}.{inner}"), then, now)));
            }
            (then, now) if same(&then, &now) => {}
            (then, now) => {
                let text = |value: Value| if value.is_null() { "not set".into() } else { value.to_string() };
                found.push((key.clone(), text(then), text(now)));
            }
        }
    }
    found
}

/// Whether two values mean the same: 3 is 3.0, and a switch that is off is one that is not there.
fn same(a: &Value, b: &Value) -> bool {
    let off = |value: &Value| matches!(value, Value::Null | Value::Bool(false));
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => x == y || x.is_f64() != y.is_f64() && x.as_f64() == y.as_f64(),
        _ => a == b || off(a) && off(b),
    }
}

#[cfg(test)]
mod tests {
    use super::changes;
    use serde_json::json;

    #[test]
    fn what_differs_is_named_and_what_is_written_differently_is_the_same() {
        let then =
            json!({"lr": 10, "no-flip": false, "batch": 4, "data": ["a"], "text": {"checksum": "x", "tokens": 3}, "ess": 1e6});
        let now = json!({"lr": 10.0, "batch": 2, "data": ["a"], "text": {"checksum": "y", "tokens": 3}, "seed": 1});
        let found = changes(then.as_object().unwrap(), now.as_object().unwrap());
        let expected =
            [("batch", "4", "2"), ("ess", "1000000.0", "not set"), ("seed", "not set", "1"), ("text.checksum", "\"x\"", "\"y\"")];
        assert_eq!(found, expected.map(|(key, then, now)| (key.into(), then.into(), now.into())));
    }
}
