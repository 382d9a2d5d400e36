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

// gain x̂ + bias, in one way everywhere: the backward pass asks for its sign.
__device__ __forceinline__ float affine(float normal, const real* gain, const real* bias, uint64_t c) {
  return fmaf(normal, to_float(gain[c]), bias ? to_float(bias[c]) : 0.0f);
}

// y = gain x̂ + bias, or, with a ReLU, max(gain x̂ + bias + residual, 0), where there is one.
extern "C" __global__ void __launch_bounds__(256) batch_normalize(
    const real* __restrict__ x, const real* __restrict__ residual, uint32_t relu, const float* __restrict__ statistics,
    const real* __restrict__ gain, const real* __restrict__ bias, real* __restrict__ y, uint64_t elements, uint64_t channels) {
  uint64_t stride = (uint64_t)gridDim.x * blockDim.x;
  for (uint64_t i = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x; i < elements; i += stride) {
    uint64_t c = i % channels;
    float value = affine((to_float(x[i]) - statistics[c]) * statistics[channels + c], gain, bias, c);
    if (residual) value += to_float(residual[i]);
    y[i] = from_float<real>(relu ? larger(value, 0.0f) : value);
  }
}

// The sums of d_z and of d_z x̂ over groups of rows, [groups, 2, channels]; the grid as above. d_z is d_y, or, with a ReLU of the norm, what of it
// comes through that; with `y` what comes through where y > 0, and then it takes the place of d_y.
extern "C" __global__ void __launch_bounds__(256) batch_gradients(
    const real* __restrict__ x, real* __restrict__ d_y, uint32_t relu, const real* __restrict__ y, const float* __restrict__ statistics,
    const real* __restrict__ gain, const real* __restrict__ bias, float* __restrict__ partial, uint64_t rows, uint64_t channels,
    uint64_t group) {
  __shared__ float sums[2][8][WARP + 1];
  uint64_t column = (uint64_t)blockIdx.x * WARP + threadIdx.x;
  uint64_t begin = blockIdx.y * group, end = begin + group < rows ? begin + group : rows;
  float sum = 0.0f, product = 0.0f;
  if (column < channels) {
    float mean = statistics[column], r = statistics[channels + column];
    for (uint64_t row = begin + threadIdx.y; row < end; row += 8) {
      uint64_t i = row * channels + column;
      float d = to_float(d_y[i]), normal = (to_float(x[i]) - mean) * r;
      if (relu && !(affine(normal, gain, bias, column) > 0.0f)) d = 0.0f;
      if (y) {
        if (!(to_float(y[i]) > 0.0f)) d = 0.0f;
        d_y[i] = from_float<real>(d);
      }
      sum += d;
      product += d * normal;
    }
  }
  sums[0][threadIdx.y][threadIdx.x] = sum;
  sums[1][threadIdx.y][threadIdx.x] = product;
  __syncthreads();
  if (threadIdx.y || column >= channels) return;
  for (int i = 1; i < 8; ++i) sum += sums[0][i][threadIdx.x], product += sums[1][i][threadIdx.x];
  partial[(blockIdx.y * 2) * channels + column] = sum;
  partial[(blockIdx.y * 2 + 1) * channels + column] = product;
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

// d_x = gain r (d_z - share Σ d_z - x̂ share Σ d_z x̂), or += it, with share 1 / rows, or 0 where the statistics are not the batch's; d_z is d_y, or,
// with a ReLU of the norm, what of it comes through that.
extern "C" __global__ void __launch_bounds__(256) batch_input(
    const real* __restrict__ x, const real* d_y, uint32_t relu, const float* __restrict__ statistics, const float* __restrict__ sums,
    const real* __restrict__ gain, const real* __restrict__ bias, real* d_x, uint64_t elements, uint64_t channels, float share,
    uint32_t add) {
  uint64_t stride = (uint64_t)gridDim.x * blockDim.x;
  for (uint64_t i = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x; i < elements; i += stride) {
    uint64_t c = i % channels;
    float r = statistics[channels + c], normal = (to_float(x[i]) - statistics[c]) * r, d = to_float(d_y[i]);
    if (relu && !(affine(normal, gain, bias, c) > 0.0f)) d = 0.0f;
    put(&d_x[i], to_float(gain[c]) * r * (d - share * sums[c] - normal * (share * sums[channels + c])), add);
  }
}
