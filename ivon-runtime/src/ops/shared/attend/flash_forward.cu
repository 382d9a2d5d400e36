// The forward pass on tensor cores: y = softmax(q kᵀ · scale) v, and lse = ln of the sum of e^s for the backward pass.
//
// A block has 128 queries, a warp 32 of them, which it keeps in registers as far as there are any; keys and values come by.

constexpr int THREADS = 128, OWN = 128;        // queries of a block
constexpr int TILE = SIZE == 128 ? 32 : 64;    // keys that come by: fewer where registers are scarce
constexpr int KEPT = SIZE == 128 ? 1 : STEPS;  // of a warp's queries, in registers
constexpr float NONE = -1e30f;                 // below every score: of what is not seen
// The exponents of the softmax are taken from a maximum that may lag behind by this much: e^s is at most 2^8 times what it would be, which harms
// neither f32 sums nor bf16 weights, and sums are rescaled once or twice in all rather than with every tile.
constexpr float LAG = 8.0f;

extern "C" __global__ void __launch_bounds__(128, 2) flash_forward(
    const bf16* __restrict__ qkv, bf16* __restrict__ y, float* __restrict__ lse, uint32_t heads, uint32_t length, float scale,
    uint32_t causal, uint32_t all_heads, uint32_t blocks, uint32_t group) {
  DYNAMIC_SHARED(bf16, queries);
  bf16 *buffer = queries + OWN * STRIDE, *other = buffer + 2 * TILE * STRIDE;  // each a tile of keys and one of values
  Work work(blockIdx.x, all_heads, blocks, group);
  // The first rows of the block, of the warp and of the lane.
  int first = work.block * OWN, row = threadIdx.x / WARP * 32, lane = threadIdx.x % WARP, own_row = first + row + lane / 4;
  int end = causal ? min(first + OWN, (int)length) : length;
  Stream<THREADS, OWN>(qkv, Rows(3, 0, work.head, heads, length), first).bring(queries, length - first, 0, qkv);
  cp_async_commit();
  Stream<THREADS, TILE> keys(qkv, Rows(3, 1, work.head, heads, length), 0);
  auto start = [&](int key, bf16* tile) {
    keys.bring(tile, length - key, 0, qkv);
    keys.bring(tile + TILE * STRIDE, length - key, heads * SIZE, qkv);  // the values lie that far behind the keys
    keys.next();
    cp_async_commit();
  };
  start(0, buffer);
  cp_async_wait<1>();
  __syncthreads();
  LeftKept<2, KEPT> own(queries, row);

  Sums<2, COLUMNS> sums = {};
  float max[2][2] = {{NONE, NONE}, {NONE, NONE}}, total[2][2] = {};
  float factor = scale * LOG2_E;  // exponents of 2
  for (int key = 0; key < end; key += TILE) {
    cp_async_wait<0>();
    __syncthreads();  // the tile is there, and the other buffer may be filled again
    if (key + TILE < end) start(key + TILE, other);
    if (!causal || key < first + row + 32) {  // the warp sees some of it
      Sums<2, TILE / 8> s = {};
      multiply<STEPS>(s, own, RightRows(buffer, 0));
      if (key + TILE > (int)length || (causal && key + TILE > first + row + 1)) {  // but not all
#pragma unroll
        for (int m = 0; m < 2; ++m)
#pragma unroll
          for (int half = 0; half < 2; ++half) {
            int last = causal ? min(own_row + m * 16 + half * 8, (int)length - 1) : length - 1;
            last -= key + lane % 4 * 2;
#pragma unroll
            for (int n = 0; n < TILE / 8; ++n)
#pragma unroll
              for (int i = 0; i < 2; ++i)
                if (n * 8 + i > last) s[m][n][2 * half + i] = NONE;
          }
      }
      float top[2][2];
      bool outgrown = false;
#pragma unroll
      for (int m = 0; m < 2; ++m)
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          top[m][half] = NONE;
#pragma unroll
          for (int n = 0; n < TILE / 8; ++n) top[m][half] = fmaxf(top[m][half], fmaxf(s[m][n][2 * half], s[m][n][2 * half + 1]));
          outgrown |= top[m][half] * factor > max[m][half] + LAG;
        }
      if (__any_sync(ALL_LANES, outgrown)) {
#pragma unroll
        for (int m = 0; m < 2; ++m)
#pragma unroll
          for (int half = 0; half < 2; ++half) {
            float now = fmaxf(max[m][half], quad_max(top[m][half]) * factor), shrink = fast_exp2(max[m][half] - now);
            max[m][half] = now;
            total[m][half] *= shrink;
#pragma unroll
            for (int n = 0; n < COLUMNS; ++n) sums[m][n][2 * half] *= shrink, sums[m][n][2 * half + 1] *= shrink;
          }
      }
#pragma unroll
      for (int m = 0; m < 2; ++m)
#pragma unroll
        for (int n = 0; n < TILE / 8; ++n)
#pragma unroll
          for (int i = 0; i < 4; ++i) {
            s[m][n][i] = fast_exp2(fmaf(s[m][n][i], factor, -max[m][i / 2]));
            total[m][i / 2] += s[m][n][i];
          }
      LeftWeights<2, TILE / 8> weights;
      weights.take(s);
      multiply<TILE / 16>(sums, weights, RightColumns(buffer + TILE * STRIDE, 0, 0));
    }
    bf16* used = buffer;
    buffer = other, other = used;
  }
#pragma unroll
  for (int m = 0; m < 2; ++m)
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float sum = quad_sum(total[m][half]), share = 1.0f / sum;
#pragma unroll
      for (int n = 0; n < COLUMNS; ++n) sums[m][n][2 * half] *= share, sums[m][n][2 * half + 1] *= share;
      int query = own_row + m * 16 + half * 8;
      if (lane % 4 == 0 && query < length) lse[(uint64_t)work.head * length + query] = max[m][half] / LOG2_E + logf(sum);
    }
  // The warp's own queries were used.
  give<2>(sums, queries + row * STRIDE, y, Rows(1, 0, work.head, heads, length), first + row, length, false);
}
