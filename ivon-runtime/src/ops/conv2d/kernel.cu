// Convolution over images, channels last, as products of matrices that are never written: the matrix of patches is read out of the image
// where it is used. Plain, for every type and geometry; one scheme serves the three products.
//
// x is [B, H, W, IN], weight [OUT, HIGH, WIDE, IN / GROUPS], y [B, H', W', OUT]. Blocks of 256 threads make 64 × 64 elements of a product
// in f32, 4 × 4 a thread, 16 of its depth at a time.

constexpr int TILE = 64, DEPTH = 16, EACH = 4;

struct Geometry {
  uint32_t high, wide, row_stride, column_stride, top, left, row_dilation, column_dilation, height, width, out_height, out_width, inputs, outputs, groups;
  uint64_t batch;

  __device__ __forceinline__ uint32_t group_inputs() const { return inputs / groups; }
  __device__ __forceinline__ uint32_t group_outputs() const { return outputs / groups; }
  __device__ __forceinline__ uint32_t patch() const { return high * wide * group_inputs(); }
  __device__ __forceinline__ uint64_t pixels() const { return batch * out_height * out_width; }

  // Element k of the patch under output pixel `pixel`, in a group: zero outside of the image.
  __device__ __forceinline__ float patch_of(const real* x, uint64_t pixel, uint32_t k, uint32_t group) const {
    uint32_t channel = k % group_inputs(), tap = k / group_inputs();
    uint32_t j = pixel % out_width, i = pixel / out_width % out_height;
    uint64_t image = pixel / out_width / out_height;
    // Numbers below zero wrap around, and are too large then.
    uint32_t row = i * row_stride + tap / wide * row_dilation - top, column = j * column_stride + tap % wide * column_dilation - left;
    if (row >= height || column >= width) return 0.0f;
    return to_float(x[((image * height + row) * width + column) * inputs + group * group_inputs() + channel]);
  }

  // The gradient of the output pixel whose tap `tap` is input pixel `pixel`, if there is one.
  __device__ __forceinline__ float gradient_at(const real* d_y, uint64_t pixel, uint32_t tap, uint32_t channel) const {
    uint32_t column = pixel % width + left - tap % wide * column_dilation, row = pixel / width % height + top - tap / wide * row_dilation;
    uint64_t image = pixel / width / height;
    uint32_t i = row / row_stride, j = column / column_stride;
    if (i * row_stride != row || j * column_stride != column || i >= out_height || j >= out_width) return 0.0f;
    return to_float(d_y[((image * out_height + i) * out_width + j) * outputs + channel]);
  }
};

struct Shared {
  float left[DEPTH][TILE + 1], right[DEPTH][TILE + 1];
};

// give(m, n, Σ left(m, k) right(k, n)) over k from `begin` to `end`, for the block's tile of a product [rows, columns].
template <class Left, class Right, class Give>
__device__ __forceinline__ void product(
    uint64_t rows, uint64_t columns, uint64_t begin, uint64_t end, Shared& shared, Left left, Right right, Give give) {
  uint64_t row = (uint64_t)blockIdx.x * TILE, column = (uint64_t)blockIdx.y * TILE;
  int y = threadIdx.x / 16, x = threadIdx.x % 16;
  float sums[EACH][EACH] = {};
  for (uint64_t k0 = begin; k0 < end; k0 += DEPTH) {
    __syncthreads();  // the last pieces were used
#pragma unroll
    for (int i = threadIdx.x; i < TILE * DEPTH; i += BLOCK) {
      uint64_t k = k0 + i % DEPTH;
      int at = i / DEPTH;
      shared.left[i % DEPTH][at] = k < end && row + at < rows ? left(row + at, k) : 0.0f;
      shared.right[i % DEPTH][at] = k < end && column + at < columns ? right(k, column + at) : 0.0f;
    }
    __syncthreads();
#pragma unroll
    for (int k = 0; k < DEPTH; ++k) {
      float a[EACH], b[EACH];
#pragma unroll
      for (int i = 0; i < EACH; ++i) a[i] = shared.left[k][y + 16 * i], b[i] = shared.right[k][x + 16 * i];
#pragma unroll
      for (int i = 0; i < EACH; ++i)
#pragma unroll
        for (int j = 0; j < EACH; ++j) sums[i][j] += a[i] * b[j];
    }
  }
#pragma unroll
  for (int i = 0; i < EACH; ++i)
#pragma unroll
    for (int j = 0; j < EACH; ++j) {
      uint64_t m = row + y + 16 * i, n = column + x + 16 * j;
      if (m < rows && n < columns) give(m, n, sums[i][j]);
    }
}

#define GEOMETRY                                                                                                          \
  uint32_t high, uint32_t wide, uint32_t row_stride, uint32_t column_stride, uint32_t top, uint32_t left, uint32_t row_dilation, \
      uint32_t column_dilation, uint32_t height, uint32_t width, uint32_t out_height, uint32_t out_width, uint32_t inputs, uint32_t outputs, uint32_t groups, uint64_t batch
#define GIVEN \
  {high, wide, row_stride, column_stride, top, left, row_dilation, column_dilation, height, width, out_height, out_width, inputs, outputs, groups, batch}

// y = patches · weightᵀ + bias. The grid is [pixels / 64, outputs of a group / 64, groups].
extern "C" __global__ void __launch_bounds__(256, 3) conv_forward(
    const real* __restrict__ x, const real* __restrict__ weight, const real* __restrict__ bias, real* __restrict__ y, GEOMETRY) {
  __shared__ Shared shared;
  Geometry g = GIVEN;
  uint32_t group = blockIdx.z, first = group * g.group_outputs(), patch = g.patch();
  product(
      g.pixels(), g.group_outputs(), 0, patch, shared, [&](uint64_t pixel, uint64_t k) { return g.patch_of(x, pixel, k, group); },
      [&](uint64_t k, uint64_t o) { return to_float(weight[(first + o) * patch + k]); },
      [&](uint64_t pixel, uint64_t o, float sum) {
        y[pixel * outputs + first + o] = from_float<real>(bias ? sum + to_float(bias[first + o]) : sum);
      });
}

// d_weight = d_yᵀ · patches, in groups of pixels, each into a part of `partial` (f32), whose sums are the gradient. The grid is
// [outputs of a group / 64, patch / 64, groups · parts].
extern "C" __global__ void __launch_bounds__(256, 3) conv_weight(
    const real* __restrict__ x, const real* __restrict__ d_y, float* __restrict__ partial, uint64_t part, GEOMETRY) {
  __shared__ Shared shared;
  Geometry g = GIVEN;
  uint32_t group = blockIdx.z % groups, first = group * g.group_outputs(), patch = g.patch();
  uint64_t begin = blockIdx.z / groups * part, end = begin + part < g.pixels() ? begin + part : g.pixels();
  float* to = partial + (uint64_t)(blockIdx.z / groups) * outputs * patch;
  product(
      g.group_outputs(), patch, begin, end, shared, [&](uint64_t o, uint64_t pixel) { return to_float(d_y[pixel * outputs + first + o]); },
      [&](uint64_t pixel, uint64_t k) { return g.patch_of(x, pixel, k, group); },
      [&](uint64_t o, uint64_t k, float sum) { to[(first + o) * patch + k] = sum; });
}

// d_x = d_y at the places that saw a pixel, times their weights, or += it. The grid is [pixels of x / 64, inputs of a group / 64, groups].
extern "C" __global__ void __launch_bounds__(256, 3) conv_input(
    const real* __restrict__ weight, const real* __restrict__ d_y, real* d_x, uint32_t add, GEOMETRY) {
  __shared__ Shared shared;
  Geometry g = GIVEN;
  uint32_t group = blockIdx.z, first = group * g.group_outputs(), each = g.group_outputs(), patch = g.patch();
  product(
      batch * height * width, g.group_inputs(), 0, (uint64_t)high * wide * each, shared,
      [&](uint64_t pixel, uint64_t k) { return g.gradient_at(d_y, pixel, k / each, first + k % each); },
      [&](uint64_t k, uint64_t c) { return to_float(weight[(first + k % each) * patch + k / each * g.group_inputs() + c]); },
      [&](uint64_t pixel, uint64_t c, float sum) { put(&d_x[pixel * inputs + group * g.group_inputs() + c], sum, add); });
}
