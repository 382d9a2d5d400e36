//! Shapes: up to six dimensions, kept inline so that a tensor handle costs no heap allocation.

use std::fmt;
use std::ops::Deref;

/// The largest number of dimensions of a tensor.
pub const MAX_RANK: usize = 6;

/// The dimensions of a tensor, outermost first. A scalar has none.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Shape {
    rank: u8,
    dims: [usize; MAX_RANK],
}

impl Shape {
    /// # Panics
    /// If there are more than [`MAX_RANK`] dimensions; the compiler refuses such models.
    pub fn new(dims: &[usize]) -> Self {
        assert!(dims.len() <= MAX_RANK, "a tensor has at most {MAX_RANK} dimensions, not {}", dims.len());
        let mut shape = Shape { rank: dims.len() as u8, dims: [0; MAX_RANK] };
        shape.dims[..dims.len()].copy_from_slice(dims);
        shape
    }

    /// The number of dimensions.
    pub fn rank(&self) -> usize {
        self.rank as usize
    }

    /// The number of elements: the product of the dimensions, 1 for a scalar. `usize::MAX` if the product overflows, which is
    /// more than any memory.
    pub fn elements(&self) -> usize {
        product(self)
    }

    /// The innermost dimension, 1 for a scalar.
    pub fn last(&self) -> usize {
        self.split_last().map_or(1, |(last, _)| *last)
    }

    /// The number of rows of length [`Shape::last`]: `elements = rows · last`.
    pub fn rows(&self) -> usize {
        self.split_last().map_or(1, |(_, lead)| product(lead))
    }

    /// Returns the same shape with an additional innermost dimension; `None` if it already has [`MAX_RANK`] dimensions.
    pub fn push(&self, last: usize) -> Option<Shape> {
        let mut shape = *self;
        *shape.dims.get_mut(self.rank())? = last;
        shape.rank += 1;
        Some(shape)
    }

    /// Returns the same shape with another innermost dimension.
    pub fn with_last(&self, last: usize) -> Shape {
        let mut shape = *self;
        match shape.rank {
            0 => Shape::new(&[last]),
            rank => {
                shape.dims[rank as usize - 1] = last;
                shape
            }
        }
    }
}

fn product(dims: &[usize]) -> usize {
    // A zero dimension makes the product zero, even if the other dimensions overflow.
    dims.iter().fold(1, |n: usize, d| if *d == 0 { 0 } else { n.saturating_mul(*d) })
}

impl Deref for Shape {
    type Target = [usize];
    fn deref(&self) -> &[usize] {
        &self.dims[..self.rank as usize]
    }
}

impl From<&[usize]> for Shape {
    fn from(dims: &[usize]) -> Self {
        Shape::new(dims)
    }
}

impl<const N: usize> From<[usize; N]> for Shape {
    fn from(dims: [usize; N]) -> Self {
        Shape::new(&dims)
    }
}

impl<const N: usize> From<&[usize; N]> for Shape {
    fn from(dims: &[usize; N]) -> Self {
        Shape::new(dims)
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

impl fmt::Debug for Shape {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
