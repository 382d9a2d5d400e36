//! Stored classifiers that predict together: one run, a mixture of posteriors, or a deep ensemble.

use super::{Classifier, Design, StoredClassifier, Visitor};
use crate::data::images::{Picture, Pictures, Transform, Views};
use ivon_runtime::uncertainty::{Classification, Ensemble};
use ivon_runtime::{Context, DType, Device, Error, Result, Tensor};
use std::sync::Arc;

/// A classifier to take part, with its name and the seed of its samples.
pub struct Candidate {
    /// The path it came from, for messages.
    pub name: String,
    /// The classifier.
    pub stored: StoredClassifier,
    /// With the seed of its run, the samples are those of training's evaluation.
    pub seed: u64,
}

/// Classifiers of the same classes. Networks, and size and channels of their images, may differ.
pub struct Committee {
    ensemble: Ensemble<'static>,
    members: Vec<Member>,
    /// How images are seen, each way once.
    transforms: Vec<Transform>,
    classes: Vec<String>,
    designs: Vec<Design>,
}

struct Member {
    logits: Box<Logits>,
    /// The index of its transform.
    transform: usize,
}

/// The logits of images `[B, H, W, C]`, `[B, CLASSES]`, in memory of their own.
type Logits = dyn Fn(&Context, &Tensor) -> Result<Tensor>;

impl Committee {
    /// Builds a committee of the candidates, with their posteriors at a temperature, to compute on a device in a type.
    ///
    /// # Errors
    /// If there are no candidates, one does not state how it sees images, or their classes differ; the error names the candidate.
    pub fn new(candidates: Vec<Candidate>, temperature: f64, (device, dtype): (Device, DType)) -> Result<Committee> {
        let (mut members, mut transforms, mut designs) = (vec![], vec![], vec![]);
        let mut ensemble = Ensemble::new(device, dtype);
        let mut first: Option<(String, Vec<String>)> = None;
        for Candidate { name, stored, seed } in candidates {
            let StoredClassifier { design, classes, transform, posterior, .. } = stored;
            let Some(transform) = transform else {
                let message =
                    "does not say how its images are cropped and normalised: give a run, or weights that were exported from one";
                return Err(Error::file(name, message));
            };
            let classes = classes.unwrap_or_else(|| (0..design.classes).map(|i| i.to_string()).collect());
            match &first {
                Some((other, theirs)) if *theirs != classes => return Err(differing(other, theirs, &name, &classes)),
                Some(_) => {}
                None => first = Some((name, classes)),
            }
            let place = transforms.iter().position(|t| *t == transform).unwrap_or(transforms.len());
            if place == transforms.len() {
                transforms.push(transform);
            }
            members.push(Member { logits: design.build(Forward)?, transform: place });
            designs.push(design);
            ensemble.add(posterior.tempered(temperature)?, seed)?;
        }
        let Some((_, classes)) = first else { return Err(Error::config("there is no classifier")) };
        Ok(Committee { ensemble, members, transforms, classes, designs })
    }

    /// The names of the classes.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// The design of each member.
    pub fn designs(&self) -> &[Design] {
        &self.designs
    }

    /// True if no member has a posterior to draw samples of.
    pub fn is_point(&self) -> bool {
        self.ensemble.is_point()
    }

    /// Predicts all images in order, `batch` at a time, each member seeing them in its channels and size; calls `done` with the number of images
    /// of every batch. An image that a member cannot see is left out, and noted in `pictures`.
    ///
    /// # Errors
    /// If there are no images, or the network cannot be evaluated.
    pub fn classify(
        &mut self,
        pictures: &Arc<Pictures>,
        labelled: bool,
        batch: usize,
        samples: &[usize],
        mut done: impl FnMut(usize),
    ) -> Result<Classification> {
        let mut found = Classification::new(samples)?;
        for batches in Views::of(pictures, &self.transforms, batch)? {
            let batches = batches?;
            let labels = batches[0].labels.as_slice::<u32>();
            found.add(&mut self.ensemble, labelled.then_some(labels), |cx, i| {
                let member = &self.members[i];
                (member.logits)(cx, &batches[member.transform].images)
            })?;
            done(labels.len());
        }
        Ok(found)
    }

    /// Predicts one image: the probabilities of the classes over `samples` samples of each member, and their uncertainty. Each member sees the
    /// image in its channels and size.
    ///
    /// # Errors
    /// If the image is in colour or transparent, and a member cannot see it.
    pub fn predict(&mut self, picture: &Picture, samples: usize) -> Result<ivon_runtime::uncertainty::Predictive> {
        let see = |transform: &Transform| {
            let picture =
                picture.clone().into_channels(transform.channels()).map_err(|message| Error::config(format!("it {message}")))?;
            let mut image = vec![0.0; transform.numbers()];
            transform.evaluation(&picture, &mut image);
            Tensor::from_slice(&image, [1, transform.size, transform.size, transform.channels()])
        };
        let images = self.transforms.iter().map(see).collect::<Result<Vec<_>>>()?;
        let mut found = ivon_runtime::uncertainty::Predictive::new(1, self.classes.len());
        let draws: Vec<Option<u32>> = match self.is_point() || samples == 0 {
            true => vec![None],
            false => (0..samples as u32).map(Some).collect(),
        };
        for sample in draws {
            self.ensemble.visit(sample, |cx, i| {
                let member = &self.members[i];
                found.add_logits(&(member.logits)(cx, &images[member.transform])?)
            })?;
        }
        Ok(found)
    }
}

/// The error that names classes which two runs do not share.
fn differing(a: &str, ours: &[String], b: &str, theirs: &[String]) -> Error {
    let only = |these: &[String], those: &[String]| these.iter().find(|c| !those.contains(c)).cloned();
    let what = match (only(ours, theirs), only(theirs, ours)) {
        (Some(x), Some(y)) => format!("`{x}` is a class of {a} and not of {b}, `{y}` the other way round"),
        (Some(x), None) => format!("`{x}` is a class of {a} and not of {b}"),
        (None, Some(y)) => format!("`{y}` is a class of {b} and not of {a}"),
        (None, None) => format!("{a} and {b} have the same classes in another order"),
    };
    Error::config(format!("the runs were trained on different classes: {what}; evaluate runs of the same data together"))
}

struct Forward;

impl Visitor for Forward {
    type Output = Box<Logits>;
    fn visit<M: Classifier + 'static>(self, model: M) -> Result<Box<Logits>> {
        Ok(Box::new(move |cx, images| {
            let logits = cx.planned("Committee::logits", &[images], |cx| {
                let logits = model.logits(cx, images)?;
                if cx.planning() {
                    return Ok(None);
                }
                // Out of the planned memory, which the next pass uses again.
                let values = logits.to_host()?.to_f64();
                Ok(Some(Tensor::from_slice(&values, *logits.shape())?))
            })?;
            logits.ok_or_else(|| Error::config("a dry run has no logits"))
        }))
    }
}
