//! `ivon compare`: a table of evaluated runs, seeds put together.

use clap::Args;
use ivon_runtime::{Error, Result};
use serde::Serialize;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// A Markdown table of what `ivon evaluate` found of classifiers; runs that differ in the number at their end are put together
#[derive(Args, Debug)]
pub struct Compare {
    /// Folders with the metrics.json of an evaluation: runs, or what --out was. sgd-1, sgd-2 and sgd-3 make one line, with mean and standard deviation
    #[arg(value_name = "DIR", required = true, num_args = 1..)]
    folders: Vec<PathBuf>,

    /// Print the table as one line of JSON instead
    #[arg(long)]
    json: bool,
}

/// Columns: what they are called, and where their number stands.
const COLUMNS: [(&str, &[&str]); 8] = [
    ("accuracy", &["accuracy"]),
    ("NLL", &["nll"]),
    ("ECE", &["ece"]),
    ("Brier", &["brier"]),
    ("epistemic", &["epistemic"]),
    ("AUROC by entropy", &["entropy", "auroc"]),
    ("by information", &["mutual_information", "auroc"]),
    ("by probability", &["max_probability", "auroc"]),
];

/// One evaluation at one number of samples.
struct Line {
    group: String,
    /// 0 at the mean.
    samples: u64,
    numbers: Vec<Option<f64>>,
}

/// The lines of all seeds put together.
struct Row {
    group: String,
    samples: u64,
    seeds: usize,
    cells: Vec<Option<Spread>>,
}

/// Mean and standard deviation (of a sample, n − 1).
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Spread {
    mean: f64,
    deviation: f64,
}

impl Compare {
    /// Reads and prints.
    ///
    /// # Errors
    /// If a folder has no evaluation.
    pub fn run(&self) -> Result<()> {
        let mut lines: Vec<Line> = vec![];
        for folder in &self.folders {
            lines.extend(read(folder)?);
        }
        let mut keys: Vec<(String, u64)> = vec![];
        for line in &lines {
            let key = (line.group.clone(), line.samples);
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        let row = |(group, samples): (String, u64)| {
            let of: Vec<&Line> = lines.iter().filter(|l| l.group == group && l.samples == samples).collect();
            Row { seeds: of.len(), cells: (0..COLUMNS.len()).map(|i| spread(&of, i)).collect(), group, samples }
        };
        let rows: Vec<Row> = keys.into_iter().map(row).collect();
        if self.json {
            let named = |row: &Row| -> serde_json::Map<String, Value> {
                COLUMNS.iter().zip(&row.cells).map(|((name, _), cell)| (name.to_string(), json!(cell))).collect()
            };
            let row = |r: &Row| json!({"runs": r.group, "samples": r.samples, "seeds": r.seeds, "scores": named(r)});
            say!("{}", json!(rows.iter().map(row).collect::<Vec<_>>()))?;
            return Ok(());
        }
        say!("| | samples | {} |", COLUMNS.map(|(name, _)| name).join(" | "))?;
        say!("|---|---|{}", "---|".repeat(COLUMNS.len()))?;
        for Row { group, samples, seeds, cells } in rows {
            let cell = |c: Option<Spread>| match c {
                Some(c) if seeds > 1 => format!("{:.4} ± {:.4}", c.mean, c.deviation),
                Some(c) => format!("{:.4}", c.mean),
                None => String::new(),
            };
            let samples = if samples == 0 { "mean".to_string() } else { samples.to_string() };
            say!("| {group} | {samples} | {} |", cells.into_iter().map(cell).collect::<Vec<_>>().join(" | "))?;
        }
        Ok(())
    }
}

/// The lines of a folder: at the mean, and for each number of samples.
fn read(folder: &Path) -> Result<Vec<Line>> {
    let path = folder.join("metrics.json");
    let text = std::fs::read_to_string(&path).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => Error::file(folder, "has no metrics.json: evaluate it first, with `ivon evaluate`"),
        std::io::ErrorKind::NotADirectory => Error::file(folder, "is no folder: give that of an evaluated run"),
        _ => ivon_runtime::disk::unreadable(&path, &e),
    })?;
    let metrics: Value = serde_json::from_str(&text).map_err(|e| Error::file(&path, e))?;
    let name = folder.file_name().map_or(String::new(), |n| n.to_string_lossy().into_owned());
    let group = group(&name).to_string();
    let line = |scores: &Value, ood: &Value| {
        let number = |keys: &[&str]| match keys {
            [key] => scores[*key].as_f64(),
            keys => keys.iter().try_fold(ood, |value, key| value.get(*key)).and_then(Value::as_f64),
        };
        let numbers = COLUMNS.iter().map(|(_, keys)| number(keys)).collect();
        Line { group: group.clone(), samples: scores["samples"].as_u64().unwrap_or(0), numbers }
    };
    let mut lines = vec![line(&metrics["mean"], &metrics["ood"]["mean"])];
    for (i, scores) in metrics["growing"].as_array().into_iter().flatten().enumerate() {
        lines.push(line(scores, &metrics["ood"]["growing"][i]));
    }
    Ok(lines)
}

/// `sgd` of `sgd-3`.
fn group(name: &str) -> &str {
    match name.rsplit_once('-') {
        Some((front, number)) if !front.is_empty() && number.parse::<u64>().is_ok() => front,
        _ => name,
    }
}

/// Of a column, if all have it.
fn spread(lines: &[&Line], column: usize) -> Option<Spread> {
    let values: Vec<f64> = lines.iter().map(|l| l.numbers[column]).collect::<Option<_>>()?;
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>();
    Some(Spread { mean, deviation: (squares / (n - 1.0).max(1.0)).sqrt() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_of_one_kind_are_known_by_their_name() {
        assert_eq!(["sgd-3", "all-ivon", "ivon-0.1-12", "7", "-7"].map(group), ["sgd", "all-ivon", "ivon-0.1", "7", "-7"]);
    }

    #[test]
    fn seeds_make_a_mean_and_a_deviation() {
        let line = |x: Option<f64>| Line { group: "a".into(), samples: 0, numbers: vec![x] };
        let (a, b) = (line(Some(1.0)), line(Some(3.0)));
        assert_eq!(spread(&[&a, &b], 0), Some(Spread { mean: 2.0, deviation: 2f64.sqrt() }));
        assert_eq!(spread(&[&a], 0), Some(Spread { mean: 1.0, deviation: 0.0 }));
        assert_eq!(spread(&[&a, &line(None)], 0), None);
    }
}
