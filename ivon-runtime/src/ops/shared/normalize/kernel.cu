// Normalisation of rows: x̂ = (x - mean) · r, r = 1 / sqrt(variance + eps), y = gain · x̂ + bias; without the mean for RMS norm.
// Statistics are f32, [rows, 2]. Here rows are of any length, worked on by a warp each, or a block each where they are long; `registers.cu` is for
// most.

// ---- rows ---------------------------------------------------------------------------------------------------------------

template <int ROW>
__device__ __forceinline__ void forward(
    const real* x, const real* gain, const real* bias, real* y, float* statistics, uint64_t rows, uint64_t width, float eps, bool centre,
    float* shared) {
  uint64_t row = row_of_thread<ROW>();
  if (row >= rows) return;
  int thread = threadIdx.x % ROW;
  x += row * width, y += row * width;
  float mean = 0.0f, square = 0.0f;
  if (centre) {
    for_row(x, width, thread, ROW, [&](uint64_t, auto& x) {
      for (float one : x) mean += one;
    });
    mean = row_sum<ROW>(mean, shared) / (float)width;
  }
  for_row(x, width, thread, ROW, [&](uint64_t, auto& x) {
    for (float one : x) square += (one - mean) * (one - mean);
  });
  float r = 1.0f / sqrtf(row_sum<ROW>(square, shared) / (float)width + eps);
  if (thread == 0) statistics[2 * row] = mean, statistics[2 * row + 1] = r;
  map_row(x, y, width, false, thread, ROW, [&](uint64_t i, float x) {
    return (x - mean) * r * to_float(gain[i]) + (bias ? to_float(bias[i]) : 0.0f);
  });
}

extern "C" __global__ void __launch_bounds__(256, 4) normalize_forward(
    const real* __restrict__ x, const real* __restrict__ gain, const real* __restrict__ bias, real* __restrict__ y,
    float* __restrict__ statistics, uint64_t rows, uint64_t width, float eps, uint32_t centre, uint32_t whole_block) {
  __shared__ float shared[WARP];
  if (whole_block) forward<BLOCK>(x, gain, bias, y, statistics, rows, width, eps, centre, shared);
  else forward<WARP>(x, gain, bias, y, statistics, rows, width, eps, centre, shared);
}

// With g = gain · d_y: d_x = r · (g - mean(g) - x̂ · mean(g · x̂)), the mean of g only where the mean of x was subtracted.
template <int ROW>
__device__ __forceinline__ void backward(
    const real* x, const real* d_y, const float* statistics, const real* gain, real* d_x, uint64_t rows, uint64_t width, bool centre,
    bool add, float* shared) {
  uint64_t row = row_of_thread<ROW>();
  if (row >= rows) return;
  int thread = threadIdx.x % ROW;
  x += row * width, d_y += row * width, d_x += row * width;
  float mean = statistics[2 * row], r = statistics[2 * row + 1];
  float sum_g = 0.0f, sum_gx = 0.0f;
  for_row(d_y, width, thread, ROW, [&](uint64_t at, auto& d_y) {
    constexpr int N = sizeof(d_y) / sizeof(float);
#pragma unroll
    for (int i = 0; i < N; ++i) {
      float g = d_y[i] * to_float(gain[at + i]);
      sum_g += g;
      sum_gx += g * ((to_float(x[at + i]) - mean) * r);
    }
  });
  float mean_g = centre ? row_sum<ROW>(sum_g, shared) / (float)width : 0.0f;
  float mean_gx = row_sum<ROW>(sum_gx, shared) / (float)width;
  map_row(d_y, d_x, width, add, thread, ROW, [&](uint64_t i, float d_y) {
    return r * (d_y * to_float(gain[i]) - mean_g - (to_float(x[i]) - mean) * r * mean_gx);
  });
}

extern "C" __global__ void __launch_bounds__(256, 4) normalize_backward(
    const real* __restrict__ x, const real* __restrict__ d_y, const float* __restrict__ statistics, const real* __restrict__ gain,
    real* d_x, uint64_t rows, uint64_t width, uint32_t centre, uint32_t add, uint32_t whole_block) {
  __shared__ float shared[WARP];
  if (whole_block) backward<BLOCK>(x, d_y, statistics, gain, d_x, rows, width, centre, add, shared);
  else backward<WARP>(x, d_y, statistics, gain, d_x, rows, width, centre, add, shared);
}

// ---- gain and bias ------------------------------------------------------------------------------------------------------

template <int N>
__device__ __forceinline__ void weights(
    const real* x, const real* d_y, const float* statistics, float* partial, uint64_t rows, uint64_t width, uint64_t group, float* shared) {
  Columns<N> its(rows, width, group);
  float gains[N] = {}, biases[N] = {};
  its.each([&](uint64_t at, uint64_t row) {
    float one[N], d[N];
    load<N>(x + at, one);
    load<N>(d_y + at, d);
    float mean = statistics[2 * row], r = statistics[2 * row + 1];
#pragma unroll
    for (int i = 0; i < N; ++i) {
      gains[i] += d[i] * ((one[i] - mean) * r);
      biases[i] += d[i];
    }
  });
  float* to = partial + blockIdx.y * 2 * width;
  its.sum(gains, shared, [&](uint64_t c, float sum) { to[c] = sum; });
  its.sum(biases, shared, [&](uint64_t c, float sum) { to[width + c] = sum; });
}

// The sums of d_y · x̂ and of d_y over groups of rows: what d_gain and d_bias are the sums of, partial [groups, 2, width].
extern "C" __global__ void __launch_bounds__(256) normalize_weights(
    const real* __restrict__ x, const real* __restrict__ d_y, const float* __restrict__ statistics, float* __restrict__ partial, uint64_t rows,
    uint64_t width, uint64_t group, uint32_t wide) {
  __shared__ float shared[COLUMN_SUMS<Wide<real>::N>];
  if (wide) weights<Wide<real>::N>(x, d_y, statistics, partial, rows, width, group, shared);
  else weights<1>(x, d_y, statistics, partial, rows, width, group, shared);
}

// d_gain and d_bias, or += them, where wanted: the sums over the groups. Blocks of some columns by slices of the groups.
extern "C" __global__ void __launch_bounds__(256) normalize_sums(
    const float* __restrict__ partial, real* d_gain, uint32_t add_gain, real* d_bias, uint32_t add_bias, uint64_t groups, uint64_t width) {
  __shared__ float shared[BLOCK];
  uint64_t c = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x;
  float gain = sum_groups(partial, groups, 2 * width, c, c < width, shared);
  float bias = sum_groups(partial, groups, 2 * width, width + c, c < width, shared);
  if (threadIdx.y || c >= width) return;
  if (d_gain) put(&d_gain[c], gain, add_gain);
  if (d_bias) put(&d_bias[c], bias, add_bias);
}
