// Runs a CUDA kernel on the CPU: one fiber per CUDA thread, one block after the other or, where the order is shuffled, four side by side,
// which take turns at their barriers and where one waits for another.
//
// Checked on the way: a barrier that not every thread reaches, a warp collective whose lanes meet with different masks or
// operations, shared memory that is read before it is written (it is filled with NaN before every block), cp.async that is not
// waited for (copies land at the wait), misaligned rows of ldmatrix and cp.async. With ASan and UBSan also every access out of
// bounds and every misaligned vector. A missing barrier shows as results that depend on the order of threads: see `Order`; and, where races are
// watched for, in any order: see `races.h`.
// Not modelled: weak memory, blocks that meet elsewhere than at barriers, timing, the rounding of fast intrinsics.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>
#include "device.h"
#include "races.h"

namespace emulator {

// The order in which the threads of a block take turns: in order, in reverse (blocks, too), all in lock-step, or shuffled by a seed (blocks side by
// side).
struct Order {
  enum Kind { FORWARD, REVERSE, LOCKSTEP, SHUFFLED } kind = FORWARD;
  uint64_t seed = 0;
  // "forward", "reverse", "lockstep" or a number
  static Order parse(const char* text);
};

// How copies by cp.async behave: they may land as late as their wait, or at once. Hardware may do either.
enum class Copies { LATE, EAGER };

struct Launch {
  std::string name;
  dim3 grid, block;
  size_t dynamic_shared = 0;
  // The code of one thread.
  std::function<void()> body;
  // The static shared memory of the kernel's module.
  char* shared_begin = nullptr;
  char* shared_end = nullptr;
};

void set_order(Order order);
void set_copies(Copies copies);
void run(const Launch& launch);

// Says what a kernel did wrong, shows where its threads are, and ends the process.
[[noreturn]] void fail(const std::string& what);

// ---- what warp.cpp needs of a thread ----------------------------------------------------------------------------------

constexpr int WARP = 32;
enum State : uint8_t { READY, AT_BARRIER, AT_COLLECTIVE, WAITING, DONE };

struct Copy {
  void* to;
  unsigned char data[16];
};

struct Fiber {
  Thread thread;  // what the kernel sees; `current_thread` points here while the fiber runs
  void* stack_pointer = nullptr;
  char* stack = nullptr;
  void* fake_stack = nullptr;  // ASan's
  unsigned warp = 0;
  State state = READY;
  int operation = 0;
  uint32_t mask = 0;
  int vote = 0;
  alignas(16) unsigned char in[64], out[64];  // what a lane brings to a collective and takes from it
  std::vector<std::vector<Copy>> groups;      // cp.async: committed groups, and the open one
  std::vector<Copy> open;
};

Fiber* current();
bool copies_are_eager();
void sync_warp(uint32_t mask);

// ---- what races.cpp needs -----------------------------------------------------------------------------------------------

// Whose memory an address is of: the running thread's own, its block's, everybody's.
enum class Kind { OWN, SHARED, GLOBAL };
Kind kind_of(const void* at);
std::string where_is(const void* at);
Place place();

// Every lane of `mask` brings `in`; the last one to arrive runs `f(lanes, mask)`, which fills the `out` of all.
void collective(int operation, uint32_t mask, void (*f)(Fiber* lanes, uint32_t mask));

}  // namespace emulator
