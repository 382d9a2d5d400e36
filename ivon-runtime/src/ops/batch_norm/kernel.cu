// Batch norm over the columns of x [rows, channels]: x̂ = (x - mean) r, r = 1 / sqrt(variance + eps), y = gain x̂ + bias. Statistics are f32,
// [2, channels]: mean and r. Sums go over groups of rows, then over the groups, in orders that depend on the shape alone. What a thread needs
// to know of its columns it reads once.

// ---- statistics ---------------------------------------------------------------------------------------------------------

// The mean of some numbers, and the sum of squares around it.
struct Moments {
  float count, mean, square;
};

// Those of both (Chan, Golub and LeVeque 1979).
__device__ __forceinline__ void join(Moments& a, float count, float mean, float square) {
  float all = a.count + count, part = count / all, d = mean - a.mean;
  a.mean += d * part;
  a.square += square + d * d * (a.count * part);
  a.count = all;
}

// Computes the moments of a group of rows; `partial` is [groups, 2, channels]. A thread joins four rows of its columns at a time: it divides once
// for all of them.
template <int N>
__device__ __forceinline__ void moments(
    const real* x, float* partial, uint64_t rows, uint64_t channels, uint64_t group, float* shared) {
  constexpr int AT_ONCE = 4;
  Columns<N> its(rows, channels, group);
  float seen = 0.0f, mean[N] = {}, square[N] = {};
  if (its.column < channels)
    for (uint64_t row = its.begin + threadIdx.y; row < its.end; row += AT_ONCE * blockDim.y) {
      float one[AT_ONCE][N];
      float count = 0.0f;
#pragma unroll
      for (int k = 0; k < AT_ONCE; ++k)
        if (row + k * blockDim.y < its.end) load<N>(x + (row + k * blockDim.y) * channels + its.column, one[k]), count += 1.0f;
      float share = 1.0f / count, part = count / (seen + count), weight = seen * part;
      seen += count;
#pragma unroll
      for (int i = 0; i < N; ++i) {
        float of_these = 0.0f, around = 0.0f;
#pragma unroll
        for (int k = 0; k < AT_ONCE; ++k)
          if (k < count) of_these += one[k][i];
        of_these *= share;
#pragma unroll
        for (int k = 0; k < AT_ONCE; ++k)
          if (k < count) around += (one[k][i] - of_these) * (one[k][i] - of_these);
        float d = of_these - mean[i];
        mean[i] += d * part;
        square[i] += around + d * d * weight;
      }
    }
  // The threads of a column, one after another.
  uint32_t thread = threadIdx.y * blockDim.x + threadIdx.x;
  float* means = shared;
  float* squares = shared + COLUMN_SUMS<N>;
#pragma unroll
  for (int i = 0; i < N; ++i) means[its.kept(thread, i)] = mean[i], squares[its.kept(thread, i)] = square[i];
  __syncthreads();
  its.each_kept(channels, [&](uint64_t column, uint32_t first) {
    Moments all = {};
    for (uint32_t y = 0; y < blockDim.y && its.begin + y < its.end; ++y) {
      float count = (float)((its.end - its.begin - y + blockDim.y - 1) / blockDim.y);
      join(all, count, means[first + y * blockDim.x], squares[first + y * blockDim.x]);
    }
    partial[blockIdx.y * 2 * channels + column] = all.mean;
    partial[(blockIdx.y * 2 + 1) * channels + column] = all.square;
  });
}

extern "C" __global__ void __launch_bounds__(256) batch_moments(
    const real* __restrict__ x, float* __restrict__ partial, uint64_t rows, uint64_t channels, uint64_t group, uint32_t wide) {
  __shared__ float shared[2 * COLUMN_SUMS<Wide<real>::N>];
  if (wide) moments<Wide<real>::N>(x, partial, rows, channels, group, shared);
  else moments<1>(x, partial, rows, channels, group, shared);
}

// Mean and r of all rows from those of the groups, and the running statistics, if any, moved towards the batch's, the variance divided by
// rows - 1. Blocks of some channels by slices of the groups.
extern "C" __global__ void __launch_bounds__(256) batch_statistics(
    const float* __restrict__ partial, float* __restrict__ statistics, float* running_mean, float* running_variance, uint64_t rows,
    uint64_t channels, uint64_t group, uint64_t groups, float momentum, float eps) {
  __shared__ Moments shared[BLOCK];
  uint64_t c = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x;
  Moments of = {};
  if (c < channels)
    for (uint64_t g = threadIdx.y; g < groups; g += blockDim.y) {
      uint64_t count = rows - g * group < group ? rows - g * group : group;
      join(of, (float)count, partial[g * 2 * channels + c], partial[(g * 2 + 1) * channels + c]);
    }
  shared[threadIdx.y * blockDim.x + threadIdx.x] = of;
  __syncthreads();
  if (threadIdx.y || c >= channels) return;
  for (uint32_t y = 1; y < blockDim.y && y < groups; ++y) {
    Moments more = shared[y * blockDim.x + threadIdx.x];
    join(of, more.count, more.mean, more.square);
  }
  statistics[c] = of.mean;
  statistics[channels + c] = 1.0f / sqrtf(of.square / of.count + eps);
  if (running_mean) running_mean[c] = (1.0f - momentum) * running_mean[c] + momentum * of.mean;
  if (running_variance) running_variance[c] = (1.0f - momentum) * running_variance[c] + momentum * (of.square / (of.count - 1.0f));
}

// Those of evaluation: the running ones.
extern "C" __global__ void __launch_bounds__(256) batch_running(
    const float* __restrict__ mean, const float* __restrict__ variance, float* __restrict__ statistics, uint64_t channels, float eps) {
  uint64_t c = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (c >= channels) return;
  statistics[c] = mean[c];
  statistics[channels + c] = 1.0f / sqrtf(variance[c] + eps);
}

// ---- forward ------------------------------------------------------------------------------------------------------------

// Normalises a thread's columns: gain x̂ + bias = (x - mean) slope + bias. It is computed in one way everywhere, because the backward pass needs
// its sign.
template <int N> struct Line {
  float mean[N], slope[N], bias[N];
  __device__ __forceinline__ Line(const Columns<N>& its, const float* statistics, const real* gain, const real* of_bias) {
    float r[N];
    its.line(statistics, mean);
    its.line(statistics + its.columns, r);
    its.line(gain, slope);
    its.line(of_bias, bias);
#pragma unroll
    for (int i = 0; i < N; ++i) slope[i] *= r[i];
  }
  __device__ __forceinline__ float operator()(int i, float x) const { return fmaf(x - mean[i], slope[i], bias[i]); }
};

template <int N>
__device__ __forceinline__ void normalize(
    const real* __restrict__ x, const real* __restrict__ residual, bool relu, const float* statistics, const real* gain, const real* bias,
    real* __restrict__ y, uint64_t rows, uint64_t channels, uint64_t group) {
  Columns<N> its(rows, channels, group);
  Line<N> line(its, statistics, gain, bias);
  its.each([&](uint64_t at, uint64_t) {
    float value[N];
    load<N>(x + at, value);
    float more[N] = {};
    if (residual) load<N>(residual + at, more);
#pragma unroll
    for (int i = 0; i < N; ++i) {
      value[i] = line(i, value[i]) + more[i];
      if (relu) value[i] = ::relu(value[i]);
    }
    store<N>(y + at, value);
  });
}

// y = gain x̂ + bias, or, with a ReLU, max(gain x̂ + bias + residual, 0), where there is one.
extern "C" __global__ void __launch_bounds__(256) batch_normalize(
    const real* __restrict__ x, const real* __restrict__ residual, uint32_t relu, const float* __restrict__ statistics,
    const real* __restrict__ gain, const real* __restrict__ bias, real* __restrict__ y, uint64_t rows, uint64_t channels, uint64_t group,
    uint32_t wide) {
  if (wide) normalize<Wide<real>::N>(x, residual, relu, statistics, gain, bias, y, rows, channels, group);
  else normalize<1>(x, residual, relu, statistics, gain, bias, y, rows, channels, group);
}

// ---- backward -----------------------------------------------------------------------------------------------------------

template <int N>
__device__ __forceinline__ void gradients(
    const real* __restrict__ x, real* __restrict__ d_y, bool relu, const real* __restrict__ y, const float* statistics, const real* gain,
    const real* bias, float* partial, uint64_t rows, uint64_t channels, uint64_t group, float* shared) {
  Columns<N> its(rows, channels, group);
  Line<N> line(its, statistics, gain, bias);
  float sum[N] = {}, product[N] = {};
  its.each([&](uint64_t at, uint64_t) {
    float one[N], d[N];
    load<N>(x + at, one);
    load<N>(d_y + at, d);
    if (y) {
      float seen[N];
      load<N>(y + at, seen);
#pragma unroll
      for (int i = 0; i < N; ++i)
        d[i] = gate(seen[i], d[i]);
      store<N>(d_y + at, d);
    }
#pragma unroll
    for (int i = 0; i < N; ++i) {
      if (relu) d[i] = gate(line(i, one[i]), d[i]);
      sum[i] += d[i];
      product[i] += d[i] * (one[i] - line.mean[i]);
    }
  });
  its.sum(sum, shared, [&](uint64_t c, float sum) { partial[blockIdx.y * 2 * channels + c] = sum; });
  its.sum(product, shared, [&](uint64_t c, float sum) { partial[(blockIdx.y * 2 + 1) * channels + c] = sum * statistics[channels + c]; });
}

// The sums of d_z and of d_z x̂ over groups of rows, [groups, 2, channels]. d_z is d_y, or, with a ReLU of the norm, what of it comes through
// that; with `y` what comes through where y > 0 or NaN: then `through` is d_y, whose place that takes, and `read` is null.
extern "C" __global__ void __launch_bounds__(256) batch_gradients(
    const real* __restrict__ x, const real* __restrict__ read, real* __restrict__ through, uint32_t relu, const real* __restrict__ y,
    const float* __restrict__ statistics, const real* __restrict__ gain, const real* __restrict__ bias, float* __restrict__ partial, uint64_t rows, uint64_t channels,
    uint64_t group, uint32_t wide) {
  __shared__ float shared[COLUMN_SUMS<Wide<real>::N>];
  real* d_y = through ? through : const_cast<real*>(read);  // written with `y` alone
  if (wide) gradients<Wide<real>::N>(x, d_y, relu, y, statistics, gain, bias, partial, rows, channels, group, shared);
  else gradients<1>(x, d_y, relu, y, statistics, gain, bias, partial, rows, channels, group, shared);
}

// Their sums over the groups, [2, channels], and what they are the gradients of, where wanted. Blocks as in `batch_statistics`.
extern "C" __global__ void __launch_bounds__(256) batch_sums(
    const float* __restrict__ partial, float* __restrict__ sums, real* d_bias, uint32_t add_bias, real* d_gain, uint32_t add_gain,
    uint64_t groups, uint64_t channels) {
  __shared__ float shared[BLOCK];
  uint64_t c = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x;
  float bias = sum_groups(partial, groups, 2 * channels, c, c < channels, shared);
  float gain = sum_groups(partial, groups, 2 * channels, channels + c, c < channels, shared);
  if (threadIdx.y || c >= channels) return;
  sums[c] = bias;
  sums[channels + c] = gain;
  if (d_bias) put(&d_bias[c], bias, add_bias);
  if (d_gain) put(&d_gain[c], gain, add_gain);
}

template <int N>
__device__ __forceinline__ void input(
    const real* __restrict__ x, const real* d_y, bool relu, const float* statistics, const float* sums, const real* gain, const real* bias,
    real* d_x, uint64_t rows, uint64_t channels, uint64_t group, float share, bool add) {
  Columns<N> its(rows, channels, group);
  Line<N> line(its, statistics, gain, bias);
  // d_x = slope (d_z - shift - (x - mean) tilt).
  float shift[N], tilt[N], r[N];
  its.line(sums, shift);
  its.line(sums + channels, tilt);
  its.line(statistics + channels, r);
#pragma unroll
  for (int i = 0; i < N; ++i) shift[i] *= share, tilt[i] *= share * r[i];
  its.each([&](uint64_t at, uint64_t) {
    float one[N], d[N];
    load<N>(x + at, one);
    load<N>(d_y + at, d);
    float old[N] = {};
    if (add) load<N>(d_x + at, old);
#pragma unroll
    for (int i = 0; i < N; ++i) {
      if (relu) d[i] = gate(line(i, one[i]), d[i]);
      d[i] = old[i] + line.slope[i] * (d[i] - shift[i] - (one[i] - line.mean[i]) * tilt[i]);
    }
    store<N>(d_x + at, d);
  });
}

// d_x = gain r (d_z - share Σ d_z - x̂ share Σ d_z x̂), or += it, with share 1 / rows, or 0 where the statistics are not the batch's; d_z is d_y, or,
// with a ReLU of the norm, what of it comes through that.
extern "C" __global__ void __launch_bounds__(256) batch_input(
    const real* __restrict__ x, const real* d_y, uint32_t relu, const float* __restrict__ statistics, const float* __restrict__ sums,
    const real* __restrict__ gain, const real* __restrict__ bias, real* d_x, uint64_t rows, uint64_t channels, uint64_t group, float share,
    uint32_t add, uint32_t wide) {
  if (wide) input<Wide<real>::N>(x, d_y, relu, statistics, sums, gain, bias, d_x, rows, channels, group, share, add);
  else input<1>(x, d_y, relu, statistics, sums, gain, bias, d_x, rows, channels, group, share, add);
}
