//! Runs without a flag on many kinds of small data do not diverge: the training loss at the mean ends at or below its start, and the validation loss
//! averaged over samples is at most that of the constant predictor plus two standard errors. The whole grid is an example, `battery`.

#[path = "../examples/battery/tasks.rs"]
mod tasks;
#[path = "../examples/battery/train.rs"]
mod train;

use train::train;

/// Trains on every task but those named, and describes the runs that failed.
fn failures(steps: usize, without: &[&str]) -> Vec<String> {
    let tasks = tasks::generated(0, false);
    let mut failed = vec![];
    for task in tasks.iter().filter(|task| !without.contains(&task.name)) {
        let found = train(task, steps, 0, None).unwrap();
        if !found.is_good() {
            let train::Outcome { start, end, mean, average, constant, error, warnings } = found;
            failed.push(format!(
                "{} in {steps} steps: training {start:.3} to {end:.3}, validation {mean:.3}, {average:.3} averaged, where {constant:.3} ± {error:.3} is \
                 constant: {warnings:?}",
                task.name
            ));
        }
    }
    failed
}

#[test]
fn short_runs_do_not_diverge() {
    // Targets of mean 170, and inputs of deviation 100 and 0.01, are further away than 300 steps go.
    assert_eq!(failures(300, &["raw60", "scaled"]), Vec::<String>::new());
}

#[test]
fn longer_runs_do_not_diverge() {
    assert_eq!(failures(1500, &[]), Vec::<String>::new());
}

#[test]
fn inputs_of_unequal_scale_are_warned_of() {
    let tasks = tasks::generated(0, false);
    // In 300 steps there are two looks at the state only, and the second one is near the limit.
    let found = train(tasks.iter().find(|task| task.name == "scaled").unwrap(), 600, 0, None).unwrap();
    let signs: Vec<_> = found.warnings.iter().map(|warning| warning.sign).collect();
    assert!(signs.contains(&ivon_runtime::optimizers::Sign::StepsAtBound), "{signs:?}");
}

#[test]
fn tables_are_read_with_and_without_a_heading() {
    let text = "a,b,class\n1,2,0\n3 4 1\n5,6,0\n\n7,8,1\n";
    let task = tasks::table(0, "table", text, 2, 2).unwrap();
    assert_eq!((task.training.y.len(), task.validation.y.len()), (3, 1));
    assert!(tasks::table(0, "table", "1,2\n", 2, 2).is_none());
}
