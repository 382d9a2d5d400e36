// Normalisation of rows: x̂ = (x - mean) · r, r = 1 / sqrt(variance + eps), y = gain · x̂ + bias; without the mean for RMS norm.
// A warp a row, or a block a row where it is long. Statistics are f32, [rows, 2].

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

// The sums of d_y · x̂ and of d_y over groups of rows: what d_gain and d_bias are the sums of, [groups, width] each.
// Blocks of 32 columns by 8 rows; the grid is [columns / 32, groups].
extern "C" __global__ void __launch_bounds__(256) normalize_weights(
    const real* __restrict__ x, const real* __restrict__ d_y, const float* __restrict__ statistics, float* __restrict__ gains,
    float* __restrict__ biases, uint64_t rows, uint64_t width, uint64_t group) {
  __shared__ float sums[2][8][WARP + 1];
  uint64_t column = (uint64_t)blockIdx.x * WARP + threadIdx.x;
  uint64_t begin = blockIdx.y * group, end = begin + group < rows ? begin + group : rows;
  float gain = 0.0f, bias = 0.0f;
  if (column < width)
    for (uint64_t row = begin + threadIdx.y; row < end; row += 8) {
      float d = to_float(d_y[row * width + column]);
      gain += d * ((to_float(x[row * width + column]) - statistics[2 * row]) * statistics[2 * row + 1]);
      bias += d;
    }
  sums[0][threadIdx.y][threadIdx.x] = gain;
  sums[1][threadIdx.y][threadIdx.x] = bias;
  __syncthreads();
  if (threadIdx.y || column >= width) return;
  for (int i = 1; i < 8; ++i) gain += sums[0][i][threadIdx.x], bias += sums[1][i][threadIdx.x];
  if (gains) gains[blockIdx.y * width + column] = gain;
  if (biases) biases[blockIdx.y * width + column] = bias;
}
