//! Grids of kernels.

/// The number of blocks and the threads per block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    pub(crate) blocks: [u32; 3],
    pub(crate) threads: [u32; 3],
    pub(crate) shared: u32,
}

impl Grid {
    /// Creates a grid of this number of blocks with 256 threads each.
    pub fn new(blocks: usize) -> Grid {
        Grid { blocks: [Grid::count(blocks), 1, 1], threads: [256, 1, 1], shared: 0 }
    }

    /// Creates a grid with one thread for each of this many elements, or groups of elements.
    pub fn over(elements: usize) -> Grid {
        Grid::new(elements.div_ceil(256))
    }

    /// Creates a grid of blocks in x, y and z.
    pub fn of(x: usize, y: usize, z: usize) -> Grid {
        Grid { blocks: [x, y, z].map(Grid::count), threads: [256, 1, 1], shared: 0 }
    }

    /// Sets the number of blocks in y.
    pub fn tall(self, y: usize) -> Grid {
        let [x, _, z] = self.blocks;
        Grid { blocks: [x, Grid::count(y), z], ..self }
    }

    /// Sets the number of blocks in z.
    pub fn deep(self, z: usize) -> Grid {
        let [x, y, _] = self.blocks;
        Grid { blocks: [x, y, Grid::count(z)], ..self }
    }

    /// Limits the number of blocks in x, for kernels whose threads continue with further elements.
    pub fn at_most(self, blocks: usize) -> Grid {
        let [x, y, z] = self.blocks;
        Grid { blocks: [x.min(Grid::count(blocks)), y, z], ..self }
    }

    /// Sets the threads per block.
    pub fn threads(self, threads: usize) -> Grid {
        Grid { threads: [Grid::count(threads), 1, 1], ..self }
    }

    /// Sets the threads per block, in x and y.
    pub fn threads_2d(self, x: usize, y: usize) -> Grid {
        Grid { threads: [Grid::count(x), Grid::count(y), 1], ..self }
    }

    /// Sets the bytes of dynamic shared memory per block.
    pub fn shared(self, bytes: usize) -> Grid {
        Grid { shared: Grid::count(bytes), ..self }
    }

    /// All numbers of the grid.
    pub(crate) fn numbers(&self) -> [usize; 7] {
        let ([a, b, c], [x, y, z]) = (self.blocks, self.threads);
        [a, b, c, x, y, z, self.shared].map(|n| n as usize)
    }

    fn count(n: usize) -> u32 {
        u32::try_from(n).unwrap_or(u32::MAX) // which the driver rejects
    }
}
