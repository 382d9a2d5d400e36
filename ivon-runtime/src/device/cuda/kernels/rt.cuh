// The basis of all kernels: types, vector loads and stores, sums over warps and blocks, tensor cores.
//
// NVRTC compiles this file without any header. For the emulator of the tests g++ compiles it, and the emulator defines CUDA's
// built-in names. Only this file contains code that differs between the two. The source of a module is this file, then
// `typedef float real;` or `typedef bf16 real;` (the type in which a model computes), then kernels. Sums are f32 for both types,
// in an order that depends only on shapes.
#pragma once

struct __align__(2) bf16 {
  unsigned short bits;
};

#if defined(__CUDACC_RTC__) || defined(__CUDACC__)

typedef unsigned short uint16_t;
typedef unsigned int uint32_t;
typedef unsigned long long uint64_t;
typedef long long int64_t;
#define INFINITY __int_as_float(0x7f800000)
#define DYNAMIC_SHARED(T, name)                                            \
  extern __shared__ __align__(128) unsigned char dynamic_shared_bytes[];   \
  T* name = reinterpret_cast<T*>(dynamic_shared_bytes)

__device__ __forceinline__ float to_float(bf16 x) { return __uint_as_float((uint32_t)x.bits << 16); }

// Rounds to the nearest, ties to even.
__device__ __forceinline__ bf16 to_bf16(float x) {
  bf16 y;
  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(y.bits) : "f"(x));
  return y;
}

// Two bf16 in one register, `low` in the lower half.
__device__ __forceinline__ uint32_t pack_bf16(float low, float high) {
  uint32_t y;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(y) : "f"(high), "f"(low));
  return y;
}

__device__ __forceinline__ uint32_t shared_address(const void* p) { return (uint32_t)__cvta_generic_to_shared(p); }

// D [16, 8] = A [16, 16] B [16, 8] + C in bf16 with f32 sums; fragments as in the PTX ISA, mma.m16n8k16.
__device__ __forceinline__ void mma_bf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], const float (&c)[4]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%10,%11,%12,%13};\n"
      : "=f"(d[0]), "=f"(d[1]), "=f"(d[2]), "=f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]), "f"(c[0]), "f"(c[1]), "f"(c[2]), "f"(c[3]));
}

// Four 8 × 8 matrices of bf16 from shared memory: lane 8 m + i names row i of matrix m.
__device__ __forceinline__ void ldmatrix_4(uint32_t (&to)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];\n"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(shared_address(row))
               : "memory");
}

// The same for transposed matrices.
__device__ __forceinline__ void ldmatrix_4t(uint32_t (&to)[4], const void* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];\n"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(shared_address(row))
               : "memory");
}

// 2^x to two units in the last place, in one instruction; results below 2^-126 are 0.
__device__ __forceinline__ float fast_exp2(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

// Copies 16 bytes to shared memory asynchronously, or zeros if `there` is false.
__device__ __forceinline__ void cp_async(void* to, const void* from, bool there) {
  int bytes = there ? 16 : 0;
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;\n" ::"r"(shared_address(to)), "l"(from), "r"(bytes) : "memory");
}
__device__ __forceinline__ void cp_async_commit() { asm volatile("cp.async.commit_group;\n" ::: "memory"); }
// Waits until at most LEFT groups are in flight.
template <int LEFT> __device__ __forceinline__ void cp_async_wait() { asm volatile("cp.async.wait_group %0;\n" ::"n"(LEFT) : "memory"); }

// Communication between blocks that run at the same time. A thread that loads a number stored by another block also sees
// everything that the other block wrote before, up to a barrier of its own.
__device__ __forceinline__ uint32_t load_acquire(const uint32_t* from) {
  uint32_t x;
  asm volatile("ld.acquire.gpu.global.u32 %0, [%1];\n" : "=r"(x) : "l"(from) : "memory");
  return x;
}
__device__ __forceinline__ void store_release(uint32_t* to, uint32_t x) {
  asm volatile("st.release.gpu.global.u32 [%0], %1;\n" ::"l"(to), "r"(x) : "memory");
}
__device__ __forceinline__ void other_blocks() {}  // the GPU runs the other blocks while this one waits for them

// Four numbers that another block wrote, from the cache that all blocks share.
__device__ __forceinline__ void load_shared_cache(const float* from, float (&to)[4]) {
  asm volatile("ld.global.cg.v4.f32 {%0,%1,%2,%3}, [%4];\n"
               : "=f"(to[0]), "=f"(to[1]), "=f"(to[2]), "=f"(to[3])
               : "l"(from)
               : "memory");
}

// Correct up to the last one or two bits, in one or two instructions. For the sizes of steps, which need no more precision.
// Numbers below 2⁻¹²⁶ count as 0.
__device__ __forceinline__ float reciprocal(float x) {
  float y;
  asm("rcp.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}
__device__ __forceinline__ float root(float x) {
  float y;
  asm("sqrt.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

#else  // g++, for the emulator

inline float reciprocal(float x) { return 1.0f / x; }
inline float root(float x) { return sqrtf(x); }

#define DYNAMIC_SHARED(T, name) T* name = reinterpret_cast<T*>(current_thread->dynamic_shared)
inline float to_float(bf16 x) { return __uint_as_float((uint32_t)x.bits << 16); }
inline bf16 to_bf16(float x) {
  uint32_t bits = __float_as_uint(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return bf16{0x7fff};
  return bf16{(unsigned short)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16)};
}
inline uint32_t pack_bf16(float low, float high) { return to_bf16(low).bits | (uint32_t)to_bf16(high).bits << 16; }
inline void mma_bf16(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2], const float (&c)[4]) { emulator_mma_bf16(d, a, b, c); }
inline void ldmatrix_4(uint32_t (&to)[4], const void* row) { emulator_ldmatrix(to, row, 4, 0); }
inline void ldmatrix_4t(uint32_t (&to)[4], const void* row) { emulator_ldmatrix(to, row, 4, 1); }
inline float fast_exp2(float x) { return x < -126.0f ? 0.0f : exp2f(x); }
inline uint32_t load_acquire(const uint32_t* from) { return emulator_load_acquire(from); }
inline void store_release(uint32_t* to, uint32_t x) { emulator_store_release(to, x); }
inline void other_blocks() { emulator_other_blocks(); }
inline void load_shared_cache(const float* from, float (&to)[4]) {
  struct __align__(16) Four { float at[4]; } four = *reinterpret_cast<const Four*>(from);
  for (int i = 0; i < 4; ++i) to[i] = four.at[i];
}
inline void cp_async(void* to, const void* from, bool there) { emulator_cp_async(to, from, there ? 16 : 0); }
inline void cp_async_commit() { emulator_cp_async_commit(); }
template <int LEFT> inline void cp_async_wait() { emulator_cp_async_wait(LEFT); }

#endif

// ---- elements -----------------------------------------------------------------------------------------------------------

__device__ __forceinline__ float to_float(float x) { return x; }

template <class T> __device__ __forceinline__ T from_float(float x);
template <> __device__ __forceinline__ float from_float<float>(float x) { return x; }
template <> __device__ __forceinline__ bf16 from_float<bf16>(float x) { return to_bf16(x); }

// N elements that are loaded and stored in one instruction if they fill 4, 8 or 16 bytes. Their address must be a multiple of
// that size.
template <class T, int N> struct __align__(sizeof(T) * N) Vector {
  T at[N];
};

// The number of elements in 16 bytes.
template <class T> struct Wide {
  static constexpr int N = 16 / sizeof(T);
};

// The layout of such elements in words of 32 bits. Memory is accessed with CUDA's own vectors of words, because the compiler
// splits vectors of our own type.
__device__ __forceinline__ void unpack(const uint32_t* words, float* to, int n, const float*) {
#pragma unroll
  for (int i = 0; i < n; ++i) to[i] = __uint_as_float(words[i]);
}
__device__ __forceinline__ void unpack(const uint32_t* words, float* to, int n, const bf16*) {
#pragma unroll
  for (int i = 0; i < n; ++i) to[i] = __uint_as_float(i % 2 ? words[i / 2] & 0xffff0000u : words[i / 2] << 16);
}
__device__ __forceinline__ void pack(const float* from, uint32_t* words, int n, const float*) {
#pragma unroll
  for (int i = 0; i < n; ++i) words[i] = __float_as_uint(from[i]);
}
__device__ __forceinline__ void pack(const float* from, uint32_t* words, int n, const bf16*) {
#pragma unroll
  for (int i = 0; i < n / 2; ++i) words[i] = pack_bf16(from[2 * i], from[2 * i + 1]);
}

template <int N, class T> __device__ __forceinline__ void load(const T* from, float (&to)[N]) {
  constexpr int WORDS = N * sizeof(T) / 4;
  static_assert(N == 1 || (N * sizeof(T) % 4 == 0 && (WORDS <= 2 || WORDS % 4 == 0)), "no vector is as long");
  if constexpr (WORDS == 0) {
    to[0] = to_float(*from);
  } else {
    uint32_t words[WORDS];
    if constexpr (WORDS == 1) {
      words[0] = *reinterpret_cast<const uint32_t*>(from);
    } else if constexpr (WORDS == 2) {
      uint2 two = *reinterpret_cast<const uint2*>(from);
      words[0] = two.x, words[1] = two.y;
    } else {
#pragma unroll
      for (int i = 0; i < WORDS / 4; ++i) {
        uint4 four = reinterpret_cast<const uint4*>(from)[i];
        words[4 * i] = four.x, words[4 * i + 1] = four.y, words[4 * i + 2] = four.z, words[4 * i + 3] = four.w;
      }
    }
    unpack(words, to, N, from);
  }
}

template <int N, class T> __device__ __forceinline__ void store(T* to, const float (&from)[N]) {
  constexpr int WORDS = N * sizeof(T) / 4;
  static_assert(N == 1 || (N * sizeof(T) % 4 == 0 && (WORDS <= 2 || WORDS % 4 == 0)), "no vector is as long");
  if constexpr (WORDS == 0) {
    *to = from_float<T>(from[0]);
  } else {
    uint32_t words[WORDS];
    pack(from, words, N, to);
    if constexpr (WORDS == 1) {
      *reinterpret_cast<uint32_t*>(to) = words[0];
    } else if constexpr (WORDS == 2) {
      uint2 two = {words[0], words[1]};
      *reinterpret_cast<uint2*>(to) = two;
    } else {
#pragma unroll
      for (int i = 0; i < WORDS / 4; ++i) {
        uint4 four = {words[4 * i], words[4 * i + 1], words[4 * i + 2], words[4 * i + 3]};
        reinterpret_cast<uint4*>(to)[i] = four;
      }
    }
  }
}

// Writes x, or adds x to the old value.
template <class T> __device__ __forceinline__ void put(T* to, float x, bool add) { *to = from_float<T>(add ? to_float(*to) + x : x); }

// The same for N elements.
template <int N, class T> __device__ __forceinline__ void put_all(T* to, float (&x)[N], bool add) {
  float old[N] = {};
  if (add) load<N>(to, old);
#pragma unroll
  for (int i = 0; i < N; ++i) x[i] += old[i];
  store<N>(to, x);
}

// As `Real::max` and its neighbours in Rust: NaN if either is NaN, which fmaxf and fminf would drop. If both compare equal, the
// second.
__device__ __forceinline__ float larger(float x, float y) { return x > y || x != x ? x : y; }
__device__ __forceinline__ float smaller(float x, float y) { return x < y || x != x ? x : y; }
__device__ __forceinline__ float relu(float x) { return x <= 0.0f ? 0.0f : x; }
// The gradient of relu(x). `x` is the argument or the result, `d` the gradient of the result.
__device__ __forceinline__ float gate(float x, float d) { return x <= 0.0f ? 0.0f : d; }
// The part of the gradient d of larger(x, y) that belongs to x.
__device__ __forceinline__ float share(float x, float y, float d) { return x == y ? 0.5f * d : x < y ? 0.0f : d; }

// ---- sums ---------------------------------------------------------------------------------------------------------------

constexpr int WARP = 32;
constexpr uint32_t ALL_LANES = 0xffffffffu;

__device__ __forceinline__ float warp_sum(float x) {
#pragma unroll
  for (int lanes = WARP / 2; lanes > 0; lanes /= 2) x += __shfl_xor_sync(ALL_LANES, x, lanes);
  return x;
}

__device__ __forceinline__ float warp_max(float x) {
#pragma unroll
  for (int lanes = WARP / 2; lanes > 0; lanes /= 2) x = larger(x, __shfl_xor_sync(ALL_LANES, x, lanes));
  return x;
}

// The sum over a block of THREADS threads, returned to all of them. `shared` must hold one number per warp.
template <int THREADS> __device__ __forceinline__ float block_sum(float x, float* shared) {
  int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
  x = warp_sum(x);
  __syncthreads();  // the last use of `shared` must be over
  if (lane == 0) shared[warp] = x;
  __syncthreads();
  return warp_sum(lane < THREADS / WARP ? shared[lane] : 0.0f);
}

template <int THREADS> __device__ __forceinline__ float block_max(float x, float* shared) {
  int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP;
  x = warp_max(x);
  __syncthreads();
  if (lane == 0) shared[warp] = x;
  __syncthreads();
  return warp_max(lane < THREADS / WARP ? shared[lane] : -INFINITY);
}

// A row is processed by ROW threads: a warp, of which eight form a block of 256, or a whole block of 256.
constexpr int BLOCK = 256;

template <int ROW> __device__ __forceinline__ uint64_t row_of_thread() {
  return ROW == WARP ? (uint64_t)blockIdx.x * (BLOCK / WARP) + threadIdx.x / WARP : blockIdx.x;
}
template <int ROW> __device__ __forceinline__ float row_sum(float x, float* shared) {
  return ROW == WARP ? warp_sum(x) : block_sum<BLOCK>(x, shared);
}
template <int ROW> __device__ __forceinline__ float row_max(float x, float* shared) {
  return ROW == WARP ? warp_max(x) : block_max<BLOCK>(x, shared);
}

// ---- rows ---------------------------------------------------------------------------------------------------------------

// Calls f(i, x) for the pieces x[N] of a row, each beginning at element i. The row may have any alignment, and `threads` threads
// share it. Pieces have 16 bytes where possible.
template <class T, class F> __device__ __forceinline__ void for_row(const T* row, uint64_t width, int thread, int threads, F f) {
  constexpr int N = Wide<T>::N;
  // Elements before the first multiple of 16 bytes.
  uint64_t head = (16 - (uint64_t)row % 16) % 16 / sizeof(T);
  if (head > width) head = width;
  uint64_t pieces = (width - head) / N, tail = head + pieces * N;
  if (thread < head) {
    float x[1] = {to_float(row[thread])};
    f((uint64_t)thread, x);
  }
  for (uint64_t piece = thread; piece < pieces; piece += threads) {
    float x[N];
    load<N>(row + head + piece * N, x);
    f(head + piece * N, x);
  }
  if (tail + thread < width) {
    float x[1] = {to_float(row[tail + thread])};
    f(tail + thread, x);
  }
}

// to[i] = f(i, from[i]), or += with `add`, for a row of any alignment. Two rows with the same alignment are processed 16 bytes at
// a time.
template <class T, class F>
__device__ __forceinline__ void map_row(const T* from, T* to, uint64_t width, bool add, int thread, int threads, F f) {
  if ((uint64_t)from % 16 != (uint64_t)to % 16) {
    for (uint64_t i = thread; i < width; i += threads) put(&to[i], f(i, to_float(from[i])), add);
    return;
  }
  for_row(from, width, thread, threads, [&](uint64_t at, auto& x) {
    constexpr int N = sizeof(x) / sizeof(float);
    float y[N];
    if (add) load<N>(to + at, y);
#pragma unroll
    for (int i = 0; i < N; ++i) {
      float value = f(at + i, x[i]);
      y[i] = add ? y[i] + value : value;
    }
    store<N>(to + at, y);
  });
}

// ---- columns ------------------------------------------------------------------------------------------------------------

// For kernels that process the columns of a matrix [rows, columns]. A thread has N neighbouring columns (16 bytes if possible) of
// every blockDim.y-th row. A block has blockDim.x · N columns of the rows in group blockIdx.y. No index needs a division.
// `ops/columns.rs` makes the grid.
template <int N> struct Columns {
  uint64_t column, rows, columns, begin, end;

  __device__ __forceinline__ Columns(uint64_t rows, uint64_t columns, uint64_t group)
      : column(((uint64_t)blockIdx.x * blockDim.x + threadIdx.x) * N), rows(rows), columns(columns), begin(blockIdx.y * group) {
    end = begin + group < rows ? begin + group : rows;
  }

  // Calls f(i, row) for each of the thread's rows. Its elements in the row are i to i + N.
  template <class F> __device__ __forceinline__ void each(F f) const {
    if (column >= columns) return;
#pragma unroll 2
    for (uint64_t row = begin + threadIdx.y; row < end; row += blockDim.y) f(row * columns + column, row);
  }

  // Reads the thread's part of a line [columns]. Without a line, or beyond the last column, the elements are `otherwise`.
  template <class T> __device__ __forceinline__ void line(const T* from, float (&to)[N], float otherwise = 0.0f) const {
#pragma unroll
    for (int i = 0; i < N; ++i) to[i] = from && column < columns ? to_float(from[column + i]) : otherwise;
  }

  // The place in shared memory for the number of column `i` of a thread. Neighbouring threads, and neighbouring columns, use
  // different banks.
  static constexpr int KEPT = BLOCK + WARP / N;  // the distance from one column of a thread to the next
  static __device__ __forceinline__ uint32_t kept(uint32_t thread, uint32_t i) { return i * KEPT + thread; }

  // Calls f(column, place of its first number) for each of the block's columns. The numbers of the other threads of the column
  // follow at a distance of blockDim.x.
  template <class F> static __device__ __forceinline__ void each_kept(uint64_t columns, F f) {
    uint32_t width = blockDim.x * N;
    for (uint32_t c = threadIdx.y * blockDim.x + threadIdx.x; c < width; c += BLOCK) {
      uint64_t column = (uint64_t)blockIdx.x * width + c;
      if (column < columns) f(column, kept(c / N, c % N));
    }
  }

  // Calls f(column, sum) for each of the block's columns, with the sum over its threads. `shared` must hold COLUMN_SUMS<N>
  // numbers.
  template <class F> __device__ __forceinline__ void sum(const float (&x)[N], float* shared, F f) const {
    __syncthreads();  // the last use of `shared` must be over
#pragma unroll
    for (int i = 0; i < N; ++i) shared[kept(threadIdx.y * blockDim.x + threadIdx.x, i)] = x[i];
    __syncthreads();
    each_kept(columns, [&](uint64_t column, uint32_t first) {
      float sum = 0.0f;
      for (uint32_t y = 0; y < blockDim.y; ++y) sum += shared[first + y * blockDim.x];
      f(column, sum);
    });
  }
};

// The count of numbers that a block keeps: one for each column of each thread.
template <int N> constexpr int COLUMN_SUMS = N * Columns<N>::KEPT;

// The sum over the groups of partial [groups, stride], at `at`. The threads of a column in a block of BLOCK threads share the
// groups. Only the thread with threadIdx.y = 0 gets the sum. `shared` must hold BLOCK numbers.
__device__ __forceinline__ float sum_groups(const float* partial, uint64_t groups, uint64_t stride, uint64_t at, bool there, float* shared) {
  float sum = 0.0f;
  if (there)
    for (uint64_t g = threadIdx.y; g < groups; g += blockDim.y) sum += partial[g * stride + at];
  __syncthreads();  // the last use of `shared` must be over
  shared[threadIdx.y * blockDim.x + threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y) return 0.0f;
  sum = 0.0f;
  for (uint32_t y = 0; y < blockDim.y; ++y) sum += shared[y * blockDim.x + threadIdx.x];
  return sum;
}
