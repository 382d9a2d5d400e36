// Attention for every type and head size up to 256, without tensor cores: a warp works on one row (a query, or for the gradients of keys and
// values a key) and goes through the rows it meets in tiles of 32, which lie in shared memory and of which each lane has one.
//
// qkv is [B, T, 3, HEADS, SIZE], y and d_y [B, T, HEADS, SIZE], lse and delta f32 [B, HEADS, T]; delta is the sum of d_y · y of each query.
// A block has 8 warps, which take 4 rows each, one after the other. The grid is [B · HEADS, T / 32]: x has room for every batch.

constexpr int TILE = 32, ROWS = 4, MOST = 256 / WARP;  // rows of a tile, rows of a warp, columns of a lane

struct Geometry {
  uint64_t heads, length, size;

  // Returns the offset of row t of q (0), k (1) or v (2) of a head.
  __device__ __forceinline__ uint64_t qkv(int part, uint64_t head, uint64_t t) const {
    return (((head / heads * length + t) * 3 + part) * heads + head % heads) * size;
  }
  __device__ __forceinline__ uint64_t output(uint64_t head, uint64_t t) const {
    return ((head / heads * length + t) * heads + head % heads) * size;
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

// y = softmax(q kᵀ · scale) v with a running maximum and sum, and lse = ln of the sum of e^s.
extern "C" __global__ void __launch_bounds__(256) attend_forward(
    const real* __restrict__ qkv, real* __restrict__ y, float* __restrict__ lse, uint64_t heads, uint64_t length, uint64_t size,
    float scale, uint32_t causal) {
  DYNAMIC_SHARED(float, queries);
  float* keys = queries + TILE * (size + 1);
  float* values = keys + TILE * (size + 1);
  Geometry geometry{heads, length, size};
  int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
  uint64_t head = blockIdx.x, first = (uint64_t)blockIdx.y * TILE;
  bring(queries, first, length, size, scale, [&](uint64_t t) { return qkv + geometry.qkv(0, head, t); });
  float max[ROWS], total[ROWS], sums[ROWS][MOST] = {};
#pragma unroll
  for (int r = 0; r < ROWS; ++r) max[r] = -INFINITY, total[r] = 0.0f;
  uint64_t end = causal && first + TILE < length ? first + TILE : length;
  for (uint64_t first_key = 0; first_key < end; first_key += TILE) {
    __syncthreads();  // the last tile was used
    bring(keys, first_key, length, size, 1.0f, [&](uint64_t t) { return qkv + geometry.qkv(1, head, t); });
    bring(values, first_key, length, size, 1.0f, [&](uint64_t t) { return qkv + geometry.qkv(2, head, t); });
    __syncthreads();
#pragma unroll
    for (int r = 0; r < ROWS; ++r) {
      uint64_t query = warp * ROWS + r, key = first_key + lane;
      bool visible = key < length && (!causal || key <= first + query);
      float s = visible ? dot(queries + query * (size + 1), keys + lane * (size + 1), size) : -INFINITY;
      float top = larger(max[r], warp_max(s));
      // Nothing was seen yet, and nothing is seen now: rows beyond the last.
      if (top == -INFINITY) continue;
      float p = expf(s - top), shrink = expf(max[r] - top);
      total[r] = total[r] * shrink + warp_sum(p);
      max[r] = top;
#pragma unroll
      for (int c = 0; c < MOST; ++c) sums[r][c] *= shrink;
      weigh(p, values, size, sums[r]);
    }
  }
#pragma unroll
  for (int r = 0; r < ROWS; ++r) {
    uint64_t query = first + warp * ROWS + r;
    if (query >= length) continue;
    give(sums[r], size, 1.0f / total[r], false, y + geometry.output(head, query));
    if (lane == 0) lse[head * length + query] = max[r] + logf(total[r]);
  }
}

// delta = the sum of d_y · y of each query; a warp a query. The grid is over B · HEADS · T queries, 8 a block.
extern "C" __global__ void __launch_bounds__(256) attend_delta(
    const real* __restrict__ y, const real* __restrict__ d_y, float* __restrict__ delta, uint64_t queries, uint64_t heads,
    uint64_t length, uint64_t size) {
  uint64_t query = row_of_thread<WARP>();
  if (query >= queries) return;
  uint64_t at = Geometry{heads, length, size}.output(query / length, query % length);
  float sum = 0.0f;
  for (uint64_t d = threadIdx.x % WARP; d < size; d += WARP) sum += to_float(y[at + d]) * to_float(d_y[at + d]);
  sum = warp_sum(sum);
  if (threadIdx.x % WARP == 0) delta[query] = sum;
}

// d_q = Σ over keys of ds k · scale with p = e^(s - lse), ds = p · (d_y · v - delta).
extern "C" __global__ void __launch_bounds__(256) attend_backward_queries(
    const real* __restrict__ qkv, const real* __restrict__ d_y, const float* __restrict__ lse, const float* __restrict__ delta,
    real* d_qkv, uint64_t heads, uint64_t length, uint64_t size, float scale, uint32_t causal, uint32_t add) {
  DYNAMIC_SHARED(float, queries);
  float* d_out = queries + TILE * (size + 1);
  float* keys = d_out + TILE * (size + 1);
  float* values = keys + TILE * (size + 1);
  Geometry geometry{heads, length, size};
  int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
  uint64_t head = blockIdx.x, first = (uint64_t)blockIdx.y * TILE;
  bring(queries, first, length, size, scale, [&](uint64_t t) { return qkv + geometry.qkv(0, head, t); });
  bring(d_out, first, length, size, 1.0f, [&](uint64_t t) { return d_y + geometry.output(head, t); });
  float sums[ROWS][MOST] = {};
  uint64_t end = causal && first + TILE < length ? first + TILE : length;
  for (uint64_t first_key = 0; first_key < end; first_key += TILE) {
    __syncthreads();
    bring(keys, first_key, length, size, 1.0f, [&](uint64_t t) { return qkv + geometry.qkv(1, head, t); });
    bring(values, first_key, length, size, 1.0f, [&](uint64_t t) { return qkv + geometry.qkv(2, head, t); });
    __syncthreads();
#pragma unroll
    for (int r = 0; r < ROWS; ++r) {
      uint64_t row = warp * ROWS + r, query = first + row, key = first_key + lane;
      float ds = 0.0f;
      if (query < length && key < length && (!causal || key <= query)) {
        float s = dot(queries + row * (size + 1), keys + lane * (size + 1), size);
        float dp = dot(d_out + row * (size + 1), values + lane * (size + 1), size);
        ds = expf(s - lse[head * length + query]) * (dp - delta[head * length + query]);
      }
      weigh(ds, keys, size, sums[r]);
    }
  }
#pragma unroll
  for (int r = 0; r < ROWS; ++r) {
    uint64_t query = first + warp * ROWS + r;
    if (query < length) give(sums[r], size, scale, add, d_qkv + geometry.qkv(0, head, query));
  }
}

// d_k = Σ over queries of ds q · scale, d_v = Σ over queries of p d_y.
extern "C" __global__ void __launch_bounds__(256) attend_backward_keys(
    const real* __restrict__ qkv, const real* __restrict__ d_y, const float* __restrict__ lse, const float* __restrict__ delta,
    real* d_qkv, uint64_t heads, uint64_t length, uint64_t size, float scale, uint32_t causal, uint32_t add) {
  DYNAMIC_SHARED(float, keys);
  float* values = keys + TILE * (size + 1);
  float* queries = values + TILE * (size + 1);
  float* d_out = queries + TILE * (size + 1);
  Geometry geometry{heads, length, size};
  int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
  uint64_t head = blockIdx.x, first = (uint64_t)blockIdx.y * TILE;
  bring(keys, first, length, size, 1.0f, [&](uint64_t t) { return qkv + geometry.qkv(1, head, t); });
  bring(values, first, length, size, 1.0f, [&](uint64_t t) { return qkv + geometry.qkv(2, head, t); });
  float d_k[ROWS][MOST] = {}, d_v[ROWS][MOST] = {};
  for (uint64_t first_query = causal ? first : 0; first_query < length; first_query += TILE) {
    __syncthreads();
    bring(queries, first_query, length, size, scale, [&](uint64_t t) { return qkv + geometry.qkv(0, head, t); });
    bring(d_out, first_query, length, size, 1.0f, [&](uint64_t t) { return d_y + geometry.output(head, t); });
    __syncthreads();
#pragma unroll
    for (int r = 0; r < ROWS; ++r) {
      uint64_t row = warp * ROWS + r, key = first + row, query = first_query + lane;
      float p = 0.0f, ds = 0.0f;
      if (query < length && key < length && (!causal || key <= query)) {
        float s = dot(queries + lane * (size + 1), keys + row * (size + 1), size);
        float dp = dot(d_out + lane * (size + 1), values + row * (size + 1), size);
        p = expf(s - lse[head * length + query]);
        ds = p * (dp - delta[head * length + query]);
      }
      weigh(p, d_out, size, d_v[r]);
      weigh(ds, queries, size, d_k[r]);
    }
  }
#pragma unroll
  for (int r = 0; r < ROWS; ++r) {
    uint64_t key = first + warp * ROWS + r;
    if (key >= length) continue;
    give(d_k[r], size, 1.0f, add, d_qkv + geometry.qkv(1, head, key));  // the queries have the scale in them
    give(d_v[r], size, 1.0f, add, d_qkv + geometry.qkv(2, head, key));
  }
}
