// Normalisation of rows of whole 16 bytes, of which a warp holds one in its registers, V pieces a lane: memory is read once. What is computed stands
// in `kernel.cu`.

// A lane's part of a row: pieces k · 32 + lane of 16 bytes, for k < V.
struct Pieces {
  static constexpr int N = Wide<real>::N;
  Vector<real, N> at[V];

  // The first element of piece `k`.
  static __device__ __forceinline__ uint64_t element(int k) { return (uint64_t)(k * WARP + threadIdx.x % WARP) * N; }

  __device__ __forceinline__ Pieces(const real* row, uint64_t width) {
#pragma unroll
    for (int k = 0; k < V; ++k)
      at[k] = element(k) < width ? *reinterpret_cast<const Vector<real, N>*>(row + element(k)) : Vector<real, N>{};
  }
  __device__ __forceinline__ float operator()(int k, int i) const { return to_float(at[k].at[i]); }
};

extern "C" __global__ void __launch_bounds__(256, 3) normalize_forward(
    const real* __restrict__ x, const real* __restrict__ gain, const real* __restrict__ bias, real* __restrict__ y,
    float* __restrict__ statistics, uint64_t rows, uint64_t width, float eps, uint32_t centre) {
  constexpr int N = Wide<real>::N;
  uint64_t row = row_of_thread<WARP>();
  if (row >= rows) return;
  Pieces it(x + row * width, width);
  float mean = 0.0f, square = 0.0f;
  if (centre) {
#pragma unroll
    for (int k = 0; k < V; ++k)
#pragma unroll
      for (int i = 0; i < N; ++i) mean += it(k, i);
    mean = warp_sum(mean) / (float)width;
  }
#pragma unroll
  for (int k = 0; k < V; ++k)
    if (it.element(k) < width) {
#pragma unroll
      for (int i = 0; i < N; ++i) square += (it(k, i) - mean) * (it(k, i) - mean);
    }
  float r = 1.0f / sqrtf(warp_sum(square) / (float)width + eps);
  if (threadIdx.x % WARP == 0) statistics[2 * row] = mean, statistics[2 * row + 1] = r;
#pragma unroll
  for (int k = 0; k < V; ++k) {
    uint64_t at = it.element(k);
    if (at >= width) continue;
    float a[N], b[N] = {}, value[N];
    load<N>(gain + at, a);
    if (bias) load<N>(bias + at, b);
#pragma unroll
    for (int i = 0; i < N; ++i) value[i] = (it(k, i) - mean) * r * a[i] + b[i];
    store<N>(y + row * width + at, value);
  }
}

// With g = gain · d_y: d_x = r · (g - mean(g) - x̂ · mean(g · x̂)), the mean of g only where the mean of x was subtracted; and, where wanted, what
// d_gain and d_bias are the sums of: those of d_y · x̂ and of d_y over the block's rows, partial [blocks, 2, width].
extern "C" __global__ void __launch_bounds__(256) normalize_backward(
    const real* __restrict__ x, const real* __restrict__ d_y, const float* __restrict__ statistics, const real* __restrict__ gain, real* d_x,
    float* __restrict__ partial, uint64_t rows, uint64_t width, uint32_t centre,
    uint32_t add) {
  constexpr int N = Wide<real>::N;
  __shared__ float shared[2 * V * N * WARP];
  int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
  float gains[V * N] = {}, biases[V * N] = {};
  for (uint64_t row = row_of_thread<WARP>(); row < rows; row += (uint64_t)gridDim.x * (BLOCK / WARP)) {
    Pieces it(x + row * width, width), d(d_y + row * width, width);
    float mean = statistics[2 * row], r = statistics[2 * row + 1];
    float sum_g = 0.0f, sum_gx = 0.0f;
#pragma unroll
    for (int k = 0; k < V; ++k) {
      float a[N] = {};
      if (it.element(k) < width) load<N>(gain + it.element(k), a);
#pragma unroll
      for (int i = 0; i < N; ++i) {
        float g = d(k, i) * a[i], normal = (it(k, i) - mean) * r;
        sum_g += g;
        sum_gx += g * normal;
        gains[k * N + i] += d(k, i) * normal;
        biases[k * N + i] += d(k, i);
      }
    }
    float mean_g = centre ? warp_sum(sum_g) / (float)width : 0.0f;
    float mean_gx = warp_sum(sum_gx) / (float)width;
#pragma unroll
    for (int k = 0; k < V; ++k) {
      uint64_t at = it.element(k);
      if (at >= width) continue;
      float a[N], value[N] = {};
      load<N>(gain + at, a);
      if (add) load<N>(d_x + row * width + at, value);
#pragma unroll
      for (int i = 0; i < N; ++i) value[i] += r * (d(k, i) * a[i] - mean_g - (it(k, i) - mean) * r * mean_gx);
      store<N>(d_x + row * width + at, value);
    }
  }
  if (!partial) return;
  // The warps one after another; lanes side by side in shared memory, whatever columns they have.
  for (int turn = 0; turn < BLOCK / WARP; ++turn) {
    if (warp == turn)
#pragma unroll
      for (int j = 0; j < V * N; ++j) {
        float* at = shared + j * WARP + lane;
        at[0] = turn ? at[0] + gains[j] : gains[j];
        at[V * N * WARP] = turn ? at[V * N * WARP] + biases[j] : biases[j];
      }
    __syncthreads();
  }
  float* to = partial + blockIdx.x * 2 * width;
  for (uint64_t c = threadIdx.x; c < width; c += BLOCK) {
    uint32_t from = (c / (N * WARP) * N + c % N) * WARP + c / N % WARP;
    to[c] = shared[from];
    to[width + c] = shared[V * N * WARP + from];
  }
}
