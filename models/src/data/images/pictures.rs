//! A sequence of images with labels: the training or the validation part of a set.

use super::overlap::Content;
use super::picture::Picture;
use super::random::{Draws, Purpose};
use ivon_runtime::{Error, Result};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// A source of images. Implement it to feed images of your own.
pub trait Source: fmt::Debug + Send + Sync {
    /// The name of image `index` in messages: the path of its file.
    fn name(&self, index: usize) -> String;

    /// Image `index`: the same one each time, from any thread.
    ///
    /// # Errors
    /// If it cannot be read or is damaged.
    fn picture(&self, index: usize) -> Result<Picture>;

    /// True if an image costs so much to make that it should be kept.
    fn is_costly(&self) -> bool {
        true
    }

    /// True if the images are JPEG and PNG files, each of which may be damaged, stored sideways or too large.
    fn are_files(&self) -> bool {
        false
    }

    /// The bytes that image `index` is made of, by which equal images are found; `None` where images are computed.
    fn content(&self, _index: usize) -> Option<Content<'_>> {
        None
    }
}

/// Images of at most this many bytes are kept in memory once they are decoded.
const KEPT_PICTURE: usize = 64 << 10;
/// Bytes that are kept in all, of one part of a set.
const KEPT: usize = 1 << 30;

/// A sequence of images with labels, read when they are wanted.
///
/// Small images (32 x 32, say) stay in memory once decoded, up to 1 GiB. An image that cannot be read is noted ([`Pictures::damaged`]), and for it
/// stands the next good one of the sequence, with that one's label: no other image changes its place.
pub struct Pictures {
    source: Arc<dyn Source>,
    /// Numbers in the source, with labels.
    members: Vec<(u32, u32)>,
    channels: usize,
    options: Options,
    kept: Vec<OnceLock<Arc<Picture>>>,
    kept_bytes: AtomicUsize,
    damaged: Mutex<BTreeMap<usize, Error>>,
    remark: Mutex<Remark>,
}

/// Something that the user of an image should know; said once.
#[derive(Default)]
enum Remark {
    #[default]
    None,
    New(String),
    Said,
}

/// The treatment of images that cannot be used as they are.
#[derive(Clone, Copy, Debug, Default)]
struct Options {
    /// The first damaged image is an error.
    strict: bool,
    /// Colour becomes grey by its brightness, for a model that takes grey.
    greyed: bool,
}

impl Pictures {
    /// All images of a source, one for every label, in `channels` channels.
    pub fn new(source: impl Source + 'static, labels: Vec<u32>, channels: usize) -> Pictures {
        let members = labels.into_iter().enumerate().map(|(i, label)| (i as u32, label)).collect();
        Pictures::of(Arc::new(source), members, channels, Options::default())
    }

    fn of(source: Arc<dyn Source>, members: Vec<(u32, u32)>, channels: usize, options: Options) -> Pictures {
        let kept = if source.is_costly() { (0..members.len()).map(|_| OnceLock::new()).collect() } else { vec![] };
        Pictures {
            source,
            members,
            channels,
            options,
            kept,
            kept_bytes: AtomicUsize::new(0),
            damaged: Mutex::default(),
            remark: Mutex::default(),
        }
    }

    /// The number of images, damaged ones included.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Numbers a pixel: 1 or 3.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// The label of image `index`.
    ///
    /// # Panics
    /// If there is no such image.
    pub fn label(&self, index: usize) -> u32 {
        self.members[index].1
    }

    /// The name of image `index`: the path of its file.
    ///
    /// # Panics
    /// If there is no such image.
    pub fn name(&self, index: usize) -> String {
        self.source.name(self.members[index].0 as usize)
    }

    /// The same images, of which the first damaged one is an error.
    pub fn strict(self, strict: bool) -> Pictures {
        Pictures { options: Options { strict, ..self.options }, ..self }
    }

    /// The same images; colour becomes grey by its brightness where `channels` is 1, instead of being refused.
    pub fn greyed(self) -> Pictures {
        Pictures { options: Options { greyed: true, ..self.options }, ..self }
    }

    /// The same images in another number of channels.
    pub fn in_channels(&self, channels: usize) -> Pictures {
        Pictures::of(self.source.clone(), self.members.clone(), channels, self.options)
    }

    /// The same images with other labels: `labels[old]` is the new one.
    ///
    /// # Panics
    /// If a label has no new one.
    pub fn relabelled(&self, labels: &[u32]) -> Pictures {
        let members = self.members.iter().map(|(number, label)| (*number, labels[*label as usize])).collect();
        Pictures::of(self.source.clone(), members, self.channels, self.options)
    }

    /// The images with these indices, in this order.
    ///
    /// # Panics
    /// If there is no such image.
    pub fn select(&self, indices: &[u32]) -> Pictures {
        let members = indices.iter().map(|i| self.members[*i as usize]).collect();
        Pictures::of(self.source.clone(), members, self.channels, self.options)
    }

    /// The bytes that image `index` is made of.
    pub(super) fn content(&self, index: usize) -> Option<Content<'_>> {
        self.source.content(self.members[index].0 as usize)
    }

    /// True if a look at some of the images shows no colour.
    pub fn looks_grey(&self) -> bool {
        const LOOKS: usize = 16;
        let count = LOOKS.min(self.len());
        let mut looks = (0..count).filter_map(|i| self.original(i * self.len() / count).ok());
        looks.all(|picture| picture.is_grey())
    }

    /// The number of images of each label below `classes`.
    pub fn counts(&self, classes: usize) -> Vec<usize> {
        let mut counts = vec![0; classes];
        for (_, label) in &self.members {
            if let Some(count) = counts.get_mut(*label as usize) {
                *count += 1;
            }
        }
        counts
    }

    /// Checks that at least one image of each class can be used. Reads one image of each class unless the first ones are damaged.
    ///
    /// # Errors
    /// If a class has images and none of them can be used: the class, and what is wrong with its first image. With [`Pictures::strict`], if
    /// a damaged image is met.
    pub fn check_classes(&self, classes: &[String]) -> Result<()> {
        // Without classes all images have the label 0.
        let mut usable = vec![false; classes.len().max(1)];
        let mut first: Vec<Option<Error>> = vec![None; usable.len()];
        for (index, (_, label)) in self.members.iter().enumerate() {
            let label = *label as usize;
            if usable.get(label) != Some(&false) {
                continue;
            }
            match self.picture(index) {
                Ok(_) => usable[label] = true,
                Err(error) if self.options.strict => return Err(error),
                Err(error) => {
                    first[label].get_or_insert(error);
                }
            }
        }
        let unusable =
            usable.iter().zip(first).enumerate().find_map(|(label, (usable, error))| Some((label, error.filter(|_| !usable)?)));
        let Some((label, error)) = unusable else { return Ok(()) };
        let count = self.members.iter().filter(|(_, l)| *l as usize == label).count();
        let of = classes.get(label).map_or(String::new(), |name| format!(" of class `{name}`"));
        Err(Error::config(format!("none of the {count} images{of} can be used; the first: {error}")))
    }

    /// True if the images are JPEG and PNG files.
    pub fn are_files(&self) -> bool {
        self.source.are_files()
    }

    /// `count` of the images, drawn at random by seed, in the order of the whole. A larger part by the same seed contains a smaller one.
    ///
    /// # Errors
    /// If there are fewer.
    pub fn subset(&self, count: usize, seed: u64) -> Result<Pictures> {
        if count > self.len() {
            return Err(Error::config(format!("--train-examples {count}: there are {} images to train on", self.len())));
        }
        let (chosen, _) = self.split(count, seed, Purpose::Subset);
        Ok(self.select(&chosen))
    }

    /// A tenth for validation, and the rest: the same parts in every run.
    pub fn hold_out(&self) -> (Pictures, Pictures) {
        let tenth = self.len().div_ceil(10).min(self.len().saturating_sub(1));
        let (training, validation) = self.split(self.len() - tenth, 0, Purpose::Validation);
        (self.select(&training), self.select(&validation))
    }

    /// Numbers of `count` images at random, and of the others, both ascending.
    fn split(&self, count: usize, seed: u64, purpose: Purpose) -> (Vec<u32>, Vec<u32>) {
        let mut order = Draws::new(seed, purpose, 0, 0).permutation(self.len());
        let mut rest = order.split_off(count);
        order.sort_unstable();
        rest.sort_unstable();
        (order, rest)
    }

    /// Picture `index`.
    ///
    /// # Errors
    /// If it cannot be read, is damaged, or has other channels that cannot be converted without loss. It is noted.
    ///
    /// # Panics
    /// If there is no such image.
    pub fn picture(&self, index: usize) -> Result<Arc<Picture>> {
        if let Some(picture) = self.kept.get(index).and_then(OnceLock::get) {
            return Ok(picture.clone());
        }
        if let Some(error) = self.damages().get(&index) {
            return Err(error.clone());
        }
        let number = self.members[index].0 as usize;
        let converted = |picture: Picture| {
            let picture = if self.options.greyed && self.channels == 1 { picture.greyed() } else { picture };
            picture.into_channels(self.channels).map_err(|message| Error::file(self.source.name(number), message))
        };
        match self.source.picture(number).and_then(converted) {
            Ok(picture) if picture.remark().is_some() => {
                self.note(number, &picture);
                Ok(self.keep(index, Arc::new(picture)))
            }
            Ok(picture) => Ok(self.keep(index, Arc::new(picture))),
            Err(error) => {
                self.note_damage(index, &error);
                Err(error)
            }
        }
    }

    /// Notes that image `index` cannot be used.
    pub(super) fn note_damage(&self, index: usize, error: &Error) {
        self.damages().insert(index, error.clone());
    }

    /// Picture `index` in the channels that it has in its source.
    ///
    /// # Errors
    /// If it cannot be read or is damaged. It is not noted.
    ///
    /// # Panics
    /// If there is no such image.
    pub fn original(&self, index: usize) -> Result<Picture> {
        self.source.picture(self.members[index].0 as usize)
    }

    fn keep(&self, index: usize, picture: Arc<Picture>) -> Arc<Picture> {
        let bytes = picture.pixels().len();
        if let Some(place) = self.kept.get(index).filter(|_| bytes <= KEPT_PICTURE)
            && self.kept_bytes.fetch_add(bytes, Ordering::Relaxed) < KEPT
        {
            return place.get_or_init(|| picture).clone();
        }
        picture
    }

    /// Picture `index` with its label, or the next good one with its own.
    ///
    /// # Errors
    /// If it is damaged and [`Pictures::strict`], or no image at all is good.
    pub fn good(&self, index: usize) -> Result<(Arc<Picture>, u32)> {
        let n = self.len();
        let mut first = None;
        for index in (index..n).chain(0..index) {
            match self.picture(index) {
                Ok(picture) => return Ok((picture, self.label(index))),
                Err(error) if self.options.strict => return Err(error),
                Err(error) => first = first.or(Some(error)),
            }
        }
        let first = first.map_or(String::new(), |e| format!("; the first: {e}"));
        Err(Error::config(format!("none of the {n} images can be used{first}")))
    }

    /// Picture `index` with its label, or nothing if it is damaged.
    ///
    /// # Errors
    /// If it is damaged and [`Pictures::strict`].
    pub fn if_good(&self, index: usize) -> Result<Option<(Arc<Picture>, u32)>> {
        match self.picture(index) {
            Ok(picture) => Ok(Some((picture, self.label(index)))),
            Err(error) if self.options.strict => Err(error),
            Err(_) => Ok(None),
        }
    }

    /// The damaged images that were met so far, each with its path and what is wrong, in the order of the sequence.
    pub fn damaged(&self) -> Vec<Error> {
        self.damages().values().cloned().collect()
    }

    /// The message about damaged images: their number, and the first few by name. `None` if none was met.
    pub fn damage_summary(&self) -> Option<String> {
        const NAMED: usize = 5;
        let damaged = self.damaged();
        let lines: Vec<String> = damaged.iter().take(NAMED).map(|e| format!("\n  {e}")).collect();
        let more = damaged.len().saturating_sub(NAMED);
        let more = if more > 0 { format!("\n  and {more} more") } else { String::new() };
        let images = if damaged.len() == 1 { "image" } else { "images" };
        (!damaged.is_empty())
            .then(|| format!("{} damaged {images} of {} skipped:{}{more}", damaged.len(), self.len(), lines.concat()))
    }

    fn note(&self, number: usize, picture: &Picture) {
        let mut remark = self.remark.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Remark::None, Some(text)) = (&*remark, picture.remark()) {
            *remark = Remark::New(format!("{}: {text}; so may be others of this set", self.source.name(number)));
        }
    }

    /// A remark for the user on the first image that has one, with its name; returned once.
    pub fn remark(&self) -> Option<String> {
        let mut remark = self.remark.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *remark, Remark::Said) {
            Remark::New(text) => Some(text),
            Remark::None => {
                *remark = Remark::None;
                None
            }
            Remark::Said => None,
        }
    }

    fn damages(&self) -> std::sync::MutexGuard<'_, BTreeMap<usize, Error>> {
        self.damaged.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Pictures {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{} images, {} channels", self.len(), self.channels)
    }
}

/// Images of one size in memory.
#[derive(Debug)]
pub struct Stored {
    /// The file that they come from.
    pub origin: String,
    /// Height, width, channels.
    pub size: [usize; 3],
    /// `[n, H, W, C]`.
    pub pixels: Vec<u8>,
}

impl Source for Stored {
    fn name(&self, index: usize) -> String {
        format!("{}, image {index}", self.origin)
    }

    fn picture(&self, index: usize) -> Result<Picture> {
        let bytes = self.size.iter().product::<usize>();
        Ok(Picture::new(self.size, self.pixels[index * bytes..(index + 1) * bytes].to_vec()))
    }

    fn is_costly(&self) -> bool {
        false
    }

    fn content(&self, index: usize) -> Option<Content<'_>> {
        let bytes = self.size.iter().product::<usize>();
        Some(Content::Bytes(&self.pixels[index * bytes..(index + 1) * bytes]))
    }
}
