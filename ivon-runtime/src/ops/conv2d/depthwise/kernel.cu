// Depthwise convolution over images, channels last: x is [B, H, W, C], weight [C, HIGH, WIDE], y [B, H', W', C]. A thread computes some
// neighbouring channels of a pixel, of the output forward and of the input backward. Sums are f32, in the order of the taps; those of
// the gradient of the weights in parts that depend on the shape alone. Indices within an image are 32 bits.

struct Geometry {
  uint32_t high, wide, row_stride, column_stride, top, left, row_dilation, column_dilation, height, width, out_height, out_width, channels;
  uint64_t batch;
};
#define GEOMETRY                                                                                                          \
  uint32_t high, uint32_t wide, uint32_t row_stride, uint32_t column_stride, uint32_t top, uint32_t left, uint32_t row_dilation, \
      uint32_t column_dilation, uint32_t height, uint32_t width, uint32_t out_height, uint32_t out_width, uint32_t channels, uint64_t batch
#define GIVEN \
  {high, wide, row_stride, column_stride, top, left, row_dilation, column_dilation, height, width, out_height, out_width, channels, batch}

// A piece of N channels of a pixel of images of this height and width.
template <int N> struct Pixel {
  uint32_t channel, row, column;
  uint64_t image, at;
  __device__ __forceinline__ Pixel(uint64_t piece, uint32_t height, uint32_t width, uint32_t channels) : at(piece * N) {
    uint64_t pixel = at / channels;
    channel = (uint32_t)(at - pixel * channels);
    column = pixel % width;
    row = pixel / width % height;
    image = pixel / width / height;
  }
};

// sum += weight[channel + i, tap] · from[i]
template <int N>
__device__ __forceinline__ void add_tap(const Geometry& g, const real* weight, uint32_t channel, uint32_t tap, const real* from, float (&sum)[N]) {
  float one[N];
  load<N>(from, one);
#pragma unroll
  for (int i = 0; i < N; ++i) sum[i] += to_float(weight[(uint64_t)(channel + i) * g.high * g.wide + tap]) * one[i];
}

template <int N>
__device__ __forceinline__ void convolve(const Geometry& g, const real* x, const real* weight, const real* bias, real* y) {
  uint64_t piece = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (piece * N >= g.batch * g.out_height * g.out_width * g.channels) return;
  Pixel<N> to(piece, g.out_height, g.out_width, g.channels);
  float sum[N];
#pragma unroll
  for (int i = 0; i < N; ++i) sum[i] = bias ? to_float(bias[to.channel + i]) : 0.0f;
  for (uint32_t u = 0; u < g.high; ++u)
    for (uint32_t v = 0; v < g.wide; ++v) {
      // Numbers below zero wrap around, and are too large then.
      uint32_t row = to.row * g.row_stride + u * g.row_dilation - g.top, column = to.column * g.column_stride + v * g.column_dilation - g.left;
      if (row >= g.height || column >= g.width) continue;
      add_tap<N>(g, weight, to.channel, u * g.wide + v, x + ((to.image * g.height + row) * g.width + column) * g.channels + to.channel, sum);
    }
  store<N>(y + to.at, sum);
}

extern "C" __global__ void __launch_bounds__(256, 4) depthwise_forward(
    const real* __restrict__ x, const real* __restrict__ weight, const real* __restrict__ bias, real* __restrict__ y, uint32_t vectors, GEOMETRY) {
  Geometry g = GIVEN;
  if (vectors) convolve<Wide<real>::N>(g, x, weight, bias, y);
  else convolve<1>(g, x, weight, bias, y);
}

template <int N>
__device__ __forceinline__ void spread(const Geometry& g, const real* weight, const real* d_y, real* d_x, bool add) {
  uint64_t piece = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (piece * N >= g.batch * g.height * g.width * g.channels) return;
  Pixel<N> to(piece, g.height, g.width, g.channels);
  float sum[N] = {};
  for (uint32_t u = 0; u < g.high; ++u)
    for (uint32_t v = 0; v < g.wide; ++v) {
      uint32_t row = to.row + g.top - u * g.row_dilation, column = to.column + g.left - v * g.column_dilation;
      uint32_t i = row / g.row_stride, j = column / g.column_stride;
      if (i * g.row_stride != row || j * g.column_stride != column || i >= g.out_height || j >= g.out_width) continue;
      add_tap<N>(g, weight, to.channel, u * g.wide + v, d_y + ((to.image * g.out_height + i) * g.out_width + j) * g.channels + to.channel, sum);
    }
  put_all(d_x + to.at, sum, add);
}

extern "C" __global__ void __launch_bounds__(256) depthwise_input(
    const real* __restrict__ weight, const real* __restrict__ d_y, real* d_x, uint32_t add, uint32_t vectors, GEOMETRY) {
  Geometry g = GIVEN;
  if (vectors) spread<Wide<real>::N>(g, weight, d_y, d_x, add);
  else spread<1>(g, weight, d_y, d_x, add);
}

// partial[part, channel, tap] = the sum of d_y · x under the tap over the pixels of a part. The grid is [channels / 32, taps, parts]; the
// eight threads of a channel share its pixels, and their sums are added in order.
extern "C" __global__ void __launch_bounds__(256) depthwise_weight(
    const real* __restrict__ x, const real* __restrict__ d_y, float* __restrict__ partial, uint64_t part, GEOMETRY) {
  __shared__ float shared[8][32];
  Geometry g = GIVEN;
  uint32_t channel = blockIdx.x * 32 + threadIdx.x, u = blockIdx.y / wide, v = blockIdx.y % wide;
  uint64_t pixels = batch * out_height * out_width, begin = blockIdx.z * part, end = begin + part < pixels ? begin + part : pixels;
  float sum = 0.0f;
  if (channel < channels)
    for (uint64_t pixel = begin + threadIdx.y; pixel < end; pixel += 8) {
      Pixel<1> from(pixel * channels + channel, out_height, out_width, channels);
      uint32_t row = from.row * row_stride + u * row_dilation - top, column = from.column * column_stride + v * column_dilation - left;
      if (row >= height || column >= width) continue;
      sum += to_float(d_y[from.at]) * to_float(x[((from.image * height + row) * width + column) * channels + channel]);
    }
  shared[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y != 0 || channel >= channels) return;
  for (int i = 1; i < 8; ++i) sum += shared[i][threadIdx.x];
  partial[((uint64_t)blockIdx.z * channels + channel) * high * wide + blockIdx.y] = sum;
}
