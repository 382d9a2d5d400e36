//! The `ivon` command as a user runs it.

use models::weights::{self, Precision, Table, Values};
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn ivon(folder: &Path, arguments: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ivon"))
        .current_dir(folder)
        .args(arguments.split_whitespace())
        .output()
        .expect("the command starts")
}

fn succeeds(folder: &Path, arguments: &str) -> (String, serde_json::Value) {
    let output = ivon(folder, arguments);
    let (out, err) = (String::from_utf8_lossy(&output.stdout).into_owned(), String::from_utf8_lossy(&output.stderr).into_owned());
    assert!(output.status.success(), "ivon {arguments}\n{out}\n{err}");
    let json = out.lines().last().and_then(|l| serde_json::from_str(l).ok()).unwrap_or_default();
    (out, json)
}

/// The command fails with a message, neither a success nor a panic.
fn fails(folder: &Path, arguments: &str) -> String {
    let output = ivon(folder, arguments);
    let err = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(matches!(output.status.code(), Some(1 | 2)), "ivon {arguments}: {:?}\n{err}", output.status);
    assert!(!err.contains("panicked"), "ivon {arguments}\n{err}");
    err
}

const TINY: &str =
    "train gpt2 --preset tiny --layers 1 --width 16 --heads 2 --seq 16 --batch 2 --eval-tokens 256 --steps 4 --warmup 1 --json";

#[test]
fn every_optimizer_trains_on_the_embedded_text() {
    let folder = tempfile::tempdir().unwrap();
    for optimizer in ["ivon", "adamw", "sgd"] {
        let (_, result) = succeeds(folder.path(), &format!("{TINY} --optimizer {optimizer}"));
        let number = |key: &str| result[key].as_f64().unwrap_or(f64::NAN);
        assert_eq!(result["steps"], 4);
        assert!(number("seconds") > 0.0);
        // ln 256 = 5.55: a model that has hardly learned yet knows that nothing is impossible.
        assert!((3.0..6.0).contains(&number("validation_loss")), "{result}");
        assert!((3.0..6.0).contains(&number("validation_loss_posterior")), "{result}");
        let run = folder.path().join(result["run"].as_str().unwrap());
        assert!(run.join("config.toml").is_file() && run.join("metrics.jsonl").is_file());
    }
}

#[test]
fn the_same_seed_gives_the_same_losses_on_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let loss =
        |more: &str| succeeds(folder.path(), &format!("{TINY} --dropout 0.1 {more}")).1["validation_loss_posterior"].clone();
    let one = loss("--threads 1");
    assert_eq!(one, loss("--threads 2"));
    assert_ne!(one, loss("--threads 1 --seed 2"));
}

#[test]
fn a_bench_says_where_time_and_memory_went() {
    let folder = tempfile::tempdir().unwrap();
    let (_, result) = succeeds(folder.path(), "bench gpt2 --preset tiny --batch 2 --seq 16 --steps 3 --warmup 1 --json");
    assert_eq!(result["params"], 120_576);
    let number = |value: &serde_json::Value| value.as_f64().unwrap_or_else(|| panic!("{value} is no number"));
    let shares: f64 = ["sampling", "forward", "backward", "update"].iter().map(|k| number(&result["shares"][*k])).sum();
    assert!(shares > 0.5 && shares <= 1.0 + 1e-9, "{}", result["shares"]);
    assert!(number(&result["seconds_per_step"]) > 0.0 && number(&result["tokens_per_s"]) > 0.0);

    let profile = &result["profile"];
    let list = |value: &serde_json::Value| value.as_array().unwrap_or_else(|| panic!("{value} is no list")).clone();
    let phases = list(&profile["phases"]);
    assert_eq!(phases.iter().map(|p| p["phase"].as_str().unwrap()).collect::<Vec<_>>(), ["forward", "backward", "update"]);
    let seconds: f64 = phases.iter().map(|p| number(&p["seconds"])).sum();
    assert!((seconds + number(&profile["other"]) - number(&profile["seconds"])).abs() < 1e-9);
    for phase in &phases {
        let ops: f64 = list(&phase["ops"]).iter().map(|op| number(&op["seconds"])).sum();
        assert!((ops + number(&phase["other"]) - number(&phase["seconds"])).abs() < 1e-9, "{phase}");
    }
    // 2 M N K of the matrix products of GPT-2 tiny: 32 rows, 2 blocks of 12 · 64² weights, and 256 logits of 64 each. 7 operations a GELU.
    let products = 2 * 32 * (2 * 12 * 64 * 64 + 256 * 64);
    let gelus = 7 * 32 * (2 * 4 * 64);
    let ops = list(&phases[0]["ops"]);
    let op = |name: &str| ops.iter().find(|op| op["op"] == name).expect("matrix products");
    let linear = op("linear");
    assert_eq!(number(&linear["flops"]) + number(&op("linear_gelu")["flops"]), f64::from(products + gelus));
    for key in ["calls", "share", "bytes", "flops_per_s", "bytes_per_s", "share_of_peak"] {
        assert!(number(&linear[key]) > 0.0, "{key}: {linear}");
    }
    for peak in ["fma", "gemm", "copy"] {
        assert!(number(&profile["peaks"][peak]) > 0.0, "{}", profile["peaks"]);
    }
    let is_up = |layer: &serde_json::Value| layer["layer"].as_str().is_some_and(|path| path.ends_with("blocks.mlp.up"));
    assert!(list(&profile["layers"]).iter().any(|l| is_up(l) && l["phase"] == "backward"), "{}", profile["layers"]);
}

#[test]
fn a_profile_for_people_has_a_line_for_every_op() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, ops) in [
        ("gpt2 --preset tiny --batch 2 --seq 16 --optimizer adamw", ["causal_attention", "layer_norm", "adamw"]),
        ("resnet20 --batch 2 --optimizer sgd", ["conv2d d_weight", "batch_norm", "sgd"]),
        ("lenet --batch 2 --dtype bf16", ["max_pool2d", "linear d_x", "ivon"]),
    ] {
        let (text, _) = succeeds(folder.path(), &format!("bench {arguments} --steps 1 --warmup 0 --threads 1 --profile"));
        for part in ops.iter().chain(&["peaks, measured, 1 threads", "forward", "backward", "update", "other", "(memory)"]) {
            assert!(text.contains(part), "`{part}` is not in {text}");
        }
    }
}

#[test]
fn what_makes_no_sense_is_refused_with_what_would() {
    let folder = tempfile::tempdir().unwrap();
    let cases = [
        ("train gpt2 --preset tinny", "tiny"),
        ("train gpt2 --batch 0", "at least 1"),
        ("train gpt2 --lr nan", "finite"),
        ("train gpt2 --lr -1", "above 0"),
        ("train gpt2 --beta2 1", "below 1"),
        ("train gpt2 --ess 1e40", "ess"),
        ("train gpt2 --ess 1e-300", "ess"),
        ("train gpt2 --vocab 65537", "16 bits"),
        ("train gpt2 --steps 4294967296", "4294967295"),
        ("train gpt2 --steps -3", "at least 1"),
        ("train gpt2 --warmup -1", "is not a whole number of at least 0"),
        ("train gpt2 --seed 99999999999999999999", "too large"),
        ("train gpt2 --heads 3", "do not divide width 128"),
        ("train gpt2 --seq 65", "longer than the model's context of 64"),
        ("train gpt2 --batch 12 --micro-batches 5", "does not divide"),
        ("train gpt2 --preset micro --tokenizer gpt2", "50257 ids but the model's vocabulary is 256"),
        ("train gpt2 --data nowhere.txt", "nowhere.txt: does not exist"),
        ("train gpt2 --device cuda:99", "cuda:99 was asked for"),
        ("train gpt2 --device tpu", "cpu, cuda:N"),
        ("train gpt2 --dtype f64", "gradients"),
        ("train gpt2 --width 9999999999 --heads 1", "memory"),
        ("train gpt2 --optimizer adamw --trace t.safetensors", "ivon"),
        ("train bert", "gpt2"),
        ("gradients gpt2 --weights no.safetensors --batch no.safetensors --out g.safetensors", "no.safetensors"),
        ("bench gpt2 --preset tiny --seq 65", "context of 64"),
    ];
    for (arguments, wanted) in cases {
        let message = fails(folder.path(), arguments);
        assert!(message.contains(wanted), "ivon {arguments}\n{message}");
    }
}

#[test]
fn prepared_tokens_train_like_the_text_they_were_made_of() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::write(path.join("a.txt"), "All work and no play. ".repeat(100)).unwrap();
    std::fs::write(path.join("b.txt"), "A second text, of other words. ".repeat(100)).unwrap();
    for format in ["llm.c", "nanogpt"] {
        let (_, result) = succeeds(path, &format!("prepare *.txt --tokenizer bytes --format {format} --out {format}.bin --json"));
        assert_eq!((&result["files"], &result["tokens"]), (&2.into(), &5300.into()));
    }
    let loss = |data: &str| succeeds(path, &format!("{TINY} {data}")).1["validation_loss"].clone();
    let text = loss("--data a.txt b.txt");
    assert_eq!(loss("--data llm.c.bin"), text);
    assert_eq!(loss("--data nanogpt.bin"), text);
    assert_eq!(loss("--data ./*.txt"), text);
    assert_ne!(loss("--data nanogpt.bin --validation-data a.txt"), text);

    std::fs::write(path.join("wide.bin"), [1, 0].repeat(5000).into_iter().chain([0, 1]).collect::<Vec<u8>>()).unwrap();
    let message = fails(path, &format!("{TINY} --data wide.bin"));
    assert!(message.contains("token 5000 (byte 10000) is 256, but the model's vocabulary is 256"), "{message}");
    std::fs::write(path.join("latin.txt"), b"caf\xe9").unwrap();
    assert!(fails(path, "prepare latin.txt --out x.bin").contains("latin.txt: byte 3 is not UTF-8"));
    assert!(fails(path, "prepare a.txt --out .").contains("is a folder"));
    assert!(fails(path, "prepare a.txt --out nowhere/x.bin").contains("make it first"));
    assert!(fails(path, "prepare nothing.txt --out x.bin").contains("does not exist"));
    assert!(fails(path, "prepare no*.txt --out x.bin").contains("matches no file"));
    assert!(fails(path, "prepare a.txt").contains("--out"));
    let before = std::fs::read(path.join("a.txt")).unwrap();
    assert!(fails(path, "prepare *.txt --out ./a.txt").contains("is what is read"));
    assert_eq!(std::fs::read(path.join("a.txt")).unwrap(), before);
    // A trace, too, replaces nothing that the run reads.
    std::fs::create_dir_all(path.join("texts")).unwrap();
    std::fs::copy(path.join("a.txt"), path.join("texts/a.txt")).unwrap();
    std::fs::write(path.join("a.toml"), "").unwrap();
    for flags in [
        "--data a.txt --trace ./a.txt",
        "--data ./*.txt --trace a.txt",
        "--data texts --trace texts/a.txt",
        "--data b.txt --validation-data a.txt --trace a.txt",
        "--data b.txt --config a.toml --trace a.toml",
    ] {
        assert!(fails(path, &format!("{TINY} {flags}")).contains("is what is read"), "{flags}");
    }
    assert!(fails(path, "train resnet20 --data texts --trace texts/a.txt").contains("is what is read"));
    assert_eq!(std::fs::read(path.join("a.txt")).unwrap(), before);
}

#[test]
fn a_trace_that_cannot_be_written_or_is_in_the_runs_way_is_refused_before_anything_is_made() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::create_dir_all(path.join("runs")).unwrap();
    std::fs::create_dir_all(path.join("empty")).unwrap();
    for (flags, wanted) in [
        ("--out run --trace nodir/x", "there is no folder nodir"),
        ("--out run --trace .", "is a folder"),
        ("--out run --trace empty", "is a folder"),
        ("--out run --trace /dev/null", "is a device"),
        ("--out run --trace /proc/x", "cannot be written"),
        ("--out run --trace run", "is a place of the run itself"),
        ("--out run/deeper --trace ./run", "is a place of the run itself"),
        ("--out run --trace run/config.toml", "is a place of the run itself"),
        ("--out empty --trace ./empty/metrics.jsonl", "is a place of the run itself, which is kept in empty"),
        ("--out empty --trace runs/../empty/checkpoints", "is a place of the run itself"),
        ("--trace runs/gpt2-tiny-1", "is a place of the run itself, which is kept in runs"),
    ] {
        let message = fails(path, &format!("{TINY} {flags}"));
        assert!(message.contains(wanted), "{flags}: {message}");
    }
    let left = |folder: &str| std::fs::read_dir(path.join(folder)).unwrap().count();
    assert_eq!((left("."), left("runs"), left("empty")), (2, 0, 0));

    // Elsewhere it is written, beside a new run and one that goes on.
    succeeds(path, &format!("{TINY} --out empty --trace runs/t.safetensors --trace-steps 1"));
    assert!(weights::names(&path.join("runs/t.safetensors")).unwrap().0.iter().any(|name| name == "step1/lr"));
    let message = fails(path, "train gpt2 --resume empty --trace empty/config.toml");
    assert!(message.contains("is what is read"), "{message}");
    let message = fails(path, "train gpt2 --resume empty --trace empty/summary.json");
    assert!(message.contains("is a place of the run itself"), "{message}");
}

/// Weights of a small model under Hugging Face's names, as another program would have saved them, with its configuration beside.
fn a_foreign_model(folder: &Path) {
    let (layers, width, context, vocab) = (1, 16, 16, 256);
    let mut shapes = vec![("wte.weight".into(), vec![vocab, width]), ("wpe.weight".into(), vec![context, width])];
    for (name, from, to) in [("attn.c_attn", 1, 3), ("attn.c_proj", 1, 1), ("mlp.c_fc", 1, 4), ("mlp.c_proj", 4, 1)] {
        shapes.push((format!("h.0.{name}.weight"), vec![from * width, to * width]));
        shapes.push((format!("h.0.{name}.bias"), vec![to * width]));
    }
    for name in ["h.0.ln_1", "h.0.ln_2", "ln_f"] {
        shapes.push((format!("{name}.weight"), vec![width]));
        shapes.push((format!("{name}.bias"), vec![width]));
    }
    let element = |i: usize| ((i as f64 * 0.618).fract() - 0.5) as f32 * 0.2;
    let values = |shape: Vec<usize>| Values { data: (0..shape.iter().product()).map(element).collect(), shape };
    let table: Table<f32> = shapes.into_iter().map(|(name, shape)| (name, values(shape))).collect();
    std::fs::create_dir(folder).unwrap();
    weights::write(&folder.join("model.safetensors"), &table, Precision::F32, None).unwrap();
    let config =
        serde_json::json!({"model_type": "gpt2", "n_layer": layers, "n_head": 2, "n_embd": width, "n_positions": context});
    std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
}

#[test]
fn weights_go_in_and_out_with_the_same_bits_and_can_be_trained_further() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    a_foreign_model(&path.join("theirs"));
    assert!(succeeds(path, "import theirs --out ours.safetensors").0.contains("weights of a GPT-2 of 1 layers, width 16"));
    succeeds(path, "export ours.safetensors --out again");
    let read = |folder: &str| weights::read::<f32>(&path.join(folder).join("model.safetensors")).unwrap();
    let theirs: Table<f32> = read("theirs").into_iter().map(|(name, v)| (format!("transformer.{name}"), v)).collect();
    assert_eq!(read("again"), theirs);
    for layout in ["nanogpt", "separate"] {
        succeeds(path, &format!("export ours.safetensors --layout {layout} --out {layout}"));
        succeeds(path, &format!("import {layout} --out {layout}.safetensors"));
        let tensors = |name: &str| weights::read::<f32>(&path.join(name)).unwrap();
        assert_eq!(tensors(&format!("{layout}.safetensors")), tensors("ours.safetensors"));
    }

    // The same in two files with an index.
    std::fs::create_dir(path.join("sharded")).unwrap();
    std::fs::copy(path.join("theirs/config.json"), path.join("sharded/config.json")).unwrap();
    let tables = read("theirs").into_iter().partition::<Table<f32>, _>(|(name, _)| name.starts_with("h."));
    let mut map = serde_json::Map::new();
    for (file, table) in [("1.safetensors", tables.0), ("2.safetensors", tables.1)] {
        weights::write(&path.join("sharded").join(file), &table, Precision::F32, None).unwrap();
        map.extend(table.into_keys().map(|name| (name, file.into())));
    }
    let index = serde_json::json!({"weight_map": map}).to_string();
    std::fs::write(path.join("sharded/model.safetensors.index.json"), index).unwrap();
    for (i, from) in ["sharded", "sharded/model.safetensors.index.json"].into_iter().enumerate() {
        succeeds(path, &format!("import {from} --out sharded{i}.safetensors"));
        let tensors = |name: &str| weights::read::<f32>(&path.join(name)).unwrap();
        assert_eq!(tensors(&format!("sharded{i}.safetensors")), tensors("ours.safetensors"));
    }

    let flags = "--batch 2 --eval-tokens 256 --steps 2 --warmup 0 --json --hess-init 0.5 --lr 1e-9";
    let loss = |init: &str| succeeds(path, &format!("train gpt2 --init {init} {flags}")).1["validation_loss"].as_f64().unwrap();
    let start = loss("theirs");
    assert_eq!(start, loss("ours.safetensors"));
    let trained =
        succeeds(path, "train gpt2 --init theirs --batch 2 --eval-tokens 256 --steps 30 --json --hess-init 0.5 --optimizer ivon")
            .1;
    assert!(trained["validation_loss"].as_f64().unwrap() < start, "{trained} from {start}");

    for (arguments, wanted) in [
        ("train gpt2 --init theirs --width 32", "leave --preset and the dimensions out"),
        ("train gpt2 --init nowhere", "does not exist"),
        ("import theirs --out .", "is a folder"),
        ("import theirs/config.json --out x.safetensors", "safetensors"),
        ("export again --out again", "already"),
        ("import . --out x.safetensors", "model.safetensors"),
        ("export ours.safetensors --out ours.safetensors", "cannot be written"),
    ] {
        let message = fails(path, arguments);
        assert!(message.contains(wanted), "ivon {arguments}\n{message}");
    }
}

#[test]
fn inspect_says_what_a_bench_measures() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let flags = "gpt2 --preset tiny --batch 2 --seq 16 --json";
    let bench = succeeds(path, &format!("bench {flags} --steps 1 --warmup 0")).1;
    let inspect = succeeds(path, &format!("inspect {flags}")).1;
    assert_eq!(inspect["params"], bench["params"]);
    let bytes = |key: &str| inspect[key].as_u64().unwrap();
    // But for the loss, which a bench drops a moment earlier.
    assert!(bytes("arena_bytes").abs_diff(bench["arena_bytes"].as_u64().unwrap()) <= 4, "{inspect} {bench}");
    assert_eq!(bytes("state_bytes") + bytes("gradient_bytes"), bench["state_bytes"].as_u64().unwrap());
    assert!(bytes("arena_lower_bound") <= bytes("arena_bytes"));
    // Forward: 2 · (12 · 2 · 64² + 256 · 64) for matrix products, 4 · 2 · 64 · 17 / 2 for attention.
    assert_eq!(inspect["flops_per_token"], 233_728.0);

    a_foreign_model(&path.join("theirs"));
    let (text, _) = succeeds(path, "inspect theirs --graph theirs.svg");
    let graph = std::fs::read_to_string(path.join("theirs.svg")).unwrap();
    assert!(graph.contains("Gpt2::loss") && graph.contains("Linear&lt;16, 64&gt;"), "{graph}");
    assert!(text.contains("blocks.0.mlp.up.weight") && text.contains("[64, 16]") && text.contains("7664 parameters"), "{text}");
    for (arguments, wanted) in [
        ("inspect nothing", "neither a model (gpt2, lenet, resnet20, resnet18, resnet34, resnet50) nor a run"),
        ("inspect gpt2 --seq 9999", "longer than the model's context"),
        ("inspect gpt2 --batch 99999999999", "make it smaller"),
        ("inspect theirs --layers 5", "leave --preset and the dimensions out"),
        ("inspect theirs --graph nowhere/g.svg", "nowhere/g.svg: cannot be written"),
        ("inspect theirs --graph g.svg --method train", "no method `train` to draw; it has forward, "),
        ("inspect theirs --method loss", "--graph"),
    ] {
        let message = fails(path, arguments);
        assert!(message.contains(wanted), "ivon {arguments}\n{message}");
    }
}

#[test]
fn a_reader_who_stops_reading_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::write(path.join("a.txt"), "All work and no play. ".repeat(100)).unwrap();
    succeeds(path, &format!("{TINY} --out run"));
    succeeds(path, &format!("{TINY} --seed 2 --out other"));
    for seed in [1, 2] {
        let images = "train lenet --train-examples 8 --eval-examples 4 --batch 4 --steps 1 --size 28 --eval-samples 0";
        succeeds(path, &format!("{images} --seed {seed} --out lenet-{seed}"));
        succeeds(path, &format!("evaluate lenet-{seed} --samples 1"));
    }
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/data/images/fixtures");
    std::fs::copy(fixtures.join("444.jpg"), path.join("x.jpg")).unwrap();
    succeeds(path, "export run --out exported");
    let ids = |seed: usize| Values::<f64> { shape: vec![2, 8], data: (0..16).map(|i| ((i * seed) % 256) as f64).collect() };
    let batch: Table<f64> = [("input_ids".to_string(), ids(7)), ("labels".to_string(), ids(11))].into_iter().collect();
    weights::write(&path.join("batch.safetensors"), &batch, Precision::F64, None).unwrap();
    let without_readers = |arguments: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ivon"));
        command.current_dir(path).args(arguments.split_whitespace());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        child
    };
    for arguments in [
        "inspect gpt2 --preset tiny",
        "inspect run --json",
        "generate run --tokens 20",
        "generate run --tokens 2 --json",
        "evaluate run --samples 2",
        "bench gpt2 --preset tiny --batch 2 --seq 16 --steps 1 --warmup 0",
        "prepare a.txt --tokenizer bytes --out a.bin",
        "import run --out w.safetensors",
        "export run --out e",
        "devices",
        "predict lenet-1 x.jpg --samples 2",
        "predict lenet-1 --with lenet-2 x.jpg --samples 2 --json",
        "compare lenet-1 lenet-2",
        "merge run other --out merged",
        "gradients gpt2 --layers 1 --width 16 --heads 2 --weights exported/model.safetensors --batch batch.safetensors --out g.safetensors",
        &format!("{TINY} --out quiet"),
    ] {
        let output = without_readers(arguments).wait_with_output().unwrap();
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && !err.contains("error") && !err.contains("panicked"), "ivon {arguments}: {err}");
    }
    assert!(path.join("quiet/summary.json").is_file(), "the run was not brought to its end");

    // Nobody hears what goes wrong either: the status says it.
    let mut child = without_readers(&format!("{TINY} --out deaf"));
    drop(child.stderr.take());
    assert!(child.wait().unwrap().success());
    let mut child = without_readers("generate nowhere");
    drop(child.stderr.take());
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

#[cfg(target_os = "linux")]
#[test]
fn output_that_cannot_be_written_is_an_error() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_ivon"));
    let output = command.args(["inspect", "gpt2", "--preset", "tiny"]).stdout(full).stderr(Stdio::piped()).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("standard output: cannot be written"));
}

#[test]
fn a_trained_run_is_inspected_exported_and_writes_text() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    succeeds(path, &format!("{TINY} --context 16 --out run --ess 100"));
    let inspect = succeeds(path, "inspect run --json").1;
    assert_eq!(inspect["step"], 4);
    let first = &inspect["parameters"][0];
    let number = |key: &str| first[key].as_f64().unwrap();
    assert!(number("sigma") > 0.0 && number("h") > 0.0 && number("signal_to_noise") > 0.0, "{first}");
    succeeds(path, "import run --out w.safetensors");
    succeeds(path, "export run --out e");
    assert!(path.join("e/sigma.safetensors").is_file());

    let write = |more: &str| succeeds(path, &format!("generate {more} --tokens 40 --prompt ab --json")).1;
    let text = write("run");
    assert_eq!(text["tokens"].as_array().unwrap().len(), 40);
    assert_eq!(text["text"], write("run")["text"]);
    assert_eq!(text["text"], write("w.safetensors")["text"]);
    assert_eq!(text["text"], write("e")["text"]);
    assert_ne!(text["text"], write("run --seed 2")["text"]);
    assert_eq!(write("run --top-k 1")["text"], write("run --temperature 0")["text"]);
    let unsure = write("run --uncertainty --samples 3");
    assert!(unsure["tokens"].as_array().unwrap().iter().all(|t| t["epistemic"].as_f64().unwrap() >= 0.0));
    assert!(unsure["tokens"][0]["epistemic"].as_f64().unwrap() > 0.0, "{unsure}");
    let (colors, _) = succeeds(path, "generate run --tokens 10 --uncertainty --samples 2 --color always");
    assert!(colors.contains("mutual information"));
    assert!(!succeeds(path, "generate run --tokens 10").0.contains('\u{1b}'));

    std::fs::write(path.join("long.txt"), "x".repeat(1000)).unwrap();
    succeeds(path, "generate run --tokens 3 --prompt-file long.txt");
    succeeds(path, "export e --layout separate --out point");
    for (arguments, wanted) in [
        ("generate run --temperature nan", "finite"),
        ("generate run --temperature -1", "negative"),
        ("generate run --top-k 0", "at least 1"),
        ("generate run --top-p 1.5", "at most 1"),
        ("generate run --top-p 0", "above 0"),
        ("generate run --samples 0", "at least 1"),
        ("generate run --samples 1 --uncertainty", "--samples 2 or more"),
        ("generate run --tokens 0", "at least 1"),
        ("generate nowhere", "does not exist"),
        ("generate .", "model.safetensors"),
        ("generate long.txt", "safetensors"),
        ("generate run --prompt-file .", "is a folder"),
        ("generate run --prompt-file nothing", "does not exist"),
        ("generate run --dtype f64", "f64"),
        ("generate run --samples 100000000000", "at most 1048576"),
        ("evaluate run --samples -3", "invalid value '-3'"),
        ("evaluate run --temperature 1e300", "smaller --temperature"),
        ("import w.safetensors --out ./w.safetensors", "is what is read"),
        ("gradients gpt2 --weights w.safetensors --batch long.txt --out w.safetensors", "is what is read"),
        ("inspect w.safetensors --graph w.safetensors", "is what is read"),
        ("import e --out e/model.safetensors", "is what is read"),
        ("inspect e --graph e/config.json", "is what is read"),
        ("train gpt2 --resume long.txt", "long.txt: is no folder"),
        ("compare long.txt", "long.txt: is no folder"),
    ] {
        let message = fails(path, arguments);
        assert!(message.contains(wanted), "ivon {arguments}\n{message}");
    }
    a_foreign_model(&path.join("theirs"));
    assert!(fails(path, "generate theirs --samples 2").contains("no posterior"));
}

#[test]
fn short_and_empty_texts_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("empty.txt"), "").unwrap();
    std::fs::write(folder.path().join("short.txt"), "too short to cut a window out of it").unwrap();
    assert!(fails(folder.path(), "train gpt2 --data empty.txt").contains("empty.txt is empty"));
    assert!(fails(folder.path(), "train gpt2 --data short.txt").contains("too short"));
    std::fs::write(folder.path().join("books.tar.gz"), "packed").unwrap();
    assert!(fails(folder.path(), "train gpt2 --data books.tar.gz").contains("unpack it (`tar xzf books.tar.gz`)"));
    assert!(fails(folder.path(), "train gpt2 --data /dev/zero").contains("is a device"));
}

#[test]
fn a_variable_that_says_what_it_cannot_is_refused() {
    for (variable, value, may_be) in
        [("IVON_SIMD", "sse", "`baseline` or `avx2` or `avx512`"), ("IVON_CUDNN", "of", "`off` or `windows` or `all`")]
    {
        let output = Command::new(env!("CARGO_BIN_EXE_ivon")).arg("devices").env(variable, value).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.contains(&format!("the variable {variable} is {value:?}: it may be {may_be}")), "{text}");
    }
}
