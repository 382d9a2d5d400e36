//! A run directory: its content, resuming it, locking it, and its state when training fails.

use ivon_runtime::checkpoint::Which;
use ivon_runtime::layers::Linear;
use ivon_runtime::ops::{gelu, mse};
use ivon_runtime::prelude::*;
use ivon_runtime::run;
use ivon_runtime::trainer::{At, Lines, Progress, Report, Summary};
use std::ops::ControlFlow;
use std::path::Path;

#[variational]
pub struct Network<const WIDTH: usize> {
    up: Linear<2, WIDTH>,
    down: Linear<WIDTH, 1>,
}

#[variational]
impl<const WIDTH: usize> Network<WIDTH> {
    pub fn forward<B>(&self, x: Tensor<B, 2>) -> Tensor<B, 1> {
        self.down.forward(gelu(self.up.forward(x)))
    }

    pub fn loss<B>(&self, x: Tensor<B, 2>, y: Tensor<B, 1>) -> Tensor {
        mse(self.forward(x), y)
    }
}

/// Eight examples, from number `first` on: y = x0 · x1.
fn examples(first: usize) -> (Tensor, Tensor) {
    let x: Vec<f32> = (0..16).map(|i| ((first * 16 + i) as f32 * 1.37).sin()).collect();
    let y: Vec<f32> = x.chunks(2).map(|x| x[0] * x[1]).collect();
    (Tensor::from_slice(&x, [8, 2]).unwrap(), Tensor::from_slice(&y, [8, 1]).unwrap())
}

fn ivon(model: &Network) -> Ivon {
    let config = IvonConfig::new(1e3).beta2(0.99).hess_init(0.5);
    Ivon::new(model, config, Settings::default().seed(4)).unwrap()
}

fn trainer() -> Trainer {
    Trainer::new(Schedule::cosine(0.5, 0.0, 5, 100)).evaluate_every(25).samples(2).examples(8)
}

fn train(model: &Network, optimizer: &mut dyn Optimizer, trainer: &Trainer, progress: &mut dyn Progress) -> Result<Summary> {
    let gradient = |cx: &Context, at: At| {
        let (x, y) = examples(at.step);
        model.loss_gradient(cx, &x, &y)
    };
    let validate = |cx: &Context| {
        let (x, y) = examples(5000);
        let found = model.forward(cx, &x)?.to_f64();
        Ok(found.iter().zip(y.to_f64()).map(|(a, b)| -0.5 * (a - b).powi(2)).collect::<Vec<_>>())
    };
    trainer.run(optimizer, gradient, validate, progress)
}

fn every(steps: usize, mut run: Run) -> Run {
    run.checkpoint_every = steps;
    run
}

fn bits(optimizer: &dyn Optimizer) -> Vec<u32> {
    optimizer.state().buffers().flat_map(|(_, values)| values.to_vec()).map(f32::to_bits).collect()
}

/// Asks a run to stop after a step.
struct StopAfter(usize, ivon_runtime::trainer::Stop);

impl Progress for StopAfter {
    fn step(&mut self, report: &Report, _: &dyn Optimizer) -> Result<ControlFlow<()>> {
        if report.step == self.0 {
            self.1.request();
        }
        Ok(ControlFlow::Continue(()))
    }
    fn evaluation(&mut self, _: usize, _: &ivon_runtime::trainer::Evaluation, _: &dyn Optimizer) -> Result<()> {
        Ok(())
    }
}

/// The lines of `metrics.jsonl` without the values that depend on the clock.
fn metrics(path: &Path) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(path.join("metrics.jsonl")).unwrap();
    let line = |line: &str| {
        let mut line: serde_json::Value = serde_json::from_str(line).unwrap();
        line.as_object_mut().unwrap().retain(|key, _| key != "seconds" && key != "rate");
        line
    };
    text.lines().map(line).collect()
}

#[test]
fn a_run_leaves_its_whole_story_behind() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("deep/run");
    let model = Network::build(16).unwrap();
    let mut optimizer = ivon(&model);
    let mut run = every(40, Run::create(&path).unwrap());
    let summary = train(&model, &mut optimizer, &trainer(), &mut run).unwrap();

    let config: toml::Table = run::read_config(&path).unwrap();
    assert_eq!(config["model"].as_str(), Some("Network"));
    assert_eq!(config["hyperparameters"]["ess"].as_float(), Some(1e3));
    assert_eq!(config["trainer"]["schedule"]["steps"].as_integer(), Some(100));

    let lines = metrics(&path);
    let steps: Vec<u64> = lines.iter().filter(|l| l.get("loss").is_some()).map(|l| l["step"].as_u64().unwrap()).collect();
    assert_eq!(steps, [1, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100]);
    let evaluated: Vec<u64> =
        lines.iter().filter(|l| l.get("validation_loss").is_some()).map(|l| l["step"].as_u64().unwrap()).collect();
    assert_eq!(evaluated, [25, 50, 75, 100]);

    let json: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(path.join("summary.json")).unwrap()).unwrap();
    assert_eq!((json["steps"].as_u64(), json["validation_loss"].as_f64()), (Some(100), Some(summary.evaluation.mean)));
    let svg = std::fs::read_to_string(path.join("loss.svg")).unwrap();
    assert!(svg.contains("Network, ivon") && svg.contains("validation"), "{svg}");
    let last = run::checkpoint(&path, Which::Latest).unwrap();
    assert_eq!((last.manifest().step, last.manifest().notes.validation_loss), (100, Some(summary.evaluation.mean)));
    let best = run::checkpoint(&path, Which::Best).unwrap();
    let losses = lines.iter().filter_map(|l| l["validation_loss"].as_f64());
    assert_eq!(best.manifest().notes.validation_loss, losses.min_by(f64::total_cmp));
}

#[test]
fn a_run_that_was_stopped_goes_on_as_if_it_had_not_been() {
    let root = tempfile::tempdir().unwrap();
    let model = Network::build(16).unwrap();
    let mut straight = ivon(&model);
    let whole =
        train(&model, &mut straight, &trainer(), &mut every(30, Run::create(root.path().join("straight")).unwrap())).unwrap();
    for at in [1, 25, 30, 31, 99] {
        let path = root.path().join(format!("stopped-{at}"));
        let mut stopped = ivon(&model);
        let run = every(30, Run::open(&path, &mut stopped).unwrap());
        let stop = run.stop.clone();
        let summary = train(&model, &mut stopped, &trainer(), &mut (StopAfter(at, stop), run)).unwrap();
        assert_eq!((summary.steps, summary.stopped, summary.evaluation.examples), (at, true, 0));

        let mut resumed = ivon(&model);
        let run = every(30, Run::open(&path, &mut resumed).unwrap());
        let summary = train(&model, &mut resumed, &trainer(), &mut (run, ())).unwrap();
        assert!(bits(&resumed) == bits(&straight), "after a stop at step {at}");
        assert_eq!((summary.loss, summary.evaluation), (whole.loss, whole.evaluation));
        assert_eq!(metrics(&path), metrics(&root.path().join("straight")), "after a stop at step {at}");
        let best = |path: &Path| run::checkpoint(path, Which::Best).unwrap().manifest().step;
        assert_eq!(best(&path), best(&root.path().join("straight")), "after a stop at step {at}");
    }
}

#[test]
fn what_is_not_as_in_the_checkpoint_is_told() {
    let root = tempfile::tempdir().unwrap();
    let model = Network::build(16).unwrap();
    train(&model, &mut ivon(&model), &trainer(), &mut Run::create(root.path()).unwrap()).unwrap();
    let config = IvonConfig::new(2e3).beta2(0.99).hess_init(0.5);
    let mut other = Ivon::new(&model, config, Settings::default()).unwrap();
    let run = Run::open(root.path(), &mut other).unwrap();
    let longer = trainer().schedule(Schedule::cosine(0.5, 0.0, 5, 110));
    let mut text = vec![];
    train(&model, &mut other, &longer, &mut (run, Lines::every(1000, &mut text))).unwrap();
    let text = String::from_utf8(text).unwrap();
    for part in ["ess was 1000.0 and is 2000.0 now", "schedule.steps was 100 and is 110 now"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(metrics(root.path()).iter().any(|l| l["warning"].as_str().is_some_and(|w| w.contains("ess was"))));
}

#[test]
fn a_second_process_is_refused() {
    let root = tempfile::tempdir().unwrap();
    let model = Network::build(16).unwrap();
    let first = Run::create(root.path()).unwrap();
    for second in [Run::create(root.path()), Run::open(root.path(), &mut ivon(&model))] {
        let message = second.err().unwrap().to_string();
        assert!(message.contains(&format!("process {} works on this run already", std::process::id())), "{message}");
    }
    drop(first);
    Run::open(root.path(), &mut ivon(&model)).unwrap();
}

#[test]
fn a_folder_takes_one_run_and_a_run_needs_its_folder() {
    let root = tempfile::tempdir().unwrap();
    let model = Network::build(16).unwrap();
    drop(Run::create(root.path()).unwrap());
    assert!(Run::create(root.path()).err().unwrap().to_string().contains("holds a run already"));
    let names: Vec<_> = (0..2).map(|_| Run::numbered(root.path().join("runs"), "mlp").unwrap().path().to_path_buf()).collect();
    assert_eq!(names, [1, 2].map(|n| root.path().join(format!("runs/mlp-{n}"))));
    let resume = |path: &Path| Run::resume(path, &mut ivon(&model), Which::Latest).err().unwrap().to_string();
    assert!(resume(&root.path().join("nowhere")).contains("is no folder"));
    assert!(resume(&root.path().join("runs")).contains("holds no run"));
    std::fs::write(root.path().join("file"), "").unwrap();
    assert!(Run::create(root.path().join("file")).is_err());
}

#[test]
fn a_damaged_checkpoint_stops_the_resumption_and_the_one_before_is_used_if_asked() {
    let root = tempfile::tempdir().unwrap();
    let model = Network::build(16).unwrap();
    let mut run = every(20, Run::create(root.path()).unwrap());
    run.keep = 9;
    train(&model, &mut ivon(&model), &trainer(), &mut run).unwrap();
    drop(run);
    let mean = run::checkpoints(root.path()).path(100).join("mean.safetensors");
    let bytes = std::fs::read(&mean).unwrap();
    std::fs::write(&mean, &bytes[..bytes.len() - 7]).unwrap();
    let message = Run::open(root.path(), &mut ivon(&model)).err().unwrap().to_string();
    assert!(message.contains("it was cut short") && message.contains("step-00000080 (step 80)"), "{message}");

    let mut optimizer = ivon(&model);
    let mut run = Run::resume(root.path(), &mut optimizer, Which::LastGood).unwrap();
    assert_eq!(optimizer.state().step(), 80);
    train(&model, &mut optimizer, &trainer(), &mut run).unwrap();
    assert_eq!(run::checkpoint(root.path(), Which::Latest).unwrap().manifest().step, 100);
    assert!(root.path().join("checkpoints/abandoned-00000100").is_dir());
}

#[test]
fn divergence_is_named_and_the_last_checkpoint_stays() {
    let root = tempfile::tempdir().unwrap();
    let model = Network::build(16).unwrap();
    let mut optimizer = ivon(&model);
    let mut run = every(10, Run::create(root.path()).unwrap());
    let gradient = |cx: &Context, at: At| {
        let (x, y) = examples(at.step);
        let loss = model.loss_gradient(cx, &x, &y)?;
        Ok(if at.step == 34 { f64::INFINITY } else { loss })
    };
    let error = trainer().run(&mut optimizer, gradient, |_| Ok(vec![]), &mut run).unwrap_err().to_string();
    for part in
        ["step 35", "the loss is inf", "furthest out is", ".weight`", "lower the learning rate", "step-00000030 (step 30)"]
    {
        assert!(error.contains(part), "{part}: {error}");
    }
    drop(run);
    assert!(std::fs::read_to_string(root.path().join("summary.json")).unwrap().contains("the loss is inf"));
    let mut again = ivon(&model);
    drop(Run::open(root.path(), &mut again).unwrap());
    assert_eq!(again.state().step(), 30);
}

/// Trains with the given validation losses at steps 25, 50, 75 and 100.
fn validated(path: &Path, losses: [f64; 4]) -> Result<Summary> {
    let model = Network::build(16).unwrap();
    let mut optimizer = ivon(&model);
    let mut run = every(1000, Run::create(path).unwrap());
    let gradient = |cx: &Context, at: At| {
        let (x, y) = examples(at.step);
        model.loss_gradient(cx, &x, &y)
    };
    let calls = std::cell::Cell::new(0);
    let validate = |_: &Context| Ok(vec![-losses[calls.replace(calls.get() + 1)]; 3]);
    trainer().samples(0).run(&mut optimizer, gradient, validate, &mut run)
}

#[test]
fn a_validation_loss_that_is_not_finite_is_never_the_best() {
    for (losses, best) in [
        ([f64::NAN, 2.0, 3.0, 2.5], 50),
        ([f64::INFINITY, f64::NAN, 3.0, 4.0], 75),
        ([2.0, f64::NAN, f64::NEG_INFINITY, 3.0], 25),
    ] {
        let root = tempfile::tempdir().unwrap();
        validated(root.path(), losses).unwrap();
        assert_eq!(run::checkpoint(root.path(), Which::Best).unwrap().manifest().step, best, "{losses:?}");
        let lines = metrics(root.path());
        assert!(lines.iter().any(|l| l["warning"].as_str().is_some_and(|w| w.contains("the validation loss at the mean is"))));
    }
}

#[test]
fn a_run_whose_last_validation_loss_is_not_finite_ends_with_an_error_and_is_kept() {
    for last in [f64::NAN, f64::INFINITY] {
        let root = tempfile::tempdir().unwrap();
        let error = validated(root.path(), [3.0, 2.0, 2.5, last]).unwrap_err().to_string();
        assert!(error.contains(&format!("the validation loss at the mean is {last}")), "{error}");
        assert!(error.contains("after step 100") && error.contains("step-00000100"), "{error}");
        let step = |which| run::checkpoint(root.path(), which).unwrap().manifest().step;
        assert_eq!((step(Which::Latest), step(Which::Best)), (100, 50));
        assert!(std::fs::read_to_string(root.path().join("summary.json")).unwrap().contains("validation loss at the mean"));
    }
}

#[test]
fn warnings_are_in_the_summary_and_each_is_told_once() {
    let root = tempfile::tempdir().unwrap();
    let model = Network::build(16).unwrap();
    for _ in 0..3 {
        let mut optimizer = ivon(&model);
        let mut run = every(1000, Run::open(root.path(), &mut optimizer).unwrap());
        run.warn("a flag without an effect");
        let fails = |_: &Context, _: At| Err(Error::config("no data"));
        trainer().run(&mut optimizer, fails, |_| Ok(vec![]), &mut run).unwrap_err();
    }
    let mut optimizer = ivon(&model);
    let mut run = Run::open(root.path(), &mut optimizer).unwrap();
    train(&model, &mut optimizer, &trainer(), &mut run).unwrap();
    let lines = metrics(root.path());
    let count = |text: &str| lines.iter().filter(|l| l["warning"].as_str().is_some_and(|w| w.contains(text))).count();
    assert_eq!((count("a flag without"), count("before its first checkpoint")), (1, 1), "{lines:?}");
    let summary: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(root.path().join("summary.json")).unwrap()).unwrap();
    assert_eq!(summary["warnings"][0]["warning"], "a flag without an effect");
}

#[test]
fn a_run_that_diverges_ends_with_an_error_that_names_the_best_checkpoint() {
    let root = tempfile::tempdir().unwrap();
    let model = Network::build(16).unwrap();
    let mut optimizer = ivon(&model);
    let mut run = every(100, Run::create(root.path()).unwrap());
    let gradient = |cx: &Context, at: At| {
        let (x, y) = examples(at.step);
        let loss = model.loss_gradient(cx, &x, &y)?;
        Ok(if at.step < 200 { loss } else { 1e7 })
    };
    let trainer = trainer().schedule(Schedule::cosine(0.5, 0.0, 5, 1000));
    // The validation loss is the best after 150 steps.
    let evaluations = std::cell::Cell::new(0.0);
    let validate = |_: &Context| {
        evaluations.set(evaluations.get() + 1.0);
        Ok(vec![-(evaluations.get() - 6.0f64).abs()])
    };
    let error = trainer.run(&mut optimizer, gradient, validate, &mut run).unwrap_err();
    assert!(matches!(error, Error::Diverged { step: 300..400, .. }), "{error}");
    let message = error.to_string();
    assert!(message.contains("has diverged") && message.contains("(step 150): start from there"), "{message}");
    assert_eq!(run.checkpoints().find(Which::Best).unwrap().manifest().step, 150);
    let lines = metrics(root.path());
    let told = lines.iter().find(|line| line["sign"] == "diverged").unwrap();
    assert!(told["value"].as_f64().unwrap() > 10.0, "{told:?}");
}

#[test]
fn a_plan_is_in_the_log_and_in_the_run_directory() {
    let root = tempfile::tempdir().unwrap();
    let model = Network::build(16).unwrap();
    let plan = Plan { examples: 8, batch: 8, steps: 100 };
    let mut optimizer = Ivon::new(&model, plan.config().ess(50.0), Settings::default()).unwrap();
    let run = Run::create(root.path()).unwrap();
    let mut text = vec![];
    train(&model, &mut optimizer, &trainer(), &mut (run, Lines::every(1000, &mut text))).unwrap();
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("ess 50: given beside the plan") && text.contains("hessian_bound 5: one gradient"), "{text}");
    let config: toml::Table = std::fs::read_to_string(root.path().join("config.toml")).unwrap().parse().unwrap();
    assert_eq!(config["hyperparameters"]["plan"]["examples"].as_integer(), Some(8));
    assert_eq!(config["derived"].as_array().unwrap().len(), 6);
}

#[cfg(unix)]
#[test]
fn a_run_whose_directory_is_removed_ends_with_an_error() {
    let model = Network::build(16).unwrap();
    for (removed, wanted) in [("", "the run directory was removed"), ("metrics.jsonl", "metrics.jsonl was removed")] {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("run");
        let mut run = every(10, Run::create(&path).unwrap());
        let place = path.join(removed);
        let gradient = |cx: &Context, at: At| {
            if at.step == 33 {
                let _ = if removed.is_empty() { std::fs::remove_dir_all(&place) } else { std::fs::remove_file(&place) };
            }
            let (x, y) = examples(at.step);
            model.loss_gradient(cx, &x, &y)
        };
        let error = trainer().run(&mut ivon(&model), gradient, |_| Ok(vec![]), &mut run).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
        assert_eq!(path.exists(), !removed.is_empty(), "a removed directory was made again");
    }
}

#[test]
fn a_hessian_that_never_leaves_its_start_is_told() {
    let text = |hess_init: f64, beta2: f64| {
        let model = Network::build(16).unwrap();
        let config = IvonConfig::new(1e3).beta2(beta2).hess_init(hess_init);
        let mut optimizer = Ivon::new(&model, config, Settings::default()).unwrap();
        let mut text = vec![];
        train(&model, &mut optimizer, &trainer(), &mut Lines::every(1000, &mut text)).unwrap();
        String::from_utf8(text).unwrap()
    };
    assert!(text(0.5, 0.9999999).contains("step 100  warning: the Hessian h has not left its start, 5e-1"));
    assert!(text(1e4, 0.9999).contains("step 100  warning: the Hessian h has only decayed from its start, 1e4"));
    assert!(!text(0.5, 0.99).contains("warning"));
}

/// A linear model, and a parameter that only another method uses.
#[variational]
struct Spare {
    line: Linear<1, 1>,
    spare: Parameter<3>,
}

#[variational]
impl Spare {
    fn loss<B>(&self, x: Tensor<B, 1>, y: Tensor<B, 1>) -> Tensor {
        mse(self.line.forward(x), y)
    }
    fn other(&self) -> Tensor {
        (self.spare * self.spare).sum()
    }
}

#[test]
fn a_parameter_that_the_loss_does_not_use_is_told_and_kept() {
    let model = Spare::new();
    let x = Tensor::from_slice(&[1.0f32, 2.0], [2, 1]).unwrap();
    for (uses_it, expected) in [(false, 1), (true, 0)] {
        let (root, mut text) = (tempfile::tempdir().unwrap(), vec![]);
        let gradient = |cx: &Context, at: At| {
            if uses_it && at.step == 2 { model.other_gradient(cx) } else { model.loss_gradient(cx, &x, &x) }
        };
        let mut progress = (every(1000, Run::create(root.path()).unwrap()), Lines::every(1000, &mut text));
        let trainer = Trainer::new(Schedule::cosine(0.01, 0.0, 0, 6));
        let mut ivon = Ivon::new(&model, IvonConfig::new(1e6), Settings::default()).unwrap();
        trainer.run(&mut ivon, gradient, |_| Ok(vec![]), &mut progress).unwrap();
        let warning = "no gradient reached `spare` in 3 steps";
        assert_eq!(String::from_utf8(text).unwrap().matches(&format!("step 3  warning: {warning}")).count(), expected);
        let told = |line: &&serde_json::Value| line["warning"].as_str().is_some_and(|told| told.contains(warning));
        assert_eq!(metrics(root.path()).iter().filter(told).count(), expected);
    }
}

/// Needs a Python with the packages tensorboard and safetensors, named by `IVON_PYTHON`; `.ci/python` makes one and prints its
/// path.
#[test]
fn the_real_programs_open_what_a_run_leaves_behind() {
    let Some(python) = std::env::var_os("IVON_PYTHON").filter(|python| !python.is_empty()) else {
        eprintln!("SKIPPED: IVON_PYTHON names no Python with tensorboard and safetensors (.ci/python makes one)");
        assert!(std::env::var_os("IVON_REQUIRE_TOOLS").is_none(), "IVON_REQUIRE_TOOLS is set and IVON_PYTHON is not");
        return;
    };
    let root = tempfile::tempdir().unwrap();
    let model = Network::build(16).unwrap();
    let mut optimizer = ivon(&model);
    // The run is stopped and resumed, so that there are two event files.
    let run = every(30, Run::create(root.path()).unwrap());
    let stop = run.stop.clone();
    train(&model, &mut optimizer, &trainer(), &mut (StopAfter(45, stop), run)).unwrap();
    let mut resumed = ivon(&model);
    let run = Run::open(root.path(), &mut resumed).unwrap();
    train(&model, &mut resumed, &trainer(), &mut (run, ())).unwrap();
    let script = r#"
import json, pathlib, sys, tomllib, xml.dom.minidom
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from safetensors.numpy import load_file
run = pathlib.Path(sys.argv[1])
lines = [json.loads(line) for line in open(run / "metrics.jsonl")]
events = EventAccumulator(str(run)); events.Reload()
for tag, key in [("loss/training", "loss"), ("loss/validation", "validation_loss"), ("posterior/sigma_mean", "sigma_mean")]:
    there = [(e.step, e.value) for e in events.Scalars(tag)]
    ours = [(l["step"], l[key]) for l in lines if key in l]
    assert [s for s, _ in there] == [s for s, _ in ours], (tag, there, ours)
    assert all(abs(a - b) < 1e-6 * (1 + abs(b)) for (_, a), (_, b) in zip(there, ours)), tag
assert tomllib.load(open(run / "config.toml", "rb"))["trainer"]["schedule"]["lr"] == 0.5
checkpoint = sorted((run / "checkpoints").iterdir())[-1]
manifest = json.load(open(checkpoint / "manifest.json"))
for file in manifest["files"]:
    tensors = load_file(checkpoint / file["name"])
    assert {n: list(t.shape) for n, t in tensors.items()} == {p["name"]: p["shape"] for p in manifest["parameters"]}
xml.dom.minidom.parse(str(run / "loss.svg"))
"#;
    let output = std::process::Command::new(python).args(["-c", script]).arg(root.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
