// sum += x, elementwise. A thread adds 16 bytes and continues with further ones at the distance of a grid. The first threads add
// the remaining elements.
extern "C" __global__ void __launch_bounds__(256) add_assign(const real* __restrict__ x, real* __restrict__ sum, uint64_t elements) {
  constexpr int N = Wide<real>::N;
  uint64_t stride = (uint64_t)gridDim.x * blockDim.x, thread = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x, pieces = elements / N;
  for (uint64_t i = thread; i < pieces; i += stride) {
    float a[N], b[N];
    load<N>(sum + i * N, a);
    load<N>(x + i * N, b);
#pragma unroll
    for (int j = 0; j < N; ++j) a[j] += b[j];
    store<N>(sum + i * N, a);
  }
  uint64_t left = pieces * N + thread;
  if (left < elements) put(&sum[left], to_float(x[left]), true);
}

// x = 0. One element per thread.
extern "C" __global__ void __launch_bounds__(256) zero(real* x, uint64_t elements) {
  uint64_t stride = (uint64_t)gridDim.x * blockDim.x;
  for (uint64_t i = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x; i < elements; i += stride) x[i] = from_float<real>(0.0f);
}

// y = x in the type of activations. One element per thread.
extern "C" __global__ void __launch_bounds__(256) narrow(const float* __restrict__ x, real* __restrict__ y, uint64_t elements) {
  uint64_t stride = (uint64_t)gridDim.x * blockDim.x;
  for (uint64_t i = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x; i < elements; i += stride) y[i] = from_float<real>(x[i]);
}

// y [rows, width] += bias [width] in every row. One element per thread.
extern "C" __global__ void __launch_bounds__(256) add_bias(const real* __restrict__ bias, real* y, uint64_t elements, uint64_t width) {
  uint64_t i = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (i < elements) put(&y[i], to_float(bias[i % width]), true);
}
