// Columns by their numbers: x is [rows, wide], y [rows, narrow], ids [narrow].

// y[row, k] = x[row, ids[k]]; NaN for an id that x lacks. A thread an element of y.
extern "C" __global__ void __launch_bounds__(256) index_select(
    const real* __restrict__ x, const uint32_t* __restrict__ ids, real* __restrict__ y, uint64_t elements, uint64_t wide, uint64_t narrow) {
  uint64_t at = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (at >= elements) return;
  uint64_t row = at / narrow, id = ids[at % narrow];
  y[at] = id < wide ? x[row * wide + id] : from_float<real>(INFINITY - INFINITY);
}

// d_x[row, n] = the sum of d_y[row, k] over the k with ids[k] = n, in their order, or += it. A thread an element of d_x: all threads read the
// same ids together.
extern "C" __global__ void __launch_bounds__(256) index_scatter(
    const real* __restrict__ d_y, const uint32_t* __restrict__ ids, real* d_x, uint64_t elements, uint64_t wide, uint64_t narrow,
    uint32_t add) {
  uint64_t at = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (at >= elements) return;
  uint64_t row = at / wide, column = at % wide;
  float sum = 0.0f;
  for (uint64_t k = 0; k < narrow; ++k)
    if (ids[k] == column) sum += to_float(d_y[row * narrow + k]);
  put(&d_x[at], sum, add);
}
