// Softmax of rows: a warp a row, or a block a row where it is long. The maximum and the sum are found in one reading.

struct Sum {
  float max, sum;  // the sum of e^(x - max)
};

__device__ __forceinline__ void include(Sum& s, float x) {
  if (!(x <= s.max)) {  // NaN too, which makes the sum NaN
    s.sum = s.sum * expf(s.max - x) + 1.0f;
    s.max = x;
  } else if (s.max > -INFINITY) {
    s.sum += expf(x - s.max);
  }
}

template <int ROW> __device__ __forceinline__ Sum sum_of_row(const real* x, uint64_t width, int thread, float* shared) {
  Sum own = {-INFINITY, 0.0f};
  for_row(x, width, thread, ROW, [&](uint64_t, auto& x) {
    for (float one : x) include(own, one);
  });
  float max = row_max<ROW>(own.max, shared);
  return {max, row_sum<ROW>(own.max != -INFINITY ? own.sum * expf(own.max - max) : 0.0f, shared)};
}

template <int ROW>
__device__ __forceinline__ void forward(const real* x, real* y, uint64_t rows, uint64_t width, bool log, float* shared) {
  uint64_t row = row_of_thread<ROW>();
  if (row >= rows) return;
  int thread = threadIdx.x % ROW;
  x += row * width, y += row * width;
  Sum s = sum_of_row<ROW>(x, width, thread, shared);
  if (log) {
    float lse = s.max + logf(s.sum);
    map_row(x, y, width, false, thread, ROW, [&](uint64_t, float x) { return x - lse; });
  } else {
    float scale = 1.0f / s.sum;
    map_row(x, y, width, false, thread, ROW, [&](uint64_t, float x) { return expf(x - s.max) * scale; });
  }
}

// y = softmax(x), or its logarithm.
extern "C" __global__ void __launch_bounds__(256, 4) softmax_forward(
    const real* __restrict__ x, real* __restrict__ y, uint64_t rows, uint64_t width, uint32_t log, uint32_t whole_block) {
  __shared__ float shared[WARP];
  if (whole_block) forward<BLOCK>(x, y, rows, width, log, shared);
  else forward<WARP>(x, y, rows, width, log, shared);
}

template <int ROW>
__device__ __forceinline__ void backward(
    const real* y, const real* d_y, real* d_x, uint64_t rows, uint64_t width, bool log, bool add, float* shared) {
  uint64_t row = row_of_thread<ROW>();
  if (row >= rows) return;
  int thread = threadIdx.x % ROW;
  y += row * width, d_y += row * width, d_x += row * width;
  float sum = 0.0f;
  for_row(d_y, width, thread, ROW, [&](uint64_t at, auto& d_y) {
    constexpr int N = sizeof(d_y) / sizeof(float);
#pragma unroll
    for (int i = 0; i < N; ++i) sum += log ? d_y[i] : d_y[i] * to_float(y[at + i]);
  });
  sum = row_sum<ROW>(sum, shared);
  map_row(d_y, d_x, width, add, thread, ROW, [&](uint64_t i, float d_y) {
    float one = to_float(y[i]);
    return log ? d_y - expf(one) * sum : one * (d_y - sum);
  });
}

// d_x = y · (d_y - sum of d_y · y), or d_y - e^y · sum of d_y for the logarithm; or += it.
extern "C" __global__ void __launch_bounds__(256, 4) softmax_backward(
    const real* __restrict__ y, const real* __restrict__ d_y, real* d_x, uint64_t rows, uint64_t width, uint32_t log, uint32_t add,
    uint32_t whole_block) {
  __shared__ float shared[WARP];
  if (whole_block) backward<BLOCK>(y, d_y, d_x, rows, width, log, add, shared);
  else backward<WARP>(y, d_y, d_x, rows, width, log, add, shared);
}
