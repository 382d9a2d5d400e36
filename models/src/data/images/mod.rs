//! Labelled pictures: found on the disk or generated, augmented, and fed to a model in batches that depend on the seed alone.
//!
//! An [`ImageSet`] has a training and a validation part ([`Pictures`]); a [`Loader`] makes random batches of the first, [`Examples`] goes through the
//! second in order; a [`Transform`] says how a picture becomes what a model sees.

mod ahead;
mod generated;
mod loader;
mod picture;
mod pictures;
mod random;
mod resize;
mod transform;

pub use generated::{Figure, Generated};
pub use loader::{Batch, Examples, Loader, Prefetch};
pub use picture::Picture;
pub use pictures::{Pictures, Source, Stored};
pub use resize::{Region, resize};
pub use transform::{Crop, Normalisation, PADDING, PHOTO_RATIO, Transform};

/// What kind of pictures a set has; decides how they are cropped and augmented unless the person says otherwise.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Style {
    /// All of one small size, seen as they are.
    Small {
        /// Rows and columns.
        size: usize,
        /// Whether a mirrored picture is of the same class: not so for digits.
        mirrored: bool,
    },
    /// Photographs of any size.
    Photos,
}

/// Pictures to train on and to validate with.
#[derive(Debug)]
pub struct ImageSet {
    /// Where they come from, to tell the person.
    pub origin: String,
    /// What kind of pictures.
    pub style: Style,
    /// The names of the classes, by label.
    pub classes: Vec<String>,
    /// To train on; empty if there are none.
    pub training: Pictures,
    /// For validation.
    pub validation: Pictures,
}
