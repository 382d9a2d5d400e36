//! Batches: of random pictures to train on, and of all pictures in order to evaluate with.

use super::ahead::Ahead;
use super::pictures::Pictures;
use super::random::{Draws, Purpose};
use super::transform::Transform;
use ivon_runtime::{Error, Result, Tensor};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

/// Pictures and their classes.
#[derive(Clone, Debug)]
pub struct Batch {
    /// `[B, H, W, C]`, f32, normalised.
    pub images: Tensor,
    /// `[B]`, u32.
    pub labels: Tensor,
}

/// The same on its way from a thread to another.
struct Rows {
    images: Vec<f32>, // [B, H, W, C]
    labels: Vec<u32>, // [B]
}

impl Rows {
    fn with_room(rows: usize, transform: &Transform) -> Rows {
        Rows { images: Vec::with_capacity(rows * transform.numbers()), labels: Vec::with_capacity(rows) }
    }

    /// Adds a picture; `see` writes it.
    fn push(&mut self, label: u32, numbers: usize, see: impl FnOnce(&mut [f32])) {
        let start = self.images.len();
        self.images.resize(start + numbers, 0.0);
        see(&mut self.images[start..]);
        self.labels.push(label);
    }

    fn append(&mut self, mut other: Rows) {
        self.images.append(&mut other.images);
        self.labels.append(&mut other.labels);
    }

    fn batch(&self, transform: &Transform) -> Result<Batch> {
        let shape = [self.labels.len(), transform.size, transform.size, transform.channels()];
        Ok(Batch {
            images: Tensor::from_slice(&self.images, shape)?,
            labels: Tensor::from_slice(&self.labels, [self.labels.len()])?,
        })
    }
}

/// Random batches to train on.
///
/// Pictures come in a random order, another one every epoch, each once an epoch; batches follow each other without a gap, so that all are of the same
/// size and one may end an epoch and begin the next. Which pictures row `r` of the batch of step `s` shows, and how it is cropped, is a function of
/// (seed, s, r) alone: a run can be taken up anywhere, its batches can be cut into micro-batches, and threads do not show.
#[derive(Debug)]
pub struct Loader {
    pictures: Arc<Pictures>,
    transform: Transform,
    batch: usize,
    seed: u64,
    /// The orders of the epochs that were looked at last.
    orders: Mutex<Vec<(u32, Arc<Vec<u32>>)>>,
}

impl Loader {
    /// Batches of `batch` pictures.
    ///
    /// # Errors
    /// If there are no pictures, the batch is empty, or the model's channels are not those of the pictures.
    pub fn new(pictures: Arc<Pictures>, transform: Transform, batch: usize, seed: u64) -> Result<Loader> {
        check(&pictures, &transform, batch, "to train on")?;
        Ok(Loader { pictures, transform, batch, seed, orders: Mutex::default() })
    }

    /// Pictures of a batch.
    pub fn batch_size(&self) -> usize {
        self.batch
    }

    /// Steps of an epoch; the last part of one counts.
    pub fn steps_per_epoch(&self) -> usize {
        self.pictures.len().div_ceil(self.batch)
    }

    /// The batch of a step, steps counted from 0.
    ///
    /// # Errors
    /// If a file is damaged and the pictures are strict, or no picture can be read at all.
    pub fn batch_at(&self, step: u64) -> Result<Batch> {
        self.rows_at(step, 0..self.batch)
    }

    /// Some rows of the batch of a step.
    ///
    /// # Errors
    /// As [`Loader::batch_at`].
    ///
    /// # Panics
    /// If the batch has no such rows.
    pub fn rows_at(&self, step: u64, rows: Range<usize>) -> Result<Batch> {
        self.rows(step, rows)?.batch(&self.transform)
    }

    fn rows(&self, step: u64, rows: Range<usize>) -> Result<Rows> {
        assert!(rows.end <= self.batch, "rows {rows:?} of {}", self.batch);
        let mut out = Rows::with_room(rows.len(), &self.transform);
        for row in rows {
            let (epoch, index) = self.index(step, row);
            let (picture, label) = self.pictures.good(index as usize)?;
            let draws = Draws::new(self.seed, Purpose::Augmentation, epoch, index);
            out.push(label, self.transform.numbers(), |out| self.transform.training(&picture, draws, out));
        }
        Ok(out)
    }

    /// Epoch and number of the picture in a row.
    fn index(&self, step: u64, row: usize) -> (u32, u32) {
        let place = u128::from(step) * self.batch as u128 + row as u128;
        let n = self.pictures.len() as u128;
        let epoch = (place / n) as u32;
        (epoch, self.order(epoch)[(place % n) as usize])
    }

    fn order(&self, epoch: u32) -> Arc<Vec<u32>> {
        const KEPT: usize = 2;
        let mut orders = self.orders.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, order)) = orders.iter().find(|(e, _)| *e == epoch) {
            return order.clone();
        }
        let order = Arc::new(Draws::new(self.seed, Purpose::Order, epoch, 0).permutation(self.pictures.len()));
        orders.truncate(KEPT - 1);
        orders.insert(0, (epoch, order.clone()));
        order
    }

    /// The same batches, decoded ahead of their use by threads in the background. A batch is cut into `micro_batches` equal parts.
    ///
    /// # Errors
    /// If the parts are not equal.
    pub fn prefetch(self: &Arc<Self>, micro_batches: usize) -> Result<Prefetch> {
        if micro_batches == 0 || !self.batch.is_multiple_of(micro_batches) {
            let message =
                format!("{micro_batches} micro-batches do not divide a batch of {} pictures into equal parts", self.batch);
            return Err(Error::config(message));
        }
        let (loader, rows) = (self.clone(), self.batch / micro_batches);
        let pieces = threads().min(rows);
        let make = move |item: u64| {
            let (part, piece) = (item / pieces as u64, item as usize % pieces);
            let (step, first) = (part / micro_batches as u64, part as usize % micro_batches * rows);
            loader.rows(step, first + piece * rows / pieces..first + (piece + 1) * rows / pieces)
        };
        let ahead = Ahead::new(threads(), BATCHES_AHEAD * pieces, u64::MAX, make);
        Ok(Prefetch { ahead, transform: self.transform.clone(), micro_batches, pieces, last: None })
    }
}

/// Batches that are ready before they are wanted.
const BATCHES_AHEAD: usize = 2;

/// Threads that decode: they wait for most of the time.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from).min(16)
}

fn check(pictures: &Pictures, transform: &Transform, batch: usize, purpose: &str) -> Result<()> {
    if pictures.is_empty() {
        return Err(Error::config(format!("there are no pictures {purpose}")));
    }
    if batch == 0 {
        return Err(Error::config("a batch has at least one picture"));
    }
    if transform.channels() != pictures.channels() {
        let (model, data) = (transform.channels(), pictures.channels());
        return Err(Error::config(format!("the model sees pictures of {model} channels and these have {data}")));
    }
    Ok(())
}

/// The batches of a [`Loader`], decoded ahead. Any step can be asked for; steps in order are ready.
pub struct Prefetch {
    ahead: Ahead<Result<Rows>>,
    transform: Transform,
    micro_batches: usize,
    pieces: usize,
    last: Option<(u64, Batch)>,
}

impl Prefetch {
    /// A micro-batch of a step, both counted from 0: what [`Loader::rows_at`] gives.
    ///
    /// # Errors
    /// As there.
    ///
    /// # Panics
    /// If there is no such micro-batch.
    pub fn batch(&mut self, step: u64, micro_batch: usize) -> Result<Batch> {
        assert!(micro_batch < self.micro_batches, "micro-batch {micro_batch} of {}", self.micro_batches);
        let part = step * self.micro_batches as u64 + micro_batch as u64;
        // Several samples of the posterior see the same batch.
        if let Some((_, batch)) = self.last.as_ref().filter(|(last, _)| *last == part) {
            return Ok(batch.clone());
        }
        let batch = assemble(&mut self.ahead, part * self.pieces as u64, self.pieces)?.batch(&self.transform)?;
        self.last = Some((part, batch.clone()));
        Ok(batch)
    }
}

fn assemble(ahead: &mut Ahead<Result<Rows>>, first: u64, pieces: usize) -> Result<Rows> {
    let mut rows = ahead.take(first)?;
    for piece in 1..pieces {
        rows.append(ahead.take(first + piece as u64)?);
    }
    Ok(rows)
}

/// All pictures in order, as seen in evaluation, in batches; decoded ahead. Damaged ones are left out, so that a batch may be smaller.
pub struct Examples {
    ahead: Ahead<Result<Rows>>,
    transform: Transform,
    pieces: usize,
    batches: Range<u64>,
}

impl Examples {
    /// Batches of up to `batch` pictures.
    ///
    /// # Errors
    /// If there are no pictures, the batch is empty, or the model's channels are not those of the pictures.
    pub fn new(pictures: Arc<Pictures>, transform: Transform, batch: usize) -> Result<Examples> {
        check(&pictures, &transform, batch, "to evaluate with")?;
        let pieces = threads().min(batch);
        let batches = 0..pictures.len().div_ceil(batch) as u64;
        let sees = transform.clone();
        let make = move |item: u64| {
            let (first, piece) = (item as usize / pieces * batch, item as usize % pieces);
            let end = |piece: usize| (first + piece * batch / pieces).min(pictures.len());
            let mut rows = Rows::with_room(end(piece + 1) - end(piece), &sees);
            for index in end(piece)..end(piece + 1) {
                if let Some((picture, label)) = pictures.if_good(index)? {
                    rows.push(label, sees.numbers(), |out| sees.evaluation(&picture, out));
                }
            }
            Ok(rows)
        };
        let ahead = Ahead::new(threads(), BATCHES_AHEAD * pieces, batches.end * pieces as u64, make);
        Ok(Examples { ahead, transform, pieces, batches })
    }
}

impl Iterator for Examples {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Result<Batch>> {
        loop {
            let number = self.batches.next()?;
            match assemble(&mut self.ahead, number * self.pieces as u64, self.pieces) {
                Ok(rows) if rows.labels.is_empty() => {}
                rows => return Some(rows.and_then(|rows| rows.batch(&self.transform))),
            }
        }
    }
}

#[cfg(test)]
mod tests;
