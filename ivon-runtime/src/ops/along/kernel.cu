// d_x [outer, axis, inner] = scale · d_y [outer, inner], repeated along the axis, or += it. A thread an element.
extern "C" __global__ void __launch_bounds__(256) repeat(
    const real* __restrict__ d_y, real* d_x, uint64_t elements, uint64_t axis, uint64_t inner, float scale, uint32_t add) {
  uint64_t stride = (uint64_t)gridDim.x * blockDim.x;
  for (uint64_t i = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x; i < elements; i += stride)
    put(&d_x[i], scale * to_float(d_y[i / inner / axis * inner + i % inner]), add);
}
