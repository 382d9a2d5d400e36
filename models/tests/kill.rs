//! A run that is killed at random moments and resumed ends with the bits of one that was never stopped.
//!
//! `cargo test` kills a few times. The full test: `IVON_KILLS=50 cargo test --release -p models --test kill`. A failure prints the seed of its
//! moments; `IVON_KILL_SEED` repeats them, as far as the machine's timing does.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

const RUN: &str = "train gpt2 --preset tiny --layers 1 --width 16 --heads 2 --seq 16 --batch 4 --eval-tokens 512 --steps 240 --warmup 5 \
                   --eval-every 50 --eval-samples 2 --checkpoint-every 9 --dropout 0.1";

/// Threads of the run that is not stopped, and of those that are killed and go on, in turns: results do not depend on them.
const THREADS: [&str; 3] = ["--threads 1", "--threads 3", "--threads 2"];

/// Optimizers and options whose state has to survive.
const OPTIONS: [&str; 6] = [
    "--optimizer ivon",
    "--optimizer adamw --micro-batches 2",
    "--optimizer ivon --mc-samples 3 --hess-approx gradsq --lr 0.01 --clip-radius 1e-3",
    "--optimizer sgd --lr 0.1",
    "--optimizer ivon --sample-per micro-batch --micro-batches 2",
    "--optimizer ivon --seed 18446744073709551615 --schedule linear --grad-clip none",
];

fn start(arguments: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ivon"));
    command.args(arguments.iter().flat_map(|a| a.split_whitespace())).stdout(Stdio::null()).stderr(Stdio::piped());
    command.spawn().expect("the command starts")
}

fn finish(child: Child, what: &str) {
    let output = child.wait_with_output().expect("the command ends");
    assert!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Names and content of the last checkpoint's tensors, and the metrics without what depends on the clock.
fn result(run: &Path) -> (Vec<(String, Vec<u8>)>, Vec<serde_json::Value>) {
    let checkpoint = run.join("checkpoints/step-00000240");
    let files = std::fs::read_dir(&checkpoint).unwrap_or_else(|e| panic!("{}: {e}", checkpoint.display()));
    let names = files.map(|f| f.unwrap().path()).filter(|p| p.extension().is_some_and(|e| e == "safetensors"));
    let mut tensors: Vec<_> =
        names.map(|p| (p.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(p).unwrap())).collect();
    tensors.sort();
    let text = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let line = |line: &str| {
        let mut line: serde_json::Value = serde_json::from_str(line).unwrap();
        line.as_object_mut().unwrap().retain(|key, _| key != "seconds" && key != "rate");
        line
    };
    let lines = text.lines().map(line).filter(|l| l.get("warning").is_none());
    (tensors, lines.collect())
}

/// A number below `limit` from a seed that moves on (Knuth's MMIX generator).
fn random(seed: &mut u64, limit: u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 33) % limit.max(1)
}

#[test]
fn a_killed_run_ends_with_the_same_bits() {
    let number = |name| std::env::var(name).ok().and_then(|n| n.parse::<u64>().ok());
    let wanted = number("IVON_KILLS").unwrap_or(6);
    let clock = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos() as u64;
    let mut seed = number("IVON_KILL_SEED").unwrap_or(clock);
    println!("IVON_KILL_SEED={seed}");
    let root = tempfile::tempdir().unwrap();
    let (mut kills, mut resumed_in_the_middle) = (0, 0);
    for (i, options) in OPTIONS.iter().enumerate() {
        let straight = root.path().join(format!("straight-{i}"));
        let begin = Instant::now();
        finish(start(&[RUN, options, THREADS[0], "--out", straight.to_str().unwrap()]), options);
        let (expected, whole) = (result(&straight), begin.elapsed());

        let killed = root.path().join(format!("killed-{i}"));
        let mut left = wanted * (i as u64 + 1) / OPTIONS.len() as u64 - wanted * i as u64 / OPTIONS.len() as u64;
        while left > 0 {
            let _ = std::fs::remove_dir_all(&killed);
            // A chain of kills, each one somewhere in the rest of the run, and then its end.
            let chain = left.min(1 + random(&mut seed, 4));
            for link in 0..chain {
                let mut child = go_on(&killed, options, THREADS[(link as usize + 1) % 3]);
                std::thread::sleep(Duration::from_micros(random(&mut seed, whole.as_micros() as u64)));
                child.kill().unwrap();
                let alive = child.wait().unwrap().code().is_none();
                kills += u64::from(alive);
                left -= u64::from(alive && left > 0);
                resumed_in_the_middle += u64::from(alive && killed.join("checkpoints").is_dir());
            }
            finish(go_on(&killed, options, THREADS[1]), options);
            assert!(result(&killed).0 == expected.0, "{options}: other bits after a kill");
            assert!(result(&killed).1 == expected.1, "{options}: other metrics after a kill:\n{:?}", result(&killed).1);
        }
    }
    println!("{kills} kills, {resumed_in_the_middle} of them after a first checkpoint");
    assert!(kills >= wanted);
}

/// Resumes a run, or starts it where it was killed before it had a configuration.
fn go_on(run: &Path, options: &str, threads: &str) -> Child {
    let path = run.to_str().unwrap();
    if run.join("config.toml").exists() {
        return start(&["train gpt2 --resume", path, threads]);
    }
    let _ = std::fs::remove_dir_all(run);
    start(&[RUN, options, threads, "--out", path])
}
