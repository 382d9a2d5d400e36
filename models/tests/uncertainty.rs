//! Results of `ivon evaluate`, `predict` and `merge` for trained models.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn run(folder: &Path, arguments: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ivon")).current_dir(folder).args(arguments.split_whitespace()).output().unwrap()
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The last line of standard output as JSON, if it is.
fn succeeds(folder: &Path, arguments: &str) -> Value {
    let output = run(folder, arguments);
    assert!(output.status.success(), "ivon {arguments}\n{}", text(&output));
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    out.lines().last().and_then(|l| serde_json::from_str(l).ok()).unwrap_or_default()
}

fn fails(folder: &Path, arguments: &str) -> String {
    let output = run(folder, arguments);
    assert_eq!(output.status.code(), Some(1), "ivon {arguments}\n{}", text(&output));
    text(&output)
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

const LENET: &str = "train lenet --size 16 --steps 4 --batch 10 --train-examples 40 --eval-examples 40 --eval-samples 2 --json";
const GPT2: &str = "train gpt2 --preset tiny --layers 1 --width 16 --heads 2 --seq 16 --batch 4 --eval-tokens 256 --eval-samples 2 \
                    --warmup 1 --steps 4 --json";

/// The loss at the mean of a language model or of a classifier.
fn number_of(found: &Value) -> f64 {
    found["loss"].as_f64().or(found["mean"]["nll"].as_f64()).unwrap()
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/data/images/fixtures").join(name)
}

#[test]
fn an_evaluation_of_a_classifier_leaves_its_figures_in_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let trained = succeeds(folder.path(), &format!("{LENET} --out run"));
    let found = succeeds(folder.path(), "evaluate run --samples 4 --ood glyphs --json");
    // Training found the same at its end: the same images, the same samples.
    assert!((number(&found["mean"]["nll"]) - number(&trained["validation_loss"])).abs() < 1e-5);
    assert_eq!(found["mean"]["accuracy"], trained["validation_accuracy"]);
    let two = succeeds(folder.path(), "evaluate run --samples 2 --json");
    assert!((number(&two["growing"][1]["nll"]) - number(&trained["validation_loss_posterior"])).abs() < 1e-5);
    let counts: Vec<_> = found["growing"].as_array().unwrap().iter().map(|s| s["samples"].as_u64().unwrap()).collect();
    assert_eq!((counts, found["mean"]["examples"].as_u64()), (vec![1, 4], Some(40)));
    let four = &found["growing"][1];
    assert!((number(&four["aleatoric"]) + number(&four["epistemic"]) - number(&four["entropy"])).abs() < 1e-12);
    assert_eq!(found["ood"]["mean"]["mutual_information"]["auroc"], 0.5, "a mean has no epistemic part");
    assert!(number(&found["ood"]["growing"][1]["entropy"]["auroc"]) > 0.0);

    succeeds(folder.path(), "evaluate run --samples 4 --ood glyphs --out results --json");
    let saved: Value =
        serde_json::from_str(&std::fs::read_to_string(folder.path().join("results/metrics.json")).unwrap()).unwrap();
    assert_eq!((&saved["growing"], &saved["ood"]), (&found["growing"], &found["ood"]));
    assert_eq!(saved["curves"]["most"]["rejection"]["accuracy"][0], four["accuracy"]);
    for name in ["reliability", "confidence", "rejection", "entropy"] {
        let svg = |place: &str| std::fs::read_to_string(folder.path().join(place).join(format!("{name}.svg"))).unwrap();
        assert!(svg("results").starts_with("<svg") && !svg("results").contains("NaN"), "{name}");
        // The last evaluation into the run's own directory with out-of-distribution images had 4 samples, the last one of all 2.
        let samples = if name == "entropy" { "over 4 samples" } else { "over 2 samples" };
        assert!(svg("results").contains("over 4 samples") && svg("run").contains(samples), "{name}");
    }
}

#[test]
fn evaluations_are_compared_in_one_table() {
    let folder = tempfile::tempdir().unwrap();
    for seed in [1, 2] {
        succeeds(folder.path(), &format!("{LENET} --seed {seed} --out ivon-{seed}"));
    }
    assert!(fails(folder.path(), "compare ivon-1").contains("evaluate it first"));
    let [a, b] =
        [1, 2].map(|seed| number(&succeeds(folder.path(), &format!("evaluate ivon-{seed} --samples 2 --json"))["mean"]["nll"]));
    let table = succeeds(folder.path(), "compare ivon-1 ivon-2 --json");
    assert_eq!(
        (table[0]["runs"].as_str(), table[0]["seeds"].as_u64(), table.as_array().unwrap().len()),
        (Some("ivon"), Some(2), 3)
    );
    let nll = &table[0]["scores"]["NLL"];
    assert!((number(&nll["mean"]) - (a + b) / 2.0).abs() < 1e-12);
    assert!((number(&nll["deviation"]) - (a - b).abs() / 2f64.sqrt()).abs() < 1e-12);
    assert!(table[0]["scores"]["AUROC by entropy"].is_null(), "there were no foreign images");
    assert!(text(&run(folder.path(), "compare ivon-1 ivon-2")).contains("| ivon | mean | "));
    assert!(fails(folder.path(), "compare ivon-1 ./ivon-2/../ivon-1").contains("is given twice"));
    assert!(text(&run(&folder.path().join("ivon-1"), "compare .")).contains("| ivon | mean | "));

    // Another optimizer, another temperature, and the same run elsewhere are not seeds.
    succeeds(folder.path(), &format!("{LENET} --optimizer sgd --seed 3 --out ivon-3"));
    succeeds(folder.path(), "evaluate ivon-3 --samples 2");
    succeeds(folder.path(), "evaluate ivon-1 --samples 2 --temperature 0.5 --out ivon-4");
    succeeds(folder.path(), "evaluate ivon-2 --samples 2 --out ivon-5");
    let output = run(folder.path(), "compare ivon-1 ivon-2 ivon-3 ivon-4 ivon-5");
    for line in [
        "| ivon-1, ivon-2 | mean |",
        "| ivon-3 | mean |",
        "| ivon-4 | mean |",
        "differ in",
        "optimizer (ivon, sgd)",
        "counted once",
    ] {
        assert!(text(&output).contains(line), "{line}: {}", text(&output));
    }
    assert!(fails(folder.path(), "evaluate ivon-1 --samples 0 --out ivon-2").contains("is the directory of a run"));
    assert!(fails(folder.path(), "evaluate ivon-1 ivon-2 --samples 0 --out ivon-1").contains("is the directory of a run"));
}

#[test]
fn temperature_scales_what_samples_differ_by() {
    let folder = tempfile::tempdir().unwrap();
    succeeds(folder.path(), &format!("{LENET} --out run"));
    let epistemic = |temperature: &str| {
        let found = succeeds(folder.path(), &format!("evaluate run --samples 4 --temperature {temperature} --json"));
        found["growing"].as_array().unwrap().last().map(|s| number(&s["epistemic"]))
    };
    assert_eq!(epistemic("0"), None);
    let (cold, warm) = (epistemic("1e-4").unwrap(), epistemic("1").unwrap());
    assert!(0.0 < cold && cold < 0.1 * warm, "{cold} {warm}");
    assert!(text(&run(folder.path(), "evaluate run --temperature -1")).contains("negative"));
}

#[test]
fn runs_are_evaluated_together_if_their_classes_are_the_same() {
    let folder = tempfile::tempdir().unwrap();
    for seed in [1, 2] {
        succeeds(folder.path(), &format!("{LENET} --seed {seed} --out run{seed}"));
    }
    let [a, b] = [1, 2].map(|seed| succeeds(folder.path(), &format!("evaluate run{seed} --samples 0 --json")));
    let both = succeeds(folder.path(), "evaluate run1 run2 --samples 2 --json");
    // −log of an average is at most the average of −log.
    assert!(number(&both["mean"]["nll"]) <= 0.5 * (number(&a["mean"]["nll"]) + number(&b["mean"]["nll"])) + 1e-9);
    assert!(number(&both["mean"]["epistemic"]) > 0.0, "two runs disagree");
    assert_eq!(both["growing"].as_array().unwrap().len(), 2);
    // An exported run predicts as the run does. The run itself under another name would count twice.
    succeeds(folder.path(), "import run1 --out same.safetensors");
    let twice = succeeds(folder.path(), "evaluate run1 same.safetensors --samples 0 --json");
    assert!((number(&twice["mean"]["nll"]) - number(&a["mean"]["nll"])).abs() < 1e-9);

    assert!(fails(folder.path(), "evaluate run1 run2 ./run1").contains("./run1: is given twice"));

    for class in ["train/left", "train/right", "val/left", "val/right"] {
        std::fs::create_dir_all(folder.path().join("data").join(class)).unwrap();
        std::fs::copy(fixture("444.jpg"), folder.path().join("data").join(class).join("a.jpg")).unwrap();
    }
    succeeds(folder.path(), "train lenet --data data --size 16 --steps 1 --batch 2 --eval-samples 0 --out other --json");
    let message = fails(folder.path(), "evaluate run1 other");
    assert!(message.contains("`disc` is a class of run1 and not of other") && message.contains("`left`"), "{message}");
    let message = fails(folder.path(), "evaluate run1 --data data");
    assert!(message.contains("`left`, `right`") && message.contains("`disc`"), "{message}");
    succeeds(folder.path(), &format!("{GPT2} --out text"));
    assert!(fails(folder.path(), "evaluate run1 text").contains("run1 is of images, text of text"));
    assert!(fails(folder.path(), "evaluate text --ood glyphs").contains("--ood says nothing of language models"));
    succeeds(folder.path(), "import text --out text.safetensors");
    let [mean, together] =
        ["text", "text text.safetensors"].map(|runs| succeeds(folder.path(), &format!("evaluate {runs} --samples 0 --json")));
    assert!((number(&mean["loss"]) - number(&together["loss"])).abs() < 1e-12);
}

#[test]
fn predictions_come_with_their_uncertainty() {
    let folder = tempfile::tempdir().unwrap();
    succeeds(folder.path(), &format!("{LENET} --out run"));
    std::fs::copy(fixture("444.jpg"), folder.path().join("picture.jpg")).unwrap();
    std::fs::write(folder.path().join("broken.jpg"), b"no image").unwrap();
    let found = succeeds(folder.path(), "predict run picture.jpg --samples 3 --top 10 --json");
    let top = found["top"].as_array().unwrap();
    assert!((top.iter().map(|c| number(&c["probability"])).sum::<f64>() - 1.0).abs() < 1e-9);
    assert_eq!((top.len(), &top[0]["class"], found["samples"].as_u64()), (10, &found["class"], Some(3)));
    assert!((number(&found["aleatoric"]) + number(&found["epistemic"]) - number(&found["entropy"])).abs() < 1e-12);
    assert_eq!(succeeds(folder.path(), "predict run picture.jpg --samples 0 --json")["epistemic"], 0.0);
    assert!(text(&run(folder.path(), "predict run picture.jpg")).contains("epistemic"));
    assert!(fails(folder.path(), "predict run broken.jpg").contains("broken.jpg"));
}

#[test]
fn a_merged_model_is_taken_by_the_other_commands() {
    let folder = tempfile::tempdir().unwrap();
    for (model, evaluate) in
        [(LENET, "--samples 0 --eval-examples 40"), (GPT2, "--samples 0 --seq 16 --batch 4 --eval-tokens 256")]
    {
        let place = folder.path().join(model.split_whitespace().nth(1).unwrap());
        std::fs::create_dir(&place).unwrap();
        succeeds(&place, &format!("{model} --out a"));
        succeeds(&place, &format!("{model} --seed 2 --out b"));
        succeeds(&place, "import a --out a.safetensors");
        succeeds(&place, "merge a a.safetensors --out same");
        let loss = |run: &str| number_of(&succeeds(&place, &format!("evaluate {run} {evaluate} --json")));
        assert!((loss("same") - loss("a")).abs() < 1e-6);
        succeeds(&place, "merge a b --weights 1,0 --out first");
        assert!((loss("first") - loss("a")).abs() < 1e-6);
        succeeds(&place, "merge a b --out both");
        assert!((loss("both") - loss("a")).abs() > 1e-9);
        let about: Value = serde_json::from_str(&std::fs::read_to_string(place.join("both/merge.json")).unwrap()).unwrap();
        assert_eq!(about["runs"], serde_json::json!(["a", "b"]));
        // A merged model is evaluated on the data of its runs.
        let own = |run: &str| number_of(&succeeds(&place, &format!("evaluate {run} --samples 0 --json")));
        assert!((own("first") - own("a")).abs() < 1e-6);
        assert!(fails(&place, "merge a b ./a --out twice").contains("./a: is given twice"));
        // A run stands for its last checkpoint.
        let checkpoints = std::fs::read_dir(place.join("a/checkpoints")).unwrap().map(|entry| entry.unwrap().path());
        let last = checkpoints.filter(|path| path.is_dir()).max().unwrap();
        let last = last.strip_prefix(&place).unwrap().display().to_string();
        for command in [format!("merge a {last} --out twice"), format!("evaluate {last} a {evaluate}")] {
            let message = fails(&place, &command);
            assert!(message.contains("is given twice, the first time as"), "{message}");
        }
        succeeds(&place, "merge a b --weights 1e308,1e308 --out large");
        assert!((loss("large") - loss("both")).abs() < 1e-6);
        assert!(fails(&place, "merge a b --out both").contains("holds a model.safetensors already"));
    }
    assert!(fails(folder.path(), "merge lenet/a gpt2/a --out mixed").contains("merge runs of one model"));
    succeeds(folder.path(), &format!("{LENET} --exif ignore --out lenet/c"));
    let said = text(&run(folder.path(), "merge lenet/a lenet/c --out mixed"));
    assert!(said.contains("lenet/c sees images in another way than lenet/a (exif: apply, ignore)"), "{said}");
    assert!(fails(folder.path(), "export lenet/a --out exported").contains("torchvision does not have"));
    assert!(!folder.path().join("exported").exists());
}
