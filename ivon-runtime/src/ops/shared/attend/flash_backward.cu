// The backward pass on tensor cores. With p = e^(s - lse), dp = d_y vᵀ, delta = the sum of d_y · y of a query, ds = p · (dp - delta):
// d_v = pᵀ d_y, d_k = dsᵀ q · scale, d_q = ds k · scale.
//
// A block has 128 keys, and goes through the queries that see them in tiles. Scores are transposed, keys by queries: a warp's rows of p and ds are
// the left operands of its rows of d_v and d_k as they come. For d_q, ds passes through shared memory.
//
// d_q of a tile of queries is a sum over the blocks of keys. They add to it in f32 one after the other, from the last block to the first, so that
// the sum has the same bits every time: a number for each tile says how many have added, and a block waits until it is its turn. In the causal
// pass block j begins with its own queries, so blocks that start together are at different tiles, and come to each when the block before has left.
// Otherwise each is one tile behind the one before. A block takes its work by a ticket: it waits only for blocks with tickets before its own,
// which run already, so that nothing hangs in whatever order blocks are started.
//
// The sums of a tile lie as the lanes have them in their accumulators: no other kernel reads them.

// For heads of 128 there are registers for d_k or for d_v of a warp's 32 keys, not for both. There two warps share the keys: one has p and d_v, and
// leaves p in shared memory for the other, which has dp, ds and d_k.

constexpr bool SHARED = SIZE == 128;                 // keys, by two warps
constexpr int PARTS = SHARED ? 1 : 2;                // of d_v and d_k, that a warp has
constexpr int WARPS = SHARED ? 8 : 4, THREADS = WARPS * WARP;
constexpr int OWN = 128, MINE = 32;                  // keys of a block, of a warp
constexpr int TILE = SIZE == 64 ? 32 : 64;           // queries that come by
constexpr int M = MINE / 16, N = TILE / 8;           // fragments of a warp's scores
constexpr int WEIGHTS = TILE + 8;                    // elements from key to key of p or ds in shared memory
constexpr int ROWS = 32;                             // of d_q of a warp
constexpr int SHARE = TILE * SIZE / ROWS / WARPS;    // columns of them

// Prepares the marks of each query for flash_backward, and the numbers that order its blocks. marks [B · HEADS, T in whole tiles, 2] has lse in
// exponents of 2 (infinity, and so p = 0, beyond the last query) and -delta; turns is one ticket and a number for each tile. The grid is over the
// pieces of 8 elements of y, T in whole tiles.
extern "C" __global__ void __launch_bounds__(256) flash_marks(
    const bf16* __restrict__ y, const bf16* __restrict__ d_y, const float* __restrict__ lse, float* __restrict__ marks, uint32_t* turns,
    uint32_t heads, uint32_t length, uint32_t tiles, uint32_t all_heads) {
  constexpr int PIECES = SIZE / 8;
  uint64_t i = (uint64_t)blockIdx.x * BLOCK + threadIdx.x;
  if (i < 1 + (uint64_t)all_heads * tiles) turns[i] = 0;
  // [B, T, HEADS, PIECES], as y lies.
  uint64_t row = i / PIECES;
  uint32_t piece = i % PIECES, head = row % heads, t = row / heads % (tiles * TILE);
  uint64_t batch = row / heads / (tiles * TILE);
  head += batch * heads;
  float sum = 0.0f;
  if (head < all_heads && t < length) {
    uint64_t at = Rows(1, 0, head, heads, length)(t) + piece * 8;
    float a[8], b[8];
    load<8>(y + at, a);
    load<8>(d_y + at, b);
#pragma unroll
    for (int c = 0; c < 8; ++c) sum += a[c] * b[c];
  }
#pragma unroll
  for (int lanes = PIECES / 2; lanes > 0; lanes /= 2) sum += __shfl_xor_sync(ALL_LANES, sum, lanes);
  if (piece != 0 || head >= all_heads) return;
  float both[2] = {t < length ? lse[(uint64_t)head * length + t] * LOG2_E : INFINITY, -sum};
  store<2>(marks + ((uint64_t)head * tiles * TILE + t) * 2, both);
}

// As the left operand: the transpose of columns of ds [keys, queries] from `row` on.
struct LeftColumns {
  const bf16* lane;
  __device__ __forceinline__ LeftColumns(const bf16* ds, int row) {
    lane = ds + (threadIdx.x % 8 + threadIdx.x % WARP / 16 * 8) * WEIGHTS + row + threadIdx.x / 8 % 2 * 8;
  }
  template <int FRAGMENTS> __device__ __forceinline__ void operator()(int step, uint32_t (&x)[FRAGMENTS][4]) const {
#pragma unroll
    for (int m = 0; m < FRAGMENTS; ++m) ldmatrix_4t(x[m], lane + step * 16 * WEIGHTS + m * 16);
  }
};

// p = e^(s - lse) of a warp's scores [MINE keys from `key`, TILE queries from `query`], 0 where a query does not see a key.
__device__ __forceinline__ void weights(Sums<M, N>& p, const float* marks, float factor, int key, int query, int length, bool causal) {
  int lane = threadIdx.x % WARP;
#pragma unroll
  for (int n = 0; n < N; ++n) {
    float mark[4];
    load<4>(marks + (n * 8 + lane % 4 * 2) * 2, mark);
#pragma unroll
    for (int m = 0; m < M; ++m)
#pragma unroll
      for (int i = 0; i < 4; ++i) p[m][n][i] = fast_exp2(fmaf(p[m][n][i], factor, -mark[i % 2 * 2]));
  }
  if (key + MINE <= length && (!causal || key + MINE <= query + 1)) return;
#pragma unroll
  for (int m = 0; m < M; ++m)
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      int own = key + m * 16 + half * 8 + lane / 4;
      // The first of the lane's columns that sees the key, counted from the lane's first.
      int from = own >= length ? TILE : causal ? own - query - lane % 4 * 2 : 0;
#pragma unroll
      for (int n = 0; n < N; ++n)
#pragma unroll
        for (int i = 0; i < 2; ++i)
          if (n * 8 + i < from) p[m][n][2 * half + i] = 0.0f;
    }
}

// Initialises the sums of dp - delta with -delta.
__device__ __forceinline__ void minus_delta(Sums<M, N>& ds, const float* marks) {
#pragma unroll
  for (int n = 0; n < N; ++n) {
    float mark[4];
    load<4>(marks + (n * 8 + threadIdx.x % 4 * 2) * 2, mark);
#pragma unroll
    for (int m = 0; m < M; ++m)
#pragma unroll
      for (int i = 0; i < 4; ++i) ds[m][n][i] = mark[i % 2 * 2 + 1];
  }
}

// Calls f(pair of elements in shared memory, [m][n][half]) for the lane's elements of p or ds [OWN, TILE], of the warp's rows from `row` on.
template <class F> __device__ __forceinline__ void for_pairs(bf16* tile, int row, F f) {
  int lane = threadIdx.x % WARP;
  bf16* at = tile + (row + lane / 4) * WEIGHTS + lane % 4 * 2;
#pragma unroll
  for (int m = 0; m < M; ++m)
#pragma unroll
    for (int n = 0; n < N; ++n)
#pragma unroll
      for (int half = 0; half < 2; ++half) f(reinterpret_cast<uint32_t*>(at + (m * 16 + half * 8) * WEIGHTS + n * 8), m, n, half);
}

extern "C" __global__ void __launch_bounds__(SIZE == 128 ? 256 : 128, SIZE == 128 ? 1 : 2) flash_backward(
    const bf16* __restrict__ qkv, const bf16* __restrict__ d_y, const float* __restrict__ marks, float* partial, uint32_t* turns, bf16* d_qkv,
    uint32_t heads, uint32_t length, float scale, uint32_t causal, uint32_t add, uint32_t all_heads, uint32_t blocks, uint32_t group) {
  DYNAMIC_SHARED(bf16, keys);
  bf16* values = keys + OWN * STRIDE;
  bf16* buffer = values + OWN * STRIDE;        // queries and d_y of a tile
  bf16* other = buffer + 2 * TILE * STRIDE;    // of the next one
  bf16* ds = other + 2 * TILE * STRIDE;        // [OWN, TILE], before that p where warps share keys
  float* own_marks = reinterpret_cast<float*>(ds + OWN * WEIGHTS);  // [2, TILE, 2]
  uint32_t* ticket = reinterpret_cast<uint32_t*>(own_marks + 4 * TILE);
  if (threadIdx.x == 0) *ticket = atomicAdd(turns, 1u);
  __syncthreads();
  Work work(*ticket, all_heads, blocks, group);
  int warp = threadIdx.x / WARP, lane = threadIdx.x % WARP, first = work.block * OWN, row = warp % 4 * MINE;
  bool of_d_k = SHARED && warp >= 4;
  int tiles = (length + TILE - 1) / TILE, begin = causal ? first / TILE : 0;
  // The number of blocks that add to d_q of a tile before this one.
  auto turn_at = [&](int tile) -> uint32_t { return (causal ? tile * TILE / OWN : blocks - 1) - work.block; };
  marks += (uint64_t)work.head * tiles * TILE * 2;
  turns += 1 + (uint64_t)work.head * tiles;
  partial += (uint64_t)work.head * tiles * TILE * SIZE;

  Stream<THREADS, OWN> whole(qkv, Rows(3, 1, work.head, heads, length), first);
  whole.bring(keys, length - first, 0, qkv);
  whole.bring(values, length - first, heads * SIZE, qkv);  // the values lie that far behind the keys
  Stream<THREADS, TILE> queries(qkv, Rows(3, 0, work.head, heads, length), begin * TILE);
  Stream<THREADS, TILE> d_out(d_y, Rows(1, 0, work.head, heads, length), begin * TILE);
  auto start = [&](int next, bf16* to) {
    queries.bring(to, length - next * TILE, 0, qkv);
    d_out.bring(to + TILE * STRIDE, length - next * TILE, 0, d_y);
    queries.next();
    d_out.next();
    if (threadIdx.x < TILE / 2) cp_async(own_marks + (next % 2 * TILE / 2 + threadIdx.x) * 4, marks + (next * TILE / 2 + threadIdx.x) * 4, true);
    cp_async_commit();
  };
  start(begin, buffer);

  Sums<M, COLUMNS> sums[PARTS] = {};  // d_v and d_k, or whichever of them is the warp's
  float factor = scale * LOG2_E;
  for (int tile = begin; tile < tiles; ++tile) {
    cp_async_wait<0>();
    __syncthreads();  // the tile is there, and what was read of the last one may be filled again
    if (tile + 1 < tiles) start(tile + 1, other);
    int query = tile * TILE;
    const float* tile_marks = own_marks + tile % 2 * TILE * 2;
    bf16* tile_d_out = buffer + TILE * STRIDE;
    bool sees = !causal || query + TILE > first + row;  // the tile some key of the warp
    LeftWeights<M, N> left[PARTS] = {};  // p and ds likewise
    LeftWeights<M, N>& passed = left[PARTS - 1];  // on to other warps
    if constexpr (SHARED) {
      Sums<M, N> s = {};  // scores or dp - delta
      if (sees) {
        if (of_d_k) minus_delta(s, tile_marks);
        multiply<STEPS>(s, LeftRows(of_d_k ? values : keys, row), RightRows(of_d_k ? tile_d_out : buffer, 0));
      }
      if (!of_d_k) {
        if (sees) {
          weights(s, tile_marks, factor, first + row, query, length, causal);
          passed.take(s);
        }
        for_pairs(ds, row, [&](uint32_t* at, int m, int n, int half) { *at = passed.pairs[m][n][half]; });
      }
      __syncthreads();  // p is there
      if (of_d_k) {
        for_pairs(ds, row, [&](uint32_t* at, int m, int n, int half) {
          uint32_t p = *at;
          float low = __uint_as_float(p << 16), high = __uint_as_float(p & 0xffff0000u);
          passed.pairs[m][n][half] = pack_bf16(s[m][n][2 * half] * low, s[m][n][2 * half + 1] * high);
          *at = passed.pairs[m][n][half];
        });
      }
    } else {
      if (sees) {
        Sums<M, N> p = {}, own_ds;
        multiply<STEPS>(p, LeftRows(keys, row), RightRows(buffer, 0));
        weights(p, tile_marks, factor, first + row, query, length, causal);
        minus_delta(own_ds, tile_marks);
        multiply<STEPS>(own_ds, LeftRows(values, row), RightRows(tile_d_out, 0));  // dp - delta
#pragma unroll
        for (int m = 0; m < M; ++m)
#pragma unroll
          for (int n = 0; n < N; ++n)
#pragma unroll
            for (int i = 0; i < 4; ++i) own_ds[m][n][i] *= p[m][n][i];
        left[0].take(p);
        passed.take(own_ds);
      }
      for_pairs(ds, row, [&](uint32_t* at, int m, int n, int half) { *at = passed.pairs[m][n][half]; });
    }
    uint32_t turn = turn_at(tile);
    if (threadIdx.x == 0) {
      if (tile > begin) store_release(turns + tile - 1, turn_at(tile - 1) + 1);  // now that its sums are long written
      while (load_acquire(turns + tile) != turn) other_blocks();
    }
    __syncthreads();  // ds is there, and the sums of the blocks before
    constexpr int ROW = ROWS / 16, COLUMN = SHARE / 8;
    int d_q_row = warp / (SIZE / SHARE) * ROWS, d_q_column = warp % (SIZE / SHARE) * SHARE;
    Sums<ROW, COLUMN> d_q = {};
    float* own_partial = partial + (uint64_t)tile * TILE * SIZE + threadIdx.x * 4;
    if (turn > 0) {  // while they come, d_v and d_k are summed
#pragma unroll
      for (int m = 0; m < ROW; ++m)
#pragma unroll
        for (int n = 0; n < COLUMN; ++n) load_shared_cache(own_partial + (m * COLUMN + n) * THREADS * 4, d_q[m][n]);
    }
    if (sees) {
      multiply<N / 2>(sums[0], left[0], RightColumns(of_d_k ? buffer : tile_d_out, 0, 0));
      if constexpr (!SHARED) multiply<N / 2>(sums[1], left[1], RightColumns(buffer, 0, 0));
    }
    multiply<OWN / 16>(d_q, LeftColumns(ds, d_q_row), RightColumns(keys, 0, d_q_column));
    if (work.block > 0) {
#pragma unroll
      for (int m = 0; m < ROW; ++m)
#pragma unroll
        for (int n = 0; n < COLUMN; ++n) store<4>(own_partial + (m * COLUMN + n) * THREADS * 4, d_q[m][n]);
    } else {
#pragma unroll
      for (int m = 0; m < ROW; ++m)
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          int own = query + d_q_row + m * 16 + half * 8 + lane / 4;
          if (own >= (int)length) continue;
          bf16* to = d_qkv + Rows(3, 0, work.head, heads, length)(own) + d_q_column + lane % 4 * 2;
#pragma unroll
          for (int n = 0; n < COLUMN; ++n) {
            float x[2] = {d_q[m][n][2 * half] * scale, d_q[m][n][2 * half + 1] * scale};
            if (add) {
              float old[2];
              load<2>(to + n * 8, old);
              x[0] += old[0], x[1] += old[1];
            }
            store<2>(to + n * 8, x);
          }
        }
    }
    bf16* used = buffer;
    buffer = other, other = used;
  }
  __syncthreads();  // keys and values were used, and the sums of the last tile are written
  if (threadIdx.x == 0) store_release(turns + tiles - 1, turn_at(tiles - 1) + 1);
  auto give_keys = [&](Sums<M, COLUMNS>& d_k) {
#pragma unroll
    for (int m = 0; m < M; ++m)
#pragma unroll
      for (int n = 0; n < COLUMNS; ++n)
#pragma unroll
        for (int i = 0; i < 4; ++i) d_k[m][n][i] *= scale;
    give<M>(d_k, keys + row * STRIDE, d_qkv, Rows(3, 1, work.head, heads, length), first + row, length, add);
  };
  if (!of_d_k) give<M>(sums[0], values + row * STRIDE, d_qkv, Rows(3, 2, work.head, heads, length), first + row, length, add);
  if (!SHARED || of_d_k) give_keys(sums[PARTS - 1]);
}
