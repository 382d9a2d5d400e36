// Attention in bf16 on tensor cores, for heads of SIZE = 32, 64 or 128 (a constant that stands in front of this text): the same formulas as in
// kernel.cu, with the same layouts, by mma.sync m16n8k16.
//
// A block has 4 warps, each with 16 rows of the block's 64; the rows that these meet come in tiles through shared memory by cp.async, the next
// tile while this one is used. Rows of shared memory are 8 elements longer than a head, so that the 8 rows that ldmatrix reads at once lie in
// different banks. The weights p and ds go from the accumulators of one product straight into the operand of the next one: the layouts agree.

constexpr int THREADS = 128, OWN = 64;         // rows of a block
constexpr int TILE = SIZE == 128 ? 32 : 64;    // rows that come by: fewer where registers are scarce
constexpr int STRIDE = SIZE + 8;
constexpr int STEPS = SIZE / 16;               // of 16 along a head
constexpr int COLUMNS = SIZE / 8;              // of 8 along a head
constexpr int MET = TILE / 8;                  // of 8 along a tile
constexpr float LOG2_E = 1.44269504f;

struct Geometry {
  uint64_t heads, length;

  __device__ __forceinline__ uint64_t qkv(int part, uint64_t head, uint64_t t) const {
    return (((head / heads * length + t) * 3 + part) * heads + head % heads) * SIZE;
  }
  __device__ __forceinline__ uint64_t output(uint64_t head, uint64_t t) const {
    return ((head / heads * length + t) * heads + head % heads) * SIZE;
  }
};

// Starts to copy rows first .. first + COUNT to shared memory; zeros beyond the last.
template <int COUNT, class From> __device__ __forceinline__ void bring(bf16* tile, uint64_t first, uint64_t length, From from) {
  constexpr int PIECES = SIZE / 8;
#pragma unroll
  for (int i = threadIdx.x; i < COUNT * PIECES; i += THREADS) {
    int row = i / PIECES, piece = i % PIECES;
    bool there = first + row < length;
    cp_async(tile + row * STRIDE + piece * 8, from(there ? first + row : 0) + piece * 8, there);
  }
}

// The left operand: 16 rows from `row`, 16 columns from `column`.
__device__ __forceinline__ void left(uint32_t (&to)[4], const bf16* tile, int row, int column) {
  int lane = threadIdx.x % WARP;
  ldmatrix_4(to, tile + (row + lane % 16) * STRIDE + column + lane / 16 * 8);
}

// S [16, TILE] += A B^T over whole heads: 16 rows of one tile with all rows of another.
__device__ __forceinline__ void products(float (&s)[MET][4], const bf16* a, int row, const bf16* b) {
  int lane = threadIdx.x % WARP;
#pragma unroll
  for (int step = 0; step < STEPS; ++step) {
    uint32_t x[4];
    left(x, a, row, step * 16);
#pragma unroll
    for (int n = 0; n < MET; n += 2) {
      // Rows 8 n .. 8 n + 16 of b, 16 columns: operands of two products.
      uint32_t y[4];
      ldmatrix_4(y, b + (n * 8 + lane % 8 + lane / 16 * 8) * STRIDE + step * 16 + lane / 8 % 2 * 8);
      uint32_t first[2] = {y[0], y[1]}, second[2] = {y[2], y[3]};
      mma_bf16(s[n], x, first, s[n]);
      mma_bf16(s[n + 1], x, second, s[n + 1]);
    }
  }
}

// sums [16, SIZE] += W B with the weights W [16, TILE] as they come out of `products`.
__device__ __forceinline__ void weigh(float (&sums)[COLUMNS][4], const float (&w)[MET][4], const bf16* b) {
  int lane = threadIdx.x % WARP;
#pragma unroll
  for (int step = 0; step < MET / 2; ++step) {
    uint32_t x[4] = {
        pack_bf16(w[2 * step][0], w[2 * step][1]), pack_bf16(w[2 * step][2], w[2 * step][3]),
        pack_bf16(w[2 * step + 1][0], w[2 * step + 1][1]), pack_bf16(w[2 * step + 1][2], w[2 * step + 1][3])};
#pragma unroll
    for (int n = 0; n < COLUMNS; n += 2) {
      // Rows 16 step .. + 16, columns 8 n .. 8 n + 16, transposed.
      uint32_t y[4];
      ldmatrix_4t(y, b + (step * 16 + lane % 16) * STRIDE + n * 8 + lane / 16 * 8);
      uint32_t first[2] = {y[0], y[1]}, second[2] = {y[2], y[3]};
      mma_bf16(sums[n], x, first, sums[n]);
      mma_bf16(sums[n + 1], x, second, sums[n + 1]);
    }
  }
}

// Sums and maxima over the four lanes that share a row of an accumulator.
__device__ __forceinline__ float quad_sum(float x) {
  x += __shfl_xor_sync(ALL_LANES, x, 1);
  return x + __shfl_xor_sync(ALL_LANES, x, 2);
}
__device__ __forceinline__ float quad_max(float x) {
  x = fmaxf(x, __shfl_xor_sync(ALL_LANES, x, 1));
  return fmaxf(x, __shfl_xor_sync(ALL_LANES, x, 2));
}

// Rows `row` and `row` + 8 of a head's output or gradient, the lane's pairs of columns.
__device__ __forceinline__ void give(const float (&sums)[COLUMNS][4], int half, float factor, bool add, bf16* to) {
  int column = threadIdx.x % 4 * 2;
#pragma unroll
  for (int n = 0; n < COLUMNS; ++n) {
    float x[2] = {sums[n][2 * half] * factor, sums[n][2 * half + 1] * factor};
    bf16* at = to + n * 8 + column;
    if (add) {
      float old[2];
      load<2>(at, old);
      x[0] += old[0], x[1] += old[1];
    }
    store<2>(at, x);
  }
}

// ---- backward -----------------------------------------------------------------------------------------------------------

// The gradient of queries: a block has 64 of them and goes through the keys.
extern "C" __global__ void __launch_bounds__(128) flash_backward_queries(
    const bf16* __restrict__ qkv, const bf16* __restrict__ d_y, const float* __restrict__ lse, const float* __restrict__ delta,
    bf16* d_qkv, uint64_t heads, uint64_t length, float scale, uint32_t causal, uint32_t add) {
  DYNAMIC_SHARED(bf16, queries);
  bf16* d_out = queries + OWN * STRIDE;
  bf16* keys = d_out + OWN * STRIDE;
  bf16* values = keys + 2 * TILE * STRIDE;
  Geometry geometry{heads, length};
  int lane = threadIdx.x % WARP, row = threadIdx.x / WARP * 16;
  uint64_t head = blockIdx.x, first = (uint64_t)(gridDim.y - 1 - blockIdx.y) * OWN;
  uint64_t end = causal && first + OWN < length ? first + OWN : length;
  auto tile = [&](uint64_t first_key, int buffer) {
    bring<TILE>(keys + buffer * TILE * STRIDE, first_key, length, [&](uint64_t t) { return qkv + geometry.qkv(1, head, t); });
    bring<TILE>(values + buffer * TILE * STRIDE, first_key, length, [&](uint64_t t) { return qkv + geometry.qkv(2, head, t); });
    cp_async_commit();
  };
  bring<OWN>(queries, first, length, [&](uint64_t t) { return qkv + geometry.qkv(0, head, t); });
  bring<OWN>(d_out, first, length, [&](uint64_t t) { return d_y + geometry.output(head, t); });
  tile(0, 0);
  float sums[COLUMNS][4] = {}, log[2], own_delta[2];
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    uint64_t query = first + row + lane / 4 + half * 8;
    log[half] = query < length ? lse[head * length + query] * LOG2_E : 0.0f;
    own_delta[half] = query < length ? delta[head * length + query] : 0.0f;
  }
  float factor = scale * LOG2_E;
  int buffer = 0;
  for (uint64_t first_key = 0; first_key < end; first_key += TILE, buffer ^= 1) {
    if (first_key + TILE < end) {
      tile(first_key + TILE, buffer ^ 1);
      cp_async_wait<1>();
    } else {
      cp_async_wait<0>();
    }
    __syncthreads();
    float s[MET][4] = {}, ds[MET][4] = {};
    products(s, queries, row, keys + buffer * TILE * STRIDE);
    products(ds, d_out, row, values + buffer * TILE * STRIDE);
#pragma unroll
    for (int n = 0; n < MET; ++n)
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        uint64_t key = first_key + n * 8 + lane % 4 * 2 + i % 2, query = first + row + lane / 4 + i / 2 * 8;
        bool seen = key < length && (!causal || key <= query);
        ds[n][i] = seen ? exp2f(s[n][i] * factor - log[i / 2]) * (ds[n][i] - own_delta[i / 2]) : 0.0f;
      }
    weigh(sums, ds, keys + buffer * TILE * STRIDE);
    __syncthreads();
  }
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    uint64_t query = first + row + lane / 4 + half * 8;
    if (query < length) give(sums, half, scale, add, d_qkv + geometry.qkv(0, head, query));
  }
}

// The gradients of keys and values: a block has 64 of them and goes through the queries. The scores are transposed: rows are keys.
extern "C" __global__ void __launch_bounds__(128) flash_backward_keys(
    const bf16* __restrict__ qkv, const bf16* __restrict__ d_y, const float* __restrict__ lse, const float* __restrict__ delta,
    bf16* d_qkv, uint64_t heads, uint64_t length, float scale, uint32_t causal, uint32_t add) {
  DYNAMIC_SHARED(bf16, keys);
  bf16* values = keys + OWN * STRIDE;
  bf16* queries = values + OWN * STRIDE;
  bf16* d_out = queries + 2 * TILE * STRIDE;
  float* logs = reinterpret_cast<float*>(d_out + 2 * TILE * STRIDE);  // two tiles, and as many deltas
  float* deltas = logs + 2 * TILE;
  Geometry geometry{heads, length};
  int lane = threadIdx.x % WARP, row = threadIdx.x / WARP * 16;
  uint64_t head = blockIdx.x, first = (uint64_t)blockIdx.y * OWN;
  auto tile = [&](uint64_t first_query, int buffer) {
    bring<TILE>(queries + buffer * TILE * STRIDE, first_query, length, [&](uint64_t t) { return qkv + geometry.qkv(0, head, t); });
    bring<TILE>(d_out + buffer * TILE * STRIDE, first_query, length, [&](uint64_t t) { return d_y + geometry.output(head, t); });
    cp_async_commit();
    if (threadIdx.x < TILE) {
      uint64_t query = first_query + threadIdx.x;
      logs[buffer * TILE + threadIdx.x] = query < length ? lse[head * length + query] * LOG2_E : 0.0f;
      deltas[buffer * TILE + threadIdx.x] = query < length ? delta[head * length + query] : 0.0f;
    }
  };
  bring<OWN>(keys, first, length, [&](uint64_t t) { return qkv + geometry.qkv(1, head, t); });
  bring<OWN>(values, first, length, [&](uint64_t t) { return qkv + geometry.qkv(2, head, t); });
  uint64_t begin = causal ? first : 0;
  tile(begin, 0);
  float d_k[COLUMNS][4] = {}, d_v[COLUMNS][4] = {};
  float factor = scale * LOG2_E;
  int buffer = 0;
  for (uint64_t first_query = begin; first_query < length; first_query += TILE, buffer ^= 1) {
    if (first_query + TILE < length) {
      tile(first_query + TILE, buffer ^ 1);
      cp_async_wait<1>();
    } else {
      cp_async_wait<0>();
    }
    __syncthreads();
    float p[MET][4] = {}, ds[MET][4] = {};
    products(p, keys, row, queries + buffer * TILE * STRIDE);
    products(ds, values, row, d_out + buffer * TILE * STRIDE);
#pragma unroll
    for (int n = 0; n < MET; ++n)
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        int column = n * 8 + lane % 4 * 2 + i % 2;
        uint64_t query = first_query + column, key = first + row + lane / 4 + i / 2 * 8;
        bool seen = query < length && key < length && (!causal || key <= query);
        p[n][i] = seen ? exp2f(p[n][i] * factor - logs[buffer * TILE + column]) : 0.0f;
        ds[n][i] = p[n][i] * (ds[n][i] - deltas[buffer * TILE + column]);
      }
    weigh(d_v, p, d_out + buffer * TILE * STRIDE);
    weigh(d_k, ds, queries + buffer * TILE * STRIDE);
    __syncthreads();
  }
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    uint64_t key = first + row + lane / 4 + half * 8;
    if (key >= length) continue;
    give(d_k, half, scale, add, d_qkv + geometry.qkv(1, head, key));
    give(d_v, half, 1.0f, add, d_qkv + geometry.qkv(2, head, key));
  }
}
