// Copies between a tensor and a stretch of one of its axes: of `rows` rows of `length` elements, the `width` elements from `start`.
// Everything is counted in pieces of N elements: 16 bytes, or single ones where the stretch does not lie on whole pieces; `pieces` is how
// many the part has.

template <int N> __device__ __forceinline__ void move(const real* from, real* to, bool add) {
  float x[N];
  load<N>(from, x);
  if (add) {
    float old[N];
    load<N>(to, old);
#pragma unroll
    for (int i = 0; i < N; ++i) x[i] += old[i];
  }
  store<N>(to, x);
}

template <int N>
__device__ __forceinline__ void take(
    const real* whole, real* part, uint64_t pieces, uint64_t length, uint64_t start, uint64_t width, bool add) {
  uint64_t stride = (uint64_t)gridDim.x * blockDim.x;
  for (uint64_t i = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x; i < pieces; i += stride)
    move<N>(whole + (i / width * length + start + i % width) * N, part + i * N, add);
}

// part = the strip of whole, or += it.
extern "C" __global__ void __launch_bounds__(256) strip_take(
    const real* __restrict__ whole, real* part, uint64_t pieces, uint64_t length, uint64_t start, uint64_t width, uint32_t add,
    uint32_t wide) {
  if (wide) take<Wide<real>::N>(whole, part, pieces, length, start, width, add);
  else take<1>(whole, part, pieces, length, start, width, add);
}

// part = the strip of whole, of ids.
extern "C" __global__ void __launch_bounds__(256) strip_take_ids(
    const uint32_t* __restrict__ whole, uint32_t* part, uint64_t count, uint64_t length, uint64_t start, uint64_t width) {
  uint64_t stride = (uint64_t)gridDim.x * blockDim.x;
  for (uint64_t i = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x; i < count; i += stride)
    part[i] = whole[i / width * length + start + i % width];
}

template <int N>
__device__ __forceinline__ void give(
    const real* part, real* whole, uint64_t pieces, uint64_t length, uint64_t start, uint64_t width, bool add) {
  uint64_t stride = (uint64_t)gridDim.x * blockDim.x;
  for (uint64_t i = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x; i < pieces; i += stride)
    move<N>(part + i * N, whole + (i / width * length + start + i % width) * N, add);
}

// The strip of whole = part, or += it.
extern "C" __global__ void __launch_bounds__(256) strip_put(
    const real* __restrict__ part, real* whole, uint64_t pieces, uint64_t length, uint64_t start, uint64_t width, uint32_t add,
    uint32_t wide) {
  if (wide) give<Wide<real>::N>(part, whole, pieces, length, start, width, add);
  else give<1>(part, whole, pieces, length, start, width, add);
}
