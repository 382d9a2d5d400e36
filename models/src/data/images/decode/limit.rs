//! The size of an image, checked before memory is taken for it.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Images of more pixels are refused, unless [`allow_pixels`] says otherwise: Pillow's bound, 2 · 89,478,485.
pub const MOST_PIXELS: usize = 178_956_970;

static ALLOWED: AtomicUsize = AtomicUsize::new(MOST_PIXELS);

/// Sets the most pixels of an image, for all images that are decoded from now on in this process.
pub fn allow_pixels(most: usize) {
    ALLOWED.store(most, Ordering::Relaxed);
}

/// Refuses an image that has no pixels, or more than are allowed.
///
/// # Errors
/// If so.
pub fn check_size(height: usize, width: usize) -> Result<(), String> {
    let most = ALLOWED.load(Ordering::Relaxed);
    match height.saturating_mul(width) {
        0 => Err(format!("is damaged: it says to be {height} x {width} pixels")),
        n if n > most => Err(format!(
            "says to be {height} x {width} pixels, and more than {most} are not decoded: it is damaged or a bomb, or --max-pixels {n} allows it"
        )),
        _ => Ok(()),
    }
}
