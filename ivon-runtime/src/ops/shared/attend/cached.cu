// Attention of new positions to all before them, whose keys and values a cache holds, each [B · HEADS, capacity, SIZE]. qkv is
// [B, T, 3, HEADS, SIZE] of the new positions, y [B, T, HEADS, SIZE]; `before` positions are in the cache already.

constexpr int WARPS = BLOCK / WARP, MOST = 256 / WARP;  // columns of a lane

// Takes keys and values of the new positions in. A thread for each of the B · HEADS · T · SIZE elements.
extern "C" __global__ void __launch_bounds__(256) cache_append(
    const real* __restrict__ qkv, real* keys, real* values, uint64_t heads, uint64_t length, uint64_t size, uint64_t capacity,
    uint64_t before, uint64_t elements) {
  uint64_t i = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= elements) return;
  uint64_t d = i % size, t = i / size % length, head = i / size / length;
  uint64_t from = (((head / heads * length + t) * 3 + 1) * heads + head % heads) * size + d, to = (head * capacity + before + t) * size + d;
  keys[to] = qkv[from];
  values[to] = qkv[from + heads * size];
}

// y = softmax(q kᵀ · scale) v. A block a query: each warp goes through every eighth key with a maximum and a sum of its own, and the eight are put
// together at the end. The grid is B · HEADS · T.
extern "C" __global__ void __launch_bounds__(256) cached_forward(
    const real* __restrict__ qkv, const real* __restrict__ keys, const real* __restrict__ values, real* __restrict__ y, uint64_t heads,
    uint64_t length, uint64_t size, uint64_t capacity, uint64_t before, float scale) {
  __shared__ float maxima[WARPS], totals[WARPS], parts[WARPS][256];
  uint64_t head = blockIdx.x / length, t = blockIdx.x % length, image = head / heads, seen = before + t + 1;
  int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
  const real* q = qkv + ((image * length + t) * 3 * heads + head % heads) * size;
  float query[MOST], sums[MOST] = {}, max = -INFINITY, total = 0.0f;
#pragma unroll
  for (int c = 0; c < MOST; ++c) query[c] = c * WARP + lane < size ? to_float(q[c * WARP + lane]) * scale : 0.0f;
  for (uint64_t key = warp; key < seen; key += WARPS) {
    const real *k = keys + (head * capacity + key) * size, *v = values + (head * capacity + key) * size;
    float s = 0.0f;
#pragma unroll
    for (int c = 0; c < MOST; ++c)
      if (c * WARP + lane < size) s += query[c] * to_float(k[c * WARP + lane]);
    s = warp_sum(s);
    float top = larger(max, s), shrink = expf(max - top), p = expf(s - top);
    total = total * shrink + p;
    max = top;
#pragma unroll
    for (int c = 0; c < MOST; ++c)
      if (c * WARP + lane < size) sums[c] = sums[c] * shrink + p * to_float(v[c * WARP + lane]);
  }
  if (lane == 0) maxima[warp] = max, totals[warp] = total;
#pragma unroll
  for (int c = 0; c < MOST; ++c)
    if (c * WARP + lane < size) parts[warp][c * WARP + lane] = sums[c];
  __syncthreads();
  // Every query sees itself; warps that saw no key have a maximum of -INFINITY, and a share of 0.
  float top = maxima[0];
  for (int w = 1; w < WARPS; ++w) top = larger(top, maxima[w]);
  if (threadIdx.x >= size) return;
  float sum = 0.0f, all = 0.0f;
  for (int w = 0; w < WARPS; ++w) {
    float share = expf(maxima[w] - top);
    sum += parts[w][threadIdx.x] * share;
    all += totals[w] * share;
  }
  y[((image * length + t) * heads + head % heads) * size + threadIdx.x] = from_float<real>(sum / all);
}
