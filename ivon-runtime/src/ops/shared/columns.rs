//! How kernels on a GPU share the columns of a matrix (`Columns` in `rt.cuh`).

use crate::core::dtype::DType;
use crate::device::cuda::Grid;

/// Threads a block.
const BLOCK: usize = 256;
/// Blocks in all: some for every place of a GPU that holds eight to a multiprocessor, and no more than their sums are worth.
const BLOCKS: usize = 1056;
/// Rows that a thread works on at least.
const ROWS: usize = 8;

/// The cut of a matrix \[rows, columns\].
pub(crate) struct Columns {
    pub grid: Grid,
    /// Rows of a group.
    pub group: usize,
    /// Groups that there are.
    pub groups: usize,
    /// True if threads work on 16 bytes rather than on single elements.
    pub wide: bool,
}

impl Columns {
    /// It depends on the shape alone, so that sums have one order.
    pub fn of(dtype: DType, rows: usize, columns: usize) -> Columns {
        let pieces = 16 / dtype.bytes();
        let wide = columns.is_multiple_of(pieces);
        let pieces = columns.div_ceil(if wide { pieces } else { 1 }).max(1);
        let across = pieces.next_power_of_two().min(32);
        let (down, strips) = (BLOCK / across, pieces.div_ceil(across));
        let group = rows.div_ceil(BLOCKS.div_ceil(strips)).max(ROWS * down);
        let groups = rows.div_ceil(group).max(1);
        Columns { grid: Grid::of(strips, groups, 1).threads_2d(across, down), group, groups, wide }
    }
}

/// The grid of kernels that add up the sums of groups: each of a block's columns is shared by up to 32 threads.
pub(crate) fn over_groups(columns: usize, groups: usize) -> Grid {
    let down = groups.next_power_of_two().min(32);
    let across = BLOCK / down;
    Grid::of(columns.div_ceil(across), 1, 1).threads_2d(across, down)
}
