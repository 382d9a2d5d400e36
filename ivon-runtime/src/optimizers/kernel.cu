// The updates: one pass over the flat buffers, each reading the gradient, moving the state, and writing what the model computes with.
//
// A thread works on the four elements of one Philox block, 16 apart, so that noise is made once; a half-warp reads 64 neighbouring bytes of
// every buffer. All arithmetic is f32, the formulas are those of `ivon/mod.rs`, `adamw.rs` and `sgd.rs`.

// A parameter in the flat buffers, and in the numbering of elements that noise is drawn for.
struct Part {
  uint64_t offset, start, length;
  uint64_t first;  // of the groups of 64 elements in which it lies, numbered over all parameters
  float decay;     // delta
  float factor;    // of the learning rate
  uint32_t frozen, unused;
};

// The findings of an update, and the values that control it.
struct Status {
  uint32_t bad;   // 1: the gradient has no finite norm; 2: something went out of range; 4: the loss is not finite
  float norm;     // of the gradient
  float scale;    // what clipping multiplies the gradient with
  uint32_t stop;  // something was wrong before the update began: it does nothing
  __device__ __forceinline__ bool stopped() const { return stop || bad & 1; }
};

// The values that change from step to step. A graph reads them from memory.
struct Moving {
  float lr, debias, rate, unused;  // `rate` is lr, debiased, for optimizers that have both
  uint32_t now_step, now_sample, next_step, next_sample;  // counters of the noise
};

// The elements of a thread.
struct Mine {
  Part part;
  uint64_t block;  // of the noise
  uint64_t at[4];  // in the flat buffers
  bool there[4];
  bool any;
};

__device__ __forceinline__ Mine mine(const Part* parts, const uint32_t* owners, uint64_t groups, uint64_t thread) {
  Mine it;
  uint64_t group = thread / 16;
  it.any = group < groups;
  if (!it.any) return it;
  it.part = parts[owners[group]];
  it.any = !it.part.frozen;
  it.block = (it.part.start / 64 + (group - it.part.first)) * 16 + thread % 16;
#pragma unroll
  for (int w = 0; w < 4; ++w) {
    uint64_t element = element_of(it.block, w);
    it.there[w] = element >= it.part.start && element - it.part.start < it.part.length;
    it.at[w] = it.part.offset + element - it.part.start;
  }
  return it;
}

__device__ __forceinline__ Mine mine(const Part* parts, const uint32_t* owners, uint64_t groups) {
  return mine(parts, owners, groups, (uint64_t)blockIdx.x * blockDim.x + threadIdx.x);
}

template <class T> __device__ __forceinline__ void take(const T* from, const Mine& it, float otherwise, float (&to)[4]) {
#pragma unroll
  for (int w = 0; w < 4; ++w) to[w] = it.there[w] ? to_float(from[it.at[w]]) : otherwise;
}
template <class T> __device__ __forceinline__ void give(T* to, const Mine& it, const float (&from)[4]) {
#pragma unroll
  for (int w = 0; w < 4; ++w)
    if (it.there[w]) to[it.at[w]] = from_float<T>(from[w]);
}
template <class T> __device__ __forceinline__ void clear(T* to, const Mine& it) {
#pragma unroll
  for (int w = 0; w < 4; ++w)
    if (it.there[w]) to[it.at[w]] = from_float<T>(0.0f);
}

__device__ __forceinline__ bool finite(float x) { return fabsf(x) <= 3.402823466e38f; }

// ---- before an update ---------------------------------------------------------------------------------------------------

// An update in one graph with the backward pass cannot be held back by the CPU: it looks at the loss, and at what went before, itself.
extern "C" __global__ void look(const void* __restrict__ loss, uint32_t half, Status* status) {
  float x = half ? to_float(*(const bf16*)loss) : *(const float*)loss;
  if (!finite(x)) status->bad |= 4;
  status->stop = status->bad;
}

// ---- clipping -----------------------------------------------------------------------------------------------------------

// sum += gradient in f32, and the gradient becomes zero; with `last` it becomes the sum, rounded once, and the sum zero.
extern "C" __global__ void __launch_bounds__(256) accumulate(real* __restrict__ gradient, float* __restrict__ sum, uint64_t elements, uint32_t last) {
  uint64_t stride = (uint64_t)gridDim.x * blockDim.x;
  for (uint64_t i = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x; i < elements; i += stride) {
    float total = sum[i] + to_float(gradient[i]);
    sum[i] = last ? 0.0f : total;
    gradient[i] = from_float<real>(last ? total : 0.0f);
  }
}

// gradient *= correction, which is the fifth word of the counters. Micro-batches that count unequal numbers of targets ask for it.
extern "C" __global__ void __launch_bounds__(256) correct(real* gradient, const float* __restrict__ counters, uint64_t elements) {
  float correction = counters[4];
  if (correction == 1.0f) return;
  uint64_t stride = (uint64_t)gridDim.x * blockDim.x;
  for (uint64_t i = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x; i < elements; i += stride)
    gradient[i] = from_float<real>(to_float(gradient[i]) * correction);
}

// The sum of a number of each thread of a block, for thread 0.
__device__ __forceinline__ double sum_of_block(double x, double* shared) {
  shared[threadIdx.x] = x;
  for (int half = BLOCK / 2; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.x < half) shared[threadIdx.x] += shared[threadIdx.x + half];
  }
  return shared[0];
}

// partial[2 b] = the sum of squares of every gridDim.x-th piece of 256 times 16 bytes, from piece b on: the order depends on sizes alone. A flat buffer
// is whole pieces of 16 bytes. Where that overflows, partial[2 b + 1] is its root by 2^32, from a sum of doubles.
extern "C" __global__ void __launch_bounds__(256) squares(const real* __restrict__ gradient, float* __restrict__ partial, uint64_t elements) {
  __shared__ float shared[8];
  __shared__ double wide[BLOCK];
  float sum = 0.0f;
  constexpr int N = Wide<real>::N;
#pragma unroll 4
  for (uint64_t i = (uint64_t)blockIdx.x * 256 + threadIdx.x; i < elements / N; i += (uint64_t)gridDim.x * 256) {
    float g[N];
    load<N>(gradient + i * N, g);
#pragma unroll
    for (float one : g) sum += one * one;
  }
  sum = block_sum<256>(sum, shared);
  if (finite(sum)) {
    if (threadIdx.x == 0) partial[2 * blockIdx.x] = sum;
    return;
  }
  double exact = 0.0;
  for (uint64_t i = (uint64_t)blockIdx.x * 256 + threadIdx.x; i < elements / N; i += (uint64_t)gridDim.x * 256) {
    float g[N];
    load<N>(gradient + i * N, g);
    for (float one : g) exact += (double)one * one;
  }
  exact = sum_of_block(exact, wide);
  if (threadIdx.x == 0) partial[2 * blockIdx.x] = sum, partial[2 * blockIdx.x + 1] = (float)(sqrt(exact) * (1.0 / 4294967296.0));
}

// scale = min(1, clip / (norm + 1e-6)). One block.
extern "C" __global__ void __launch_bounds__(256) clip(const float* __restrict__ partial, uint64_t count, float largest, Status* status) {
  __shared__ float shared[8];
  __shared__ double wide[BLOCK];
  float sum = 0.0f;
  double exact = 0.0;
  for (uint64_t i = threadIdx.x; i < count; i += 256) {
    float of_block = partial[2 * i];
    sum += of_block;
    double root = finite(of_block) ? 0.0 : (double)partial[2 * i + 1] * 4294967296.0;
    exact += finite(of_block) ? (double)of_block : root * root;
  }
  sum = block_sum<256>(sum, shared);
  exact = sum_of_block(exact, wide);
  if (threadIdx.x == 0) {
    if (finite(sum)) {
      float norm = sqrtf(sum);
      status->norm = norm;
      status->scale = smaller(1.0f, largest / (norm + 1e-6f));
    } else {
      double norm = sqrt(exact);
      status->norm = (float)norm;
      // Infinity minus itself is not 0.
      if (norm - norm != 0.0) status->bad |= 1;
      status->scale = smaller(1.0f, (float)(largest / norm));
    }
  }
}

// ---- IVON ---------------------------------------------------------------------------------------------------------------

__device__ __forceinline__ void noise(uint32_t key_low, uint32_t key_high, const Mine& it, uint32_t step, uint32_t sample, float (&to)[4]) {
  normals(philox(key_low, key_high, it.block, step, sample), to);
}

// sigma: in one way everywhere, so that a sample that is drawn again has the same bits.
__device__ __forceinline__ float deviation(float hessian, float delta, float temperature) {
  return root(reciprocal(hessian + delta) * temperature);
}

// x cut to at most `bound` in size. Infinity cuts nothing, and what is not a number stays.
__device__ __forceinline__ float within(float x, float bound) {
  x = x > bound ? bound : x;
  return x < -bound ? -bound : x;
}

// mean + sigma · noise with sigma² = 1 / (h + delta) · 1 / ess; or the mean.
extern "C" __global__ void __launch_bounds__(256) ivon_draw(
    const float* __restrict__ mean, const float* __restrict__ hessian, real* __restrict__ weights, const Part* __restrict__ parts,
    const uint32_t* __restrict__ owners, uint64_t groups, uint32_t key_low, uint32_t key_high, uint32_t step, uint32_t sample,
    uint32_t noisy, float temperature) {
  Mine it = mine(parts, owners, groups);
  uint64_t thread = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (thread / 16 >= groups) return;
  float m[4];
  take(mean, it, 0.0f, m);
  if (noisy && !it.part.frozen) {
    float h[4], next[4];
    take(hessian, it, 1.0f, h);
    noise(key_low, key_high, it, step, sample, next);
#pragma unroll
    for (int w = 0; w < 4; ++w) m[w] += next[w] * deviation(h[w], it.part.decay, temperature);
  }
  give(weights, it, m);
}

// The minimum and maximum of h and the sum of sigma over all parameters that are not frozen, as (-h, h, sigma). partial: [gridDim.x, 3]
extern "C" __global__ void __launch_bounds__(256) ivon_statistics(
    const float* __restrict__ hessian, const Part* __restrict__ parts, const uint32_t* __restrict__ owners, uint64_t groups,
    float temperature, float* __restrict__ partial) {
  __shared__ float shared[8];
  float least = -INFINITY, most = -INFINITY, sum = 0.0f;
  for (uint64_t thread = (uint64_t)blockIdx.x * 256 + threadIdx.x; thread < groups * 16; thread += (uint64_t)gridDim.x * 256) {
    Mine it = mine(parts, owners, groups, thread);
    if (!it.any) continue;
    float h[4];
    take(hessian, it, 0.0f, h);
#pragma unroll
    for (int w = 0; w < 4; ++w) {
      if (!it.there[w]) continue;
      least = larger(least, -h[w]), most = larger(most, h[w]);
      sum += deviation(h[w], it.part.decay, temperature);
    }
  }
  least = block_max<256>(least, shared), most = block_max<256>(most, shared), sum = block_sum<256>(sum, shared);
  if (threadIdx.x == 0) {
    float* to = partial + 3 * blockIdx.x;
    to[0] = least, to[1] = most, to[2] = sum;
  }
}

// Takes the gradient of one sample in, zeroes it, and draws the next sample. With `last` it moves the state first, else it only adds to the
// sums, which are there where an update has several samples. Samples whose micro-batches count unequal numbers of targets have the weights that the fifth
// and sixth word of the counters hold: of the whole sum, and of this sample.
extern "C" __global__ void __launch_bounds__(256) ivon_update(
    float* __restrict__ mean, float* __restrict__ hessian, float* __restrict__ momentum, real* __restrict__ weights,
    real* __restrict__ gradient, float* __restrict__ sum_gradient, float* __restrict__ sum_product, const Part* __restrict__ parts,
    const uint32_t* __restrict__ owners, uint64_t groups, Status* status, const Moving* __restrict__ moving, const float* __restrict__ counters, uint32_t key_low,
    uint32_t key_high, uint32_t last, uint32_t gradsq, float ess, float temperature, float keep, float gain, float correction, float radius, float share,
    float take_share, float hessian_bound, float step_bound) {
  Mine it = mine(parts, owners, groups);
  if (!it.any || status->stopped()) return;
  float scale = status->scale, delta = it.part.decay, rate = moving->lr * it.part.factor, debias = moving->debias;
  float weighted = counters ? scale * counters[5] : scale;
  if (counters) share *= counters[4];
  float m[4], h[4], g[4], product[4], now[4] = {0.0f, 0.0f, 0.0f, 0.0f}, next[4];
  take(gradient, it, 0.0f, g);
  take(mean, it, 0.0f, m);
  take(hessian, it, 1.0f, h);
  if (!gradsq) noise(key_low, key_high, it, moving->now_step, moving->now_sample, now);
  noise(key_low, key_high, it, moving->next_step, moving->next_sample, next);
#pragma unroll
  for (int w = 0; w < 4; ++w) {
    float clipped = g[w] * scale;
    g[w] *= weighted;
    product[w] = g[w] * (gradsq ? clipped : now[w]);
  }
  clear(gradient, it);
  if (sum_gradient) {
    float old[4];
    take(sum_gradient, it, 0.0f, old);
#pragma unroll
    for (int w = 0; w < 4; ++w) g[w] += old[w];
    take(sum_product, it, 0.0f, old);
#pragma unroll
    for (int w = 0; w < 4; ++w) product[w] += old[w];
    if (last) {
      clear(sum_gradient, it);
      clear(sum_product, it);
#pragma unroll
      for (int w = 0; w < 4; ++w) g[w] *= share, product[w] *= share;
    } else {
      give(sum_gradient, it, g);
      give(sum_product, it, product);
    }
  }
  bool good = true;
  if (last) {
    float v[4];
    take(momentum, it, 0.0f, v);
#pragma unroll
    for (int w = 0; w < 4; ++w) {
      float estimate = gradsq ? ess * product[w] : product[w] * root(ess * (h[w] + delta));
      float d = within(estimate - h[w], hessian_bound * (h[w] + delta));
      // The Riemannian term keeps h + delta positive. An increment, because (beta2 h + …) in f32 would lose it.
      h[w] += gain * (d + correction * (d * d) * reciprocal(h[w] + delta));
      v[w] = keep * v[w] + take_share * g[w];
      float step = (v[w] * debias + delta * m[w]) * reciprocal(h[w] + delta);
      step = within(step, radius);
      // Without a bound in one expression, which compilers contract: the same bits as before there were bounds.
      if (step_bound == INFINITY) m[w] -= rate * step;
      else m[w] -= within(rate * step, step_bound * deviation(h[w], delta, temperature));
      float precision = ess * (h[w] + delta);
      good = good && (!it.there[w] || (precision > 0.0f && precision < 1e30f));
    }
    give(hessian, it, h);
    give(momentum, it, v);
    give(mean, it, m);
  }
#pragma unroll
  for (int w = 0; w < 4; ++w) {
    m[w] += next[w] * deviation(h[w], delta, temperature);
    good = good && (!it.there[w] || finite(m[w]));
  }
  give(weights, it, m);
  if (!good) atomicOr(&status->bad, 2u);
}

// ---- optimizers without a posterior -------------------------------------------------------------------------------------

extern "C" __global__ void __launch_bounds__(256) adamw(
    float* __restrict__ mean, float* __restrict__ momentum, float* __restrict__ variance, real* weights, real* __restrict__ gradient,
    const Part* __restrict__ parts, const uint32_t* __restrict__ owners, uint64_t groups, Status* status, const Moving* __restrict__ moving,
    float beta1, float take1, float beta2, float take2, float eps) {
  Mine it = mine(parts, owners, groups);
  if (!it.any || status->stopped()) return;
  float scale = status->scale, shrink = 1.0f - moving->lr * it.part.decay, rate = moving->rate, debias = moving->debias;
  float x[4], m[4], v[4], g[4];
  take(mean, it, 0.0f, x);
  take(momentum, it, 0.0f, m);
  take(variance, it, 0.0f, v);
  take(gradient, it, 0.0f, g);
  bool good = true;
#pragma unroll
  for (int w = 0; w < 4; ++w) {
    g[w] *= scale;
    m[w] = beta1 * m[w] + take1 * g[w];
    v[w] = beta2 * v[w] + take2 * (g[w] * g[w]);
    x[w] = x[w] * shrink - rate * (m[w] / (sqrtf(v[w]) * debias + eps));
    good = good && (!it.there[w] || finite(x[w]));
  }
  give(mean, it, x);
  give(momentum, it, m);
  give(variance, it, v);
  clear(gradient, it);
  if (weights) give(weights, it, x);
  if (!good) atomicOr(&status->bad, 2u);
}

extern "C" __global__ void __launch_bounds__(256) sgd(
    float* __restrict__ mean, float* __restrict__ momentum, real* weights, real* __restrict__ gradient, const Part* __restrict__ parts,
    const uint32_t* __restrict__ owners, uint64_t groups, Status* status, const Moving* __restrict__ moving,
    float keep, uint32_t nesterov) {
  Mine it = mine(parts, owners, groups);
  if (!it.any || status->stopped()) return;
  float scale = status->scale, lr = moving->lr;
  float x[4], m[4], g[4];
  take(mean, it, 0.0f, x);
  take(momentum, it, 0.0f, m);
  take(gradient, it, 0.0f, g);
  bool good = true;
#pragma unroll
  for (int w = 0; w < 4; ++w) {
    g[w] = g[w] * scale + it.part.decay * x[w];
    m[w] = keep * m[w] + g[w];
    x[w] -= lr * (nesterov ? g[w] + keep * m[w] : m[w]);
    good = good && (!it.there[w] || finite(x[w]));
  }
  give(mean, it, x);
  give(momentum, it, m);
  clear(gradient, it);
  if (weights) give(weights, it, x);
  if (!good) atomicOr(&status->bad, 2u);
}
