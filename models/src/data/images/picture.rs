//! One image in memory.

use super::orientation::Orientation;
use std::borrow::Cow;

/// An image of 8-bit channels: grey (1), RGB (3), or either with opacity (2, 4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    height: usize,
    width: usize,
    channels: usize,
    pixels: Vec<u8>, // [H, W, C]
    orientation: Orientation,
    remark: Option<String>,
}

impl Picture {
    /// An upright image of `size` = [height, width, channels] with these pixels, row by row, the channels of a pixel together.
    ///
    /// # Panics
    /// If the number of pixels is another.
    pub fn new(size: [usize; 3], pixels: Vec<u8>) -> Picture {
        let [height, width, channels] = size;
        assert_eq!(pixels.len(), height * width * channels, "an image of {size:?}");
        Picture { height, width, channels, pixels, orientation: Orientation::Upright, remark: None }
    }

    /// The same pixels, which are stored in this orientation.
    pub fn stored_as(self, orientation: Orientation) -> Picture {
        Picture { orientation, ..self }
    }

    /// The same image, with a remark on its file for the user.
    pub fn with_remark(self, remark: Option<String>) -> Picture {
        Picture { remark, ..self }
    }

    /// A remark for the user on the file; it follows the file's name.
    pub fn remark(&self) -> Option<&str> {
        self.remark.as_deref()
    }

    /// The image as it is seen upright.
    pub fn upright(&self) -> Cow<'_, Picture> {
        if self.orientation == Orientation::Upright {
            return Cow::Borrowed(self);
        }
        let (pixels, [height, width]) = self.orientation.upright(&self.pixels, [self.height, self.width, self.channels]);
        Cow::Owned(Picture::new([height, width, self.channels], pixels).with_remark(self.remark.clone()))
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Numbers a pixel.
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// The pixels, `[H, W, C]`.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// True when no pixel has a colour.
    pub fn is_grey(&self) -> bool {
        self.channels < 3 || self.pixels.chunks_exact(self.channels).all(|p| p[0] == p[1] && p[1] == p[2])
    }

    /// The same image with colour replaced by its brightness (ITU-R BT.601, as Pillow's mode `L`); opacity stays.
    pub(super) fn greyed(self) -> Picture {
        if self.channels < 3 {
            return self;
        }
        let channels = self.channels;
        let grey =
            |p: &[u8]| ((19_595 * u32::from(p[0]) + 38_470 * u32::from(p[1]) + 7_471 * u32::from(p[2]) + 0x8000) >> 16) as u8;
        let pixels =
            self.pixels.chunks_exact(channels).flat_map(|p| std::iter::once(grey(p)).chain(p[3..].iter().copied())).collect();
        Picture { channels: channels - 2, pixels, ..self }
    }

    /// The same image in 1 or 3 channels, where nothing is lost: grey becomes RGB by repetition, RGB of equal channels becomes grey,
    /// and an opacity that is full everywhere is left out.
    ///
    /// # Errors
    /// If something would be lost: what.
    pub fn into_channels(self, wanted: usize) -> Result<Picture, String> {
        let Picture { height, width, channels, orientation, .. } = self;
        let remark = self.remark;
        let each = |channels: usize| self.pixels.chunks_exact(channels);
        let (colour, opacity) = match channels {
            2 => (1, Some(1)),
            4 => (3, Some(3)),
            other => (other, None),
        };
        if opacity.is_some_and(|o| each(channels).any(|p| p[o] != u8::MAX)) {
            return Err("is transparent in places: put it on a background and store it without opacity".into());
        }
        let pixels = match (colour, wanted) {
            _ if channels == wanted => self.pixels,
            (1, 3) => each(channels).flat_map(|p| [p[0]; 3]).collect(),
            (3, 1) if each(channels).any(|p| p[0] != p[1] || p[1] != p[2]) => {
                return Err("is in colour, and the model takes grey images: convert it, or use a model of three channels".into());
            }
            (1 | 3, _) if colour == wanted || wanted == 1 => each(channels).flat_map(|p| p[..wanted].iter().copied()).collect(),
            _ => return Err(format!("has {colour} channels, and the model takes {wanted}")),
        };
        Ok(Picture { height, width, channels: wanted, pixels, orientation, remark })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pixels(channels: usize, pixels: &[u8], wanted: usize) -> Result<Vec<u8>, String> {
        let picture = Picture::new([1, pixels.len() / channels, channels], pixels.to_vec());
        picture.into_channels(wanted).map(|p| p.pixels)
    }

    #[test]
    fn channels_change_where_nothing_is_lost() {
        assert_eq!(pixels(1, &[1, 2], 3).unwrap(), [1, 1, 1, 2, 2, 2]);
        assert_eq!(pixels(3, &[1, 2, 3], 3).unwrap(), [1, 2, 3]);
        assert_eq!(pixels(3, &[7, 7, 7, 8, 8, 8], 1).unwrap(), [7, 8]);
        assert_eq!(pixels(4, &[1, 2, 3, 255], 3).unwrap(), [1, 2, 3]);
        assert_eq!(pixels(4, &[9, 9, 9, 255], 1).unwrap(), [9]);
        assert_eq!(pixels(2, &[5, 255], 3).unwrap(), [5, 5, 5]);
        assert_eq!(pixels(2, &[5, 255], 1).unwrap(), [5]);
    }

    #[test]
    fn brightness_is_pillows() {
        let grey = |channels: usize, pixels: &[u8]| Picture::new([1, 1, channels], pixels.to_vec()).greyed().pixels;
        assert_eq!(grey(3, &[255, 0, 0]), [76]);
        assert_eq!(grey(3, &[0, 255, 0]), [150]);
        assert_eq!(grey(3, &[0, 0, 255]), [29]);
        assert_eq!(grey(4, &[10, 200, 30, 7]), [124, 7]);
        assert_eq!(grey(1, &[9]), [9]);
    }

    #[test]
    fn what_would_be_lost_is_refused() {
        assert!(pixels(4, &[1, 2, 3, 254], 3).unwrap_err().contains("transparent"));
        assert!(pixels(2, &[5, 0], 1).unwrap_err().contains("transparent"));
        assert!(pixels(3, &[7, 7, 8], 1).unwrap_err().contains("in colour"));
        assert!(pixels(5, &[0; 5], 3).unwrap_err().contains("5 channels"));
    }
}
