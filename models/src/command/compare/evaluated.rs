//! A `metrics.json`, and what its run was told.

use super::{COLUMNS, Numbers};
use ivon_runtime::checkpoint::changes;
use ivon_runtime::{Error, Result, disk, run};
use serde_json::{Map, Value, json};
use std::path::Path;

/// Flags that do not change what a run learns. The path of the data is one of them, because the data has a checksum.
const WITHOUT_EFFECT: [&str; 5] = ["seed", "threads", "checkpoint-every", "keep", "data"];

/// The evaluation of a run, or of several together.
pub struct Evaluated {
    /// The name of its directory.
    pub name: String,
    /// Numbers of samples, 0 at the mean, and what was found with so many.
    pub lines: Vec<(u64, Numbers)>,
    /// Everything but the seed that says what was trained and how it was evaluated; nothing where it is not known.
    settings: Option<Map<String, Value>>,
    seeds: Vec<u64>,
}

impl Evaluated {
    /// The evaluation in a directory.
    ///
    /// # Errors
    /// If no evaluation is found.
    pub fn read(folder: &Path) -> Result<Evaluated> {
        let path = folder.join("metrics.json");
        let text = std::fs::read_to_string(&path).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => Error::file(folder, "has no metrics.json: evaluate it first, with `ivon evaluate`"),
            std::io::ErrorKind::NotADirectory => Error::file(folder, "is no folder: give that of an evaluated run"),
            _ => disk::unreadable(&path, &e),
        })?;
        let mut metrics: Value = serde_json::from_str(&text).map_err(|e| Error::file(&path, e))?;
        if metrics["trained"].is_null() && run::holds_a_run(folder) {
            let config: Map<String, Value> = run::read_config(folder)?;
            metrics["trained"] = json!([{"seed": config.get("seed"), "step": metrics["step"], "config": config}]);
        }
        // `.` has a name, too.
        let place = disk::resolved(folder);
        let name = place.file_name().map_or_else(|| place.display().to_string(), |name| name.to_string_lossy().into_owned());
        Evaluated::of(&name, metrics).ok_or_else(|| Error::file(&path, "is not of `ivon evaluate`: it has no `mean`"))
    }

    /// From what `ivon evaluate` wrote; nothing if it did not.
    pub fn of(name: &str, metrics: Value) -> Option<Evaluated> {
        let line = |scores: &Value, ood: &Value| {
            let number = |keys: &[&str]| match keys {
                [key] => scores[*key].as_f64(),
                keys => keys.iter().try_fold(ood, |value, key| value.get(*key)).and_then(Value::as_f64),
            };
            let numbers = COLUMNS.iter().map(|(_, keys)| number(keys)).collect();
            (scores["samples"].as_u64().unwrap_or(0), numbers)
        };
        let mean = metrics.get("mean").filter(|mean| mean.is_object())?;
        let mut lines = vec![line(mean, &metrics["ood"]["mean"])];
        for (i, scores) in metrics["growing"].as_array().into_iter().flatten().enumerate() {
            lines.push(line(scores, &metrics["ood"]["growing"][i]));
        }
        let trained = metrics["trained"].as_array();
        let seeds = trained.into_iter().flatten().filter_map(|run| run["seed"].as_u64()).collect();
        Some(Evaluated { name: name.into(), lines, settings: settings(&metrics), seeds })
    }

    /// `sgd` of `sgd-3`.
    pub fn base(&self) -> &str {
        match self.name.rsplit_once('-') {
            Some((front, number)) if !front.is_empty() && number.parse::<u64>().is_ok() => front,
            _ => &self.name,
        }
    }

    /// True for two runs that differ in nothing but the seed, as far as is known.
    pub fn differs_in_seed(&self, other: &Evaluated) -> bool {
        self.settings.is_some() && self.settings == other.settings && self.seeds != other.seeds
    }

    /// True for two evaluations of one run.
    pub fn is_same_run(&self, other: &Evaluated) -> bool {
        self.settings.is_some() && self.settings == other.settings && self.seeds == other.seeds
    }

    /// The difference between two runs, in a line.
    pub fn difference(&self, other: &Evaluated) -> String {
        let (a, b) = (&self.name, &other.name);
        let (Some(one), Some(two)) = (&self.settings, &other.settings) else {
            return format!("it is not known how {a} and {b} were trained");
        };
        const SHOWN: usize = 4;
        let mut found = changes(one, two);
        // The optimizer, and then what both have, say more than what one has alone.
        let alone = |value: &str| value == "not set";
        found.sort_by_key(|c| (!c.key.ends_with("optimizer"), alone(&c.then) || alone(&c.now)));
        let each = found.iter().take(SHOWN).map(|c| {
            let key =
                c.key.rsplit_once("runs.").map_or(c.key.as_str(), |(_, key)| key.split_once('.').map_or(key, |(_, key)| key));
            format!("{key} ({}, {})", c.then, c.now)
        });
        let more = if found.len() > SHOWN { format!(" and {} more", found.len() - SHOWN) } else { String::new() };
        format!("{a} and {b} differ in {}{more}", each.collect::<Vec<_>>().join(", "))
    }
}

/// Everything but the seed; nothing if a run is not known.
fn settings(metrics: &Value) -> Option<Map<String, Value>> {
    let best = metrics["best"].as_bool().unwrap_or(false);
    let mut runs = Map::new();
    for (i, run) in metrics["trained"].as_array()?.iter().enumerate() {
        let mut config = run["config"].as_object().filter(|config| !config.is_empty())?.clone();
        config.retain(|key, _| !WITHOUT_EFFECT.contains(&key.as_str()));
        if let Some(Value::Object(pictures)) = config.get_mut("pictures") {
            pictures.remove("origin");
        }
        // The best checkpoints of two seeds are of different steps.
        if !best {
            config.insert("step".into(), run["step"].clone());
        }
        runs.insert(i.to_string(), config.into());
    }
    let mut settings = Map::from_iter([("runs".to_string(), runs.into())]);
    for key in ["temperature", "examples", "best"] {
        settings.insert(key.into(), metrics[key].clone());
    }
    settings.insert("ood".into(), json!({"data": metrics["ood"]["data"], "examples": metrics["ood"]["examples"]}));
    Some(settings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_one_kind_are_known_by_their_name() {
        let base = |name: &str| Evaluated::of(name, json!({"mean": {}})).unwrap().base().to_string();
        assert_eq!(["sgd-3", "all-ivon", "ivon-0.1-12", "7", "-7"].map(base), ["sgd", "all-ivon", "ivon-0.1", "7", "-7"]);
    }

    #[test]
    fn a_directory_is_called_by_its_name_however_it_is_given() {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run-1");
        std::fs::create_dir_all(run.join("in")).unwrap();
        std::fs::write(run.join("metrics.json"), r#"{"mean": {"nll": 1.0}}"#).unwrap();
        assert_eq!(Evaluated::read(&run.join(".")).unwrap().name, "run-1");
        assert_eq!(Evaluated::read(&run.join("in/..")).unwrap().name, "run-1");
        std::fs::write(run.join("metrics.json"), "[]").unwrap();
        assert!(Evaluated::read(&run).err().unwrap().to_string().contains("no `mean`"));
    }
}
