// Norms over the places of images x [images, places, channels]: group norm, and filter response norm with its threshold. Statistics and sums
// are f32. Where a sum is over the places of one channel, a thread has N neighbouring channels of every blockDim.y-th place (`Columns`), 16 bytes where
// that is possible; the grid is [channels, 1, images].

// ---- group norm ---------------------------------------------------------------------------------------------------------

// Calls f(i, channel) for the thread's pieces of N elements of a group of `each` channels of an image: `across` threads are side by side, the others
// have further places. `i` is counted from the group's first element.
template <int N, class F>
__device__ __forceinline__ void each_of_group(uint64_t places, uint64_t channels, uint64_t each, uint32_t across, F f) {
  for (uint64_t place = threadIdx.x / across; place < places; place += BLOCK / across)
    for (uint64_t channel = threadIdx.x % across * N; channel < each; channel += across * N) f(place * channels + channel, channel);
}

template <int N>
__device__ __forceinline__ void normalize_group(
    const real* x, const real* gain, const real* bias, real* y, float* statistics, uint64_t places, uint64_t channels, uint64_t each,
    uint32_t across, float eps, float* shared) {
  uint64_t image = blockIdx.y, first = blockIdx.x * each;
  float count = (float)(places * each);
  x += image * places * channels + first, y += image * places * channels + first;
  float sum = 0.0f, square = 0.0f;
  each_of_group<N>(places, channels, each, across, [&](uint64_t i, uint64_t) {
    float one[N];
    load<N>(x + i, one);
#pragma unroll
    for (int k = 0; k < N; ++k) sum += one[k];
  });
  float mean = block_sum<BLOCK>(sum, shared) / count;
  each_of_group<N>(places, channels, each, across, [&](uint64_t i, uint64_t) {
    float one[N];
    load<N>(x + i, one);
#pragma unroll
    for (int k = 0; k < N; ++k) square += (one[k] - mean) * (one[k] - mean);
  });
  float r = 1.0f / sqrtf(block_sum<BLOCK>(square, shared) / count + eps);
  for (uint64_t c = threadIdx.x; c < each; c += BLOCK) {
    statistics[(image * 2) * channels + first + c] = mean;
    statistics[(image * 2 + 1) * channels + first + c] = r;
  }
  each_of_group<N>(places, channels, each, across, [&](uint64_t i, uint64_t c) {
    float one[N], a[N], b[N];
    load<N>(x + i, one);
    load<N>(gain + first + c, a);
    load<N>(bias + first + c, b);
#pragma unroll
    for (int k = 0; k < N; ++k) one[k] = (one[k] - mean) * r * a[k] + b[k];
    store<N>(y + i, one);
  });
}

// A block for each group of `each` channels of an image: mean and r of the group, written for each of its channels, [images, 2, channels], and
// y = gain x̂ + bias. The grid is [groups, images].
extern "C" __global__ void __launch_bounds__(256) group_forward(
    const real* __restrict__ x, const real* __restrict__ gain, const real* __restrict__ bias, real* __restrict__ y,
    float* __restrict__ statistics, uint64_t places, uint64_t channels, uint64_t each, uint32_t across, float eps, uint32_t wide) {
  __shared__ float shared[WARP];
  if (wide) normalize_group<Wide<real>::N>(x, gain, bias, y, statistics, places, channels, each, across, eps, shared);
  else normalize_group<1>(x, gain, bias, y, statistics, places, channels, each, across, eps, shared);
}

template <int N>
__device__ __forceinline__ void sum_channels(
    const real* x, const real* d_y, const float* statistics, float* sums, uint64_t places, uint64_t channels, float* shared) {
  uint64_t image = blockIdx.z;
  Columns<N> its(places, channels, places);
  x += image * places * channels, d_y += image * places * channels, statistics += image * 2 * channels, sums += image * 2 * channels;
  float mean[N], r[N], gain[N] = {}, bias[N] = {};
  its.line(statistics, mean);
  its.line(statistics + channels, r);
  its.each([&](uint64_t i, uint64_t) {
    float one[N], d[N];
    load<N>(x + i, one);
    load<N>(d_y + i, d);
#pragma unroll
    for (int k = 0; k < N; ++k) {
      gain[k] += d[k] * ((one[k] - mean[k]) * r[k]);
      bias[k] += d[k];
    }
  });
  its.sum(gain, shared, [&](uint64_t c, float sum) { sums[c] = sum; });
  its.sum(bias, shared, [&](uint64_t c, float sum) { sums[channels + c] = sum; });
}

// Sums over places of d_y x̂ and of d_y, [images, 2, channels].
extern "C" __global__ void __launch_bounds__(256) group_sums(
    const real* __restrict__ x, const real* __restrict__ d_y, const float* __restrict__ statistics, float* __restrict__ sums,
    uint64_t places, uint64_t channels, uint32_t wide) {
  __shared__ float shared[COLUMN_SUMS<Wide<real>::N>];
  if (wide) sum_channels<Wide<real>::N>(x, d_y, statistics, sums, places, channels, shared);
  else sum_channels<1>(x, d_y, statistics, sums, places, channels, shared);
}

template <int N>
__device__ __forceinline__ void differentiate_group(
    const real* x, const real* d_y, const float* statistics, const float* sums, const real* gain, real* d_x, uint64_t places,
    uint64_t channels, uint64_t each, uint32_t across, bool add, float* shared) {
  uint64_t image = blockIdx.y, first = blockIdx.x * each, start = image * places * channels + first;
  float count = (float)(places * each), of_gx = 0.0f, of_g = 0.0f;
  for (uint64_t c = first + threadIdx.x; c < first + each; c += BLOCK) {
    of_gx += to_float(gain[c]) * sums[(image * 2) * channels + c];
    of_g += to_float(gain[c]) * sums[(image * 2 + 1) * channels + c];
  }
  of_gx = block_sum<BLOCK>(of_gx, shared) / count;
  of_g = block_sum<BLOCK>(of_g, shared) / count;
  float mean = statistics[(image * 2) * channels + first], r = statistics[(image * 2 + 1) * channels + first];
  each_of_group<N>(places, channels, each, across, [&](uint64_t i, uint64_t c) {
    float one[N], d[N], a[N];
    load<N>(x + start + i, one);
    load<N>(d_y + start + i, d);
    load<N>(gain + first + c, a);
#pragma unroll
    for (int k = 0; k < N; ++k) d[k] = r * (d[k] * a[k] - of_g - (one[k] - mean) * r * of_gx);
    put_all(d_x + start + i, d, add);
  });
}

// d_x = r (g - mean(g) - x̂ mean(g x̂)) with g = gain · d_y and means over a group, or += it. The grid is [groups, images].
extern "C" __global__ void __launch_bounds__(256) group_input(
    const real* __restrict__ x, const real* __restrict__ d_y, const float* __restrict__ statistics, const float* __restrict__ sums,
    const real* __restrict__ gain, real* d_x, uint64_t places, uint64_t channels, uint64_t each, uint32_t across, uint32_t add, uint32_t wide) {
  __shared__ float shared[WARP];
  if (wide) differentiate_group<Wide<real>::N>(x, d_y, statistics, sums, gain, d_x, places, channels, each, across, add, shared);
  else differentiate_group<1>(x, d_y, statistics, sums, gain, d_x, places, channels, each, across, add, shared);
}

// ---- filter response norm -----------------------------------------------------------------------------------------------

template <int N>
__device__ __forceinline__ void respond(
    const real* x, const real* gain, const real* bias, const real* threshold, real* y, float* rs, uint64_t places, uint64_t channels,
    float eps, float* shared) {
  Columns<N> its(places, channels, places);
  x += blockIdx.z * places * channels, y += blockIdx.z * places * channels, rs += blockIdx.z * channels;
  float square[N] = {}, r[N], a[N], b[N], t[N];
  its.each([&](uint64_t i, uint64_t) {
    float one[N];
    load<N>(x + i, one);
#pragma unroll
    for (int k = 0; k < N; ++k) square[k] += one[k] * one[k];
  });
  its.sum(square, shared, [&](uint64_t c, float sum) { rs[c] = 1.0f / sqrtf(sum / (float)places + eps); });
  __syncthreads();  // they are there
  its.line(rs, r);
  its.line(gain, a);
  its.line(bias, b);
  its.line(threshold, t);
  its.each([&](uint64_t i, uint64_t) {
    float one[N];
    load<N>(x + i, one);
#pragma unroll
    for (int k = 0; k < N; ++k) {
      one[k] = one[k] * r[k] * a[k] + b[k];
      if (threshold) one[k] = larger(one[k], t[k]);
    }
    store<N>(y + i, one);
  });
}

// r = 1 / sqrt(mean of x² + eps) of every channel of an image, [images, channels], and y = max(gain x r + bias, threshold).
extern "C" __global__ void __launch_bounds__(256) response_forward(
    const real* __restrict__ x, const real* __restrict__ gain, const real* __restrict__ bias, const real* __restrict__ threshold,
    real* __restrict__ y, float* __restrict__ rs, uint64_t places, uint64_t channels, float eps, uint32_t wide) {
  __shared__ float shared[COLUMN_SUMS<Wide<real>::N>];
  if (wide) respond<Wide<real>::N>(x, gain, bias, threshold, y, rs, places, channels, eps, shared);
  else respond<1>(x, gain, bias, threshold, y, rs, places, channels, eps, shared);
}

template <int N>
__device__ __forceinline__ void differentiate_response(
    const real* x, const real* d_y, const float* rs, const real* gain, const real* bias, const real* threshold, float* sums, real* d_x,
    uint64_t places, uint64_t channels, bool add, float* shared) {
  Columns<N> its(places, channels, places);
  uint64_t image = blockIdx.z, start = image * places * channels;
  sums += image * 3 * channels;
  float r[N], a[N], b[N], t[N], of_gain[N] = {}, of_bias[N] = {}, of_threshold[N] = {};
  its.line(rs + image * channels, r);
  its.line(gain, a);
  its.line(bias, b);
  its.line(threshold, t);
  its.each([&](uint64_t i, uint64_t) {
    float one[N], d[N];
    load<N>(x + start + i, one);
    load<N>(d_y + start + i, d);
#pragma unroll
    for (int k = 0; k < N; ++k) {
      float z = one[k] * r[k] * a[k] + b[k], d_z = threshold ? share(z, t[k], d[k]) : d[k];
      of_gain[k] += d_z * (one[k] * r[k]);
      of_bias[k] += d_z;
      of_threshold[k] += threshold ? share(t[k], z, d[k]) : 0.0f;
    }
  });
  its.sum(of_gain, shared, [&](uint64_t c, float sum) { sums[c] = sum; });
  its.sum(of_bias, shared, [&](uint64_t c, float sum) { sums[channels + c] = sum; });
  its.sum(of_threshold, shared, [&](uint64_t c, float sum) { sums[2 * channels + c] = sum; });
  if (!d_x) return;
  __syncthreads();  // they are there
  float mean[N];
  its.line(sums, mean);
#pragma unroll
  for (int k = 0; k < N; ++k) mean[k] /= (float)places;
  its.each([&](uint64_t i, uint64_t) {
    float one[N], d[N];
    load<N>(x + start + i, one);
    load<N>(d_y + start + i, d);
#pragma unroll
    for (int k = 0; k < N; ++k) {
      float d_z = threshold ? share(one[k] * r[k] * a[k] + b[k], t[k], d[k]) : d[k];
      d[k] = a[k] * r[k] * (d_z - one[k] * r[k] * mean[k]);
    }
    put_all(d_x + start + i, d, add);
  });
}

// Sums over places of d_z x̂, d_z and d_threshold, [images, 3, channels]: max(z, threshold) shares d_y between d_z and d_threshold; and
// d_x = gain r (d_z - x̂ mean(d_z x̂)), or += it, where wanted.
extern "C" __global__ void __launch_bounds__(256) response_backward(
    const real* __restrict__ x, const real* d_y, const float* __restrict__ rs, const real* __restrict__ gain,
    const real* __restrict__ bias, const real* __restrict__ threshold, float* __restrict__ sums, real* d_x, uint64_t places,
    uint64_t channels, uint32_t add, uint32_t wide) {
  __shared__ float shared[COLUMN_SUMS<Wide<real>::N>];
  if (wide) differentiate_response<Wide<real>::N>(x, d_y, rs, gain, bias, threshold, sums, d_x, places, channels, add, shared);
  else differentiate_response<1>(x, d_y, rs, gain, bias, threshold, sums, d_x, places, channels, add, shared);
}

// ---- over images --------------------------------------------------------------------------------------------------------

// d = the sum over images of part `part` of sums [images, parts, channels], or += it. A thread a channel.
extern "C" __global__ void __launch_bounds__(256) sum_images(
    const float* __restrict__ sums, real* d, uint64_t images, uint64_t parts, uint64_t part, uint64_t channels, uint32_t add) {
  uint64_t c = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (c >= channels) return;
  float sum = 0.0f;
  for (uint64_t image = 0; image < images; ++image) sum += sums[(image * parts + part) * channels + c];
  put(&d[c], sum, add);
}
