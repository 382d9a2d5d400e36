// Attention in bf16 on tensor cores, for heads of SIZE = 32, 64 or 128 (a constant that stands in front of this text): the same formulas as in
// kernel.cu, with the same layouts of tensors, by mma.sync m16n8k16. This file has what the forward and the backward kernels share.
//
// Tiles of rows lie in shared memory, each row 8 elements longer than a head, so that the 8 rows that ldmatrix reads at once lie in different
// banks. They come by cp.async, the next one while this one is used. A warp owns 32 rows (two fragments of 16) wherever registers allow, so that
// each fragment read from shared memory serves two products: with one, reading would take longer than multiplying.
//
// Offsets within a tile are 32-bit numbers: a sequence of 2^31 rows does not fit on a GPU.

constexpr int STRIDE = SIZE + 8;   // elements from row to row in shared memory
constexpr int STEPS = SIZE / 16;   // fragments along a head as the inner dimension
constexpr int COLUMNS = SIZE / 8;  // fragments along a head as the outer one
constexpr float LOG2_E = 1.44269504f;

// Accumulators of M x 16 rows and N x 8 columns. A lane has in [m][n] the rows 16 m + lane / 4 (elements 0 and 1) and 8 below (2 and 3),
// and the columns 8 n + lane % 4 * 2 and the next.
template <int M, int N> using Sums = float[M][N][4];

// ---- which head and which block of rows ---------------------------------------------------------------------------------

// Blocks of rows are taken from the last to the first: the last has most to do in the causal forward pass. Heads are taken in groups whose tensors
// fit the L2 cache, and within a group a block of rows of every head before the next block.
struct Work {
  uint32_t head, block;

  __device__ __forceinline__ Work(uint32_t index, uint32_t heads, uint32_t blocks, uint32_t group) {
    uint32_t first = index / (group * blocks) * group, within = index % (group * blocks);
    uint32_t width = min(group, heads - first);
    head = first + within % width;
    block = blocks - 1 - within / width;
  }
};

// A head's rows in a tensor [B, T, PARTS, HEADS, SIZE]: where the first lies, and elements from row to row.
struct Rows {
  uint64_t first;
  uint32_t stride;

  __device__ __forceinline__ Rows(uint32_t parts, uint32_t part, uint32_t head, uint32_t heads, uint32_t length) {
    stride = parts * heads * SIZE;
    first = (uint64_t)(head / heads * length) * stride + (part * heads + head % heads) * SIZE;
  }
  __device__ __forceinline__ uint64_t operator()(uint32_t row) const { return first + (uint64_t)row * stride; }
};

// ---- to shared memory and from it ---------------------------------------------------------------------------------------

// Brings tiles of COUNT consecutive rows of a head, one after the other. A thread has the same 16 bytes of every THREADS / (SIZE / 8)-th row.
template <int THREADS, int COUNT> struct Stream {
  static constexpr int PIECES = SIZE / 8, STEP = THREADS / PIECES;
  const bf16* at;
  uint32_t stride;

  __device__ __forceinline__ Stream(const bf16* tensor, Rows rows, int row) {
    at = tensor + rows(row + threadIdx.x / PIECES) + threadIdx.x % PIECES * 8;
    stride = rows.stride;
  }

  // Starts to copy the next tile, of which `left` rows are there, to shared memory, from `beside` elements behind it; zeros beyond the last row.
  __device__ __forceinline__ void bring(bf16* tile, int left, uint32_t beside, const bf16* anywhere) const {
    int own = threadIdx.x / PIECES;
    tile += own * STRIDE + threadIdx.x % PIECES * 8;
#pragma unroll
    for (int i = 0; i < COUNT / STEP; ++i) {
      bool there = own + i * STEP < left;
      cp_async(tile + i * STEP * STRIDE, there ? at + beside + (uint64_t)(i * STEP * stride) : anywhere, there);
    }
  }
  __device__ __forceinline__ void next() { at += (uint64_t)(COUNT * stride); }
};

// The operands of `multiply`. As the left one: rows of a tile from `row` on, along a head.
struct LeftRows {
  const bf16* lane;
  __device__ __forceinline__ LeftRows(const bf16* tile, int row) {
    lane = tile + (row + threadIdx.x % 16) * STRIDE + threadIdx.x % WARP / 16 * 8;
  }
  template <int M> __device__ __forceinline__ void operator()(int step, uint32_t (&x)[M][4]) const {
#pragma unroll
    for (int m = 0; m < M; ++m) ldmatrix_4(x[m], lane + m * 16 * STRIDE + step * 16);
  }
};

// The same, of which the first KEPT steps stay in registers.
template <int M, int KEPT> struct LeftKept {
  LeftRows rows;
  uint32_t kept[KEPT][M][4];
  __device__ __forceinline__ LeftKept(const bf16* tile, int row) : rows(tile, row) {
#pragma unroll
    for (int step = 0; step < KEPT; ++step) rows(step, kept[step]);
  }
  __device__ __forceinline__ void operator()(int step, uint32_t (&x)[M][4]) const {
    if (step >= KEPT) return rows(step, x);
#pragma unroll
    for (int m = 0; m < M; ++m)
#pragma unroll
      for (int i = 0; i < 4; ++i) x[m][i] = kept[step < KEPT ? step : 0][m][i];
  }
};

// As the left one: what another product left in accumulators [16 M, 8 N], rounded to bf16; its columns are the inner dimension. Layouts agree.
template <int M, int N> struct LeftWeights {
  uint32_t pairs[M][N][2];
  __device__ __forceinline__ void take(const Sums<M, N>& sums) {
#pragma unroll
    for (int m = 0; m < M; ++m)
#pragma unroll
      for (int n = 0; n < N; ++n)
#pragma unroll
        for (int half = 0; half < 2; ++half) pairs[m][n][half] = pack_bf16(sums[m][n][2 * half], sums[m][n][2 * half + 1]);
  }
  __device__ __forceinline__ void operator()(int step, uint32_t (&x)[M][4]) const {
#pragma unroll
    for (int m = 0; m < M; ++m)
#pragma unroll
      for (int i = 0; i < 4; ++i) x[m][i] = pairs[m][2 * step + i / 2][i % 2];
  }
};

// As the right one: rows of a tile from `row` on are the columns of the product, a head is the inner dimension.
struct RightRows {
  const bf16* lane;
  __device__ __forceinline__ RightRows(const bf16* tile, int row) {
    lane = tile + (row + threadIdx.x % 8 + threadIdx.x % WARP / 16 * 8) * STRIDE + threadIdx.x / 8 % 2 * 8;
  }
  __device__ __forceinline__ void operator()(int step, int n, uint32_t (&y)[4]) const {
    ldmatrix_4(y, lane + n * 8 * STRIDE + step * 16);
  }
};

// As the right one: rows of a tile from `row` on are the inner dimension, its columns from `column` on those of the product.
struct RightColumns {
  const bf16* lane;
  __device__ __forceinline__ RightColumns(const bf16* tile, int row, int column) {
    lane = tile + (row + threadIdx.x % 16) * STRIDE + column + threadIdx.x % WARP / 16 * 8;
  }
  __device__ __forceinline__ void operator()(int step, int n, uint32_t (&y)[4]) const {
    ldmatrix_4t(y, lane + step * 16 * STRIDE + n * 8);
  }
};

// sums += left · right over an inner dimension of 16 · INNER.
template <int INNER, int M, int N, class Left, class Right>
__device__ __forceinline__ void multiply(Sums<M, N>& sums, const Left& left, const Right& right) {
#pragma unroll
  for (int step = 0; step < INNER; ++step) {
    uint32_t x[M][4];
    left(step, x);
#pragma unroll
    for (int n = 0; n < N; n += 2) {
      uint32_t y[4];  // for two fragments of columns
      right(step, n, y);
      uint32_t first[2] = {y[0], y[1]}, second[2] = {y[2], y[3]};
#pragma unroll
      for (int m = 0; m < M; ++m) {
        mma_bf16(sums[m][n], x[m], first, sums[m][n]);
        mma_bf16(sums[m][n + 1], x[m], second, sums[m][n + 1]);
      }
    }
  }
}

// ---- out of accumulators ------------------------------------------------------------------------------------------------

// Sums and maxima over the four lanes that share a row of an accumulator.
__device__ __forceinline__ float quad_sum(float x) {
  x += __shfl_xor_sync(ALL_LANES, x, 1);
  return x + __shfl_xor_sync(ALL_LANES, x, 2);
}
__device__ __forceinline__ float quad_max(float x) {
  x = fmaxf(x, __shfl_xor_sync(ALL_LANES, x, 1));
  return fmaxf(x, __shfl_xor_sync(ALL_LANES, x, 2));
}

// Writes a warp's rows [16 M, SIZE] to the rows of a tensor from `row` on, those below `length`, or adds them to what is there. They pass through
// shared memory of as many rows, which no other warp uses, so that they go out 16 bytes at a time.
template <int M> __device__ __forceinline__ void give(const Sums<M, COLUMNS>& sums, bf16* staging, bf16* to, Rows rows, int row, int length, bool add) {
  int lane = threadIdx.x % WARP;
  __syncwarp();  // every lane has read what lay there
#pragma unroll
  for (int m = 0; m < M; ++m)
#pragma unroll
    for (int n = 0; n < COLUMNS; ++n)
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        float x[2] = {sums[m][n][2 * half], sums[m][n][2 * half + 1]};
        store<2>(staging + (m * 16 + half * 8 + lane / 4) * STRIDE + n * 8 + lane % 4 * 2, x);
      }
  __syncwarp();
  constexpr int PIECES = SIZE / 8;
#pragma unroll
  for (int i = lane; i < 16 * M * PIECES; i += WARP) {
    int own = i / PIECES, column = i % PIECES * 8;
    if (row + own >= length) break;
    const bf16* from = staging + own * STRIDE + column;
    bf16* at = to + rows(row + own) + column;
    if (add) {
      float x[8];
      load<8>(from, x);
      put_all(at, x, true);
    } else {
      *reinterpret_cast<uint4*>(at) = *reinterpret_cast<const uint4*>(from);
    }
  }
}
