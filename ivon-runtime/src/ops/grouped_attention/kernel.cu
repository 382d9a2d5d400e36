// Attention with separate queries, keys and values, for every type and head size up to 256. A warp works on one row (a query, or for the
// gradients of keys and values a key) and goes through the rows that it meets in tiles of 32. The tiles lie in shared memory, and each
// lane has one of their rows.
//
// q, y and d_y are [B, T, HEADS, SIZE], k and v [B, S, KV_HEADS, SIZE], bias [HEADS, T, S], slopes [HEADS], mask [B, S], segments [B, T],
// lse and delta f32 [B, HEADS, T]. A block has 8 warps, which take 4 rows each, one after the other.

constexpr int TILE = 32, ROWS = 4, MOST = 256 / WARP;  // rows of a tile, rows of a warp, columns of a lane

// The dimensions, and which keys a query sees.
struct Sight {
  uint64_t heads, kv_heads, queries, keys, size, window;
  uint32_t causal;
  const real *bias, *slopes, *mask, *segments;
  uint32_t key_low, key_high;
  const uint32_t* counters;
  uint32_t threshold;  // of dropout; 0 without
  float keep;

  __device__ __forceinline__ uint64_t query_row(uint64_t b, uint64_t head, uint64_t t) const { return ((b * queries + t) * heads + head) * size; }
  __device__ __forceinline__ uint64_t key_row(uint64_t b, uint64_t kv, uint64_t t) const { return ((b * keys + t) * kv_heads + kv) * size; }

  // How far key j lies before the place of query i.
  __device__ __forceinline__ int64_t back(uint64_t i, uint64_t j) const { return (int64_t)(i + keys) - (int64_t)(queries + j); }

  __device__ __forceinline__ bool sees(uint64_t b, uint64_t i, uint64_t j) const {
    if (i >= queries || j >= keys) return false;
    int64_t distance = back(i, j);
    if (causal && distance < 0) return false;
    if (window && (distance < 0 ? -distance : distance) >= (int64_t)window) return false;
    if (mask && to_float(mask[b * keys + j]) == 0.0f) return false;
    return !segments || to_float(segments[b * keys + i]) == to_float(segments[b * keys + j]);
  }

  // The part of a score that does not come from the product.
  __device__ __forceinline__ float shift(uint64_t head, uint64_t i, uint64_t j) const {
    int64_t distance = back(i, j);
    float shift = bias ? to_float(bias[(head * queries + i) * keys + j]) : 0.0f;
    return slopes ? shift - to_float(slopes[head]) * (float)(distance < 0 ? -distance : distance) : shift;
  }

  // The factor of a weight under dropout.
  __device__ __forceinline__ float kept(uint64_t b, uint64_t head, uint64_t i, uint64_t j) const {
    if (threshold == 0) return 1.0f;
    uint64_t element = ((b * heads + head) * queries + i) * keys + j;
    Words words = philox(key_low, key_high, element / 64 * 16 + element % 16, counters[0], counters[1]);
    // An index that is not a constant would put the words into memory.
    uint32_t which = element % 64 / 16, word = which < 2 ? (which ? words.at[1] : words.at[0]) : which == 2 ? words.at[2] : words.at[3];
    return word >= threshold ? keep : 0.0f;
  }
};

// Brings TILE rows to shared memory, with a column more so that lanes that read a column each meet no other; zeros beyond the last row.
template <class From>
__device__ __forceinline__ void bring(float* tile, uint64_t first, uint64_t length, uint64_t size, float factor, From from) {
  for (uint64_t i = threadIdx.x; i < TILE * size; i += blockDim.x) {
    uint64_t row = i / size, column = i % size;
    tile[row * (size + 1) + column] = first + row < length ? to_float(from(first + row)[column]) * factor : 0.0f;
  }
}

__device__ __forceinline__ float dot(const float* a, const float* b, uint64_t size) {
  float sum = 0.0f;
  for (uint64_t d = 0; d < size; ++d) sum += a[d] * b[d];
  return sum;
}

// sums += Σ_j weight of lane j · row j of the tile; a lane has the columns lane, lane + 32, ...
__device__ __forceinline__ void weigh(float weight, const float* tile, uint64_t size, float (&sums)[MOST]) {
  int lane = threadIdx.x % WARP;
  for (int j = 0; j < TILE; ++j) {
    float w = __shfl_sync(ALL_LANES, weight, j);
#pragma unroll
    for (int c = 0; c < MOST; ++c)
      if (c * WARP + lane < size) sums[c] += w * tile[j * (size + 1) + c * WARP + lane];
  }
}

template <class To> __device__ __forceinline__ void give(const float (&sums)[MOST], uint64_t size, float factor, bool add, To* to) {
  int lane = threadIdx.x % WARP;
#pragma unroll
  for (int c = 0; c < MOST; ++c)
    if (c * WARP + lane < size) put(&to[c * WARP + lane], sums[c] * factor, add);
}

// y = softmax(s) v with a running maximum and sum, and lse = ln of the sum of e^s, infinite for a query that sees no key. The grid is
// [B · HEADS, T / 32].
extern "C" __global__ void __launch_bounds__(256, 1) grouped_forward(
    const real* __restrict__ q, const real* __restrict__ k, const real* __restrict__ v, const real* __restrict__ bias,
    const real* __restrict__ slopes, const real* __restrict__ mask, const real* __restrict__ segments, real* __restrict__ y,
    float* __restrict__ lse, uint64_t heads, uint64_t kv_heads, uint64_t queries, uint64_t keys, uint64_t size, float scale,
    uint32_t causal, uint64_t window, uint32_t key_low, uint32_t key_high, const uint32_t* __restrict__ counters, uint32_t threshold,
    float keep) {
  DYNAMIC_SHARED(float, own);
  float* their_keys = own + TILE * (size + 1);
  float* values = their_keys + TILE * (size + 1);
  Sight sight{heads, kv_heads, queries, keys, size, window, causal, bias, slopes, mask, segments, key_low, key_high, counters, threshold, keep};
  int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
  uint64_t b = blockIdx.x / heads, head = blockIdx.x % heads, kv = head / (heads / kv_heads), first = (uint64_t)blockIdx.y * TILE;
  bring(own, first, queries, size, scale, [&](uint64_t t) { return q + sight.query_row(b, head, t); });
  float max[ROWS], total[ROWS], sums[ROWS][MOST] = {};
#pragma unroll
  for (int r = 0; r < ROWS; ++r) max[r] = -INFINITY, total[r] = 0.0f;
  for (uint64_t first_key = 0; first_key < keys; first_key += TILE) {
    __syncthreads();  // the last tile was used
    bring(their_keys, first_key, keys, size, 1.0f, [&](uint64_t t) { return k + sight.key_row(b, kv, t); });
    bring(values, first_key, keys, size, 1.0f, [&](uint64_t t) { return v + sight.key_row(b, kv, t); });
    __syncthreads();
#pragma unroll
    for (int r = 0; r < ROWS; ++r) {
      uint64_t row = warp * ROWS + r, query = first + row, key = first_key + lane;
      bool visible = sight.sees(b, query, key);
      float s = visible ? dot(own + row * (size + 1), their_keys + lane * (size + 1), size) + sight.shift(head, query, key) : -INFINITY;
      float top = larger(max[r], warp_max(s));
      // The query has seen no key, and sees none of these.
      if (top == -INFINITY) continue;
      float p = expf(s - top), shrink = expf(max[r] - top);
      total[r] = total[r] * shrink + warp_sum(p);
      max[r] = top;
#pragma unroll
      for (int c = 0; c < MOST; ++c) sums[r][c] *= shrink;
      weigh(visible ? p * sight.kept(b, head, query, key) : 0.0f, values, size, sums[r]);
    }
  }
#pragma unroll
  for (int r = 0; r < ROWS; ++r) {
    uint64_t query = first + warp * ROWS + r;
    if (query >= queries) continue;
    bool blind = max[r] == -INFINITY;
    give(sums[r], size, blind ? 0.0f : 1.0f / total[r], false, y + sight.query_row(b, head, query));
    if (lane == 0) lse[(b * heads + head) * queries + query] = blind ? INFINITY : max[r] + logf(total[r]);
  }
}

// delta = the sum of d_y · y of each query; a warp a query. The grid is over B · HEADS · T queries, 8 a block.
extern "C" __global__ void __launch_bounds__(256) grouped_delta(
    const real* __restrict__ y, const real* __restrict__ d_y, float* __restrict__ delta, uint64_t rows, uint64_t heads,
    uint64_t queries, uint64_t size) {
  uint64_t row = row_of_thread<WARP>();
  if (row >= rows) return;
  uint64_t head = row / queries % heads, b = row / queries / heads, t = row % queries;
  uint64_t at = ((b * queries + t) * heads + head) * size;
  float sum = 0.0f;
  for (uint64_t d = threadIdx.x % WARP; d < size; d += WARP) sum += to_float(y[at + d]) * to_float(d_y[at + d]);
  sum = warp_sum(sum);
  if (threadIdx.x % WARP == 0) delta[row] = sum;
}

// d_q = Σ over keys of ds k · scale with p = e^(s - lse), ds = p · (d_y · v - delta). The grid is [B · HEADS, T / 32].
extern "C" __global__ void __launch_bounds__(256) grouped_backward_queries(
    const real* __restrict__ q, const real* __restrict__ k, const real* __restrict__ v, const real* __restrict__ bias,
    const real* __restrict__ slopes, const real* __restrict__ mask, const real* __restrict__ segments, const real* __restrict__ d_y,
    const float* __restrict__ lse, const float* __restrict__ delta, real* d_q, uint64_t heads, uint64_t kv_heads, uint64_t queries,
    uint64_t keys, uint64_t size, float scale, uint32_t causal, uint64_t window, uint32_t key_low, uint32_t key_high,
    const uint32_t* __restrict__ counters, uint32_t threshold, float keep, uint32_t add) {
  DYNAMIC_SHARED(float, own);
  float* d_out = own + TILE * (size + 1);
  float* their_keys = d_out + TILE * (size + 1);
  float* values = their_keys + TILE * (size + 1);
  Sight sight{heads, kv_heads, queries, keys, size, window, causal, bias, slopes, mask, segments, key_low, key_high, counters, threshold, keep};
  int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
  uint64_t b = blockIdx.x / heads, head = blockIdx.x % heads, kv = head / (heads / kv_heads), first = (uint64_t)blockIdx.y * TILE;
  bring(own, first, queries, size, scale, [&](uint64_t t) { return q + sight.query_row(b, head, t); });
  bring(d_out, first, queries, size, 1.0f, [&](uint64_t t) { return d_y + sight.query_row(b, head, t); });
  float sums[ROWS][MOST] = {};
  for (uint64_t first_key = 0; first_key < keys; first_key += TILE) {
    __syncthreads();
    bring(their_keys, first_key, keys, size, 1.0f, [&](uint64_t t) { return k + sight.key_row(b, kv, t); });
    bring(values, first_key, keys, size, 1.0f, [&](uint64_t t) { return v + sight.key_row(b, kv, t); });
    __syncthreads();
#pragma unroll
    for (int r = 0; r < ROWS; ++r) {
      uint64_t row = warp * ROWS + r, query = first + row, key = first_key + lane;
      float ds = 0.0f;
      if (sight.sees(b, query, key)) {
        uint64_t at = (b * heads + head) * queries + query;
        float s = dot(own + row * (size + 1), their_keys + lane * (size + 1), size) + sight.shift(head, query, key);
        float dp = dot(d_out + row * (size + 1), values + lane * (size + 1), size) * sight.kept(b, head, query, key);
        ds = expf(s - lse[at]) * (dp - delta[at]);
      }
      weigh(ds, their_keys, size, sums[r]);
    }
  }
#pragma unroll
  for (int r = 0; r < ROWS; ++r) {
    uint64_t query = first + warp * ROWS + r;
    if (query < queries) give(sums[r], size, scale, add, d_q + sight.query_row(b, head, query));
  }
}

// d_k = Σ over the queries of all heads of the group of ds q · scale, d_v = Σ of p d_y. The grid is [B · KV_HEADS, S / 32]. A gradient that
// is not wanted has no place.
extern "C" __global__ void __launch_bounds__(256) grouped_backward_keys(
    const real* __restrict__ q, const real* __restrict__ k, const real* __restrict__ v, const real* __restrict__ bias,
    const real* __restrict__ slopes, const real* __restrict__ mask, const real* __restrict__ segments, const real* __restrict__ d_y,
    const float* __restrict__ lse, const float* __restrict__ delta, real* d_k, real* d_v, uint64_t heads, uint64_t kv_heads,
    uint64_t queries, uint64_t keys, uint64_t size, float scale, uint32_t causal, uint64_t window, uint32_t key_low, uint32_t key_high,
    const uint32_t* __restrict__ counters, uint32_t threshold, float keep, uint32_t add_k, uint32_t add_v) {
  DYNAMIC_SHARED(float, own);
  float* values = own + TILE * (size + 1);
  float* their_queries = values + TILE * (size + 1);
  float* d_out = their_queries + TILE * (size + 1);
  Sight sight{heads, kv_heads, queries, keys, size, window, causal, bias, slopes, mask, segments, key_low, key_high, counters, threshold, keep};
  int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
  uint64_t b = blockIdx.x / kv_heads, kv = blockIdx.x % kv_heads, first = (uint64_t)blockIdx.y * TILE, group = heads / kv_heads;
  bring(own, first, keys, size, 1.0f, [&](uint64_t t) { return k + sight.key_row(b, kv, t); });
  bring(values, first, keys, size, 1.0f, [&](uint64_t t) { return v + sight.key_row(b, kv, t); });
  float k_sums[ROWS][MOST] = {}, v_sums[ROWS][MOST] = {};
  for (uint64_t head = kv * group; head < (kv + 1) * group; ++head)
    for (uint64_t first_query = 0; first_query < queries; first_query += TILE) {
      __syncthreads();
      bring(their_queries, first_query, queries, size, scale, [&](uint64_t t) { return q + sight.query_row(b, head, t); });
      bring(d_out, first_query, queries, size, 1.0f, [&](uint64_t t) { return d_y + sight.query_row(b, head, t); });
      __syncthreads();
#pragma unroll
      for (int r = 0; r < ROWS; ++r) {
        uint64_t row = warp * ROWS + r, key = first + row, query = first_query + lane;
        float p = 0.0f, ds = 0.0f;
        if (sight.sees(b, query, key)) {
          uint64_t at = (b * heads + head) * queries + query;
          float s = dot(their_queries + lane * (size + 1), own + row * (size + 1), size) + sight.shift(head, query, key);
          float kept = sight.kept(b, head, query, key), dp = dot(d_out + lane * (size + 1), values + row * (size + 1), size) * kept;
          p = expf(s - lse[at]);
          ds = p * (dp - delta[at]);
          p *= kept;
        }
        weigh(p, d_out, size, v_sums[r]);
        weigh(ds, their_queries, size, k_sums[r]);
      }
    }
#pragma unroll
  for (int r = 0; r < ROWS; ++r) {
    uint64_t key = first + warp * ROWS + r;
    if (key >= keys) continue;
    if (d_k) give(k_sums[r], size, 1.0f, add_k, d_k + sight.key_row(b, kv, key));  // the queries have the scale in them
    if (d_v) give(v_sums[r], size, 1.0f, add_v, d_v + sight.key_row(b, kv, key));
  }
}

// d_bias = the sum of ds over the batch. A thread has the pairs of a query and keys 256 apart; the grid is [HEADS · T]. The block's sum of
// −distance · ds is its query's part of the gradient of the slope, parts f32 [HEADS, T]. A gradient that is not wanted has no place.
extern "C" __global__ void __launch_bounds__(256, 1) grouped_backward_scores(
    const real* __restrict__ q, const real* __restrict__ k, const real* __restrict__ v, const real* __restrict__ bias,
    const real* __restrict__ slopes, const real* __restrict__ mask, const real* __restrict__ segments, const real* __restrict__ d_y,
    const float* __restrict__ lse, const float* __restrict__ delta, real* d_bias, float* parts, uint64_t batch, uint64_t heads,
    uint64_t kv_heads, uint64_t queries, uint64_t keys, uint64_t size, float scale, uint32_t causal, uint64_t window, uint32_t key_low,
    uint32_t key_high, const uint32_t* __restrict__ counters, uint32_t threshold, float keep, uint32_t add) {
  __shared__ float shared[8];
  Sight sight{heads, kv_heads, queries, keys, size, window, causal, bias, slopes, mask, segments, key_low, key_high, counters, threshold, keep};
  uint64_t head = blockIdx.x / queries, query = blockIdx.x % queries, kv = head / (heads / kv_heads);
  float slope = 0.0f;
  for (uint64_t key = threadIdx.x; key < keys; key += blockDim.x) {
    float sum = 0.0f;
    for (uint64_t b = 0; b < batch; ++b) {
      if (!sight.sees(b, query, key)) continue;
      const real *one = q + sight.query_row(b, head, query), *other = k + sight.key_row(b, kv, key);
      const real *out = d_y + sight.query_row(b, head, query), *value = v + sight.key_row(b, kv, key);
      float s = 0.0f, dp = 0.0f;
      for (uint64_t d = 0; d < size; ++d) {
        s += to_float(one[d]) * scale * to_float(other[d]);
        dp += to_float(out[d]) * to_float(value[d]);
      }
      uint64_t at = (b * heads + head) * queries + query;
      sum += expf(s + sight.shift(head, query, key) - lse[at]) * (dp * sight.kept(b, head, query, key) - delta[at]);
    }
    if (d_bias) put(&d_bias[(head * queries + query) * keys + key], sum, add);
    int64_t distance = sight.back(query, key);
    slope -= sum * (float)(distance < 0 ? -distance : distance);
  }
  slope = block_sum<BLOCK>(slope, shared);
  if (parts && threadIdx.x == 0) parts[blockIdx.x] = slope;
}

// The gradient of each slope, from its parts. A block a head.
extern "C" __global__ void __launch_bounds__(256) grouped_backward_slopes(
    const float* __restrict__ parts, real* d_slopes, uint64_t queries, uint32_t add) {
  __shared__ float shared[8];
  float sum = 0.0f;
  for (uint64_t t = threadIdx.x; t < queries; t += blockDim.x) sum += parts[blockIdx.x * queries + t];
  sum = block_sum<BLOCK>(sum, shared);
  if (threadIdx.x == 0) put(&d_slopes[blockIdx.x], sum, add);
}

// Takes keys and values of the new positions into a cache, each [B · KV_HEADS, capacity, SIZE]. A thread for each of the B · T · KV_HEADS ·
// SIZE elements.
extern "C" __global__ void __launch_bounds__(256) grouped_append(
    const real* __restrict__ k, const real* __restrict__ v, real* keys, real* values, uint64_t kv_heads, uint64_t length, uint64_t size,
    uint64_t capacity, uint64_t before, uint64_t elements) {
  uint64_t i = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= elements) return;
  uint64_t d = i % size, kv = i / size % kv_heads, t = i / size / kv_heads % length, b = i / size / kv_heads / length;
  uint64_t to = ((b * kv_heads + kv) * capacity + before + t) * size + d;
  keys[to] = k[i];
  values[to] = v[i];
}

// y = softmax(s) v over the keys in the cache. A block a query: each warp goes through every eighth key with its own maximum and sum, and the
// eight are combined at the end. The grid is B · HEADS · T.
extern "C" __global__ void __launch_bounds__(256) grouped_cached(
    const real* __restrict__ q, const real* __restrict__ keys, const real* __restrict__ values, const real* __restrict__ slopes,
    real* __restrict__ y, uint64_t heads, uint64_t kv_heads, uint64_t length, uint64_t size, uint64_t capacity, uint64_t before,
    uint64_t window, float scale) {
  constexpr int WARPS = BLOCK / WARP;
  __shared__ float maxima[WARPS], totals[WARPS], parts[WARPS][256];
  uint64_t t = blockIdx.x % length, head = blockIdx.x / length % heads, b = blockIdx.x / length / heads, seen = before + t + 1;
  uint64_t kv = b * kv_heads + head / (heads / kv_heads), row = ((b * length + t) * heads + head) * size;
  uint64_t first = window && seen > window ? seen - window : 0;
  float slope = slopes ? to_float(slopes[head]) : 0.0f;
  int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
  float query[MOST], sums[MOST] = {}, max = -INFINITY, total = 0.0f;
#pragma unroll
  for (int c = 0; c < MOST; ++c) query[c] = c * WARP + lane < size ? to_float(q[row + c * WARP + lane]) * scale : 0.0f;
  for (uint64_t key = first + warp; key < seen; key += WARPS) {
    const real *k = keys + (kv * capacity + key) * size, *v = values + (kv * capacity + key) * size;
    float s = 0.0f;
#pragma unroll
    for (int c = 0; c < MOST; ++c)
      if (c * WARP + lane < size) s += query[c] * to_float(k[c * WARP + lane]);
    s = warp_sum(s) - slope * (float)(seen - 1 - key);
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
  // Every query sees itself. A warp that saw no key has a maximum of -INFINITY and a share of 0.
  float top = maxima[0];
  for (int w = 1; w < WARPS; ++w) top = larger(top, maxima[w]);
  if (threadIdx.x >= size) return;
  float sum = 0.0f, all = 0.0f;
  for (int w = 0; w < WARPS; ++w) {
    float share = expf(maxima[w] - top);
    sum += parts[w][threadIdx.x] * share;
    all += totals[w] * share;
  }
  y[row + threadIdx.x] = from_float<real>(sum / all);
}
