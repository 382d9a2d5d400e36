// Rotary positions: the elements i and i + SIZE / 2 of each head of x [B, T, HEADS, SIZE], turned by the angle position · base^(−2 i / SIZE),
// or back. A thread a pair. The angle is reduced in f64: a large position has no digits after the point in f32.
extern "C" __global__ void __launch_bounds__(256) rotate(
    const real* __restrict__ x, real* y, uint64_t pairs, uint64_t length, uint64_t heads, uint64_t size, uint64_t first, float octaves,
    uint32_t back, uint32_t add) {
  uint64_t pair = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (pair >= pairs) return;
  uint64_t half = size / 2, i = pair % half, head = pair / half, position = first + head / heads % length, at = head * size + i;
  double turns = (double)position * exp2(-(double)octaves * (double)i / (double)half) * 0.15915494309189535;
  // sin and cos of pi times a number need no reduction, and so no memory.
  float s, c;
  sincospif((float)((turns - floor(turns)) * 2.0), &s, &c);
  if (back) s = -s;
  float one = to_float(x[at]), other = to_float(x[at + half]);
  put(&y[at], one * c - other * s, add);
  put(&y[at + half], other * c + one * s, add);
}
