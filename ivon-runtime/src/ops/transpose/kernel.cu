// y [outer, b, middle, a, inner] = x [outer, a, middle, b, inner], or += it.

// In tiles of 32 × 32 through shared memory, so that reading and writing are both along rows; for inner = 1. Blocks of 32 by 8 threads; the
// grid is [b / 32, a / 32, outer · middle].
extern "C" __global__ void __launch_bounds__(256) transpose_tiles(
    const real* __restrict__ x, real* y, uint64_t a, uint64_t middle, uint64_t b, uint32_t add) {
  __shared__ float tile[WARP][WARP + 1];
  uint64_t outer = blockIdx.z / middle, m = blockIdx.z % middle;
  uint64_t i0 = (uint64_t)blockIdx.y * WARP, j0 = (uint64_t)blockIdx.x * WARP;
  for (int k = threadIdx.y; k < WARP; k += 8) {
    uint64_t i = i0 + k, j = j0 + threadIdx.x;
    if (i < a && j < b) tile[k][threadIdx.x] = to_float(x[((outer * a + i) * middle + m) * b + j]);
  }
  __syncthreads();
  for (int k = threadIdx.y; k < WARP; k += 8) {
    uint64_t i = i0 + threadIdx.x, j = j0 + k;
    if (i < a && j < b) put(&y[((outer * b + j) * middle + m) * a + i], tile[threadIdx.x][k], add);
  }
}

// A thread an element of y, for every other form.
extern "C" __global__ void __launch_bounds__(256) transpose(
    const real* __restrict__ x, real* y, uint64_t elements, uint64_t a, uint64_t middle, uint64_t b, uint64_t inner, uint32_t add) {
  uint64_t stride = (uint64_t)gridDim.x * blockDim.x;
  for (uint64_t k = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x; k < elements; k += stride) {
    uint64_t rest = k / inner, i = rest % a;
    rest /= a;
    uint64_t m = rest % middle;
    rest /= middle;
    uint64_t j = rest % b, outer = rest / b;
    put(&y[k], to_float(x[(((outer * a + i) * middle + m) * b + j) * inner + k % inner]), add);
  }
}
