//! Data and runs under the names that the pages use, made small by the command itself.

use crate::{common, reduce};
use models::weights::{self, Precision, Table, Values};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A directory in which every command line of the pages finds its files.
pub struct World {
    root: TempDir,
}

const TEXT: &str =
    "--preset tiny --layers 1 --width 16 --heads 2 --seq 16 --batch 2 --steps 2 --warmup 1 --eval-tokens 64 --eval-samples 1";
const IMAGES: &str = "--train-examples 8 --eval-examples 4 --batch 4 --steps 1 --eval-samples 1";

impl World {
    /// Makes everything once.
    pub fn new() -> World {
        let world = World { root: tempfile::tempdir().unwrap() };
        world.texts();
        world.images();
        world.runs();
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        let path = self.root.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    fn ivon(&self, arguments: &str) {
        common::succeeds(self.root.path(), arguments);
    }

    fn texts(&self) {
        let line = |i: usize| format!("Line {i}: {} and so on.\n", i * i);
        for (name, from) in
            [("books/a.txt", 0), ("books/b.txt", 1000), ("mine.txt", 2000), ("log.txt", 3000), ("shakespeare.txt", 4000)]
        {
            std::fs::write(self.path(name), (from..from + 200).map(line).collect::<String>()).unwrap();
        }
        for (name, text) in [("train_0", "books/a.txt"), ("train_1", "books/b.txt"), ("val", "log.txt")] {
            self.path("data/x");
            self.ivon(&format!("prepare {text} --tokenizer bytes --format nanogpt --out data/{name}.bin"));
        }
    }

    fn images(&self) {
        for set in ["cifar", "imagenet"] {
            for (part, count) in [("train", 8), ("val", 4)] {
                for (c, class) in ["cat", "dog"].iter().enumerate() {
                    for i in 0..count {
                        let shade = (part.len() * 50 + c * 100 + i * 5) as u8;
                        png(&self.path(&format!("{set}/{part}/{class}/{i}.png")), 32, shade);
                    }
                }
            }
        }
        for set in ["mnist", "digits"] {
            common::idx(&self.path(set), 20, 8);
        }
        // CIFAR-10's binary files: records of a label and 3072 bytes.
        let records: Vec<u8> =
            (0..60u32).flat_map(|i| [(i % 10) as u8].into_iter().chain((0..3072).map(move |p| (i * 7 + p) as u8))).collect();
        for name in ["data_batch_1.bin", "test_batch.bin"] {
            std::fs::write(self.path(&format!("cifar-10-batches-bin/{name}")), &records).unwrap();
        }
        let jpeg = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/data/images/fixtures/444.jpg");
        for name in ["cat.jpg", "photo.jpg"] {
            std::fs::copy(&jpeg, self.path(name)).unwrap();
        }
        png(&self.path("dog.png"), 40, 90);
    }

    fn runs(&self) {
        for name in ["gpt2-micro-1", "gpt2-nano-1"] {
            self.ivon(&format!("train gpt2 {TEXT} --out runs/{name}"));
        }
        for (name, seed) in [("resnet20-1", 1), ("a", 1), ("b", 2), ("c", 3)] {
            self.ivon(&format!("train resnet20 --data cifar {IMAGES} --seed {seed} --out runs/{name}"));
        }
        for (optimizer, seed) in [("sgd", 1), ("sgd", 2), ("ivon", 1)] {
            let run = format!("runs/cifar/{optimizer}-{seed}");
            self.ivon(&format!("train resnet20 --data cifar {IMAGES} --optimizer {optimizer} --seed {seed} --out {run}"));
            self.ivon(&format!("evaluate {run} --samples 1"));
        }
        // So few and small images leave one value of a channel: with the usual learning rate the validation loss is beyond f32.
        self.ivon(&format!(
            "train resnet50 --data imagenet {IMAGES} --size 32 --optimizer sgd --lr 0.0001 --out runs/resnet50-1"
        ));
        self.ivon("export runs/resnet20-1 --out exported");
        self.ivon("export runs/resnet50-1 --out torchvision");
        std::fs::rename(self.path("torchvision/model.safetensors"), self.path("torchvision-resnet50.safetensors")).unwrap();
        self.ivon("import torchvision-resnet50.safetensors --out resnet50.safetensors");
        self.path("path/to/gpt2");
        self.ivon("export runs/gpt2-micro-1 --out path/to/gpt2");
        self.ivon("import path/to/gpt2 --out gpt2.safetensors");
    }

    /// The weights and the batch that `ivon gradients` is shown with: the pages call both networks' files by the same names.
    fn gradients(&self, model: &str) {
        let tensor = |shape: &[usize], largest: usize| Values::<f64> {
            shape: shape.to_vec(),
            data: (0..shape.iter().product()).map(|i: usize| (i % (largest + 1)) as f64).collect(),
        };
        let (weights, batch) = match model {
            "gpt2" => ("path/to/gpt2/model.safetensors", [("input_ids", tensor(&[2, 8], 250)), ("labels", tensor(&[2, 8], 200))]),
            _ => ("torchvision-resnet50.safetensors", [("image", tensor(&[2, 3, 32, 32], 1)), ("label", tensor(&[2], 1))]),
        };
        let batch: Table<f64> = batch.into_iter().map(|(name, values)| (name.to_string(), values)).collect();
        weights::write(&self.path("batch.safetensors"), &batch, Precision::F64, None).unwrap();
        std::fs::copy(self.path(weights), self.path("model.safetensors")).unwrap();
    }

    /// The words of a line as a shell of the user makes them here, with patterns expanded and quotes removed.
    pub fn expanded(&self, line: &str) -> Vec<String> {
        let output =
            Command::new("sh").current_dir(self.root.path()).args(["-c", &format!("printf '%s\\n' {line}")]).output().unwrap();
        assert!(output.status.success(), "{line}: {}", common::text(&output));
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_string).collect()
    }

    /// Runs an example or a benchmark; the error is all that it wrote.
    pub fn runs_program(&self, program: &Path, arguments: &[String]) -> Result<(), String> {
        let mut command = Command::new(program);
        command.current_dir(self.root.path()).args(arguments);
        let scale = [("IVON_EXAMPLE_SCALE", reduce::OF_EXAMPLES), ("RAYON_NUM_THREADS", "2")];
        let output = command.envs(scale).output().map_err(|e| format!("{}: {e}", program.display()))?;
        match output.status.success() {
            true => Ok(()),
            false => Err(format!("executed as: {} {}\n{}", program.display(), arguments.join(" "), common::text(&output))),
        }
    }

    /// Runs the command; the error is all that it wrote.
    pub fn executes(&self, words: &[String]) -> Result<(), String> {
        if words[0] == "gradients" {
            self.gradients(&words[1]);
        }
        // Lines of several pages write to the same place.
        if let Some(i) = words.iter().position(|w| w == "--out") {
            let _ = std::fs::remove_dir_all(self.path(&words[i + 1]));
        }
        let output = common::ivon(self.root.path(), "").args(words).output().map_err(|e| e.to_string())?;
        match output.status.success() {
            true => Ok(()),
            false => Err(format!("executed as: ivon {}\n{}", words.join(" "), common::text(&output))),
        }
    }
}

/// An RGB image of `size` × `size` pixels around a shade.
fn png(path: &Path, size: u32, shade: u8) {
    let mut encoder = png::Encoder::new(std::fs::File::create(path).unwrap(), size, size);
    encoder.set_color(png::ColorType::Rgb);
    let pixels: Vec<u8> = (0..size * size * 3).map(|i| shade.wrapping_add((i % 37) as u8)).collect();
    encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
}
