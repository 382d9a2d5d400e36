// Max and average pooling over images, channels last: a thread some neighbouring channels of a pixel, of the output forward and of the input backward, so
// that every sum has one order. Indices within an image are 32 bits.

struct Sliding {
  uint32_t kernel, stride, padding, height, width, out_height, out_width, channels;
};
#define SLIDING                                                                                                      \
  uint32_t kernel, uint32_t stride, uint32_t padding, uint32_t height, uint32_t width, uint32_t out_height, uint32_t out_width, \
      uint32_t channels, uint64_t pieces, uint32_t wide
#define GIVEN {kernel, stride, padding, height, width, out_height, out_width, channels}

// A piece of N channels of a pixel of images of this height and width.
template <int N> struct Pixel {
  uint32_t channel, x, y;
  uint64_t image, at;
  __device__ __forceinline__ Pixel(uint64_t piece, uint32_t height, uint32_t width, uint32_t channels) : at(piece * N) {
    uint32_t across = channels / N, image_pieces = height * width * across;
    image = piece / image_pieces;
    uint32_t within = (uint32_t)(piece - image * image_pieces), pixel = within / across;
    channel = (within - pixel * across) * N;
    y = pixel / width;
    x = pixel - y * width;
  }
};

// Calls seen(where in x, tap) for every pixel that a piece of the output sees.
template <int N, class F> __device__ __forceinline__ void window(const Sliding& s, const Pixel<N>& to, F seen) {
  for (uint32_t u = 0; u < s.kernel; ++u)
    for (uint32_t v = 0; v < s.kernel; ++v) {
      uint32_t y = to.y * s.stride + u - s.padding, x = to.x * s.stride + v - s.padding;  // wrap around below zero
      if (y < s.height && x < s.width) seen((to.image * s.height * s.width + y * s.width + x) * s.channels + to.channel, u * s.kernel + v);
    }
}

// The positions along an axis that see a pixel: from first up to end.
struct Seers {
  uint32_t first, end;
  __device__ __forceinline__ Seers(uint32_t pixel, const Sliding& s, uint32_t positions) {
    uint32_t at = pixel + s.padding;
    first = at < s.kernel ? 0 : (at - s.kernel) / s.stride + 1;
    end = at / s.stride + 1 < positions ? at / s.stride + 1 : positions;
  }
};

// Calls seen(where in y, tap) for every piece of the output that sees a piece of the input, in the order of the taps.
template <int N, class F> __device__ __forceinline__ void seen_by(const Sliding& s, const Pixel<N>& from, F seen) {
  Seers rows(from.y, s, s.out_height), columns(from.x, s, s.out_width);
  for (uint32_t row = rows.end; row-- > rows.first;)
    for (uint32_t column = columns.end; column-- > columns.first;) {
      uint32_t u = from.y + s.padding - row * s.stride, v = from.x + s.padding - column * s.stride;
      seen((from.image * s.out_height * s.out_width + row * s.out_width + column) * s.channels + from.channel, u * s.kernel + v);
    }
}

// ---- max ----------------------------------------------------------------------------------------------------------------

constexpr uint32_t NO_TAP = 0xffffffffu;

template <int N> __device__ __forceinline__ void max_of(const Sliding& s, const real* x, real* y, uint32_t* taps, uint64_t piece) {
  Pixel<N> to(piece, s.out_height, s.out_width, s.channels);
  float largest[N];
  Vector<uint32_t, N> taken;
#pragma unroll
  for (int i = 0; i < N; ++i) largest[i] = -INFINITY, taken.at[i] = NO_TAP;
  window(s, to, [&](uint64_t at, uint32_t tap) {
    float one[N];
    load<N>(x + at, one);
#pragma unroll
    for (int i = 0; i < N; ++i)
      if (one[i] > largest[i] || one[i] != one[i] || taken.at[i] == NO_TAP) largest[i] = one[i], taken.at[i] = tap;
  });
  store<N>(y + to.at, largest);
  *reinterpret_cast<Vector<uint32_t, N>*>(taps + to.at) = taken;
}

// The largest element and its tap; what is not a number is the largest, of equal ones the first.
extern "C" __global__ void __launch_bounds__(256, 4) max_forward(
    const real* __restrict__ x, real* __restrict__ y, uint32_t* __restrict__ taps, SLIDING) {
  uint64_t piece = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (piece >= pieces) return;
  if (wide) max_of<Wide<real>::N>(GIVEN, x, y, taps, piece);
  else max_of<1>(GIVEN, x, y, taps, piece);
}

template <int N>
__device__ __forceinline__ void give_to_max(
    const Sliding& s, const uint32_t* taps, const real* d_y, real* d_x, bool add, uint64_t piece) {
  Pixel<N> from(piece, s.height, s.width, s.channels);
  float sum[N] = {};
  seen_by(s, from, [&](uint64_t at, uint32_t tap) {
    float d[N];
    load<N>(d_y + at, d);
    Vector<uint32_t, N> taken = *reinterpret_cast<const Vector<uint32_t, N>*>(taps + at);
#pragma unroll
    for (int i = 0; i < N; ++i)
      if (taken.at[i] == tap) sum[i] += d[i];
  });
  put_all(d_x + from.at, sum, add);
}

extern "C" __global__ void __launch_bounds__(256, 3) max_backward(
    const uint32_t* __restrict__ taps, const real* __restrict__ d_y, real* d_x, uint32_t add, SLIDING) {
  uint64_t piece = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (piece >= pieces) return;
  if (wide) give_to_max<Wide<real>::N>(GIVEN, taps, d_y, d_x, add, piece);
  else give_to_max<1>(GIVEN, taps, d_y, d_x, add, piece);
}

// ---- average ------------------------------------------------------------------------------------------------------------

template <int N> __device__ __forceinline__ void average_of(const Sliding& s, const real* x, real* y, uint64_t piece) {
  Pixel<N> to(piece, s.out_height, s.out_width, s.channels);
  float sum[N] = {};
  window(s, to, [&](uint64_t at, uint32_t) {
    float one[N];
    load<N>(x + at, one);
#pragma unroll
    for (int i = 0; i < N; ++i) sum[i] += one[i];
  });
#pragma unroll
  for (int i = 0; i < N; ++i) sum[i] /= (float)(s.kernel * s.kernel);
  store<N>(y + to.at, sum);
}

extern "C" __global__ void __launch_bounds__(256, 4) average_forward(const real* __restrict__ x, real* __restrict__ y, SLIDING) {
  uint64_t piece = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (piece >= pieces) return;
  if (wide) average_of<Wide<real>::N>(GIVEN, x, y, piece);
  else average_of<1>(GIVEN, x, y, piece);
}

template <int N> __device__ __forceinline__ void give_to_all(const Sliding& s, const real* d_y, real* d_x, bool add, uint64_t piece) {
  Pixel<N> from(piece, s.height, s.width, s.channels);
  float sum[N] = {};
  seen_by(s, from, [&](uint64_t at, uint32_t) {
    float d[N];
    load<N>(d_y + at, d);
#pragma unroll
    for (int i = 0; i < N; ++i) sum[i] += d[i];
  });
#pragma unroll
  for (int i = 0; i < N; ++i) sum[i] /= (float)(s.kernel * s.kernel);
  put_all(d_x + from.at, sum, add);
}

extern "C" __global__ void __launch_bounds__(256, 4) average_backward(const real* __restrict__ d_y, real* d_x, uint32_t add, SLIDING) {
  uint64_t piece = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (piece >= pieces) return;
  if (wide) give_to_all<Wide<real>::N>(GIVEN, d_y, d_x, add, piece);
  else give_to_all<1>(GIVEN, d_y, d_x, add, piece);
}
