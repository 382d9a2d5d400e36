// d_x [outer, axis, inner] = scale · d_y [outer, inner], repeated along the axis, or += it. A thread a piece of N elements: 16 bytes, or a single one
// where rows are not of whole pieces, which `inner` and `pieces` are counted in.
template <int N>
__device__ __forceinline__ void repeated(const real* d_y, real* d_x, uint64_t pieces, uint64_t axis, uint64_t inner, float scale, bool add) {
  uint64_t stride = (uint64_t)gridDim.x * blockDim.x;
  for (uint64_t i = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x; i < pieces; i += stride) {
    float x[N];
    load<N>(d_y + (i / inner / axis * inner + i % inner) * N, x);
#pragma unroll
    for (int k = 0; k < N; ++k) x[k] *= scale;
    put_all(d_x + i * N, x, add);
  }
}

extern "C" __global__ void __launch_bounds__(256) repeat(
    const real* __restrict__ d_y, real* d_x, uint64_t pieces, uint64_t axis, uint64_t inner, float scale, uint32_t add, uint32_t wide) {
  if (wide) repeated<Wide<real>::N>(d_y, d_x, pieces, axis, inner, scale, add);
  else repeated<1>(d_y, d_x, pieces, axis, inner, scale, add);
}
