// Norms over the places of pictures x [images, places, channels]: group norm, and filter response norm with its threshold. Statistics and sums
// are f32. Sums over the places of one channel go in blocks of 32 channels by 8 places; the grid is [channels / 32, images].

// The sum over the block's places of `each(where)`, for the thread's channel; for the threads of y = 0.
template <class F>
__device__ __forceinline__ float over_places(uint64_t image, uint64_t channel, uint64_t places, uint64_t channels, float (*sums)[WARP + 1], F each) {
  float sum = 0.0f;
  if (channel < channels)
    for (uint64_t p = threadIdx.y; p < places; p += 8) sum += each((image * places + p) * channels + channel);
  __syncthreads();  // the last use of `sums` is over
  sums[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  sum = 0.0f;
  for (int i = 0; i < 8; ++i) sum += sums[i][threadIdx.x];
  return sum;
}

// ---- group norm ---------------------------------------------------------------------------------------------------------

// A block for each group of `each` channels of an image: mean and r of the group, written for each of its channels, [images, 2, channels], and
// y = gain x̂ + bias. The grid is [groups, images].
extern "C" __global__ void __launch_bounds__(256) group_forward(
    const real* __restrict__ x, const real* __restrict__ gain, const real* __restrict__ bias, real* __restrict__ y,
    float* __restrict__ statistics, uint64_t places, uint64_t channels, uint64_t each, float eps) {
  __shared__ float shared[WARP];
  uint64_t image = blockIdx.y, first = blockIdx.x * each, count = places * each;
  auto at = [&](uint64_t i) { return (image * places + i / each) * channels + first + i % each; };
  float sum = 0.0f, square = 0.0f;
  for (uint64_t i = threadIdx.x; i < count; i += BLOCK) sum += to_float(x[at(i)]);
  float mean = block_sum<BLOCK>(sum, shared) / (float)count;
  for (uint64_t i = threadIdx.x; i < count; i += BLOCK) {
    float d = to_float(x[at(i)]) - mean;
    square += d * d;
  }
  float r = 1.0f / sqrtf(block_sum<BLOCK>(square, shared) / (float)count + eps);
  for (uint64_t c = threadIdx.x; c < each; c += BLOCK) {
    statistics[(image * 2) * channels + first + c] = mean;
    statistics[(image * 2 + 1) * channels + first + c] = r;
  }
  for (uint64_t i = threadIdx.x; i < count; i += BLOCK) {
    uint64_t c = first + i % each;
    y[at(i)] = from_float<real>((to_float(x[at(i)]) - mean) * r * to_float(gain[c]) + to_float(bias[c]));
  }
}

// Sums over places of d_y x̂ and of d_y, [images, 2, channels].
extern "C" __global__ void __launch_bounds__(256) group_sums(
    const real* __restrict__ x, const real* __restrict__ d_y, const float* __restrict__ statistics, float* __restrict__ sums,
    uint64_t places, uint64_t channels) {
  __shared__ float shared[8][WARP + 1];
  uint64_t image = blockIdx.y, c = (uint64_t)blockIdx.x * WARP + threadIdx.x;
  float mean = c < channels ? statistics[(image * 2) * channels + c] : 0.0f;
  float r = c < channels ? statistics[(image * 2 + 1) * channels + c] : 0.0f;
  float gain = over_places(image, c, places, channels, shared, [&](uint64_t i) { return to_float(d_y[i]) * ((to_float(x[i]) - mean) * r); });
  float bias = over_places(image, c, places, channels, shared, [&](uint64_t i) { return to_float(d_y[i]); });
  if (threadIdx.y || c >= channels) return;
  sums[(image * 2) * channels + c] = gain;
  sums[(image * 2 + 1) * channels + c] = bias;
}

// d_x = r (g - mean(g) - x̂ mean(g x̂)) with g = gain · d_y and means over a group, or += it. The grid is [groups, images].
extern "C" __global__ void __launch_bounds__(256) group_input(
    const real* __restrict__ x, const real* __restrict__ d_y, const float* __restrict__ statistics, const float* __restrict__ sums,
    const real* __restrict__ gain, real* d_x, uint64_t places, uint64_t channels, uint64_t each, uint32_t add) {
  __shared__ float shared[WARP];
  uint64_t image = blockIdx.y, first = blockIdx.x * each, count = places * each;
  float of_gx = 0.0f, of_g = 0.0f;
  for (uint64_t c = first + threadIdx.x; c < first + each; c += BLOCK) {
    of_gx += to_float(gain[c]) * sums[(image * 2) * channels + c];
    of_g += to_float(gain[c]) * sums[(image * 2 + 1) * channels + c];
  }
  of_gx = block_sum<BLOCK>(of_gx, shared) / (float)count;
  of_g = block_sum<BLOCK>(of_g, shared) / (float)count;
  float mean = statistics[(image * 2) * channels + first], r = statistics[(image * 2 + 1) * channels + first];
  for (uint64_t i = threadIdx.x; i < count; i += BLOCK) {
    uint64_t c = first + i % each, at = (image * places + i / each) * channels + c;
    put(&d_x[at], r * (to_float(d_y[at]) * to_float(gain[c]) - of_g - (to_float(x[at]) - mean) * r * of_gx), add);
  }
}

// ---- filter response norm -----------------------------------------------------------------------------------------------

// r = 1 / sqrt(mean of x² + eps) of every channel of an image, [images, channels], and y = max(gain x r + bias, threshold).
extern "C" __global__ void __launch_bounds__(256) response_forward(
    const real* __restrict__ x, const real* __restrict__ gain, const real* __restrict__ bias, const real* __restrict__ threshold,
    real* __restrict__ y, float* __restrict__ rs, uint64_t places, uint64_t channels, float eps) {
  __shared__ float shared[8][WARP + 1];
  uint64_t image = blockIdx.y, c = (uint64_t)blockIdx.x * WARP + threadIdx.x;
  float square = over_places(image, c, places, channels, shared, [&](uint64_t i) { return to_float(x[i]) * to_float(x[i]); });
  if (c >= channels) return;
  float r = 1.0f / sqrtf(square / (float)places + eps);
  if (threadIdx.y == 0) rs[image * channels + c] = r;
  for (uint64_t p = threadIdx.y; p < places; p += 8) {
    uint64_t i = (image * places + p) * channels + c;
    float z = to_float(x[i]) * r * to_float(gain[c]) + to_float(bias[c]);
    y[i] = from_float<real>(threshold ? larger(z, to_float(threshold[c])) : z);
  }
}

// Sums over places of d_z x̂, d_z and d_y - d_z, [images, 3, channels], with d_z = d_y where z is above the threshold; and
// d_x = gain r (d_z - x̂ mean(d_z x̂)), or += it, where wanted.
extern "C" __global__ void __launch_bounds__(256) response_backward(
    const real* __restrict__ x, const real* d_y, const float* __restrict__ rs, const real* __restrict__ gain,
    const real* __restrict__ bias, const real* __restrict__ threshold, float* __restrict__ sums, real* d_x, uint64_t places,
    uint64_t channels, uint32_t add) {
  __shared__ float shared[8][WARP + 1];
  uint64_t image = blockIdx.y, c = (uint64_t)blockIdx.x * WARP + threadIdx.x;
  bool there = c < channels;
  float r = there ? rs[image * channels + c] : 0.0f, a = there ? to_float(gain[c]) : 0.0f, b = there ? to_float(bias[c]) : 0.0f;
  float t = there && threshold ? to_float(threshold[c]) : -INFINITY;
  auto of_z = [&](uint64_t i) { return to_float(x[i]) * r * a + b > t ? to_float(d_y[i]) : 0.0f; };
  float of_gain = over_places(image, c, places, channels, shared, [&](uint64_t i) { return of_z(i) * (to_float(x[i]) * r); });
  float of_bias = over_places(image, c, places, channels, shared, of_z);
  float of_unit = over_places(image, c, places, channels, shared, [&](uint64_t i) { return to_float(d_y[i]) - of_z(i); });
  if (!there) return;
  if (threadIdx.y == 0) {
    sums[(image * 3) * channels + c] = of_gain;
    sums[(image * 3 + 1) * channels + c] = of_bias;
    sums[(image * 3 + 2) * channels + c] = of_unit;
  }
  if (!d_x) return;
  float mean = of_gain / (float)places;
  for (uint64_t p = threadIdx.y; p < places; p += 8) {
    uint64_t i = (image * places + p) * channels + c;
    put(&d_x[i], a * r * (of_z(i) - to_float(x[i]) * r * mean), add);
  }
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
