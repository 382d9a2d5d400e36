// Rows of a table. A row that does not exist is not a number.

// y[i] = weight[ids[i]]; a block a row of y.
extern "C" __global__ void __launch_bounds__(128) embedding_forward(
    const uint32_t* __restrict__ ids, const real* __restrict__ weight, real* __restrict__ y, uint64_t rows, uint64_t width) {
  uint64_t id = ids[blockIdx.x];
  bool there = id < rows;
  const real* from = weight + (there ? id : 0) * width;
  map_row(from, y + blockIdx.x * width, width, false, threadIdx.x, blockDim.x, [&](uint64_t, float x) {
    return there ? x : INFINITY - INFINITY;
  });
}

// d_weight[id] += the sum of the rows of d_y at which `id` stands, in their order: deterministic without atomics. A block for each position and
// each 512 columns; it works if no earlier position has the same id, and then collects the positions that do, 128 ids at a time.
constexpr int IDS = 128, COLUMNS = 4;
extern "C" __global__ void __launch_bounds__(128) embedding_backward(
    const uint32_t* __restrict__ ids, const real* __restrict__ d_y, real* d_weight, uint64_t count, uint64_t rows, uint64_t width) {
  __shared__ uint64_t positions[IDS];
  __shared__ int counts[IDS / WARP];
  uint64_t position = blockIdx.x, id = ids[position];
  int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
  if (id >= rows) return;
  bool earlier = false;
  for (uint64_t i = threadIdx.x; i < position; i += IDS) earlier |= ids[i] == id;
  if (__syncthreads_or(earlier)) return;
  float sums[COLUMNS] = {};
  uint64_t column = blockIdx.y * (IDS * COLUMNS) + threadIdx.x;
  for (uint64_t first = position; first < count; first += IDS) {
    bool same = first + threadIdx.x < count && ids[first + threadIdx.x] == id;
    uint32_t votes = __ballot_sync(ALL_LANES, same);
    __syncthreads();  // the last positions were used
    if (lane == 0) counts[warp] = __popc(votes);
    __syncthreads();
    int before = __popc(votes & ((1u << lane) - 1u)), found = 0;
    for (int w = 0; w < IDS / WARP; ++w) {
      if (w < warp) before += counts[w];
      found += counts[w];
    }
    if (same) positions[before] = first + threadIdx.x;
    __syncthreads();
    for (int i = 0; i < found; ++i) {
      const real* row = d_y + positions[i] * width;
#pragma unroll
      for (int c = 0; c < COLUMNS; ++c)
        if (column + c * IDS < width) sums[c] += to_float(row[column + c * IDS]);
    }
  }
#pragma unroll
  for (int c = 0; c < COLUMNS; ++c)
    if (column + c * IDS < width) put(&d_weight[id * width + column + c * IDS], sums[c], true);
}
