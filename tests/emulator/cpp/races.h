// Finds races: accesses to the same bytes by two threads, one of them a write, that nothing orders. Accesses are ordered by a barrier of
// their block, a `__syncwarp` of their warp, and between blocks by a release that was acquired; shuffles, votes and products of matrices
// do not order them, as the CUDA programming guide says. So a missing barrier is found whatever the order in which threads ran.
//
// Kernels are compiled with g++'s instrumentation for ThreadSanitizer, whose functions are defined here: for every two bytes they record
// the last writer and the last reader. This needs `EMULATOR_RACES`; without it accesses are not watched.
#pragma once
#include <cstddef>
#include <cstdint>

namespace emulator {

// Where the running thread is in its launch.
struct Place {
  uint64_t block = 0;                         // counted along the grid
  uint32_t thread = 0, phase = 0, warp_phase = 0;  // of the block; barriers and syncwarps that lie behind it
};

namespace races {

#ifdef EMULATOR_RACES
void begin_launch();
void read(const void* at, size_t n);
void write(const void* at, size_t n);
// A copy by cp.async is under way, and has come.
void copy_begins(const void* to, size_t n);
void copy_ends(const void* to, size_t n);
// Synchronisation between blocks through a number in memory.
void release(const void* at);
void acquire(const void* at);
void barrier(uint64_t block);
#else
inline void begin_launch() {}
inline void read(const void*, size_t) {}
inline void write(const void*, size_t) {}
inline void copy_begins(const void*, size_t) {}
inline void copy_ends(const void*, size_t) {}
inline void release(const void*) {}
inline void acquire(const void*) {}
inline void barrier(uint64_t) {}
#endif

}  // namespace races
}  // namespace emulator
