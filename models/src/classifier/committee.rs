//! Stored classifiers that predict together: one run, a mixture of posteriors, a deep ensemble.

use super::{Classifier, Design, StoredClassifier, Visitor};
use crate::data::images::{Examples, Picture, Pictures, Transform};
use ivon_runtime::uncertainty::{Classification, Ensemble};
use ivon_runtime::{Context, DType, Device, Error, Result, Tensor};
use std::sync::Arc;

/// A classifier to take part, what it is called, and the seed of its samples.
pub struct Candidate {
    /// In messages: the path it came from.
    pub name: String,
    /// The classifier.
    pub stored: StoredClassifier,
    /// With the seed of its run, the samples are those that training evaluated at.
    pub seed: u64,
}

/// Classifiers of the same classes. Networks and the size of their pictures may differ.
pub struct Committee {
    ensemble: Ensemble<'static>,
    members: Vec<Member>,
    /// How pictures are seen, each way once.
    transforms: Vec<Transform>,
    classes: Vec<String>,
    designs: Vec<Design>,
}

struct Member {
    logits: Box<Logits>,
    /// Number of its transform.
    transform: usize,
}

/// The logits of pictures `[B, H, W, C]`, `[B, CLASSES]`, in memory of their own.
type Logits = dyn Fn(&Context, &Tensor) -> Result<Tensor>;

impl Committee {
    /// All of them, with their posteriors at a temperature, to compute on a device in a type.
    ///
    /// # Errors
    /// If there is none, one does not say how it sees pictures, or their classes differ: which.
    pub fn new(candidates: Vec<Candidate>, temperature: f64, (device, dtype): (Device, DType)) -> Result<Committee> {
        let (mut members, mut transforms, mut designs) = (vec![], vec![], vec![]);
        let mut ensemble = Ensemble::new(device, dtype);
        let mut first: Option<(String, Vec<String>)> = None;
        for Candidate { name, stored, seed } in candidates {
            let StoredClassifier { design, classes, transform, posterior, .. } = stored;
            let Some(transform) = transform else {
                let message = "does not say how its pictures are cropped and normalised: give a run, or weights that were exported from one";
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

    /// What each member is.
    pub fn designs(&self) -> &[Design] {
        &self.designs
    }

    /// Whether there is nothing to draw samples of.
    pub fn is_point(&self) -> bool {
        self.ensemble.is_point()
    }

    /// Channels of the pictures that it sees.
    pub fn channels(&self) -> usize {
        self.transforms[0].channels()
    }

    /// What it predicts for all pictures in order, `batch` at a time; `done` hears of every batch how many pictures it had.
    ///
    /// # Errors
    /// If there are no pictures, or they do not fit.
    pub fn classify(
        &mut self,
        pictures: &Arc<Pictures>,
        labelled: bool,
        batch: usize,
        samples: &[usize],
        mut done: impl FnMut(usize),
    ) -> Result<Classification> {
        let each = self.transforms.iter().map(|t| Examples::new(pictures.clone(), t.clone(), batch));
        let mut each = each.collect::<Result<Vec<_>>>()?;
        let mut found = Classification::new(samples)?;
        loop {
            let batches = each.iter_mut().filter_map(Iterator::next).collect::<Result<Vec<_>>>()?;
            let Some(first) = batches.first() else { return Ok(found) };
            let labels = first.labels.as_slice::<u32>();
            found.add(&mut self.ensemble, labelled.then_some(labels), |cx, i| {
                let member = &self.members[i];
                (member.logits)(cx, &batches[member.transform].images)
            })?;
            done(labels.len());
        }
    }

    /// What it predicts for one picture: the probabilities of the classes over `samples` samples of each member, and what is known of them.
    ///
    /// # Errors
    /// If the picture has other channels.
    pub fn predict(&mut self, picture: &Picture, samples: usize) -> Result<ivon_runtime::uncertainty::Predictive> {
        let picture = picture.clone().into_channels(self.channels()).map_err(|message| Error::config(format!("it {message}")))?;
        let see = |transform: &Transform| {
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

/// Which classes two runs do not share.
fn differing(a: &str, ours: &[String], b: &str, theirs: &[String]) -> Error {
    let only = |these: &[String], those: &[String]| these.iter().find(|c| !those.contains(c)).cloned();
    let what = match (only(ours, theirs), only(theirs, ours)) {
        (Some(x), Some(y)) => format!("`{x}` is a class of {a} and not of {b}, `{y}` the other way round"),
        (Some(x), None) => format!("`{x}` is a class of {a} and not of {b}"),
        (None, Some(y)) => format!("`{y}` is a class of {b} and not of {a}"),
        (None, None) => format!("{a} and {b} have the same classes in another order"),
    };
    Error::config(format!("the runs tell other classes apart: {what}; evaluate runs of the same data together"))
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
