// ln of the sum of e^x of x [outer, axis, inner] along its axis. A thread computes it for an element of y, or a warp or a block for a row where inner is 1.
// The largest number is taken from every x before e^x, or 0 where it is infinite.

__device__ __forceinline__ float shift(float largest) { return fabsf(largest) == INFINITY ? 0.0f : largest; }

// A result, and the same unrounded where the backward pass will need it.
__device__ __forceinline__ void give(real* y, float* exact, uint64_t i, float value) {
  put(&y[i], value, false);
  if (exact) exact[i] = value;
}

template <int ROW> __device__ __forceinline__ void of_rows(const real* x, real* y, float* exact, uint64_t rows, uint64_t width, float* shared) {
  uint64_t row = row_of_thread<ROW>();
  if (row >= rows) return;
  int thread = threadIdx.x % ROW;
  x += row * width;
  float largest = -INFINITY;
  for_row(x, width, thread, ROW, [&](uint64_t, auto& x) {
    for (float one : x) largest = larger(one, largest);
  });
  float taken = shift(row_max<ROW>(largest, shared)), sum = 0.0f;
  for_row(x, width, thread, ROW, [&](uint64_t, auto& x) {
    for (float one : x) sum += expf(one - taken);
  });
  sum = row_sum<ROW>(sum, shared);
  if (thread == 0) give(y, exact, row, taken + logf(sum));
}

extern "C" __global__ void __launch_bounds__(256) logsumexp_rows(
    const real* __restrict__ x, real* y, float* exact, uint64_t rows, uint64_t width, uint32_t whole_block) {
  __shared__ float shared[WARP];
  if (whole_block) of_rows<BLOCK>(x, y, exact, rows, width, shared);
  else of_rows<WARP>(x, y, exact, rows, width, shared);
}

extern "C" __global__ void __launch_bounds__(256) logsumexp(
    const real* __restrict__ x, real* y, float* exact, uint64_t outputs, uint64_t axis, uint64_t inner) {
  uint64_t i = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= outputs) return;
  const real* from = x + i / inner * axis * inner + i % inner;
  float largest = -INFINITY, sum = 0.0f;
  for (uint64_t a = 0; a < axis; ++a) largest = larger(to_float(from[a * inner]), largest);
  float taken = shift(largest);
  for (uint64_t a = 0; a < axis; ++a) sum += expf(to_float(from[a * inner]) - taken);
  give(y, exact, i, taken + logf(sum));
}

// d_x [outer, axis, inner] = d_y e^(x - y), or += it.
extern "C" __global__ void __launch_bounds__(256) logsumexp_backward(
    const real* __restrict__ x, const float* __restrict__ y, const real* __restrict__ d_y, real* d_x, uint64_t elements, uint64_t axis,
    uint64_t inner, uint32_t add) {
  uint64_t i = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= elements) return;
  uint64_t at = i / inner / axis * inner + i % inner;
  put(&d_x[i], to_float(d_y[at]) * expf(to_float(x[i]) - shift(y[at])), add);
}
