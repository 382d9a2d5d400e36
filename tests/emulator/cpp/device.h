// Replaces CUDA's own headers when g++ compiles a kernel. It stays small, because it is compiled with every kernel.
#pragma once
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __align__(n) __attribute__((aligned(n)))
#define __constant__ static const
#define __shared__ static __attribute__((section("emulator_shared")))

struct __align__(8) uint2 {
  unsigned x, y;
};
struct __align__(16) uint4 {
  unsigned x, y, z, w;
};
struct uint3 {
  unsigned x, y, z;
};
struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

#define EMULATOR_API extern "C" __attribute__((visibility("default")))

namespace emulator {

struct Thread {
  uint3 thread, block;
  dim3 block_dim, grid_dim;
  unsigned lane;
  char* dynamic_shared;
};

// Numbers of the collectives, so that lanes that meet in different ones are found out.
enum Operation { SYNC_WARP = 1, SHUFFLE_XOR, SHUFFLE_DOWN, SHUFFLE_UP, SHUFFLE, BALLOT, MMA, LDMATRIX_2, LDMATRIX_4, LDMATRIX_2T, LDMATRIX_4T };

}  // namespace emulator

EMULATOR_API emulator::Thread* current_thread;
EMULATOR_API int emulator_barrier(int kind, int vote);
EMULATOR_API void emulator_other_blocks();
EMULATOR_API void emulator_sync_warp(uint32_t mask);
EMULATOR_API void emulator_shuffle(int operation, uint32_t mask, void* value, size_t size, int argument, int width);
EMULATOR_API uint32_t emulator_ballot(uint32_t mask, int vote);
EMULATOR_API void emulator_mma_bf16(float* d, const uint32_t* a, const uint32_t* b, const float* c);
EMULATOR_API void emulator_ldmatrix(uint32_t* to, const void* row, int matrices, int transposed);
EMULATOR_API uint32_t emulator_load_acquire(const uint32_t* from);
EMULATOR_API void emulator_store_release(uint32_t* to, uint32_t x);
EMULATOR_API void emulator_cp_async(void* to, const void* from, int bytes);
EMULATOR_API void emulator_cp_async_commit();
EMULATOR_API void emulator_cp_async_wait(int left);

#define threadIdx (current_thread->thread)
#define blockIdx (current_thread->block)
#define blockDim (current_thread->block_dim)
#define gridDim (current_thread->grid_dim)

inline void __syncthreads() { emulator_barrier(0, 0); }
inline int __syncthreads_or(int vote) { return emulator_barrier(1, vote); }
inline int __syncthreads_and(int vote) { return emulator_barrier(2, vote); }
inline int __syncthreads_count(int vote) { return emulator_barrier(3, vote); }
inline void __syncwarp(uint32_t mask = 0xffffffffu) { emulator_sync_warp(mask); }
inline void __threadfence() {}

template <class T> inline T emulator_shuffled(int operation, uint32_t mask, T value, int argument, int width) {
  emulator_shuffle(operation, mask, &value, sizeof(T), argument, width);
  return value;
}
template <class T> inline T __shfl_xor_sync(uint32_t mask, T value, int lanes, int width = 32) {
  return emulator_shuffled(emulator::SHUFFLE_XOR, mask, value, lanes, width);
}
template <class T> inline T __shfl_down_sync(uint32_t mask, T value, unsigned lanes, int width = 32) {
  return emulator_shuffled(emulator::SHUFFLE_DOWN, mask, value, (int)lanes, width);
}
template <class T> inline T __shfl_up_sync(uint32_t mask, T value, unsigned lanes, int width = 32) {
  return emulator_shuffled(emulator::SHUFFLE_UP, mask, value, (int)lanes, width);
}
template <class T> inline T __shfl_sync(uint32_t mask, T value, int lane, int width = 32) {
  return emulator_shuffled(emulator::SHUFFLE, mask, value, lane, width);
}
inline uint32_t __ballot_sync(uint32_t mask, int vote) { return emulator_ballot(mask, vote); }
inline int __any_sync(uint32_t mask, int vote) { return emulator_ballot(mask, vote) != 0; }
inline int __all_sync(uint32_t mask, int vote) { return emulator_ballot(mask, vote) == mask; }

// Blocks and threads take turns, so plain operations are atomic. They race with none.
#define EMULATOR_ATOMIC template <class T> __attribute__((noinline, no_sanitize("thread"))) T
EMULATOR_ATOMIC atomicAdd(T* at, T value) { T old = *at; *at += value; return old; }
EMULATOR_ATOMIC atomicOr(T* at, T value) { T old = *at; *at |= value; return old; }
EMULATOR_ATOMIC atomicMax(T* at, T value) { T old = *at; *at = old > value ? old : value; return old; }

inline float __uint_as_float(uint32_t bits) { float x; memcpy(&x, &bits, 4); return x; }
inline uint32_t __float_as_uint(float x) { uint32_t bits; memcpy(&bits, &x, 4); return bits; }
inline float __int_as_float(int bits) { return __uint_as_float((uint32_t)bits); }
inline int __float_as_int(float x) { return (int)__float_as_uint(x); }
inline uint32_t __umulhi(uint32_t a, uint32_t b) { return (uint32_t)((uint64_t)a * b >> 32); }
inline float __expf(float x) { return expf(x); }
inline float __logf(float x) { return logf(x); }
inline float rsqrtf(float x) { return 1.0f / sqrtf(x); }
inline void sincospif(float x, float* s, float* c) {
  *s = (float)sin(3.14159265358979323846 * x), *c = (float)cos(3.14159265358979323846 * x);
}
inline float __fmul_rn(float x, float y) { return x * y; }
inline float __fadd_rn(float x, float y) { return x + y; }
inline float __fsub_rn(float x, float y) { return x - y; }
inline int __popc(uint32_t x) { return __builtin_popcount(x); }
inline int __clz(int x) { return x ? __builtin_clz((unsigned)x) : 32; }
inline int min(int a, int b) { return a < b ? a : b; }
inline int max(int a, int b) { return a > b ? a : b; }
inline unsigned min(unsigned a, unsigned b) { return a < b ? a : b; }
inline unsigned max(unsigned a, unsigned b) { return a > b ? a : b; }
inline long long min(long long a, long long b) { return a < b ? a : b; }
inline long long max(long long a, long long b) { return a > b ? a : b; }

// ---- how the driver calls a kernel --------------------------------------------------------------------------------------

namespace emulator {

template <class T> struct Bare { using Type = T; };
template <class T> struct Bare<const T> { using Type = T; };
template <size_t... I> struct Indices {};
template <size_t N, size_t... I> struct Count : Count<N - 1, N - 1, I...> {};
template <size_t... I> struct Count<0, I...> { using Type = Indices<I...>; };

template <class... A, size_t... I> inline void call(void (*kernel)(A...), void** arguments, Indices<I...>) {
  kernel(*static_cast<typename Bare<A>::Type*>(arguments[I])...);
}
template <class... A> inline void call(void (*kernel)(A...), void** arguments) {
  call(kernel, arguments, typename Count<sizeof...(A)>::Type());
}
template <class... A> inline int sizes(void (*)(A...), size_t* to) {
  size_t all[] = {sizeof(A)..., 0};
  if (to) memcpy(to, all, sizeof...(A) * sizeof(size_t));
  return (int)sizeof...(A);
}

}  // namespace emulator

// After the source of a module, for each of its kernels: the entry points that the driver looks up by name.
#define EMULATOR_KERNEL(kernel, threads)                                                         \
  EMULATOR_API unsigned emulator_threads_##kernel() { return threads; }                          \
  EMULATOR_API void emulator_call_##kernel(void** arguments) { emulator::call(&kernel, arguments); } \
  EMULATOR_API int emulator_sizes_##kernel(size_t* to) { return emulator::sizes(&kernel, to); }

// And once: where its static shared memory lies. The section is made to exist.
#define EMULATOR_MODULE()                                                                         \
  static __attribute__((section("emulator_shared"), used)) char emulator_some_shared;             \
  extern "C" __attribute__((visibility("hidden"))) char __start_emulator_shared[], __stop_emulator_shared[]; \
  EMULATOR_API void emulator_shared_range(char** begin, char** end) {                             \
    *begin = __start_emulator_shared;                                                             \
    *end = __stop_emulator_shared;                                                                \
  }
