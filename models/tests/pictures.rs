//! Classifiers of images through the command, as a user trains them.

mod common;

use common::{fails, ivon, succeeds};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

/// IDX files of grey images of 12 × 12 pixels, dark ones of class 0 and bright ones of class 1.
fn dark_and_bright(folder: &Path) {
    for (part, count) in [("train", 64u32), ("t10k", 20)] {
        let be = |numbers: &[u32]| numbers.iter().flat_map(|n| n.to_be_bytes()).collect::<Vec<u8>>();
        let pixel = |i: u32| (i % 2) as u8 * 150 + (i.wrapping_mul(2_654_435_761) >> 26) as u8;
        let mut images = be(&[0x803, count, 12, 12]);
        images.extend((0..count).flat_map(|i| (0..144).map(move |p| pixel(2 * (i * 144 + p) + i % 2))));
        let mut labels = be(&[0x801, count]);
        labels.extend((0..count).map(|i| (i % 2) as u8));
        std::fs::write(folder.join(format!("{part}-images-idx3-ubyte")), images).unwrap();
        std::fs::write(folder.join(format!("{part}-labels-idx1-ubyte")), labels).unwrap();
    }
}

#[test]
fn a_network_learns_from_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("digits");
    std::fs::create_dir(&data).unwrap();
    dark_and_bright(&data);
    for (options, lr) in [("ivon --ess 1e4", "0.2"), ("adamw", "0.01"), ("sgd", "0.05")] {
        let optimizer = options.split(' ').next().unwrap();
        let arguments = format!(
            "train lenet --data digits --optimizer {options} --lr {lr} --epochs 8 --batch 8 --crop none --eval-samples 3 --json --out {optimizer}"
        );
        let result = succeeds(folder.path(), &arguments);
        assert_eq!((&result["model"], &result["steps"]), (&"lenet".into(), &64.into()));
        for key in ["validation_accuracy", "validation_accuracy_posterior"] {
            assert!(result[key].as_f64().unwrap() > 0.9, "{optimizer}: {result}");
        }
        let metrics = std::fs::read_to_string(folder.path().join(optimizer).join("metrics.jsonl")).unwrap();
        assert!(metrics.contains("validation_accuracy"), "{metrics}");
        let config = std::fs::read_to_string(folder.path().join(optimizer).join("config.toml")).unwrap();
        assert!(config.contains("batch = 8") && config.contains("size = 12") && config.contains("[pictures"), "{config}");
    }
    assert!(fails(folder.path(), "export ivon --out lenet").contains("a network that torchvision does not have"));
    std::fs::write(
        data.join("train-labels-idx1-ubyte"),
        [0, 0, 8, 1, 0, 0, 0, 64].into_iter().chain((0..64).map(|i| u8::from(i < 32))).collect::<Vec<u8>>(),
    )
    .unwrap();
    assert!(fails(folder.path(), "train lenet --resume sgd").contains("the images are not those"));
}

#[test]
fn epochs_say_how_long_a_run_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::create_dir(path.join("digits")).unwrap();
    dark_and_bright(&path.join("digits"));
    let train = "train lenet --data digits --batch 8 --eval-samples 0 --eval-every 0 --threads 1";
    for (flags, wanted) in [
        ("--epochs 18446744073709551615", "the most that a run has"),
        ("--epochs 288230376151711745", "the most that a run has"),
        ("--epochs 536870912", "give at most 536870911"),
        ("--epochs 18446744073709551616", "is not a whole number"),
        ("--epochs 0.5", "is not a whole number"),
        ("--epochs nan", "is not a whole number"),
        ("--epochs 0", "at least 1"),
        ("--epochs 2 --steps 3", "--epochs and --steps both say how long"),
        ("--steps 4294967296", "4294967295"),
    ] {
        let message = fails(path, &format!("{train} {flags} --out refused"));
        assert!(message.contains(wanted) && !path.join("refused").exists(), "{flags}: {message}");
    }
    let steps = |arguments: &str| succeeds(path, &format!("{arguments} --json"))["steps"].clone();
    assert_eq!(steps(&format!("{train} --epochs 1 --zero-init --out run")), 8);
    let summary = std::fs::read_to_string(path.join("run/summary.json")).unwrap();
    assert!(summary.contains("--zero-init has no effect on lenet"), "{summary}");
    // The 64 grey images of an IDX file, which are not mirrored.
    succeeds(
        path,
        &format!("{train} --steps 1 --no-flip --strict --exif ignore --max-pixels 9 --train-examples 64 --out useless"),
    );
    let summary = std::fs::read_to_string(path.join("useless/summary.json")).unwrap();
    for flag in ["--no-flip", "--strict", "--exif", "--max-pixels", "--train-examples 64"] {
        assert!(summary.contains(&format!("{flag} has no effect on digits")), "{flag}: {summary}");
    }
    assert_eq!(steps("train lenet --resume run"), 8);
    assert_eq!(steps("train lenet --resume run --epochs 2"), 16);
    assert_eq!(steps("train lenet --resume run --steps 17"), 17);
    assert!(fails(path, "train lenet --resume run --epochs 2").contains("has taken 17 updates, and --epochs makes 16"));
    // A configuration file may have both: the number of steps that came of the epochs.
    std::fs::copy(path.join("run/config.toml"), path.join("again.toml")).unwrap();
    assert_eq!(steps("train lenet --config again.toml --epochs 1 --out again"), 8);
}

const SMALL: &str = "--train-examples 64 --batch 8 --size 16 --eval-examples 10 --eval-samples 2 --threads 1";

/// Names and content of a checkpoint's tensors.
fn tensors(run: &Path, step: usize) -> Vec<(String, Vec<u8>)> {
    let checkpoint = run.join(format!("checkpoints/step-{step:08}"));
    let files = std::fs::read_dir(&checkpoint).unwrap_or_else(|e| panic!("{}: {e}", checkpoint.display()));
    let names = files.map(|f| f.unwrap().path()).filter(|p| p.extension().is_some_and(|e| e == "safetensors"));
    let mut all: Vec<_> =
        names.map(|p| (p.file_name().unwrap().to_string_lossy().into_owned(), std::fs::read(p).unwrap())).collect();
    all.sort();
    all
}

#[test]
fn a_run_that_is_killed_in_the_middle_of_an_epoch_ends_with_the_same_bits() {
    let root = tempfile::tempdir().unwrap();
    // An epoch has 8 steps.
    for (i, options) in ["--norm frn", "--optimizer sgd --micro-batches 2", "--optimizer adamw"].iter().enumerate() {
        let (straight, killed) = (format!("straight-{i}"), format!("killed-{i}"));
        let run = format!("train resnet20 {options} {SMALL} --steps 20 --checkpoint-every 1 --keep 30");
        succeeds(root.path(), &format!("{run} --out {straight}"));
        let mut child =
            ivon(root.path(), &format!("{run} --out {killed}")).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        while !root.path().join(&killed).join("checkpoints/step-00000003").exists() {
            assert!(child.try_wait().unwrap().is_none(), "the run ended before its third step");
            std::thread::sleep(Duration::from_millis(1));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!root.path().join(&killed).join("checkpoints/step-00000020").exists(), "the run was too fast to be killed");
        succeeds(root.path(), &format!("train resnet20 --resume {killed}"));
        let (expected, found) = (tensors(&root.path().join(straight), 20), tensors(&root.path().join(killed), 20));
        assert!(!expected.is_empty() && found == expected, "{options}: other bits after a kill");
        assert_eq!(expected.iter().any(|(name, _)| name.starts_with("running")), i > 0);
    }
}

#[test]
fn what_a_run_goes_on_with_differently_is_said_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::create_dir(path.join("digits")).unwrap();
    dark_and_bright(&path.join("digits"));
    succeeds(path, "train resnet20 --data digits --size 12 --batch 8 --eval-samples 0 --threads 1 --steps 2 --out run");
    for (flag, then) in [("--seed 3", "`seed = 1`"), ("--zero-init", "`zero-init = false`")] {
        let message = fails(path, &format!("train resnet20 --resume run --steps 4 {flag}"));
        assert!(message.contains(then) && message.contains("or train anew"), "{flag}: {message}");
    }
    succeeds(path, "train resnet20 --resume run --steps 4 --data digits --train-examples 32 --no-flip --size 16");
    let metrics = std::fs::read_to_string(path.join("run/metrics.jsonl")).unwrap();
    let of_examples = "train-examples was not set and is 32 now";
    for difference in [of_examples, "no-flip was false and is true now", "size was 12 and is 16 now", "pictures.checksum was "] {
        assert!(metrics.contains(&format!("not as in the checkpoint: {difference}")), "{difference}: {metrics}");
    }
}

#[test]
fn a_run_can_be_exported_inspected_and_started_from() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    let trained = succeeds(path, &format!("train resnet20 {SMALL} --ess 1e6 --steps 4 --json --out run"));
    assert_eq!(trained["params"], 272_474);
    succeeds(path, "export run --out exported");
    succeeds(path, "import run --out w.safetensors");
    let names = models::weights::names(&path.join("exported/model.safetensors")).unwrap().0;
    assert!(names.iter().any(|n| n == "layer3.0.downsample.1.running_var"), "{names:?}");
    assert!(path.join("exported/sigma.safetensors").is_file());
    let inspect = succeeds(path, "inspect run --json");
    assert_eq!((&inspect["step"], &inspect["params"], &inspect["design"]["size"]), (&4.into(), &272_474.into(), &16.into()));
    assert!(inspect["parameters"][0]["sigma"].as_f64().unwrap() > 0.0);
    ivon(path, "inspect run --graph run.svg").output().unwrap();
    let graph = std::fs::read_to_string(path.join("run.svg")).unwrap();
    assert!(graph.contains("[B, 8, 8, 32]") && graph.contains("[B, 4, 4, 64]") && !graph.contains("floor"));
    let merge = ivon(path, "merge run w.safetensors --out merged").output().unwrap();
    assert!(String::from_utf8_lossy(&merge.stderr).contains("note: running statistics of batch norm are plain averages"));
    assert!(fails(path, "export run --out w.safetensors").contains("a file is where a folder is needed"));
    assert!(fails(path, "generate run").contains("`ivon predict`"));
    assert!(fails(path, "evaluate run --ood nosuch").contains("`glyphs`"));
    // Training starts from the weights that were stored: a step of no length leaves them where they are.
    let adamw = "--norm frn --optimizer adamw";
    let trained = succeeds(path, &format!("train resnet20 {SMALL} {adamw} --steps 4 --json --out point"));
    succeeds(path, "import point --out point.safetensors");
    let init = "--init point.safetensors --steps 1 --lr 1e-30 --json --out further";
    let further = succeeds(path, &format!("train resnet20 {SMALL} {adamw} {init}"));
    assert_eq!(further["validation_loss"], trained["validation_loss"]);
    assert!(fails(path, &format!("train resnet20 {SMALL} --init point.safetensors")).contains("with filter response norm"));
    assert!(fails(path, &format!("train lenet {SMALL} --init w.safetensors")).contains("is of a resnet20"));
    std::fs::write(path.join("point/config.toml"), "").unwrap();
    assert!(fails(path, "train resnet20 --resume point").contains("config.toml: is empty"));
    succeeds(path, &format!("train resnet20 {SMALL} {adamw} --init point --steps 1 --json --out anew"));
}

#[test]
fn a_network_goes_on_from_weights_without_losing_what_they_have_learnt() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    // Dark and bright digits, of which one in five has the other's label: a network that knows that learns nothing more.
    for (part, first) in [("train", 0u32), ("t10k", 1000)] {
        let be = |numbers: &[u32]| numbers.iter().flat_map(|n| n.to_be_bytes()).collect::<Vec<u8>>();
        let mixed = |i: u32| i.wrapping_mul(2_654_435_761);
        let pixels = (first..first + 400).flat_map(|i| (0..144).map(move |p| (i % 2 * 60 + (mixed(i * 144 + p) >> 25)) as u8));
        let labels = (first..first + 400).map(|i| ((i % 2) ^ u32::from((mixed(i) >> 16) % 5 == 0)) as u8);
        let images = be(&[0x803, 400, 12, 12]).into_iter().chain(pixels).collect::<Vec<u8>>();
        std::fs::write(path.join(format!("{part}-images-idx3-ubyte")), images).unwrap();
        let labels = be(&[0x801, 400]).into_iter().chain(labels).collect::<Vec<u8>>();
        std::fs::write(path.join(format!("{part}-labels-idx1-ubyte")), labels).unwrap();
    }
    let run = "train lenet --data . --batch 20 --eval-samples 0 --eval-every 0 --threads 1 --json";
    let loss = |flags: &str| succeeds(path, &format!("{run} {flags}"))["validation_loss"].as_f64().unwrap();
    let loaded = loss("--optimizer adamw --steps 150 --lr 1e-3 --out base");
    for flags in ["", "--hess-init 0.05", "--optimizer adamw", "--optimizer sgd"] {
        let after = loss(&format!("--init base --steps 60 {flags}"));
        // The batches of so few steps are no average of the images: a thousandth is theirs.
        assert!(after <= 1.001 * loaded, "{after} after 60 steps {flags} from {loaded}");
    }
    for flags in ["--optimizer sgd --lr 0.1", "--optimizer adamw --lr 1e-3"] {
        let as_from_scratch = loss(&format!("--init base --steps 60 {flags}"));
        assert!(as_from_scratch > 1.002 * loaded, "{as_from_scratch} after 60 steps {flags} from {loaded}");
    }
}

#[test]
fn a_run_from_weights_normalises_images_as_they_do_and_says_other_classes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    succeeds(path, &format!("train lenet {SMALL} --steps 1 --out base"));
    let config = std::fs::read_to_string(path.join("base/config.toml")).unwrap();
    let mean = |config: &str| config.lines().skip_while(|l| !l.starts_with("mean")).take(5).collect::<Vec<_>>().join(" ");
    // Other images have other means.
    for (part, count) in [("train", 8u8), ("val", 4)] {
        for class in 0..10u8 {
            (0..count).for_each(|i| put(&path.join(format!("set/{part}/c{class}/{i}.png")), 16, [200 + i, 250, 20 * class]));
        }
    }
    let other = "train lenet --data set --batch 8 --eval-samples 0 --threads 1 --steps 1";
    let output = ivon(path, &format!("{other} --init base --out on")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("normalised as base knows them") && said.contains("base tells other classes apart (disc"), "{said}");
    assert_eq!(mean(&std::fs::read_to_string(path.join("on/config.toml")).unwrap()), mean(&config));
    succeeds(path, &format!("{other} --out new"));
    assert_ne!(mean(&std::fs::read_to_string(path.join("new/config.toml")).unwrap()), mean(&config));
}

#[test]
fn pictures_smaller_than_the_border_around_them_are_not_cropped_from_it() {
    let folder = tempfile::tempdir().unwrap();
    let flags = "--train-examples 16 --batch 8 --steps 2 --eval-examples 4 --eval-samples 0 --threads 1 --json";
    for (model, size) in [("resnet20", 1), ("resnet20", 3), ("resnet20", 4), ("resnet18", 2)] {
        let message = fails(folder.path(), &format!("train {model} --size {size} {flags} --out run"));
        assert!(message.contains("use --crop none, or --size 5 or more"), "{message}");
    }
    assert!(!folder.path().join("run").exists());
    for (size, crop) in [(3, "none"), (5, "padded")] {
        let result = succeeds(folder.path(), &format!("train resnet20 --size {size} --crop {crop} {flags} --out {crop}"));
        assert_eq!(result["steps"], 2, "{size} x {size}, {crop}");
    }
}

#[test]
fn a_small_network_comes_in_again_as_it_went_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    for norm in ["batch", "group", "frn"] {
        succeeds(path, &format!("train resnet20 --norm {norm} {SMALL} --steps 2 --out {norm}"));
        succeeds(path, &format!("export {norm} --out {norm}-out"));
        succeeds(path, &format!("import {norm}-out --out {norm}.safetensors"));
        succeeds(path, &format!("export {norm}.safetensors --out {norm}-again"));
        let weights = |folder: &str| models::weights::read::<f32>(&path.join(folder).join("model.safetensors")).unwrap();
        assert!(weights(&format!("{norm}-out")) == weights(&format!("{norm}-again")), "{norm}: other numbers");
        let design = &succeeds(path, &format!("inspect {norm}.safetensors --json"))["design"];
        assert_eq!((&design["architecture"], &design["norm"]), (&"resnet20".into(), &norm.into()));
    }
}

#[test]
fn inspect_says_what_a_bench_measures() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    for norm in ["batch", "group", "frn"] {
        let bench = succeeds(
            path,
            &format!("bench resnet20 --norm {norm} --size 16 --batch 2 --steps 1 --warmup 0 --optimizer sgd --json"),
        );
        let inspect = succeeds(path, &format!("inspect resnet20 --norm {norm} --size 16 --batch 2 --json"));
        assert_eq!(inspect["params"], bench["params"]);
        assert!(bench["images_per_s"].as_f64().unwrap() > 0.0);
        // But for the loss, which a bench drops a moment earlier.
        let bytes = |value: &serde_json::Value| value["arena_bytes"].as_u64().unwrap();
        assert!(bytes(&inspect).abs_diff(bytes(&bench)) <= 256, "{} {}", bytes(&inspect), bytes(&bench));
    }
    let large = succeeds(path, "inspect resnet50 --json");
    assert_eq!(large["parameters"].as_array().unwrap().len(), 161);
    assert_eq!(large["buffers"].as_array().unwrap().len(), 106);
}

/// Writes a PNG file of `side` × `side` pixels of one colour.
fn put(path: &Path, side: u32, colour: [u8; 3]) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut encoder = png::Encoder::new(std::fs::File::create(path).unwrap(), side, side);
    encoder.set_color(png::ColorType::Rgb);
    encoder.write_header().unwrap().write_image_data(&colour.repeat((side * side) as usize)).unwrap();
}

#[test]
fn networks_of_one_and_three_channels_predict_together() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::create_dir(path.join("digits")).unwrap();
    dark_and_bright(&path.join("digits"));
    let flags = "--data digits --batch 8 --eval-samples 0 --threads 1 --steps 2";
    succeeds(path, &format!("train lenet {flags} --out grey"));
    succeeds(path, &format!("train resnet20 {flags} --channels 3 --size 16 --out colour"));
    put(&path.join("x.png"), 12, [90; 3]);
    let class = |arguments: &str| {
        succeeds(path, &format!("predict {arguments} x.png --samples 2 --json --threads 1"))["probability"].clone()
    };
    // Each order gives the same mixture.
    let (one, other) = (class("grey --with colour"), class("colour --with grey"));
    assert!((one.as_f64().unwrap() - other.as_f64().unwrap()).abs() < 1e-6, "{one} {other}");
    let found = succeeds(path, "evaluate grey colour --samples 1 --json --threads 1 --out both");
    assert_eq!(found["mean"]["examples"], 20);
    assert!(fails(path, "predict grey --with ./grey x.png").contains("is given twice"));

    // Images in colour are not for a grey network, but may be out of its distribution.
    put(&path.join("red.png"), 12, [200, 0, 0]);
    assert!(fails(path, "predict colour --with grey red.png").contains("red.png: it is in colour, and the model takes grey"));
    for i in 0..4 {
        put(&path.join(format!("photos/deep/{i}.png")), 20, [200, 10 * i, 0]);
    }
    let output = ivon(path, "evaluate grey --ood photos --samples 1 --threads 1 --json").output().unwrap();
    let said = common::text(&output);
    assert!(output.status.success() && said.contains("images in colour, and the model takes grey ones"), "{said}");
    assert!(
        said.contains("out of distribution, photos/deep: 4 images") || said.contains("out of distribution, photos: 4 images"),
        "{said}"
    );
    assert_eq!(succeeds(path, "evaluate colour --ood digits --samples 1 --threads 1 --json")["ood"]["examples"], 20);

    // One image is enough for scores, and none is named with its set.
    put(&path.join("few/0/1.png"), 12, [90; 3]);
    assert_eq!(succeeds(path, "evaluate grey --data few --ood photos --samples 1 --threads 1 --json")["mean"]["examples"], 1);
    std::fs::write(path.join("few/0/1.png"), "no image").unwrap();
    let message = fails(path, "evaluate grey --data few --threads 1");
    assert!(message.contains("few: none of the 1 images of class `0` can be used") && !message.contains("::"), "{message}");
}

#[test]
fn an_exported_network_is_evaluated_as_its_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::create_dir(path.join("digits")).unwrap();
    dark_and_bright(&path.join("digits"));
    succeeds(path, "train resnet20 --data digits --size 12 --batch 8 --eval-samples 0 --threads 1 --steps 2 --ess 1e4 --out run");
    succeeds(path, "export run --out exported");
    succeeds(path, "import exported --out ours.safetensors");
    let evaluate =
        |what: &str| succeeds(path, &format!("evaluate {what} --data digits --samples 2 --batch 8 --threads 1 --json"));
    let run = evaluate("run");
    assert_eq!(run["samples"], 2);
    for what in ["exported", "ours.safetensors"] {
        let found = evaluate(what);
        assert_eq!((&found["mean"], &found["samples"]), (&run["mean"], &run["samples"]), "{what}");
    }
    // The file by itself is a point.
    assert_eq!(evaluate("exported/model.safetensors")["mean"], run["mean"]);
}

#[test]
fn the_first_lines_of_a_run_say_what_is_done_with_the_images() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    for part in ["Training/3", "Training/5", "Testing/3", "Testing/5"] {
        for i in 0..4 {
            put(
                &path.join(format!("data/set/{part}/{i}.png")),
                16,
                [40 * i, 7 * part.len() as u8, part.as_bytes()[part.len() - 1]],
            );
        }
    }
    let output =
        ivon(path, "train resnet20 --data data --batch 10 --steps 1 --eval-samples 0 --threads 1 --out run").output().unwrap();
    let said = common::text(&output);
    for line in [
        "data/set: 8 images to train on, 8 for validation",
        "2 classes: 3, 5",
        "augmentation: a random crop of 16 x 16 with 4 black pixels on every side; no image is mirrored",
        "a batch of 10 is larger than the 8 images to train on: it takes some more than once",
    ] {
        assert!(said.contains(line), "{line}\n{said}");
    }
    let output = ivon(path, "train resnet20 --data data --flip --batch 4 --steps 1 --eval-samples 0 --threads 1 --out flipped")
        .output()
        .unwrap();
    assert!(common::text(&output).contains("half of the images are mirrored"));
    // A run that goes on sees the images as it did, whatever a new run would do.
    let config = std::fs::read_to_string(path.join("run/config.toml")).unwrap();
    std::fs::write(
        path.join("run/config.toml"),
        config.replace("flip = false", "flip = true").replace("no-flip = true", "no-flip = false"),
    )
    .unwrap();
    let output = ivon(path, "train resnet20 --resume run --steps 2").output().unwrap();
    assert!(
        output.status.success() && common::text(&output).contains("half of the images are mirrored"),
        "{}",
        common::text(&output)
    );
    assert!(fails(path, "train resnet20 --data data/set/Training/3 --out one").contains("has images of no class"));
    assert!(
        fails(path, "train resnet20 --data data/set/Training --train-examples 9 --out one")
            .contains("--train-examples 9: there are")
    );
}

#[test]
fn what_makes_no_sense_is_refused_with_what_would() {
    let folder = tempfile::tempdir().unwrap();
    for (arguments, wanted) in [
        ("train resnet21", "the models are gpt2, lenet, resnet20"),
        ("train resnet50 --norm frn", "--norm frn is for resnet20"),
        ("train resnet20 --data nowhere", "nowhere: does not exist"),
        ("train resnet20 --batch 10 --micro-batches 3", "does not divide"),
        ("train resnet20 --train-examples 99999999", "images to train on"),
        ("train resnet20 --channels 2", "1 channel (grey) or 3"),
        ("train resnet20 --preset tiny", "--preset"),
        ("train lenet --size 8", "at least 12 x 12"),
        ("bench resnet50 --classes 0", "at least 1"),
        ("gradients resnet20 --weights a --batch b --out c", "torchvision has no resnet20"),
        ("gradients resnet50 --weights no.safetensors --batch b --out c", "no.safetensors"),
        ("inspect resnet50 --batch 99999999999", "make it smaller"),
        ("inspect resnet50 --size 32", "resnet50 makes one pixel of 32 x 32"),
        ("bench resnet20 --size 4 --batch 2 --micro-batches 2", "images of 5 x 5 pixels or more"),
        ("train resnet20 --size 1 --crop none --batch 1", "--batch 2 or more at once"),
        ("train resnet20 --size 1000000", "use a smaller --size"),
        ("bench resnet20 --size 1000000", "use a smaller --size"),
    ] {
        let message = fails(folder.path(), arguments);
        assert!(message.contains(wanted) && !message.contains("panicked"), "ivon {arguments}\n{message}");
    }
}

/// A PNG file of 16 x 16 grey pixels, bright in its upper half, with an EXIF orientation.
fn half_bright(value: u8, orientation: u8) -> Vec<u8> {
    let mut bytes = vec![];
    let mut encoder = png::Encoder::new(&mut bytes, 16, 16);
    encoder.set_color(png::ColorType::Grayscale);
    let mut writer = encoder.write_header().unwrap();
    let exif = [b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0", &[orientation, 0, 0, 0][..], &[0; 4]].concat();
    writer.write_chunk(png::chunk::ChunkType(*b"eXIf"), &exif).unwrap();
    writer.write_image_data(&[vec![value; 128], vec![value / 2; 128]].concat()).unwrap();
    writer.finish().unwrap();
    bytes
}

#[test]
fn a_run_keeps_what_it_does_with_orientations() {
    let root = tempfile::tempdir().unwrap();
    for (part, count) in [("train", 8u8), ("val", 4)] {
        for (class, value) in [("dark", 60), ("light", 200)] {
            let folder = root.path().join("data").join(part).join(class);
            std::fs::create_dir_all(&folder).unwrap();
            (0..count).for_each(|i| std::fs::write(folder.join(format!("{i}.png")), half_bright(value + i, 3)).unwrap());
        }
    }
    let config = |run: &str| std::fs::read_to_string(root.path().join(run).join("config.toml")).unwrap();
    let train =
        "train lenet --data data --optimizer sgd --lr 0.01 --batch 8 --eval-samples 0 --threads 1 --crop none --no-flip --json";
    succeeds(root.path(), &format!("{train} --steps 2 --out turned"));
    succeeds(root.path(), &format!("{train} --steps 2 --exif ignore --out stored"));
    assert!(config("turned").contains("exif = \"apply\"") && config("stored").contains("exif = \"ignore\""));
    // A run from before there was a choice says nothing, and goes on with images as they are stored.
    let old: String = config("stored").lines().filter(|line| !line.contains("exif")).map(|line| format!("{line}\n")).collect();
    std::fs::write(root.path().join("stored/config.toml"), old).unwrap();
    succeeds(root.path(), "train lenet --resume stored --steps 3 --json");
    assert!(!config("stored").contains("exif"), "{}", config("stored"));
    succeeds(root.path(), "train lenet --resume turned --steps 3 --json");
    assert!(config("turned").contains("exif = \"apply\""));
    // An image of more pixels than are allowed is refused, and the flag named.
    let error = fails(root.path(), "predict turned data/val/dark/0.png --max-pixels 255");
    assert!(error.contains("16 x 16 pixels") && error.contains("--max-pixels 256"), "{error}");
}
