//! Evaluation of classifiers: accuracy, likelihood, calibration, the parts of uncertainty, detection of images out of distribution.

use super::Evaluate;
use crate::classifier::{Candidate, Committee, StoredClassifier};
use crate::command::flags::{Opened, outside_of_runs, refuse};
use crate::command::progress::Bar;
use crate::data::images::{Figure, Generated, ImageSet, Pictures, list};
use ivon_runtime::uncertainty::{Classification, Detections, Predictions, figures, growing};
use ivon_runtime::{Error, Result, disk, run};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Defaults where neither flags nor the run say anything.
const SAMPLES: usize = 64;
const BATCH: usize = 50;
const EXAMPLES: usize = 10_000;
/// Seed of the choice of images, as in training.
const CHOICE: u64 = 0;

/// Images, and their name in messages.
struct Set {
    origin: String,
    pictures: Arc<Pictures>,
}

impl Evaluate {
    pub(super) fn pictures(&self, runs: Vec<Opened<StoredClassifier>>) -> Result<()> {
        let flags = [
            ("--seq", self.seq.is_some()),
            ("--eval-tokens", self.eval_tokens.is_some()),
            ("--validation-data", !self.validation_data.is_empty()),
        ];
        refuse("classifiers", &flags)?;
        let told = |key: &str| runs[0].number(key);
        self.bound.set(told("max-pixels"));
        let rows = told("batch").map(|b| b / told("micro-batches").unwrap_or(1).max(1));
        let (batch, examples) = (self.batch.or(rows).unwrap_or(BATCH), self.eval_examples.or(told("eval-examples")));
        let examples = examples.unwrap_or(EXAMPLES);
        // Networks of other channels see the same images in theirs.
        let channels: BTreeSet<usize> = runs.iter().map(|run| run.stored.design.channels).collect();
        let test = self.test(&runs[0], examples, &channels)?;
        let step = runs[0].step;
        // `ivon compare` recognises seeds by these.
        let trained: Vec<Value> =
            runs.iter().map(|run| json!({"seed": run.seed, "step": run.step, "config": run.told})).collect();
        let candidate = |(path, run): (&PathBuf, Opened<StoredClassifier>)| Candidate {
            name: path.display().to_string(),
            stored: run.stored,
            seed: run.seed,
        };
        let candidates = self.runs.iter().zip(runs).map(candidate).collect();
        let mut committee = Committee::new(candidates, self.temperature, (self.device.start()?, self.device.training_dtype()?))?;
        let foreign = self.ood.as_ref().map(|path| foreign(path, examples, &channels)).transpose()?;

        let design = committee.designs()[0].summary();
        match committee.designs().len() {
            1 => say!("{design}{}", step.map_or(String::new(), |s| format!(" after {s} updates")))?,
            count => say!("a mixture of {count} runs, the first {design}")?,
        }
        let counts = growing(self.samples.unwrap_or(SAMPLES));
        let total = test.pictures.len() + foreign.as_ref().map_or(0, |set| set.pictures.len());
        let bar = Bar::new(total, "images");
        let found = committee.classify(&test.pictures, true, batch, &counts, |n| bar.add(n))?;
        let outside = match &foreign {
            Some(set) => Some(committee.classify(&set.pictures, false, batch, &counts, |n| bar.add(n))?),
            None => None,
        };
        bar.finish();
        let sets = [Some((&test, &found)), foreign.as_ref().zip(outside.as_ref())];
        sets.into_iter().flatten().try_for_each(|(set, found)| set.check(found))?;
        let mut metrics = scores(&test, &found)?;
        if let (Some(set), Some(outside)) = (&foreign, &outside) {
            metrics["ood"] = detections(set, &found, outside)?;
        }
        for set in [Some(&test), foreign.as_ref()].into_iter().flatten() {
            set.pictures.damage_summary().into_iter().chain(set.pictures.remark()).for_each(|line| tell!("{line}"));
        }
        if committee.is_point() {
            say!("the weights are a point: there are no samples")?;
        }
        metrics["runs"] = json!(self.runs);
        metrics["temperature"] = json!(self.temperature);
        metrics["samples"] = json!(found.counts().last().unwrap_or(0));
        metrics["step"] = json!(step);
        if let Some(folder) = self.folder() {
            let mut kept = metrics.clone();
            (kept["trained"], kept["best"], kept["examples"]) = (json!(trained), json!(self.best), json!(test.pictures.len()));
            write(&folder, &kept, &found, outside.as_ref())?;
            say!("\nmetrics.json and figures in {}", folder.display())?;
        }
        if self.json {
            say!("{metrics}")?;
        }
        Ok(())
    }

    /// Refuses to put the results of other runs into the directory of a run.
    pub(super) fn check_out(&self) -> Result<()> {
        let Some(out) = &self.out else { return Ok(()) };
        if out.exists() && !out.is_dir() {
            return Err(Error::file(out, "is a file, and a directory is needed: give another name"));
        }
        // A run, or one of its checkpoints.
        let of_this_run = self.runs.len() == 1 && disk::resolved(&self.runs[0]).starts_with(disk::resolved(out));
        if of_this_run { Ok(()) } else { outside_of_runs(out) }
    }

    /// The directory for the results, if there is one.
    fn folder(&self) -> Option<PathBuf> {
        let of_the_run = || Some(self.runs[0].clone()).filter(|path| self.runs.len() == 1 && run::holds_a_run(path));
        self.out.clone().or_else(of_the_run)
    }

    /// The images to evaluate with: those given, or the run's for validation.
    fn test(&self, run: &Opened<StoredClassifier>, examples: usize, channels: &BTreeSet<usize>) -> Result<Set> {
        let (design, told) = (run.stored.design, run.paths("data"));
        let (origin, classes, notes, pictures) = match (&self.data[..], &told[..]) {
            ([], []) => {
                let set = Generated { channels: design.channels, ..Generated::new(Figure::Shapes) }.set()?;
                (set.origin, set.classes, set.notes, set.parts.validation)
            }
            ([], [path, ..]) => {
                let set = ImageSet::open(path, design.channels)?;
                (set.origin, set.classes, set.notes, set.parts.validation)
            }
            ([path], _) => {
                let set = ImageSet::for_evaluation(path, design.channels)?;
                (set.origin, set.classes, set.notes, set.parts)
            }
            _ => return Err(Error::config("--data takes one set of images")),
        };
        let known = run.stored.classes.as_deref().unwrap_or(&classes);
        let labels: Option<Vec<u32>> =
            classes.iter().map(|class| known.iter().position(|other| other == class).map(|label| label as u32)).collect();
        let Some(labels) = labels.filter(|labels| !labels.is_empty() && known.len() == design.classes) else {
            let model = if known == classes { format!("{} classes", design.classes) } else { quoted(known) };
            let data = if classes.is_empty() {
                "has images without classes".into()
            } else {
                format!("has the classes {}", quoted(&classes))
            };
            return Err(Error::config(format!(
                "{origin} {data}, {} {model}: give --data with images of the classes that the model tells apart",
                self.runs[0].display()
            )));
        };
        let pictures = pictures.relabelled(&labels);
        check_usable(&origin, &pictures, known, channels)?;
        notes.iter().for_each(|note| tell!("{note}"));
        let absent: Vec<String> = known
            .iter()
            .zip(pictures.counts(known.len()))
            .filter(|(_, count)| *count == 0)
            .map(|(class, _)| class.clone())
            .collect();
        if !absent.is_empty() {
            tell!("{origin} has no images of the classes {}", quoted(&absent));
        }
        Ok(Set { origin, pictures: Arc::new(fewer(pictures, examples)?) })
    }
}

impl Set {
    /// Refuses a set of which nothing was seen.
    fn check(&self, found: &Classification) -> Result<()> {
        if !found.mean().is_empty() {
            return Ok(());
        }
        let damage = self.pictures.damage_summary().unwrap_or_default();
        Err(Error::file(
            &self.origin,
            format!("has no image to evaluate with among the {} chosen; {damage}", self.pictures.len()),
        ))
    }
}

/// Refuses images that a network cannot see at all: every image of a class is damaged, or in colour where the network takes grey.
fn check_usable(origin: &str, pictures: &Pictures, classes: &[String], channels: &BTreeSet<usize>) -> Result<()> {
    channels.iter().try_for_each(|channels| {
        let checked = match *channels == pictures.channels() {
            true => pictures.check_classes(classes),
            false => pictures.in_channels(*channels).check_classes(classes),
        };
        checked.map_err(|e| Error::file(origin, e))
    })
}

/// Images out of distribution, in the channels of the first network; colour becomes grey for a network that takes grey.
fn foreign(path: &Path, examples: usize, channels: &BTreeSet<usize>) -> Result<Set> {
    let figure = match path.to_str() {
        _ if path.exists() => None,
        Some("glyphs") => Some(Figure::Glyphs),
        Some("shapes") => Some(Figure::Shapes),
        _ => {
            return Err(Error::file(path, "does not exist; --ood takes images, or `glyphs` or `shapes`, which are generated"));
        }
    };
    let first = channels.first().copied().unwrap_or(3);
    let (origin, pictures) = match figure {
        Some(figure) => {
            let set = Generated { channels: first, ..Generated::new(figure) }.set()?;
            (set.origin, set.parts.validation.relabelled(&vec![0; set.classes.len()]))
        }
        None => {
            let set = ImageSet::without_classes(path, first)?;
            (set.origin, set.parts)
        }
    };
    let pictures = pictures.greyed();
    if channels.contains(&1) && !pictures.looks_grey() {
        tell!("{origin} has images in colour, and the model takes grey ones: it sees their brightness (ITU-R BT.601)");
    }
    check_usable(&origin, &pictures, &[], channels)?;
    Ok(Set { origin, pictures: Arc::new(fewer(pictures, examples)?) })
}

fn fewer(pictures: Pictures, examples: usize) -> Result<Pictures> {
    if examples < pictures.len() { pictures.subset(examples, CHOICE) } else { Ok(pictures) }
}

fn quoted(classes: &[String]) -> String {
    list(&classes.iter().map(|class| format!("`{class}`")).collect::<Vec<_>>())
}

/// At the mean, then over growing numbers of samples.
fn rows(found: &Classification) -> Vec<(String, usize, &Predictions)> {
    let growing = found.counts().map(|n| (n.to_string(), n, found.samples(n)));
    [("mean".to_string(), 0, found.mean())].into_iter().chain(growing).collect()
}

/// Prints the scores; returns the same for a program.
fn scores(test: &Set, found: &Classification) -> Result<Value> {
    say!("{}: {} images\n", test.origin, found.mean().len())?;
    say!("  samples  accuracy     NLL     ECE  adaptive   Brier  entropy  aleatoric  epistemic")?;
    let (mut growing, mut mean) = (vec![], Value::Null);
    for (name, samples, found) in rows(found) {
        let s = found.scores()?;
        if !s.nll.is_finite() {
            let at = if samples == 0 { "at the mean".to_string() } else { format!("over {samples} samples") };
            return Err(Error::value(
                "evaluate",
                format!("the loss {at} is {}: try a smaller --temperature, or look at the weights", s.nll),
            ));
        }
        say!(
            "{name:>9}  {:8.4}  {:6.4}  {:6.4}  {:8.4}  {:6.4}  {:7.4}  {:9.4}  {:9.4}",
            s.accuracy,
            s.nll,
            s.ece,
            s.adaptive_ece,
            s.brier,
            s.entropy,
            s.aleatoric,
            s.epistemic
        )?;
        let mut line = json!(s);
        match samples {
            0 => mean = line,
            _ => {
                line["samples"] = json!(samples);
                growing.push(line);
            }
        }
    }
    Ok(json!({"data": test.origin, "mean": mean, "growing": growing}))
}

/// Prints how well images out of distribution are detected; returns the same for a program.
fn detections(set: &Set, inside: &Classification, outside: &Classification) -> Result<Value> {
    say!("\nout of distribution, {}: {} images\n", set.origin, outside.mean().len())?;
    say!("                    by entropy       by mutual information      by maximum probability")?;
    say!("  samples   AUROC    AUPR   FPR95     AUROC    AUPR   FPR95     AUROC    AUPR   FPR95")?;
    let (mut growing, mut mean) = (vec![], Value::Null);
    for ((name, samples, inside), (_, _, outside)) in rows(inside).into_iter().zip(rows(outside)) {
        let found: Detections = inside.detection(outside)?;
        let cells = [found.entropy, found.mutual_information, found.max_probability];
        let cells = cells.map(|d| format!("{:6.4}  {:6.4}  {:6.4}", d.auroc, d.aupr, d.fpr95));
        say!("{name:>9}  {}", cells.join("    "))?;
        let mut line = json!(found);
        match samples {
            0 => mean = line,
            _ => {
                line["samples"] = json!(samples);
                growing.push(line);
            }
        }
    }
    Ok(json!({"data": set.origin, "examples": outside.mean().len(), "mean": mean, "growing": growing}))
}

/// Writes metrics.json, with the curves too, and the figures.
fn write(folder: &Path, metrics: &Value, found: &Classification, outside: Option<&Classification>) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(|e| disk::unwritable(folder, &e))?;
    let put = |name: &str, text: String| disk::write_bytes(&folder.join(name), text.as_bytes());
    let curves = |p: &Predictions| -> Result<Value> {
        Ok(
            json!({"calibration": p.calibration()?, "adaptive_calibration": p.adaptive_calibration()?, "rejection": p.rejection()?}),
        )
    };
    let mut all = metrics.clone();
    all["curves"] = json!({"mean": curves(found.mean())?, "most": curves(found.most())?});
    put("metrics.json", format!("{all:#}\n"))?;
    let most = found.counts().last();
    let name = most.map(|n| format!("over {n} sample{}", if n == 1 { "" } else { "s" }));
    let mut shown = vec![("at the mean", found.mean())];
    shown.extend(name.as_deref().map(|name| (name, found.most())));
    put("reliability.svg", figures::reliability(&shown)?)?;
    put("confidence.svg", figures::confidence(&shown)?)?;
    put("rejection.svg", figures::rejection(&shown)?)?;
    if let Some(outside) = outside {
        put("entropy.svg", figures::entropies(&shown, &[outside.mean(), outside.most()])?)?;
    }
    Ok(())
}
