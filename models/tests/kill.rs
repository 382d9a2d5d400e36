//! A run that is killed at any moment and resumed ends as one that was never stopped: the same bits, and every figure once in `metrics.jsonl`
//! and in TensorBoard's file.
//!
//! `cargo test` kills a few times. The full test makes so many kills of each of its three kinds of runs (text, images, a program with a model of
//! its own): `IVON_KILLS=50 cargo test --release -p ivon-cli --test kill`. A failure prints the seed of its moments; `IVON_KILL_SEED` repeats them,
//! as far as the machine's timing does.

#[path = "common/events.rs"]
mod events;

use ivon_runtime::layers::Linear;
use ivon_runtime::ops::{cross_entropy, gelu};
use ivon_runtime::prelude::*;
use ivon_runtime::trainer::{At, Predictions};
use serde_json::Value;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

const TEXT: &str = "train gpt2 --preset tiny --layers 1 --width 16 --heads 2 --seq 16 --batch 4 --eval-tokens 512 --steps 240 --warmup 5 \
                    --eval-every 50 --eval-samples 2 --checkpoint-every 9 --dropout 0.1";

/// Optimizers and options whose state has to survive.
const OF_TEXT: [&str; 6] = [
    "--optimizer ivon",
    "--optimizer adamw --micro-batches 2",
    "--optimizer ivon --mc-samples 3 --hess-approx gradsq --lr 0.01 --clip-radius 1e-3",
    "--optimizer sgd --lr 0.1",
    "--optimizer ivon --sample-per micro-batch --micro-batches 2",
    "--optimizer ivon --seed 18446744073709551615 --schedule linear --grad-clip none",
];

const IMAGES: &str = "--train-examples 24 --eval-examples 12 --size 12 --batch 4 --eval-every 10 --eval-samples 2 --keep 1";

/// Running statistics, the order of the images, flips and crops.
const OF_IMAGES: [&str; 4] = [
    "train lenet --optimizer ivon --epochs 8 --checkpoint-every 7",
    "train lenet --optimizer sgd --epochs 8 --checkpoint-every 0",
    "train resnet20 --optimizer adamw --micro-batches 2 --epochs 3 --checkpoint-every 4",
    "train resnet20 --optimizer ivon --norm frn --mc-samples 2 --epochs 2 --checkpoint-every 5",
];

/// Threads of the run that is not stopped; the runs that are killed and go on cycle through them. Results do not depend on them.
const THREADS: [&str; 3] = ["--threads 1", "--threads 3", "--threads 2"];

/// The optimizers that a user's own program is tested with.
const OWN: [&str; 3] = ["ivon", "adamw", "sgd"];

#[variational]
pub struct Classifier<const WIDTH: usize> {
    up: Linear<2, WIDTH>,
    head: Linear<WIDTH, 2>,
}

#[variational]
impl<const WIDTH: usize> Classifier<WIDTH> {
    pub fn forward<B>(&self, x: Tensor<B, 2>) -> Tensor<B, 2> {
        self.head.forward(gelu(self.up.forward(x)))
    }

    pub fn loss<B>(&self, x: Tensor<B, 2>, labels: Ids<B>) -> Tensor {
        cross_entropy(self.forward(x), labels)
    }
}

fn batch(number: usize) -> Result<(Tensor, Tensor, Vec<u32>)> {
    let x: Vec<f32> = (0..32).map(|i| ((number * 32 + i) as f32 * 1.37).sin()).collect();
    let labels: Vec<u32> = x.chunks(2).map(|x| u32::from(x[0] * x[1] > 0.0)).collect();
    Ok((Tensor::from_slice(&x, [16, 2])?, Tensor::from_slice(&labels, [16])?, labels))
}

/// The program that the test of own models starts and kills; it goes on by itself.
#[test]
#[ignore = "is run, and killed, by another test"]
fn own_program() {
    let (Ok(path), Ok(name)) = (std::env::var("IVON_OWN_RUN"), std::env::var("IVON_OWN_OPTIMIZER")) else { return };
    let model = Classifier::build(16).unwrap();
    let settings = Settings::default().micro_batches(2);
    let mut optimizer: Box<dyn Optimizer> = match name.as_str() {
        "ivon" => Box::new(Ivon::new(&model, IvonConfig::new(1e3).samples(2), settings).unwrap()),
        "adamw" => Box::new(AdamW::new(&model, AdamWConfig::default(), settings).unwrap()),
        _ => Box::new(Sgd::new(&model, SgdConfig::default(), settings).unwrap()),
    };
    let mut run = Run::open(path, optimizer.as_mut()).unwrap();
    (run.checkpoint_every, run.metrics_every) = (15, 3);
    let gradient = |cx: &Context, at: At| {
        let (x, labels, _) = batch(2 * at.step + at.micro_batch)?;
        model.loss_gradient(cx, &x, &labels)
    };
    let validate = |cx: &Context| {
        let (x, _, labels) = batch(100_000)?;
        let logits = model.forward(cx, &x)?.to_f64();
        let log_probabilities =
            logits.chunks(2).flat_map(|z| z.iter().map(|x| x - (z[0].exp() + z[1].exp()).ln()).collect::<Vec<_>>());
        Ok(Predictions::Classes { log_probabilities: log_probabilities.collect(), labels })
    };
    let trainer = Trainer::new(Schedule::cosine(0.01, 0.0, 5, 240)).evaluate_every(40).samples(2);
    trainer.run(optimizer.as_mut(), gradient, validate, &mut run).unwrap();
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ivon"));
    command.args(arguments.iter().flat_map(|a| a.split_whitespace()));
    command
}

/// Starts a run of the command, or goes on with it. A run that was killed before it had a configuration begins again.
fn of_command(start: &str, run: &Path, threads: &str) -> Command {
    let path = run.to_str().unwrap();
    if run.join("config.toml").exists() {
        let model = start.split_whitespace().nth(1).unwrap();
        return command(&["train", model, "--resume", path, threads]);
    }
    let _ = std::fs::remove_dir_all(run);
    command(&[start, threads, "--out", path])
}

fn of_own_program(optimizer: &str, run: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["own_program", "--exact", "--ignored"]).env("IVON_OWN_RUN", run).env("IVON_OWN_OPTIMIZER", optimizer);
    command
}

fn spawn(mut command: Command) -> Child {
    command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the command starts")
}

fn finish(child: Child, what: &str) {
    let output = child.wait_with_output().expect("the command ends");
    assert!(output.status.success(), "{what}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A result that does not depend on kills: names and content of the tensors of the last checkpoint and of the best, and the metrics without what
/// depends on the clock. TensorBoard's file has been compared with the metrics.
#[derive(PartialEq)]
struct Outcome {
    tensors: Vec<(String, Vec<u8>)>,
    metrics: Vec<Value>,
}

fn outcome(run: &Path, what: &str) -> Outcome {
    let mut tensors = vec![];
    for which in [ivon_runtime::checkpoint::Which::Latest, ivon_runtime::checkpoint::Which::Best] {
        let checkpoint = ivon_runtime::run::checkpoint(run, which).unwrap();
        for file in &checkpoint.manifest().files {
            let name = format!("{}/{}", checkpoint.path().file_name().unwrap().display(), file.name);
            tensors.push((name, std::fs::read(checkpoint.path().join(&file.name)).unwrap()));
        }
    }
    let text = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let mut metrics: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    metrics.retain(|line| line.get("warning").is_none());
    check_events(run, &metrics, what);
    metrics.iter_mut().for_each(|line| line.as_object_mut().unwrap().retain(|key, _| key != "seconds" && key != "rate"));
    Outcome { tensors, metrics }
}

/// TensorBoard's file has every figure of the metrics once, in order, and no others.
fn check_events(run: &Path, metrics: &[Value], what: &str) {
    let scalars = events::scalars(run);
    for (tag, key) in [
        ("loss/training", "loss"),
        ("learning_rate", "lr"),
        ("posterior/sigma_mean", "sigma_mean"),
        ("loss/validation", "validation_loss"),
        ("loss/validation_posterior", "validation_loss_posterior"),
        ("accuracy/validation", "validation_accuracy"),
    ] {
        let figure = |line: &Value| Some((line["step"].as_u64()?, line.get(key)?.as_f64()? as f32));
        let expected: Vec<(u64, f32)> = metrics.iter().filter_map(figure).collect();
        assert_eq!(scalars.get(tag).cloned().unwrap_or_default(), expected, "{what}: {tag}");
    }
}

/// A number below `limit` from a seed that moves on (Knuth's MMIX generator).
fn random(seed: &mut u64, limit: u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 33) % limit.max(1)
}

/// When to kill.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// After so long.
    Time(Duration),
    /// When `metrics.jsonl` or TensorBoard's file has grown so often.
    Written(u64),
    /// When so many evaluations have been written: the best checkpoint may be written next.
    Evaluated(u64),
    /// When the run has been seen so often with a checkpoint half written, replaced or removed.
    Saving(u64),
}

impl Moment {
    fn random(seed: &mut u64, whole: Duration) -> Moment {
        match random(seed, 8) {
            0..3 => Moment::Time(Duration::from_micros(random(seed, whole.as_micros() as u64))),
            // Before the first checkpoint among them.
            3..5 => Moment::Written(1 + random(seed, 12)),
            5 => Moment::Evaluated(1 + random(seed, 3)),
            _ => Moment::Saving(1 + random(seed, 8)),
        }
    }

    /// Waits until the moment has come, or the process has ended.
    fn wait(self, run: &Path, child: &mut Child) {
        let begin = Instant::now();
        let (mut seen, mut before) = (0, self.sign(run));
        loop {
            let come = match self {
                Moment::Time(after) => begin.elapsed() >= after,
                Moment::Written(times) | Moment::Evaluated(times) | Moment::Saving(times) => seen >= times,
            };
            if come || child.try_wait().unwrap().is_some() {
                return;
            }
            let now = self.sign(run);
            seen += u64::from(now > before);
            before = now;
            std::thread::sleep(Duration::from_micros(100));
        }
    }

    /// A number that grows when what is waited for happens.
    fn sign(self, run: &Path) -> u64 {
        let names = |folder: &Path| {
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            entries
                .map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.metadata().map_or(0, |m| m.len())))
                .collect::<Vec<_>>()
        };
        match self {
            Moment::Time(_) => 0,
            Moment::Written(_) => {
                let grows = |name: &str| name == "metrics.jsonl" || name.starts_with("events.");
                names(run).iter().filter(|(name, _)| grows(name)).map(|(_, length)| length).sum()
            }
            Moment::Evaluated(_) => {
                let text = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap_or_default();
                text.matches("\"validation_loss\"").count() as u64
            }
            Moment::Saving(_) => names(&run.join("checkpoints")).iter().filter(|(name, _)| name.starts_with('.')).count() as u64,
        }
    }
}

/// Ends a process, most often at once. Returns true if that ended it before its own end.
fn kill(child: &mut Child, seed: &mut u64) -> bool {
    if cfg!(unix) && random(seed, 5) == 0 {
        // The end that a cluster announces: the run saves a checkpoint and ends.
        Command::new("kill").args(["-TERM", &child.id().to_string()]).stderr(Stdio::null()).status().unwrap();
    } else {
        child.kill().unwrap();
    }
    let status = child.wait().unwrap();
    assert!(matches!(status.code(), None | Some(0 | 130)), "{status}");
    status.code() != Some(0)
}

/// Runs each of `kinds` once without a stop, and again with kills. `go_on` starts a run, or goes on with it, for the n-th time.
fn survives(kinds: &[&str], go_on: impl Fn(&str, &Path, usize) -> Command) {
    let number = |name| std::env::var(name).ok().and_then(|n| n.parse::<u64>().ok());
    let wanted = number("IVON_KILLS").unwrap_or(kinds.len() as u64);
    let clock = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_nanos() as u64;
    let mut seed = number("IVON_KILL_SEED").unwrap_or(clock);
    println!("IVON_KILL_SEED={seed}");
    let root = tempfile::tempdir().unwrap();
    let (mut kills, mut early) = (0, 0);
    for (i, kind) in kinds.iter().enumerate() {
        let straight = root.path().join(format!("straight-{i}"));
        let begin = Instant::now();
        finish(spawn(go_on(kind, &straight, 0)), kind);
        let (expected, whole) = (outcome(&straight, kind), begin.elapsed());

        let killed = root.path().join(format!("killed-{i}"));
        let mut left = wanted * (i as u64 + 1) / kinds.len() as u64 - wanted * i as u64 / kinds.len() as u64;
        while left > 0 {
            let _ = std::fs::remove_dir_all(&killed);
            // A chain of kills, each one somewhere in the rest of the run, and then its end.
            let (chain, mut moments) = (left.min(1 + random(&mut seed, 4)), vec![]);
            for link in 0..chain as usize {
                let mut child = spawn(go_on(kind, &killed, link + 1));
                let moment = Moment::random(&mut seed, whole);
                moment.wait(&killed, &mut child);
                if kill(&mut child, &mut seed) {
                    (kills, left) = (kills + 1, left.saturating_sub(1));
                    early += u64::from(!killed.join("checkpoints").is_dir());
                    moments.push(moment);
                }
            }
            finish(spawn(go_on(kind, &killed, 1)), kind);
            let found = outcome(&killed, kind);
            assert!(found.tensors == expected.tensors, "{kind}: other bits after {moments:?}");
            assert!(found.metrics == expected.metrics, "{kind}: other metrics after {moments:?}:\n{:?}", found.metrics);
        }
    }
    println!("{kills} kills, {early} of them before a first checkpoint");
    assert!(kills >= wanted);
}

#[test]
fn a_killed_run_on_text_ends_as_if_it_had_not_been() {
    survives(&OF_TEXT, |options, run, time| of_command(&format!("{TEXT} {options}"), run, THREADS[time % 3]));
}

#[test]
fn a_killed_run_on_images_ends_as_if_it_had_not_been() {
    survives(&OF_IMAGES, |options, run, time| of_command(&format!("{options} {IMAGES}"), run, THREADS[time % 3]));
}

#[test]
fn a_killed_program_of_its_own_ends_as_if_it_had_not_been() {
    survives(&OWN, |optimizer, run, _| of_own_program(optimizer, run));
}
