// Sums over the middle of x [outer, axis, inner], in groups of the axis whose number depends on the shape alone, so that the order of
// summation is fixed: one kernel sums the groups, a second one the groups' sums (f32), where there are several.

template <int N>
__device__ __forceinline__ void columns(
    const real* x, real* y, float* partial, uint64_t axis, uint64_t inner, uint64_t group, float scale, bool add, float* shared) {
  uint64_t outer = blockIdx.z;
  Columns<N> its(axis, inner, group);
  x += outer * axis * inner;
  float sum[N] = {};
  its.each([&](uint64_t at, uint64_t) {
    float one[N];
    load<N>(x + at, one);
#pragma unroll
    for (int i = 0; i < N; ++i) sum[i] += one[i];
  });
  its.sum(sum, shared, [&](uint64_t c, float sum) {
    if (partial) partial[(outer * gridDim.y + blockIdx.y) * inner + c] = sum;
    else put(&y[outer * inner + c], sum * scale, add);
  });
}

// A group is `group` long; with one group the result goes to y, else to `partial` [outer, groups, inner]. Outer is the grid's z.
extern "C" __global__ void __launch_bounds__(256) sum_columns(
    const real* __restrict__ x, real* y, float* __restrict__ partial, uint64_t axis, uint64_t inner, uint64_t group, float scale, uint32_t add,
    uint32_t wide) {
  __shared__ float shared[COLUMN_SUMS<Wide<real>::N>];
  if (wide) columns<Wide<real>::N>(x, y, partial, axis, inner, group, scale, add, shared);
  else columns<1>(x, y, partial, axis, inner, group, scale, add, shared);
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

// y [outer, inner] = scale · the sum of partial [outer, groups, inner] over groups. Blocks of some columns by slices of the groups; outer is the
// grid's y.
extern "C" __global__ void __launch_bounds__(256) sum_partials(
    const float* __restrict__ partial, real* y, uint64_t groups, uint64_t inner, float scale, uint32_t add) {
  __shared__ float shared[BLOCK];
  uint64_t c = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x;
  float sum = sum_groups(partial + blockIdx.y * groups * inner, groups, inner, c, c < inner, shared);
  if (threadIdx.y == 0 && c < inner) put(&y[blockIdx.y * inner + c], sum * scale, add);
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
