// Max and average pooling over images, channels last: a thread an element, of the output forward and of the input backward, so that every
// sum has one order.

struct Sliding {
  uint32_t kernel, stride, padding, height, width, out_height, out_width, channels;
};
#define SLIDING                                                                                                      \
  uint32_t kernel, uint32_t stride, uint32_t padding, uint32_t height, uint32_t width, uint32_t out_height, uint32_t out_width, \
      uint32_t channels, uint64_t elements
#define GIVEN {kernel, stride, padding, height, width, out_height, out_width, channels}

// Calls seen(where in x, tap) for every pixel that output element i sees.
template <class F> __device__ __forceinline__ void window(const Sliding& s, uint64_t i, F seen) {
  uint32_t channel = i % s.channels, column = i / s.channels % s.out_width, row = i / s.channels / s.out_width % s.out_height;
  uint64_t image = i / s.channels / s.out_width / s.out_height;
  for (uint32_t u = 0; u < s.kernel; ++u)
    for (uint32_t v = 0; v < s.kernel; ++v) {
      uint32_t y = row * s.stride + u - s.padding, x = column * s.stride + v - s.padding;  // wrap around below zero
      if (y < s.height && x < s.width) seen(((image * s.height + y) * s.width + x) * s.channels + channel, u * s.kernel + v);
    }
}

// Calls seen(where in y, tap) for every output element that sees input element i.
template <class F> __device__ __forceinline__ void seen_by(const Sliding& s, uint64_t i, F seen) {
  uint32_t channel = i % s.channels, x = i / s.channels % s.width, y = i / s.channels / s.width % s.height;
  uint64_t image = i / s.channels / s.width / s.height;
  for (uint32_t u = 0; u < s.kernel; ++u)
    for (uint32_t v = 0; v < s.kernel; ++v) {
      uint32_t row = (y + s.padding - u) / s.stride, column = (x + s.padding - v) / s.stride;
      bool there = row * s.stride == y + s.padding - u && column * s.stride == x + s.padding - v && row < s.out_height && column < s.out_width;
      if (there) seen(((image * s.out_height + row) * s.out_width + column) * s.channels + channel, u * s.kernel + v);
    }
}

// The largest element and its tap; what is not a number is the largest, of equal ones the first.
extern "C" __global__ void __launch_bounds__(256) max_forward(
    const real* __restrict__ x, real* __restrict__ y, uint32_t* __restrict__ taps, SLIDING) {
  Sliding s = GIVEN;
  uint64_t i = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= elements) return;
  float largest = -INFINITY;
  uint32_t taken = 0;
  window(s, i, [&](uint64_t at, uint32_t tap) {
    float one = to_float(x[at]);
    if (one > largest || one != one) largest = one, taken = tap;
  });
  y[i] = from_float<real>(largest);
  taps[i] = taken;
}

extern "C" __global__ void __launch_bounds__(256) max_backward(
    const uint32_t* __restrict__ taps, const real* __restrict__ d_y, real* d_x, uint32_t add, SLIDING) {
  Sliding s = GIVEN;
  uint64_t i = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= elements) return;
  float sum = 0.0f;
  seen_by(s, i, [&](uint64_t at, uint32_t tap) {
    if (taps[at] == tap) sum += to_float(d_y[at]);
  });
  put(&d_x[i], sum, add);
}

extern "C" __global__ void __launch_bounds__(256) average_forward(const real* __restrict__ x, real* __restrict__ y, SLIDING) {
  Sliding s = GIVEN;
  uint64_t i = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= elements) return;
  float sum = 0.0f;
  window(s, i, [&](uint64_t at, uint32_t) { sum += to_float(x[at]); });
  y[i] = from_float<real>(sum / (float)(kernel * kernel));
}

extern "C" __global__ void __launch_bounds__(256) average_backward(const real* __restrict__ d_y, real* d_x, uint32_t add, SLIDING) {
  Sliding s = GIVEN;
  uint64_t i = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= elements) return;
  float sum = 0.0f;
  seen_by(s, i, [&](uint64_t at, uint32_t) { sum += to_float(d_y[at]); });
  put(&d_x[i], sum / (float)(kernel * kernel), add);
}
