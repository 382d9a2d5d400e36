//! Windows that slide over the height and the width of images `[B, H, W, C]`: convolutions and pooling.

use crate::core::error::{Error, Result};
use crate::core::shape::Shape;

/// A window along one axis: its size and its positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Axis {
    /// Taps of a position.
    pub kernel: usize,
    /// Pixels from one position to the next.
    pub stride: usize,
    /// Zeros before the first pixel and after the last one.
    pub padding: [usize; 2],
    /// Pixels from one tap to the next.
    pub dilation: usize,
}

/// A rectangular window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    /// Down the rows of an image.
    pub rows: Axis,
    /// Along the columns.
    pub columns: Axis,
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

impl Axis {
    /// One tap for every pixel.
    pub(crate) const PIXEL: Axis = Axis { kernel: 1, stride: 1, padding: [0, 0], dilation: 1 };

    /// Pixels from the first tap to the last.
    pub(crate) fn reach(self) -> usize {
        self.dilation.saturating_mul(self.kernel - 1).saturating_add(1)
    }

    /// Checks that a window has taps and moves.
    ///
    /// # Errors
    /// If a number of the window is zero.
    pub(crate) fn check(self, at: &str) -> Result<()> {
        for (name, value) in [("KERNEL", self.kernel), ("STRIDE", self.stride), ("DILATION", self.dilation)] {
            if value == 0 {
                return Err(Error::value(at, format!("{name} is 0 where at least 1 is expected")));
            }
        }
        Ok(())
    }

    /// The number of positions on an axis of this size: floor((size + padding - dilation (kernel - 1) - 1) / stride) + 1.
    ///
    /// # Errors
    /// If a number of the window is zero, or the window does not fit. `x` and `axis` name the images and the axis.
    pub(crate) fn positions(self, at: &str, x: &Shape, axis: &str, size: usize) -> Result<usize> {
        self.check(at)?;
        let [before, after] = self.padding;
        let padded = before.checked_add(after).and_then(|padding| padding.checked_add(size));
        if let Some(room) = padded.and_then(|padded| padded.checked_sub(self.reach())) {
            return Ok(room / self.stride + 1);
        }
        let padding =
            if before == after { format!("{before} on both sides") } else { format!("{before} before and {after} after") };
        let reach = if self.dilation == 1 { String::new() } else { format!(" that reaches over {} pixels", self.reach()) };
        let message = format!(
            "`x` is {x}: its {axis} of {size}, padded by {padding}, is smaller than the kernel of {}{reach}",
            self.kernel
        );
        Err(Error::shape(at, message))
    }

    /// Returns the index of tap `tap` of position `position` on an axis of this size; `None` in the padding.
    #[inline(always)]
    pub(crate) fn tap(self, position: usize, tap: usize, size: usize) -> Option<usize> {
        let at = (position * self.stride + tap * self.dilation).wrapping_sub(self.padding[0]);
        (at < size).then_some(at)
    }

    /// The position, of so many, whose tap `tap` is pixel `at`, if there is one.
    #[inline(always)]
    pub(crate) fn position(self, at: usize, tap: usize, positions: usize) -> Option<usize> {
        let offset = (at + self.padding[0]).checked_sub(tap * self.dilation)?;
        let position = offset / self.stride;
        (position * self.stride == offset && position < positions).then_some(position)
    }
}

impl Window {
    /// A window that is the same along both axes.
    pub(crate) fn square(kernel: usize, stride: usize, padding: usize, dilation: usize) -> Window {
        let axis = Axis { kernel, stride, padding: [padding; 2], dilation };
        Window { rows: axis, columns: axis }
    }

    /// Slides over `x`, `[B, H, W, C]`.
    ///
    /// # Errors
    /// If `x` has other dimensions, a number of the window is zero, or the window does not fit.
    pub(crate) fn over(self, at: &str, x: &Shape) -> Result<Sliding> {
        let &[batch, height, width, _] = &x[..] else {
            return Err(Error::shape(at, format!("`x` is {x} where images [B, H, W, C] are expected")));
        };
        let out_height = self.rows.positions(at, x, "height", height)?;
        let out_width = self.columns.positions(at, x, "width", width)?;
        Ok(Sliding { window: self, batch, height, width, out_height, out_width })
    }

    /// The window as kernels take it: for rows and for columns the taps, the strides, the padding before and the dilations.
    pub(crate) fn numbers(self) -> [usize; 8] {
        let Window { rows: r, columns: c } = self;
        [r.kernel, c.kernel, r.stride, c.stride, r.padding[0], c.padding[0], r.dilation, c.dilation]
    }

    /// The number of the tap in row `u` and column `v` of the window.
    #[inline(always)]
    pub(crate) fn number(self, u: usize, v: usize) -> usize {
        u * self.columns.kernel + v
    }
}

impl Sliding {
    /// The shape of the images that it makes, with so many channels.
    pub(crate) fn y_shape(&self, channels: usize) -> Shape {
        Shape::new(&[self.batch, self.out_height, self.out_width, channels])
    }

    /// Taps of a window.
    pub(crate) fn taps(&self) -> usize {
        self.window.rows.kernel * self.window.columns.kernel
    }

    /// Positions of the window in one image.
    pub(crate) fn positions(&self) -> usize {
        self.out_height * self.out_width
    }
}
