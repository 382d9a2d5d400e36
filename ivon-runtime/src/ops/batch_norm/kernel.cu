// Batch norm over the columns of x [rows, channels]: x̂ = (x - mean) r, r = 1 / sqrt(variance + eps), y = gain x̂ + bias. Statistics are f32,
// [2, channels]: mean and r. Sums go over groups of rows in blocks of 32 columns by 8 rows, then over the groups, in orders that depend on
// the shape alone.

// Of a group of rows: its mean, and the sum of squares around it. `partial` is [groups, 2, channels]; the grid is [channels / 32, groups].
extern "C" __global__ void __launch_bounds__(256) batch_moments(
    const real* __restrict__ x, float* __restrict__ partial, uint64_t rows, uint64_t channels, uint64_t group) {
  __shared__ float sums[8][WARP + 1];
  uint64_t column = (uint64_t)blockIdx.x * WARP + threadIdx.x;
  uint64_t begin = blockIdx.y * group, end = begin + group < rows ? begin + group : rows;
  bool there = column < channels;
  float sum = 0.0f;
  if (there)
    for (uint64_t row = begin + threadIdx.y; row < end; row += 8) sum += to_float(x[row * channels + column]);
  sums[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  float mean = 0.0f;
  for (int i = 0; i < 8; ++i) mean += sums[i][threadIdx.x];
  mean /= (float)(end - begin);
  __syncthreads();
  float square = 0.0f;
  if (there)
    for (uint64_t row = begin + threadIdx.y; row < end; row += 8) {
      float d = to_float(x[row * channels + column]) - mean;
      square += d * d;
    }
  sums[threadIdx.y][threadIdx.x] = square;
  __syncthreads();
  if (threadIdx.y || !there) return;
  for (int i = 1; i < 8; ++i) square += sums[i][threadIdx.x];
  partial[(blockIdx.y * 2) * channels + column] = mean;
  partial[(blockIdx.y * 2 + 1) * channels + column] = square;
}

// Mean and r of all rows from those of the groups (Chan, Golub and LeVeque 1979), and the running statistics, if any, moved towards the
// batch's, the variance divided by rows - 1. A thread a channel.
extern "C" __global__ void __launch_bounds__(256) batch_statistics(
    const float* __restrict__ partial, float* __restrict__ statistics, float* running_mean, float* running_variance, uint64_t rows,
    uint64_t channels, uint64_t group, uint64_t groups, float momentum, float eps) {
  uint64_t c = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (c >= channels) return;
  float mean = 0.0f, square = 0.0f, count = 0.0f;
  for (uint64_t g = 0; g < groups; ++g) {
    float n = (float)((g + 1) * group < rows ? group : rows - g * group);
    float d = partial[g * 2 * channels + c] - mean, all = count + n;
    mean += d * (n / all);
    square += partial[(g * 2 + 1) * channels + c] + d * d * (count * (n / all));
    count = all;
  }
  statistics[c] = mean;
  statistics[channels + c] = 1.0f / sqrtf(square / count + eps);
  if (running_mean) running_mean[c] = (1.0f - momentum) * running_mean[c] + momentum * mean;
  if (running_variance) running_variance[c] = (1.0f - momentum) * running_variance[c] + momentum * (square / (count - 1.0f));
}

// Those of evaluation: the running ones.
extern "C" __global__ void __launch_bounds__(256) batch_running(
    const float* __restrict__ mean, const float* __restrict__ variance, float* __restrict__ statistics, uint64_t channels, float eps) {
  uint64_t c = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (c >= channels) return;
  statistics[c] = mean[c];
  statistics[channels + c] = 1.0f / sqrtf(variance[c] + eps);
}

extern "C" __global__ void __launch_bounds__(256) batch_normalize(
    const real* __restrict__ x, const float* __restrict__ statistics, const real* __restrict__ gain, const real* __restrict__ bias,
    real* __restrict__ y, uint64_t elements, uint64_t channels) {
  uint64_t stride = (uint64_t)gridDim.x * blockDim.x;
  for (uint64_t i = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x; i < elements; i += stride) {
    uint64_t c = i % channels;
    float normal = (to_float(x[i]) - statistics[c]) * statistics[channels + c];
    y[i] = from_float<real>(normal * to_float(gain[c]) + (bias ? to_float(bias[c]) : 0.0f));
  }
}

// The sums of d_y and of d_y x̂ over groups of rows, [groups, 2, channels]; the grid as above.
extern "C" __global__ void __launch_bounds__(256) batch_gradients(
    const real* __restrict__ x, const real* __restrict__ d_y, const float* __restrict__ statistics, float* __restrict__ partial,
    uint64_t rows, uint64_t channels, uint64_t group) {
  __shared__ float sums[2][8][WARP + 1];
  uint64_t column = (uint64_t)blockIdx.x * WARP + threadIdx.x;
  uint64_t begin = blockIdx.y * group, end = begin + group < rows ? begin + group : rows;
  float bias = 0.0f, gain = 0.0f;
  if (column < channels) {
    float mean = statistics[column], r = statistics[channels + column];
    for (uint64_t row = begin + threadIdx.y; row < end; row += 8) {
      float d = to_float(d_y[row * channels + column]);
      bias += d;
      gain += d * ((to_float(x[row * channels + column]) - mean) * r);
    }
  }
  sums[0][threadIdx.y][threadIdx.x] = bias;
  sums[1][threadIdx.y][threadIdx.x] = gain;
  __syncthreads();
  if (threadIdx.y || column >= channels) return;
  for (int i = 1; i < 8; ++i) bias += sums[0][i][threadIdx.x], gain += sums[1][i][threadIdx.x];
  partial[(blockIdx.y * 2) * channels + column] = bias;
  partial[(blockIdx.y * 2 + 1) * channels + column] = gain;
}

// Their sums over the groups, [2, channels], and what they are the gradients of, where wanted. A thread a channel.
extern "C" __global__ void __launch_bounds__(256) batch_sums(
    const float* __restrict__ partial, float* __restrict__ sums, real* d_bias, uint32_t add_bias, real* d_gain, uint32_t add_gain,
    uint64_t groups, uint64_t channels) {
  uint64_t c = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (c >= channels) return;
  float bias = 0.0f, gain = 0.0f;
  for (uint64_t g = 0; g < groups; ++g) bias += partial[g * 2 * channels + c], gain += partial[(g * 2 + 1) * channels + c];
  sums[c] = bias;
  sums[channels + c] = gain;
  if (d_bias) put(&d_bias[c], bias, add_bias);
  if (d_gain) put(&d_gain[c], gain, add_gain);
}

// d_x = gain r (d_y - share Σ d_y - x̂ share Σ d_y x̂), or += it, with share 1 / rows, or 0 where the statistics are not the batch's.
extern "C" __global__ void __launch_bounds__(256) batch_input(
    const real* __restrict__ x, const real* d_y, const float* __restrict__ statistics, const float* __restrict__ sums,
    const real* __restrict__ gain, real* d_x, uint64_t elements, uint64_t channels, float share, uint32_t add) {
  uint64_t stride = (uint64_t)gridDim.x * blockDim.x;
  for (uint64_t i = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x; i < elements; i += stride) {
    uint64_t c = i % channels;
    float r = statistics[channels + c], normal = (to_float(x[i]) - statistics[c]) * r;
    put(&d_x[i], to_float(gain[c]) * r * (to_float(d_y[i]) - share * sums[c] - normal * (share * sums[channels + c])), add);
  }
}
