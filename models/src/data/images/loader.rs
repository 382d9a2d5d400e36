//! Batches: random images to train on, and all images in order to evaluate with.

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

    /// Adds an image; `see` writes it.
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
/// Images come in a random order, another one every epoch, each once an epoch; batches follow each other without a gap, so that all are of the same
/// size and one may end an epoch and begin the next. Which images row `r` of the batch of step `s` shows, and how it is cropped, is a function of
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
    /// Batches of `batch` images.
    ///
    /// # Errors
    /// If there are no images, the batch is empty, or the model's channels are not those of the images.
    pub fn new(pictures: Arc<Pictures>, transform: Transform, batch: usize, seed: u64) -> Result<Loader> {
        check(&pictures, &transform, batch, "to train on")?;
        Ok(Loader { pictures, transform, batch, seed, orders: Mutex::default() })
    }

    /// The number of images in a batch.
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
    /// If a file is damaged and the images are strict, or no image can be read at all.
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

    /// Epoch and number of the image in a row.
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
                format!("{micro_batches} micro-batches do not divide a batch of {} images into equal parts", self.batch);
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
        return Err(Error::config(format!("there are no images {purpose}")));
    }
    if batch == 0 {
        return Err(Error::config("a batch has at least one image"));
    }
    if transform.channels() != pictures.channels() {
        let (model, data) = (transform.channels(), pictures.channels());
        return Err(Error::config(format!("the model sees images of {model} channels and these have {data}")));
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
        let batch = assemble(&mut self.ahead, part * self.pieces as u64, self.pieces, Rows::append)?.batch(&self.transform)?;
        self.last = Some((part, batch.clone()));
        Ok(batch)
    }
}

/// The pieces of a batch as one.
fn assemble<T: Send + 'static>(ahead: &mut Ahead<Result<T>>, first: u64, pieces: usize, append: impl Fn(&mut T, T)) -> Result<T> {
    let mut rows = ahead.take(first)?;
    for piece in 1..pieces {
        append(&mut rows, ahead.take(first + piece as u64)?);
    }
    Ok(rows)
}

/// All images in order, as seen in evaluation, in batches; decoded ahead. Damaged ones are left out, so that a batch may be smaller.
pub struct Examples(Views);

impl Examples {
    /// Batches of up to `batch` images.
    ///
    /// # Errors
    /// If there are no images, the batch is empty, or the model's channels are not those of the images.
    pub fn new(pictures: Arc<Pictures>, transform: Transform, batch: usize) -> Result<Examples> {
        Ok(Examples(Views::new(vec![(pictures, transform)], batch)?))
    }
}

impl Iterator for Examples {
    type Item = Result<Batch>;

    fn next(&mut self) -> Option<Result<Batch>> {
        // One view has one batch.
        Some(self.0.next()?.map(|mut batches| batches.swap_remove(0)))
    }
}

/// [`Examples`] as several networks see them: each item has one batch for every view, of the same images. An image that is damaged in one view
/// is left out of all.
pub struct Views {
    ahead: Ahead<Result<Vec<Rows>>>,
    transforms: Vec<Transform>,
    pieces: usize,
    batches: Range<u64>,
}

impl Views {
    /// Batches of up to `batch` images, as each of the transforms sees them.
    ///
    /// # Errors
    /// If there are no images, or the batch is empty.
    pub fn of(pictures: &Arc<Pictures>, transforms: &[Transform], batch: usize) -> Result<Views> {
        let view = |transform: &Transform| {
            let channels = transform.channels();
            let same = channels == pictures.channels();
            (if same { pictures.clone() } else { Arc::new(pictures.in_channels(channels)) }, transform.clone())
        };
        Views::new(transforms.iter().map(view).collect(), batch)
    }

    /// Batches of up to `batch` images; the views, at least one, hold the same images in the channels of their transform.
    fn new(views: Vec<(Arc<Pictures>, Transform)>, batch: usize) -> Result<Views> {
        views.iter().try_for_each(|(pictures, transform)| check(pictures, transform, batch, "to evaluate with"))?;
        let transforms = views.iter().map(|(_, transform)| transform.clone()).collect();
        let images = views[0].0.len();
        let pieces = threads().min(batch);
        let batches = 0..images.div_ceil(batch) as u64;
        let make = move |item: u64| {
            let (first, piece) = (item as usize / pieces * batch, item as usize % pieces);
            let end = |piece: usize| (first + piece * batch / pieces).min(images);
            let range = end(piece)..end(piece + 1);
            let mut rows: Vec<Rows> = views.iter().map(|(_, transform)| Rows::with_room(range.len(), transform)).collect();
            for index in range {
                let each = views.iter().map(|(pictures, _)| pictures.if_good(index)).collect::<Result<Option<Vec<_>>>>()?;
                let Some(each) = each else {
                    note_damage(&views, index);
                    continue;
                };
                for ((rows, (_, transform)), (picture, label)) in rows.iter_mut().zip(&views).zip(each) {
                    rows.push(label, transform.numbers(), |out| transform.evaluation(&picture, out));
                }
            }
            Ok(rows)
        };
        let ahead = Ahead::new(threads(), BATCHES_AHEAD * pieces, batches.end * pieces as u64, make);
        Ok(Views { ahead, transforms, pieces, batches })
    }
}

/// Notes with the first view that an image is damaged in any.
fn note_damage(views: &[(Arc<Pictures>, Transform)], index: usize) {
    if let Some(error) = views.iter().find_map(|(pictures, _)| pictures.picture(index).err()) {
        views[0].0.note_damage(index, &error);
    }
}

impl Iterator for Views {
    type Item = Result<Vec<Batch>>;

    fn next(&mut self) -> Option<Result<Vec<Batch>>> {
        loop {
            let number = self.batches.next()?;
            let append =
                |rows: &mut Vec<Rows>, more: Vec<Rows>| rows.iter_mut().zip(more).for_each(|(rows, more)| rows.append(more));
            let rows = match assemble(&mut self.ahead, number * self.pieces as u64, self.pieces, append) {
                Ok(rows) => rows,
                Err(error) => return Some(Err(error)),
            };
            if !rows[0].labels.is_empty() {
                return Some(rows.iter().zip(&self.transforms).map(|(rows, transform)| rows.batch(transform)).collect());
            }
        }
    }
}

#[cfg(test)]
mod tests;
