//! Commands on an existing run: going on, evaluating, generating, exporting, starting from its configuration.

mod common;
#[path = "common/events.rs"]
mod events;

use common::{fails, ivon, succeeds, text};
use std::path::Path;
use std::process::{Command, Stdio};

const TINY: &str = "train gpt2 --preset tiny --layers 1 --width 16 --heads 2 --seq 16 --batch 4 --micro-batches 2 --eval-tokens 512 \
                    --eval-samples 3 --warmup 1 --json";

#[test]
fn an_evaluation_gives_the_figures_that_training_gave() {
    let folder = tempfile::tempdir().unwrap();
    let trained = succeeds(folder.path(), &format!("{TINY} --steps 6 --out run"));
    let found = succeeds(folder.path(), "evaluate run --samples 3 --json");
    assert_eq!(found["loss"], trained["validation_loss"]);
    assert_eq!(found["loss_posterior"], trained["validation_loss_posterior"]);
    let growing: Vec<u64> = found["growing"].as_array().unwrap().iter().map(|s| s["samples"].as_u64().unwrap()).collect();
    assert_eq!((found["step"].as_u64(), growing), (Some(6), vec![1, 2, 3]));
    assert_eq!(succeeds(folder.path(), "evaluate run/checkpoints/step-00000006 --samples 0 --json")["loss"], found["loss"]);
    assert_eq!(succeeds(folder.path(), "evaluate run --best --samples 0 --json")["loss"], found["loss"]);
    // A point has no samples.
    succeeds(folder.path(), &format!("{TINY} --steps 6 --optimizer adamw --out adamw"));
    assert_eq!(succeeds(folder.path(), "evaluate adamw --json")["samples"], 0);
    assert!(fails(folder.path(), "evaluate nothing").contains("nothing"));
}

#[test]
fn a_run_can_be_exported_and_started_from() {
    let folder = tempfile::tempdir().unwrap();
    let trained = succeeds(folder.path(), &format!("{TINY} --steps 6 --out run"));
    succeeds(folder.path(), "export run --out exported");
    assert!(folder.path().join("exported/sigma.safetensors").is_file());
    succeeds(folder.path(), "import run --out weights.safetensors");
    let data = "--eval-tokens 512 --seq 16 --samples 0 --json --batch 2";
    for from in ["exported", "weights.safetensors"] {
        assert_eq!(succeeds(folder.path(), &format!("evaluate {from} {data}"))["loss"], trained["validation_loss"], "{from}");
    }
    succeeds(folder.path(), "train gpt2 --init run --steps 2 --seq 16 --eval-tokens 512 --out further");
    succeeds(folder.path(), "train gpt2 --resume further");
}

/// Weights and products of bf16: the same run up to their precision, and the same bits after a stop.
#[test]
fn a_run_in_bf16_goes_on_with_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    for optimizer in ["ivon", "adamw"] {
        let train = |dtype: &str, out: &str, steps: usize| {
            let run = format!(
                "{TINY} --lr 0.01 --schedule constant --optimizer {optimizer} --dtype {dtype} --steps {steps} --out {out}-{optimizer}"
            );
            succeeds(folder.path(), &run)["training_loss"].as_f64().unwrap()
        };
        let (single, half) = (train("f32", "single", 12), train("bf16", "half", 12));
        assert!(single != half && (single - half).abs() < 0.01 * single, "{single} in f32, {half} in bf16");
        train("bf16", "stopped", 6);
        let resumed = succeeds(folder.path(), &format!("train gpt2 --resume stopped-{optimizer} --steps 12 --json"));
        assert_eq!(resumed["training_loss"].as_f64(), Some(half));
    }
}

#[test]
fn a_configuration_can_be_read_back_and_the_command_line_wins() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mine.txt"), "All work and no play makes a dull boy. ".repeat(100)).unwrap();
    let first = succeeds(folder.path(), &format!("{TINY} --steps 6 --dropout 0.1 --no-bias --data mine.txt --out run"));
    // From another directory: paths in the file are absolute.
    let away = tempfile::tempdir().unwrap();
    std::fs::copy(folder.path().join("run/config.toml"), away.path().join("again.toml")).unwrap();
    let again = succeeds(away.path(), "train gpt2 --config again.toml --out again --json");
    assert_eq!(again["validation_loss_posterior"], first["validation_loss_posterior"]);
    let config = |run: &str| std::fs::read_to_string(away.path().join(run).join("config.toml")).unwrap();
    assert_eq!(config("again"), std::fs::read_to_string(folder.path().join("run/config.toml")).unwrap());
    let other = succeeds(away.path(), "train gpt2 --config again.toml --out other --seed 5 --steps 3 --json");
    assert_eq!(other["steps"], 3);
    assert!(config("other").contains("seed = 5"));

    std::fs::write(away.path().join("wrong.toml"), "learning-rate = 3\n").unwrap();
    let message = fails(away.path(), "train gpt2 --config wrong.toml");
    assert!(message.contains("wrong.toml: line 1: `learning-rate` is not a flag") && message.contains(" lr,"), "{message}");
    std::fs::write(away.path().join("wrong.toml"), "batch = 2\nlr = \"high\"\n").unwrap();
    let message = fails(away.path(), "train gpt2 --config wrong.toml");
    assert!(message.contains("wrong.toml: line 2: `lr`") && message.contains("'high' for '--lr"), "{message}");
    // Below a table's header a key is the table's.
    std::fs::write(away.path().join("wrong.toml"), format!("{}\nlr = 3\n", config("again"))).unwrap();
    let message = fails(away.path(), "train gpt2 --config wrong.toml --out below");
    assert!(message.contains("`lr` stands in the table [text]") && !away.path().join("below").exists(), "{message}");
    std::fs::write(away.path().join("wrong.toml"), "lr = = 3\n").unwrap();
    assert!(fails(away.path(), "train gpt2 --config wrong.toml").contains("line 1"));
    for (text, wanted) in [
        ("seed = 1\nmodel = \"lenet\"\n", "line 2: the file is of `ivon train lenet`, and the command is `ivon train gpt2`"),
        ("model = 3\n", "line 1: `model` expects the name of a model in quotes; found 3"),
        ("data = []\n", "line 1: `data` is an empty list"),
    ] {
        std::fs::write(away.path().join("wrong.toml"), text).unwrap();
        let message = fails(away.path(), "train gpt2 --config wrong.toml --out none");
        assert!(message.contains(wanted) && !away.path().join("none").exists(), "{message}");
    }
    std::fs::write(away.path().join("wrong.toml"), b"\xff\xfel\0r\0").unwrap();
    assert!(fails(away.path(), "train gpt2 --config wrong.toml").contains("is text in UTF-16"));
    if cfg!(unix) {
        assert!(fails(away.path(), "train gpt2 --config /dev/zero").contains("is a device, which may never end"));
    }
    assert!(fails(away.path(), "train gpt2 --config nothing.toml").contains("nothing.toml: does not exist"));
}

#[test]
fn a_resumption_says_what_stands_in_its_way() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mine.txt"), "All work and no play makes a dull boy. ".repeat(100)).unwrap();
    succeeds(folder.path(), &format!("{TINY} --steps 6 --data mine.txt --checkpoint-every 2 --keep 9 --out run"));
    assert!(fails(folder.path(), &format!("{TINY} --steps 6 --out run")).contains("holds a run already"));
    assert!(fails(folder.path(), "train gpt2 --resume nothing").contains("nothing: is no folder"));
    assert!(fails(folder.path(), "train gpt2 --resume run --width 32").contains("other shapes"));
    assert!(fails(folder.path(), "train gpt2 --resume run --optimizer sgd").contains("resume with ivon"));
    std::fs::write(folder.path().join("mine.txt"), "Other words. ".repeat(300)).unwrap();
    assert!(fails(folder.path(), "train gpt2 --resume run").contains("the text is not the one"));
    succeeds(folder.path(), "train gpt2 --resume run --data mine.txt");

    let mean = folder.path().join("run/checkpoints/step-00000006/mean.safetensors");
    let mut bytes = std::fs::read(&mean).unwrap();
    bytes[1000] ^= 4;
    std::fs::write(&mean, bytes).unwrap();
    let message = fails(folder.path(), "train gpt2 --resume run --data mine.txt");
    assert!(
        message.contains("mean.safetensors") && message.contains("altered") && message.contains("step-00000004"),
        "{message}"
    );
    succeeds(folder.path(), "train gpt2 --resume run/checkpoints/step-00000004 --data mine.txt");
    succeeds(folder.path(), "evaluate run --samples 0");
}

#[test]
fn data_that_is_not_the_runs_is_refused_before_anything_is_set_aside() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mine.txt"), "All work and no play makes a dull boy. ".repeat(100)).unwrap();
    succeeds(folder.path(), &format!("{TINY} --steps 6 --data mine.txt --checkpoint-every 2 --keep 9 --out run"));
    std::fs::write(folder.path().join("mine.txt"), "Other words. ".repeat(300)).unwrap();
    let files =
        ["metrics.jsonl", "config.toml", "checkpoints/step-00000004/manifest.json", "checkpoints/step-00000006/manifest.json"];
    let read = || files.map(|file| std::fs::read(folder.path().join("run").join(file)).unwrap());
    let before = read();
    assert!(fails(folder.path(), "train gpt2 --resume run/checkpoints/step-00000002").contains("the text is not the one"));
    assert!(read() == before, "a run that was refused has changed");
    let output = ivon(folder.path(), "evaluate run --samples 0").output().unwrap();
    assert!(text(&output).contains("note: the text is not the one that run was trained on"), "{}", text(&output));
}

#[test]
fn a_directory_that_looks_like_a_number_keeps_its_name() {
    let folder = tempfile::tempdir().unwrap();
    for (name, words) in
        [("2024.10", "first text, "), ("2024.1", "Other words! "), ("007", "third text. "), ("1e3", "a fourth one ")]
    {
        std::fs::create_dir(folder.path().join(name)).unwrap();
        std::fs::write(folder.path().join(name).join("a.txt"), words.repeat(300)).unwrap();
    }
    for name in ["2024.10", "007", "1e3"] {
        let trained = succeeds(folder.path(), &format!("{TINY} --steps 2 --data {name} --out run-{name}"));
        let config = std::fs::read_to_string(folder.path().join(format!("run-{name}/config.toml"))).unwrap();
        assert!(config.contains(&format!("/{name}\"")), "{config}");
        let found = succeeds(folder.path(), &format!("evaluate run-{name} --samples 0 --json"));
        assert_eq!(found["loss"], trained["validation_loss"], "{name}");
        succeeds(folder.path(), &format!("train gpt2 --resume run-{name} --steps 3"));
    }
}

#[test]
fn a_path_that_leads_to_the_same_place_is_not_a_difference() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mine.txt"), "All work and no play makes a dull boy. ".repeat(100)).unwrap();
    succeeds(folder.path(), &format!("{TINY} --steps 2 --out start"));
    succeeds(folder.path(), "train gpt2 --init start --steps 2 --seq 16 --eval-tokens 512 --data mine.txt --out run");
    succeeds(folder.path(), "train gpt2 --resume run --steps 3 --data ./start/../mine.txt --init start/checkpoints/../../start");
    let said = differences(&folder.path().join("run"));
    assert!(said.iter().all(|line| line.starts_with("steps ")), "{said:?}");
}

#[test]
fn a_run_that_has_taken_its_steps_says_so_and_takes_no_fewer() {
    let folder = tempfile::tempdir().unwrap();
    succeeds(folder.path(), &format!("{TINY} --steps 4 --out run"));
    let output = ivon(folder.path(), "train gpt2 --resume run").output().unwrap();
    assert!(output.status.success() && text(&output).contains("the run has taken all of its 4 updates"), "{}", text(&output));
    assert!(text(&output).contains("evaluating at the mean"), "{}", text(&output));
    let message = fails(folder.path(), "train gpt2 --resume run --steps 3");
    assert!(message.contains("has taken 4 updates, and --steps is 3"), "{message}");
    assert_eq!(succeeds(folder.path(), "train gpt2 --resume run --steps 6 --json")["steps"], 6);
    let message = fails(folder.path(), "train gpt2 --resume run --steps 9 --trace t.safetensors");
    assert!(message.contains("--trace shows the first updates of a run, and this one has taken 6"), "{message}");
}

#[test]
fn flags_without_an_effect_are_named_in_the_log_and_in_the_summary() {
    let folder = tempfile::tempdir().unwrap();
    for (flags, wanted) in [
        ("--warmup 1000", "--warmup 1000 is not shorter than the run of 2 updates"),
        ("--optimizer sgd --ess 3 --beta2 0.5", "--ess and --beta2 have no effect on sgd"),
        ("--optimizer adamw --momentum 0.5", "--momentum has no effect on adamw"),
        ("--optimizer adamw --eval-samples 2", "--eval-samples has no effect on adamw"),
        ("--schedule constant --min-lr 0.1", "--min-lr has no effect on --schedule constant"),
        ("--sample-per micro-batch", "--sample-per micro-batch has no effect"),
    ] {
        let run =
            "train gpt2 --preset tiny --layers 1 --width 16 --heads 2 --seq 16 --batch 2 --eval-tokens 64 --steps 2 --out run";
        let output = ivon(folder.path(), &format!("{run} {flags}")).output().unwrap();
        assert!(output.status.success() && text(&output).contains(&format!("warning: {wanted}")), "{flags}: {}", text(&output));
        for file in ["summary.json", "metrics.jsonl"] {
            let told = std::fs::read_to_string(folder.path().join("run").join(file)).unwrap();
            assert!(told.contains(wanted), "{file}: {told}");
        }
        std::fs::remove_dir_all(folder.path().join("run")).unwrap();
    }
}

#[test]
fn commands_do_not_write_into_runs() {
    let folder = tempfile::tempdir().unwrap();
    for seed in [1, 2] {
        succeeds(folder.path(), &format!("{TINY} --steps 2 --seed {seed} --out g{seed}"));
    }
    let count = || std::fs::read_dir(folder.path().join("g1")).unwrap().count();
    let before = count();
    for command in [
        "merge g1 g2 --out g1",
        "merge g1 g2 --out ./g2/.",
        "merge g1 g2 --out g1/checkpoints",
        "merge g1 g2 --out g1/checkpoints/step-00000002",
        "merge g1/checkpoints/step-00000002 g2 --out g1",
        "export g1 --out g1",
        "export g1 --out g2",
    ] {
        assert!(fails(folder.path(), command).contains("is the directory of a run"), "{command}");
    }
    assert_eq!(count(), before);
    succeeds(folder.path(), "export g1 --out e1");
    assert!(fails(folder.path(), "merge e1 g2 --out e1").contains("is e1, which is read"));
}

#[test]
fn tensorboard_has_every_step_once_after_a_kill_before_and_after_a_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    for every in [0, 20] {
        let path = folder.path().join(format!("run-{every}"));
        let run = format!("{TINY} --steps 20000 --eval-every 0 --checkpoint-every {every} --out run-{every}");
        let mut child = ivon(folder.path(), &run).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let metrics = || std::fs::read_to_string(path.join("metrics.jsonl")).unwrap_or_default();
        while !metrics().contains("\"step\":40") {
            assert!(child.try_wait().unwrap().is_none(), "the run ended");
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(path.join("checkpoints").is_dir(), every > 0);
        // Cut in the middle of a line and of a record.
        let cut = |file: &Path| {
            let bytes = std::fs::read(file).unwrap();
            std::fs::write(file, &bytes[..bytes.len() - 7]).unwrap();
        };
        cut(&path.join("metrics.jsonl"));
        let names = || std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path());
        names().filter(|file| file.file_name().unwrap().to_string_lossy().starts_with("events.")).for_each(|file| cut(&file));
        let taken = ivon_runtime::run::checkpoints(&path).steps().unwrap().last().copied().unwrap_or(0);
        succeeds(folder.path(), &format!("train gpt2 --resume run-{every} --steps {}", taken + 60));
        let lines: Vec<serde_json::Value> = metrics().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let steps =
            |key: &str| lines.iter().filter(|l| l.get(key).is_some()).map(|l| l["step"].as_u64().unwrap()).collect::<Vec<_>>();
        let found = events::scalars(&path);
        let of = |tag: &str| found[tag].iter().map(|(step, _)| *step).collect::<Vec<_>>();
        assert_eq!((of("loss/training"), of("loss/validation")), (steps("loss"), steps("validation_loss")));
        assert!(of("loss/training").windows(2).all(|w| w[0] < w[1]) && of("loss/training")[0] == 1);
    }
}

/// Starts a run of many steps through a shell that prepares its process, and waits until it has taken some.
#[cfg(unix)]
fn started(folder: &Path, prepare: &str) -> std::process::Child {
    let run = format!("{TINY} --steps 300 --eval-every 0 --out run");
    let mut command = Command::new("sh");
    command.args(["-c", &format!("{prepare}; exec {} {run}", env!("CARGO_BIN_EXE_ivon"))]).current_dir(folder);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let metrics = folder.join("run/metrics.jsonl");
    while std::fs::metadata(&metrics).map_or(true, |m| m.len() == 0) && child.try_wait().unwrap().is_none() {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    child
}

#[cfg(unix)]
#[test]
fn a_signal_that_is_ignored_stays_ignored() {
    for (signal, ends) in [("HUP", false), ("INT", false), ("TERM", true)] {
        let folder = tempfile::tempdir().unwrap();
        let child = started(folder.path(), "trap '' HUP INT");
        Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status().unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(if ends { 130 } else { 0 }), "{signal}: {}", text(&output));
    }
}

#[cfg(unix)]
#[test]
fn a_run_whose_directory_is_removed_ends_with_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let child = started(folder.path(), "true");
    let run = folder.path().join("run");
    while std::fs::remove_dir_all(&run).is_err() || run.exists() {}
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(
        text(&output).contains("the run directory was removed") || text(&output).contains("cannot be written"),
        "{}",
        text(&output)
    );
}

#[cfg(unix)]
#[test]
fn a_limit_on_the_size_of_files_is_an_error_with_a_message() {
    let folder = tempfile::tempdir().unwrap();
    let output = started(folder.path(), "ulimit -f 6").wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(text(&output).contains("cannot be written") && text(&output).contains("ulimit -f"), "{}", text(&output));
}

/// The differences from a checkpoint that the metrics of a run report.
fn differences(run: &Path) -> Vec<String> {
    let metrics = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let lines = metrics.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let warnings =
        lines.filter_map(|line| line["warning"].as_str()?.strip_prefix("not as in the checkpoint: ").map(String::from));
    warnings.filter(|warning| !warning.starts_with("schedule ")).collect()
}

/// No shape shows the number of heads: with another, the same weights would be another model.
#[test]
fn another_number_of_heads_than_the_weights_have_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    succeeds(folder.path(), &format!("{TINY} --steps 2 --out run"));
    let files = ["config.toml", "metrics.jsonl", "checkpoints/step-00000002/manifest.json"];
    let read = || files.map(|file| std::fs::read(folder.path().join("run").join(file)).unwrap());
    let before = read();
    let message = fails(folder.path(), "train gpt2 --resume run --steps 4 --heads 4");
    assert!(
        message.contains("`heads = 2`") && message.contains("`heads = 4`") && message.contains("leave --heads out"),
        "{message}"
    );
    assert!(read() == before, "a run that was refused has changed");
    succeeds(folder.path(), "export run --out exported");
    succeeds(folder.path(), "import run --out weights.safetensors");
    for from in ["run", "run/checkpoints/step-00000002", "exported", "exported/model.safetensors", "weights.safetensors"] {
        for command in [
            "generate FROM --tokens 2",
            "export FROM --out other",
            "import FROM --out other",
            "inspect FROM",
            "train gpt2 --init FROM",
        ] {
            let command = command.replace("FROM", from);
            let message = fails(folder.path(), &format!("{command} --heads 4"));
            let wanted = "has 2 attention heads, but --heads 4 was given";
            assert!(message.contains(wanted) && message.contains("leave --heads out"), "{command}: {message}");
        }
        succeeds(folder.path(), &format!("generate {from} --tokens 2 --heads 2"));
    }
    std::fs::remove_file(folder.path().join("exported/config.json")).unwrap();
    succeeds(folder.path(), "generate exported --tokens 2 --heads 4");
}

#[test]
fn a_run_that_goes_on_keeps_its_seed_and_its_beginning() {
    let folder = tempfile::tempdir().unwrap();
    succeeds(folder.path(), &format!("{TINY} --steps 2 --out run"));
    let config = folder.path().join("run/config.toml");
    let told = std::fs::read_to_string(&config).unwrap();
    for (flags, then, now) in [
        ("--seed 9", "`seed = 1`", "`seed = 9`"),
        ("--tokenizer gpt2 --vocab 50257", "`tokenizer = \"bytes\"`", "`tokenizer = \"gpt2\"`"),
        ("--init run", "no `init`", "`init = "),
    ] {
        let message = fails(folder.path(), &format!("train gpt2 --resume run --steps 4 {flags}"));
        assert!(message.contains(then) && message.contains(now), "{flags}: {message}");
        assert_eq!(std::fs::read_to_string(&config).unwrap(), told, "{flags}");
    }
    std::fs::write(&config, told.replace("seed = 1", "seed = 9")).unwrap();
    assert!(fails(folder.path(), "train gpt2 --resume run --steps 4").contains("put `seed = 1` back into config.toml"));
    succeeds(folder.path(), "train gpt2 --resume run --steps 4 --seed 1");
    assert_eq!(std::fs::read_to_string(&config).unwrap(), told.replace("steps = 2", "steps = 4"));
}

#[test]
fn every_flag_that_differs_from_the_checkpoint_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    succeeds(folder.path(), &format!("{TINY} --steps 2 --out run"));
    succeeds(
        folder.path(),
        "train gpt2 --resume run --steps 4 --lr 10 --dropout 0.5 --ess 2e6 --no-debias --batch 2 --micro-batches 2",
    );
    let said = differences(&run);
    for flag in [
        "dropout was 0 and is 0.5 now",
        "steps was 2 and is 4 now",
        "batch was 4 and is 2 now",
        "no-debias was false and is true now",
    ] {
        assert!(said.iter().any(|line| line == flag), "{flag}: {said:?}");
    }
    // Once, by the optimizer or the flag.
    assert_eq!(said.iter().filter(|line| line.starts_with("ess was ")).count(), 1, "{said:?}");
    // The same number, written in another way; and what was not given.
    assert!(
        !said.iter().any(|line| ["lr", "micro-batches", "seq"].iter().any(|flag| line.starts_with(&format!("{flag} was ")))),
        "{said:?}"
    );
    // Nothing that did not differ is said: going on as it was is silent.
    succeeds(folder.path(), &format!("{TINY} --steps 4 --checkpoint-every 2 --out straight"));
    succeeds(folder.path(), "train gpt2 --resume straight/checkpoints/step-00000002");
    assert_eq!(differences(&folder.path().join("straight")), [""; 0]);
}

#[test]
fn a_run_that_has_ended_and_takes_no_step_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    succeeds(folder.path(), &format!("{TINY} --steps 4 --out run"));
    let files = ["config.toml", "metrics.jsonl", "checkpoints/step-00000004/manifest.json"];
    let read = || files.map(|file| std::fs::read(folder.path().join("run").join(file)).unwrap());
    let before = read();
    succeeds(folder.path(), "train gpt2 --resume run --dropout 0.5");
    for ((before, after), file) in before.iter().zip(read()).zip(files) {
        assert!(*before == after, "{file}");
    }
}

#[cfg(unix)]
#[test]
fn ctrl_c_saves_and_ends_and_the_run_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let straight = succeeds(folder.path(), &format!("{TINY} --steps 2000 --out straight"));
    let mut command = ivon(folder.path(), &format!("{TINY} --steps 2000 --out run"));
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let metrics = folder.path().join("run/metrics.jsonl");
    while std::fs::metadata(&metrics).map_or(true, |m| m.len() == 0) {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", text(&output));
    assert!(text(&output).contains("go on with: ivon train gpt2 --resume run"), "{}", text(&output));
    let resumed = succeeds(folder.path(), "train gpt2 --resume run --json");
    assert_eq!(resumed["validation_loss_posterior"], straight["validation_loss_posterior"]);
}
