//! `ivon compare`: a table of evaluated runs, seeds put together.

mod evaluated;

use super::flags::each_once;
use clap::Args;
use evaluated::Evaluated;
use ivon_runtime::Result;
use serde::Serialize;
use serde_json::{Value, json};
use std::path::PathBuf;

/// A Markdown table of what `ivon evaluate` found of classifiers; runs that differ in nothing but the seed are put together
#[derive(Args, Debug)]
pub struct Compare {
    /// Directories with the metrics.json of an evaluation: runs, or what --out was. sgd-1, sgd-2 and sgd-3 make one line, with mean and standard
    /// deviation, if they differ in nothing but the seed
    #[arg(value_name = "DIR", required = true, num_args = 1..)]
    folders: Vec<PathBuf>,

    /// Print the table as one line of JSON instead
    #[arg(long)]
    json: bool,
}

/// Columns: their names, and the keys of their numbers.
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

/// The numbers of one evaluation at one number of samples, by column.
type Numbers = Vec<Option<f64>>;

/// Runs that differ in nothing but the seed.
struct Group {
    name: String,
    runs: Vec<Evaluated>,
}

/// The evaluations of a group at one number of samples.
struct Row {
    group: String,
    /// 0 at the mean.
    samples: u64,
    seeds: usize,
    cells: Vec<Option<Spread>>,
}

/// Mean and standard deviation (of a sample, n − 1) of so many numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
struct Spread {
    mean: f64,
    deviation: f64,
    count: usize,
}

impl Compare {
    /// Reads and prints.
    ///
    /// # Errors
    /// If a directory has no evaluation, or is given twice.
    pub fn run(&self) -> Result<()> {
        each_once(&self.folders, false)?;
        let all = self.folders.iter().map(|folder| Evaluated::read(folder)).collect::<Result<Vec<_>>>()?;
        let rows: Vec<Row> = groups(all, &mut |note| tell!("note: {note}")).iter().flat_map(rows).collect();
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
            let cells: Vec<String> = cells.into_iter().map(|cell| cell.map_or(String::new(), |c| c.text(seeds))).collect();
            let samples = if samples == 0 { "mean".to_string() } else { samples.to_string() };
            say!("| {group} | {samples} | {} |", cells.join(" | "))?;
        }
        Ok(())
    }
}

/// Puts runs together that have one name but for the number at its end, and differ in nothing but the seed. `note` is told of those that are not.
fn groups(all: Vec<Evaluated>, note: &mut dyn FnMut(String)) -> Vec<Group> {
    let mut groups: Vec<Group> = vec![];
    for run in all {
        if let Some(same) = groups.iter().flat_map(|group| &group.runs).find(|other| other.is_same_run(&run)) {
            note(format!("{} and {} are evaluations of one run, with one seed: counted once", same.name, run.name));
            continue;
        }
        match groups.iter_mut().find(|group| group.runs[0].base() == run.base() && group.runs[0].differs_in_seed(&run)) {
            Some(group) => group.runs.push(run),
            None => {
                if let Some(other) = groups.iter().map(|group| &group.runs[0]).find(|other| other.base() == run.base()) {
                    note(format!("{}: each is a line of its own", other.difference(&run)));
                }
                groups.push(Group { name: String::new(), runs: vec![run] });
            }
        }
    }
    let bases: Vec<String> = groups.iter().map(|group| group.runs[0].base().to_string()).collect();
    for (i, group) in groups.iter_mut().enumerate() {
        let alone = bases.iter().filter(|base| **base == bases[i]).count() == 1;
        let names: Vec<&str> = group.runs.iter().map(|run| run.name.as_str()).collect();
        group.name = if alone { bases[i].clone() } else { names.join(", ") };
    }
    groups
}

/// The rows of a group: at the mean, and for each number of samples.
fn rows(group: &Group) -> Vec<Row> {
    let mut counts: Vec<u64> = vec![];
    for (samples, _) in group.runs.iter().flat_map(|run| &run.lines) {
        if !counts.contains(samples) {
            counts.push(*samples);
        }
    }
    let row = |samples: u64| {
        let lines = group.runs.iter().flat_map(|run| &run.lines).filter(|(count, _)| *count == samples);
        let of: Vec<&Numbers> = lines.map(|(_, numbers)| numbers).collect();
        let cells = (0..COLUMNS.len()).map(|i| spread(&of, i)).collect();
        Row { group: group.name.clone(), samples, seeds: of.len(), cells }
    };
    counts.into_iter().map(row).collect()
}

/// The mean and spread of the numbers in a column; `None` if it has none.
fn spread(lines: &[&Numbers], column: usize) -> Option<Spread> {
    let values: Vec<f64> = lines.iter().filter_map(|numbers| numbers[column]).collect();
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>();
    (!values.is_empty()).then(|| Spread { mean, deviation: (squares / (n - 1.0).max(1.0)).sqrt(), count: values.len() })
}

impl Spread {
    /// For a row of so many seeds; where some have no number, `(2 of 3)` follows.
    fn text(&self, seeds: usize) -> String {
        let Spread { mean, deviation, count } = *self;
        let missing = if count < seeds { format!(" ({count} of {seeds})") } else { String::new() };
        if count > 1 { format!("{mean:.4} ± {deviation:.4}{missing}") } else { format!("{mean:.4}{missing}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seeds_make_a_mean_and_a_deviation() {
        let (a, b, none) = (vec![Some(1.0)], vec![Some(3.0)], vec![None]);
        let of = |mean, deviation, count| Some(Spread { mean, deviation, count });
        assert_eq!(spread(&[&a, &b], 0), of(2.0, 2f64.sqrt(), 2));
        assert_eq!(spread(&[&a], 0), of(1.0, 0.0, 1));
        assert_eq!(spread(&[&a, &none, &b], 0), of(2.0, 2f64.sqrt(), 2));
        assert_eq!(spread(&[&none], 0), None);
        assert_eq!(of(2.0, 0.5, 2).unwrap().text(3), "2.0000 ± 0.5000 (2 of 3)");
        assert_eq!(of(2.0, 0.0, 1).unwrap().text(1), "2.0000");
    }

    fn run(name: &str, seed: u64, optimizer: &str) -> Evaluated {
        let config = json!({"optimizer": optimizer, "seed": seed, "threads": seed, "data": format!("/{seed}")});
        let trained = json!([{"seed": seed, "step": 10, "config": config}]);
        Evaluated::of(name, json!({"mean": {"nll": seed}, "temperature": 1.0, "trained": trained})).unwrap()
    }

    fn lines(all: Vec<Evaluated>) -> (Vec<(String, usize)>, Vec<String>) {
        let mut notes = vec![];
        let groups = groups(all, &mut |note| notes.push(note));
        (groups.into_iter().map(|group| (group.name, group.runs.len())).collect(), notes)
    }

    #[test]
    fn runs_are_put_together_that_differ_in_nothing_but_the_seed() {
        let (groups, notes) = lines(vec![run("a-1", 1, "sgd"), run("a-2", 2, "sgd"), run("b-1", 1, "sgd")]);
        // The same run under another name is not another seed.
        assert_eq!(groups, [("a".to_string(), 2)]);
        assert_eq!(notes, ["a-1 and b-1 are evaluations of one run, with one seed: counted once"]);
        let (groups, notes) = lines(vec![run("a-1", 1, "sgd"), run("a-2", 2, "ivon"), run("a-3", 3, "sgd")]);
        assert_eq!(groups, [("a-1, a-3".to_string(), 2), ("a-2".to_string(), 1)]);
        assert_eq!(notes, ["a-1 and a-2 differ in optimizer (sgd, ivon): each is a line of its own"]);
    }

    #[test]
    fn other_temperatures_and_models_of_unknown_training_are_not_seeds() {
        let of = |name: &str, temperature: f64| {
            let trained = json!([{"seed": 1, "step": 10, "config": {"optimizer": "ivon"}}]);
            Evaluated::of(name, json!({"mean": {}, "temperature": temperature, "trained": trained})).unwrap()
        };
        let (groups, notes) = lines(vec![of("t-1", 0.5), of("t-2", 2.0)]);
        assert_eq!(
            (groups.len(), &notes[..]),
            (2, &["t-1 and t-2 differ in temperature (0.5, 2.0): each is a line of its own".to_string()][..])
        );
        let unknown = |name: &str| Evaluated::of(name, json!({"mean": {}})).unwrap();
        let (groups, notes) = lines(vec![unknown("u-1"), unknown("u-2")]);
        assert_eq!(groups.len(), 2);
        assert!(notes[0].contains("it is not known how u-1 and u-2 were trained"), "{notes:?}");
    }
}
