// Sums over the middle of x [outer, axis, inner], in groups of the axis whose number depends on the shape alone, so that the order of
// summation is fixed: one kernel sums the groups, a second one the groups' sums (f32), where there are several.

// A group is `group` long; with one group the result goes to y, else to `partial` [outer, groups, inner].
// Blocks of 32 columns by 8 rows; the grid is [columns / 32, groups, outer].
extern "C" __global__ void __launch_bounds__(256) sum_columns(
    const real* __restrict__ x, real* y, float* __restrict__ partial, uint64_t axis, uint64_t inner, uint64_t group, float scale, uint32_t add) {
  __shared__ float sums[8][WARP + 1];
  uint64_t column = (uint64_t)blockIdx.x * WARP + threadIdx.x, outer = blockIdx.z;
  uint64_t begin = blockIdx.y * group, end = begin + group < axis ? begin + group : axis;
  float sum = 0.0f;
  if (column < inner)
    for (uint64_t row = begin + threadIdx.y; row < end; row += 8) sum += to_float(x[(outer * axis + row) * inner + column]);
  sums[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y || column >= inner) return;
  for (int i = 1; i < 8; ++i) sum += sums[i][threadIdx.x];
  if (partial) partial[(outer * gridDim.y + blockIdx.y) * inner + column] = sum;
  else put(&y[outer * inner + column], sum * scale, add);
}

// The same of x [outer, axis]: a block for each group. The grid is [groups, outer].
extern "C" __global__ void __launch_bounds__(256) sum_lines(
    const real* __restrict__ x, real* y, float* __restrict__ partial, uint64_t axis, uint64_t group, float scale, uint32_t add) {
  __shared__ float shared[WARP];
  uint64_t outer = blockIdx.y, begin = blockIdx.x * group, end = begin + group < axis ? begin + group : axis;
  float sum = 0.0f;
  for_row(x + outer * axis + begin, end - begin, threadIdx.x, BLOCK, [&](uint64_t, auto& x) {
    for (float one : x) sum += one;
  });
  sum = block_sum<BLOCK>(sum, shared);
  if (threadIdx.x) return;
  if (partial) partial[outer * gridDim.x + blockIdx.x] = sum;
  else put(&y[outer], sum * scale, add);
}

// y [outer, inner] = scale · the sum of partial [outer, groups, inner] over groups. A thread for each element of y.
extern "C" __global__ void __launch_bounds__(256) sum_partials(
    const float* __restrict__ partial, real* y, uint64_t outer, uint64_t groups, uint64_t inner, float scale, uint32_t add) {
  uint64_t i = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= outer * inner) return;
  const float* from = partial + i / inner * groups * inner + i % inner;
  float sum = 0.0f;
  for (uint64_t g = 0; g < groups; ++g) sum += from[g * inner];
  put(&y[i], sum * scale, add);
}

// y [outer, inner] = scale · the sum of x [outer, axis, inner]. A thread for each element of y: for many short axes.
extern "C" __global__ void __launch_bounds__(256) sum_elements(
    const real* __restrict__ x, real* y, uint64_t outer, uint64_t axis, uint64_t inner, float scale, uint32_t add) {
  uint64_t i = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= outer * inner) return;
  const real* from = x + i / inner * axis * inner + i % inner;
  float sum = 0.0f;
  for (uint64_t a = 0; a < axis; ++a) sum += to_float(from[a * inner]);
  put(&y[i], sum * scale, add);
}
