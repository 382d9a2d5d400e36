// The largest number of x [outer, axis, inner] along its axis, or the smallest: x is multiplied by a sign. A thread finds it for an element of y, or a warp
// or a block for a row where inner is 1.

template <int ROW>
__device__ __forceinline__ void of_rows(const real* x, real* y, uint64_t rows, uint64_t width, float sign, float* shared) {
  uint64_t row = row_of_thread<ROW>();
  if (row >= rows) return;
  float own = -INFINITY;
  for_row(x + row * width, width, threadIdx.x % ROW, ROW, [&](uint64_t, auto& x) {
    for (float one : x) own = larger(sign * one, own);
  });
  float largest = row_max<ROW>(own, shared);
  if (threadIdx.x % ROW == 0) put(&y[row], sign * largest, false);
}

extern "C" __global__ void __launch_bounds__(256) extreme_rows(
    const real* __restrict__ x, real* y, uint64_t rows, uint64_t width, float sign, uint32_t whole_block) {
  __shared__ float shared[WARP];
  if (whole_block) of_rows<BLOCK>(x, y, rows, width, sign, shared);
  else of_rows<WARP>(x, y, rows, width, sign, shared);
}

extern "C" __global__ void __launch_bounds__(256) extreme(
    const real* __restrict__ x, real* y, uint64_t outputs, uint64_t axis, uint64_t inner, float sign) {
  uint64_t i = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= outputs) return;
  const real* from = x + i / inner * axis * inner + i % inner;
  float largest = -INFINITY;
  for (uint64_t a = 0; a < axis; ++a) largest = larger(sign * to_float(from[a * inner]), largest);
  put(&y[i], sign * largest, false);
}

// The place of the first of them; a NaN counts as one.
extern "C" __global__ void __launch_bounds__(256) extreme_place(
    const real* __restrict__ x, uint32_t* y, uint64_t outputs, uint64_t axis, uint64_t inner, float sign) {
  uint64_t i = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= outputs) return;
  const real* from = x + i / inner * axis * inner + i % inner;
  float best = -INFINITY;
  uint32_t place = 0;
  for (uint64_t a = 0; a < axis; ++a) {
    float one = sign * to_float(from[a * inner]);
    if (one > best || a == 0 || (one != one && best == best)) best = one, place = (uint32_t)a;
  }
  y[i] = place;
}

template <int ROW>
__device__ __forceinline__ void parts_of_rows(
    const real* x, const real* y, const real* d_y, real* parts, uint64_t rows, uint64_t width, float* shared) {
  uint64_t row = row_of_thread<ROW>();
  if (row >= rows) return;
  float largest = to_float(y[row]), own = 0.0f;
  for_row(x + row * width, width, threadIdx.x % ROW, ROW, [&](uint64_t, auto& x) {
    for (float one : x) own += one == largest ? 1.0f : 0.0f;
  });
  float count = row_sum<ROW>(own, shared);
  if (threadIdx.x % ROW == 0) put(&parts[row], to_float(d_y[row]) / count, false);
}

// parts [outer, inner] = d_y / the number of x along the axis that are y.
extern "C" __global__ void __launch_bounds__(256) extreme_parts_of_rows(
    const real* __restrict__ x, const real* __restrict__ y, const real* __restrict__ d_y, real* parts, uint64_t rows, uint64_t width,
    uint32_t whole_block) {
  __shared__ float shared[WARP];
  if (whole_block) parts_of_rows<BLOCK>(x, y, d_y, parts, rows, width, shared);
  else parts_of_rows<WARP>(x, y, d_y, parts, rows, width, shared);
}

extern "C" __global__ void __launch_bounds__(256) extreme_parts(
    const real* __restrict__ x, const real* __restrict__ y, const real* __restrict__ d_y, real* parts, uint64_t outputs, uint64_t axis,
    uint64_t inner) {
  uint64_t i = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= outputs) return;
  const real* from = x + i / inner * axis * inner + i % inner;
  float largest = to_float(y[i]), count = 0.0f;
  for (uint64_t a = 0; a < axis; ++a) count += to_float(from[a * inner]) == largest ? 1.0f : 0.0f;
  put(&parts[i], to_float(d_y[i]) / count, false);
}

// d_x [outer, axis, inner] = parts where x is y, else 0; or += it. Where no x is y, which is NaN then, the part is infinite and the gradient NaN.
extern "C" __global__ void __launch_bounds__(256) extreme_give(
    const real* __restrict__ x, const real* __restrict__ y, const real* __restrict__ parts, real* d_x, uint64_t elements, uint64_t axis,
    uint64_t inner, uint32_t add) {
  uint64_t i = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= elements) return;
  uint64_t at = i / inner / axis * inner + i % inner;
  float equal = to_float(x[i]) == to_float(y[at]) ? 1.0f : 0.0f;
  put(&d_x[i], equal * to_float(parts[at]), add);
}
