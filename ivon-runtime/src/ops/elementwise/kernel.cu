// sum += x, elementwise. One thread an element, each going on to further ones a grid apart.
extern "C" __global__ void __launch_bounds__(256) add_assign(const real* __restrict__ x, real* __restrict__ sum, uint64_t elements) {
  uint64_t stride = (uint64_t)gridDim.x * blockDim.x;
  for (uint64_t i = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x; i < elements; i += stride) put(&sum[i], to_float(x[i]), true);
}

// x = 0, likewise.
extern "C" __global__ void __launch_bounds__(256) zero(real* x, uint64_t elements) {
  uint64_t stride = (uint64_t)gridDim.x * blockDim.x;
  for (uint64_t i = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x; i < elements; i += stride) x[i] = from_float<real>(0.0f);
}

// y = x in the type of activations, likewise.
extern "C" __global__ void __launch_bounds__(256) narrow(const float* __restrict__ x, real* __restrict__ y, uint64_t elements) {
  uint64_t stride = (uint64_t)gridDim.x * blockDim.x;
  for (uint64_t i = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x; i < elements; i += stride) y[i] = from_float<real>(x[i]);
}
