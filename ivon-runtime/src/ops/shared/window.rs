//! Windows that slide over the height and the width of images `[B, H, W, C]`: convolutions and pooling.

use crate::core::error::{Error, Result};
use crate::core::shape::Shape;

/// A square window: how large it is and how it moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    /// Taps a side.
    pub kernel: usize,
    /// Pixels from one position to the next.
    pub stride: usize,
    /// Pixels outside the image, on every side.
    pub padding: usize,
    /// Pixels from one tap to the next.
    pub dilation: usize,
}

/// The images that a window slides over, and those that it makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sliding {
    pub window: Window,
    pub batch: usize,
    pub height: usize,
    pub width: usize,
    pub out_height: usize,
    pub out_width: usize,
}

impl Window {
    /// Slides over `x`, `[B, H, W, C]`.
    ///
    /// # Errors
    /// If `x` has other dimensions, a number of the window is zero, or the window does not fit.
    pub(crate) fn over(self, at: &str, x: &Shape) -> Result<Sliding> {
        for (name, value) in [("KERNEL", self.kernel), ("STRIDE", self.stride), ("DILATION", self.dilation)] {
            if value == 0 {
                return Err(Error::value(at, format!("{name} is 0 where at least 1 is expected")));
            }
        }
        let &[batch, height, width, _] = &x[..] else {
            return Err(Error::shape(at, format!("`x` is {x} where images [B, H, W, C] are expected")));
        };
        let out = |axis: &str, size: usize| {
            self.positions(size).ok_or_else(|| {
                let Window { kernel, padding, .. } = self;
                let reach = if self.dilation == 1 { String::new() } else { format!(" that reaches over {} pixels", self.reach()) };
                let message = format!(
                    "`x` is {x}: its {axis} of {size}, padded by {padding} on both sides, is smaller than the kernel of {kernel}{reach}"
                );
                Error::shape(at, message)
            })
        };
        let (out_height, out_width) = (out("height", height)?, out("width", width)?);
        Ok(Sliding { window: self, batch, height, width, out_height, out_width })
    }

    /// Pixels from the first tap to the last.
    fn reach(self) -> usize {
        self.dilation.saturating_mul(self.kernel - 1).saturating_add(1)
    }

    /// The number of positions along an axis: floor((size + 2 padding - dilation (kernel - 1) - 1) / stride) + 1.
    fn positions(self, size: usize) -> Option<usize> {
        let room = self.padding.checked_mul(2)?.checked_add(size)?.checked_sub(self.reach())?;
        Some(room / self.stride + 1)
    }

    /// Returns the index of tap `tap` of position `position` on an axis of this size; `None` in the padding.
    #[inline(always)]
    pub(crate) fn tap(self, position: usize, tap: usize, size: usize) -> Option<usize> {
        let at = (position * self.stride + tap * self.dilation).wrapping_sub(self.padding);
        (at < size).then_some(at)
    }

    /// The position, of so many, whose tap `tap` is pixel `at`, if there is one.
    #[inline(always)]
    pub(crate) fn position(self, at: usize, tap: usize, positions: usize) -> Option<usize> {
        let offset = (at + self.padding).checked_sub(tap * self.dilation)?;
        let position = offset / self.stride;
        (position * self.stride == offset && position < positions).then_some(position)
    }
}

impl Sliding {
    /// The shape of the images that it makes, with so many channels.
    pub(crate) fn y_shape(&self, channels: usize) -> Shape {
        Shape::new(&[self.batch, self.out_height, self.out_width, channels])
    }

    /// Taps of a window.
    pub(crate) fn taps(&self) -> usize {
        self.window.kernel * self.window.kernel
    }

    /// Positions of the window in one image.
    pub(crate) fn positions(&self) -> usize {
        self.out_height * self.out_width
    }
}
