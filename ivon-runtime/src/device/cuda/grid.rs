//! Grids of kernels.

/// The number of blocks and of threads of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    pub(crate) blocks: [u32; 3],
    pub(crate) threads: [u32; 3],
    pub(crate) shared: u32,
}

impl Grid {
    /// This number of blocks of 256 threads.
    pub fn new(blocks: usize) -> Grid {
        Grid { blocks: [Grid::count(blocks), 1, 1], threads: [256, 1, 1], shared: 0 }
    }

    /// One thread for each of so many elements, or for each of so many groups of them.
    pub fn over(elements: usize) -> Grid {
        Grid::new(elements.div_ceil(256))
    }

    /// A grid of blocks with y and z.
    pub fn of(x: usize, y: usize, z: usize) -> Grid {
        Grid { blocks: [x, y, z].map(Grid::count), threads: [256, 1, 1], shared: 0 }
    }

    /// So many blocks in y.
    pub fn tall(self, y: usize) -> Grid {
        let [x, _, z] = self.blocks;
        Grid { blocks: [x, Grid::count(y), z], ..self }
    }

    /// So many blocks in z.
    pub fn deep(self, z: usize) -> Grid {
        let [x, y, _] = self.blocks;
        Grid { blocks: [x, y, Grid::count(z)], ..self }
    }

    /// No more than so many blocks in x: for kernels whose threads go on to further elements.
    pub fn at_most(self, blocks: usize) -> Grid {
        let [x, y, z] = self.blocks;
        Grid { blocks: [x.min(Grid::count(blocks)), y, z], ..self }
    }

    /// Threads a block.
    pub fn threads(self, threads: usize) -> Grid {
        Grid { threads: [Grid::count(threads), 1, 1], ..self }
    }

    /// Threads a block, with y.
    pub fn threads_2d(self, x: usize, y: usize) -> Grid {
        Grid { threads: [Grid::count(x), Grid::count(y), 1], ..self }
    }

    /// Bytes of dynamic shared memory a block.
    pub fn shared(self, bytes: usize) -> Grid {
        Grid { shared: Grid::count(bytes), ..self }
    }

    /// Everything that it consists of.
    pub(crate) fn numbers(&self) -> [usize; 7] {
        let ([a, b, c], [x, y, z]) = (self.blocks, self.threads);
        [a, b, c, x, y, z, self.shared].map(|n| n as usize)
    }

    fn count(n: usize) -> u32 {
        u32::try_from(n).unwrap_or(u32::MAX) // which the driver refuses
    }
}
