// Rows of a table. A row that does not exist is not a number.

// y[i] = weight[ids[i]]; a block a row of y.
extern "C" __global__ void __launch_bounds__(128) embedding_forward(
    const uint32_t* __restrict__ ids, const real* __restrict__ weight, real* __restrict__ y, uint64_t rows, uint64_t width) {
  uint64_t id = ids[blockIdx.x];
  bool there = id < rows;
  const real* from = weight + (there ? id : 0) * width;
  map_row(from, y + blockIdx.x * width, width, false, threadIdx.x, blockDim.x, [&](uint64_t, float x) {
    return there ? x : INFINITY - INFINITY;
  });
}

// ---- backward -----------------------------------------------------------------------------------------------------------

// The gradient of a row is the sum of the rows of d_y at which its id stands. Positions are sorted by id, so that those of an id are neighbours, in
// their order: first in pieces of SORTED by a block each, then pieces are merged, twice as long ones by every launch. No two keys are equal, so that
// there is one order.
typedef uint64_t Key;  // an id, and below it a position

constexpr int SORTED = 2048;

// keys = those of the positions from blockIdx.x · SORTED on, sorted (Batcher's bitonic sort).
extern "C" __global__ void __launch_bounds__(256) embedding_sort(const uint32_t* __restrict__ ids, void* __restrict__ sorted, uint64_t count) {
  Key* keys = static_cast<Key*>(sorted);
  __shared__ Key piece[SORTED];
  uint64_t first = (uint64_t)blockIdx.x * SORTED;
  for (uint32_t i = threadIdx.x; i < SORTED; i += BLOCK) piece[i] = first + i < count ? (Key)ids[first + i] << 32 | (first + i) : ~(Key)0;
  for (uint32_t length = 2; length <= SORTED; length *= 2)
    for (uint32_t apart = length / 2; apart > 0; apart /= 2) {
      __syncthreads();
      for (uint32_t pair = threadIdx.x; pair < SORTED / 2; pair += BLOCK) {
        uint32_t i = 2 * pair - (pair & (apart - 1)), j = i + apart;
        Key a = piece[i], b = piece[j];
        bool falling = i & length;
        if ((a > b) != falling) piece[i] = b, piece[j] = a;
      }
    }
  __syncthreads();
  for (uint32_t i = threadIdx.x; i < SORTED && first + i < count; i += BLOCK) keys[first + i] = piece[i];
}

// Merges neighbouring pieces of `length` sorted keys. A thread a key: it comes behind those before it in its own piece, and those in the other one
// that are smaller.
extern "C" __global__ void __launch_bounds__(256) embedding_merge(const void* __restrict__ pieces, void* __restrict__ merged, uint64_t length, uint64_t count) {
  const Key* from = static_cast<const Key*>(pieces);
  Key* to = static_cast<Key*>(merged);
  uint64_t i = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= count) return;
  Key key = from[i];
  uint64_t piece = i / length, other = (piece ^ 1) * length, low = other < count ? other : count;
  uint64_t begin = low, high = other + length < count ? other + length : count;
  if (high < low) high = low;
  while (low < high) {
    uint64_t middle = low + (high - low) / 2;
    if (from[middle] < key) low = middle + 1;
    else high = middle;
  }
  to[piece / 2 * 2 * length + i % length + (low - begin)] = key;
}

// x += the lane's N columns of the rows of d_y that keys[at], keys[at + step], ... stand for, as long as they are of this id.
template <int N>
__device__ __forceinline__ void sum_rows(
    const Key* keys, const real* d_y, uint64_t at, uint64_t step, uint64_t count, uint32_t id, uint64_t width, uint64_t column, float (&x)[N]) {
  constexpr int AT_ONCE = 4;  // rows under way
  for (bool more = true; more; at += AT_ONCE * step) {
    Key key[AT_ONCE];
    float one[AT_ONCE][N] = {};
#pragma unroll
    for (int k = 0; k < AT_ONCE; ++k) key[k] = at + k * step < count ? keys[at + k * step] : ~(Key)0;
#pragma unroll
    for (int k = 0; k < AT_ONCE; ++k) {
      more = (uint32_t)(key[k] >> 32) == id;
      if (more && column < width) load<N>(d_y + (uint64_t)(uint32_t)key[k] * width + column, one[k]);
    }
#pragma unroll
    for (int k = 0; k < AT_ONCE; ++k)
#pragma unroll
      for (int i = 0; i < N; ++i) x[i] += one[k][i];
  }
}

template <int N>
__device__ __forceinline__ void add_rows(
    const Key* keys, const real* d_y, real* d_weight, uint64_t count, uint64_t rows, uint64_t width, float (*shared)[WARP * N], uint32_t* long_ones) {
  int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
  uint64_t first = (uint64_t)blockIdx.x * (BLOCK / WARP), at = first + warp, column = ((uint64_t)blockIdx.y * WARP + lane) * N;
  auto id_at = [&](uint64_t i) { return (uint32_t)(keys[i] >> 32); };
  // A warp a position: it works if the position is the first of its id.
  uint32_t id = at < count ? id_at(at) : 0;
  bool begins = at < count && id < rows && (at == 0 || id_at(at - 1) != id);
  bool is_long = begins && at + WARP < count && id_at(at + WARP) == id;
  if (lane == 0) long_ones[warp] = is_long;
  if (begins && !is_long) {
    float x[N] = {};
    sum_rows<N>(keys, d_y, at, 1, count, id, width, column, x);
    if (column < width) put_all(d_weight + id * width + column, x, true);
  }
  __syncthreads();
  // An id that stands at many positions is shared by all warps: each takes every eighth.
  for (int w = 0; w < BLOCK / WARP; ++w) {
    if (!long_ones[w]) continue;
    id = id_at(first + w);
    float x[N] = {};
    sum_rows<N>(keys, d_y, first + w + warp, BLOCK / WARP, count, id, width, column, x);
#pragma unroll
    for (int i = 0; i < N; ++i) shared[warp][i * WARP + lane] = x[i];
    __syncthreads();
    if (warp == 0 && column < width) {
      for (int other = 1; other < BLOCK / WARP; ++other)
#pragma unroll
        for (int i = 0; i < N; ++i) x[i] += shared[other][i * WARP + lane];
      put_all(d_weight + id * width + column, x, true);
    }
    __syncthreads();
  }
}

// d_weight[id] += the sum of its rows. The grid is [positions / 8, columns of 32 threads].
extern "C" __global__ void __launch_bounds__(256, 4) embedding_backward(
    const void* __restrict__ sorted, const real* __restrict__ d_y, real* d_weight, uint64_t count, uint64_t rows, uint64_t width,
    uint32_t wide) {
  const Key* keys = static_cast<const Key*>(sorted);
  __shared__ float shared[BLOCK / WARP][WARP * Wide<real>::N];
  __shared__ uint32_t long_ones[BLOCK / WARP];
  if (wide) add_rows<Wide<real>::N>(keys, d_y, d_weight, count, rows, width, shared, long_ones);
  else add_rows<1>(keys, d_y, d_weight, count, rows, width, reinterpret_cast<float(*)[WARP]>(shared), long_ones);
}
