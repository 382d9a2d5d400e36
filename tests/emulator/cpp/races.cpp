#include "races.h"
#ifdef EMULATOR_RACES
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>
#include "scheduler.h"

namespace emulator {
namespace races {
namespace {

constexpr uintptr_t CELL = 2, PAGE = 4096;  // bytes that share a cell, that share a page of cells

struct Cell {
  uint64_t launch = 0;  // of everything else; what is older is forgotten
  Place write;
  Place reads[3];  // the last one, the last one of another warp than that, and of another lane
  bool wrote = false, copying = false;
  uint8_t readers = 0;  // which of them there are, as bits
};

using Page = Cell[PAGE / CELL];

// Up to which of its phases a block knows what others did.
using Known = std::unordered_map<uint64_t, uint32_t>;

struct Fresh {
  uint32_t thread;
  Known known;
};

struct State {
  uint64_t launch = 0;
  std::unordered_map<uintptr_t, std::unique_ptr<Page>> pages;
  uintptr_t recent_number = 0;
  Page* recent = nullptr;
  std::map<const void*, Known> released;
  std::unordered_map<uint64_t, Known> known;             // to every thread of a block
  std::unordered_map<uint64_t, std::vector<Fresh>> fresh;  // to one thread, up to the next barrier
};

State& state() {
  static State s;
  return s;
}

Cell& cell(uintptr_t address) {
  State& s = state();
  uintptr_t number = address / PAGE;
  if (number != s.recent_number || !s.recent) {
    auto& page = s.pages[number];
    if (!page) page.reset(reinterpret_cast<Page*>(new Page));
    s.recent_number = number;
    s.recent = page.get();
  }
  Cell& it = (*s.recent)[address % PAGE / CELL];
  if (it.launch != s.launch) it = Cell{}, it.launch = s.launch;
  return it;
}

void join(Known& to, const Known& more) {
  for (auto& [block, phase] : more)
    if (to[block] < phase) to[block] = phase;
}

bool knows(const Known& known, const Place& then) {
  auto found = known.find(then.block);
  return found != known.end() && then.phase < found->second;
}

bool ordered(const Place& then, const Place& now, bool shared) {
  if (then.block != now.block) {
    if (shared) return true;  // another block's, that had this place before
    State& s = state();
    if (knows(s.known[now.block], then)) return true;
    for (const Fresh& fresh : s.fresh[now.block])
      if (fresh.thread == now.thread && knows(fresh.known, then)) return true;
    return false;
  }
  if (then.thread == now.thread || then.phase < now.phase) return true;
  return then.thread / WARP == now.thread / WARP && then.warp_phase < now.warp_phase;
}

[[noreturn]] void report(const char* does, const Place& then, const char* did, const Place& now, uintptr_t address, bool shared) {
  char text[400], other[80] = "";
  if (then.block != now.block) snprintf(other, sizeof other, " of block %llu", (unsigned long long)then.block);
  snprintf(
      text, sizeof text, "a race: thread %u %s %s that thread %u%s %s, and nothing orders them (%s)", now.thread, does,
      shared ? "shared memory" : "memory", then.thread, other, did, where_is((const void*)address).c_str());
  fail(text);
}

// Calls f(cell, who, where, whether it is shared memory) for what is not a thread's own.
template <class F> void each(const void* at, size_t n, F f) {
  Kind kind = kind_of(at);
  if (kind == Kind::OWN) return;
  Place now = place();
  uintptr_t begin = (uintptr_t)at / CELL * CELL;
  for (uintptr_t a = begin; a < (uintptr_t)at + n; a += CELL) {
    Cell& it = cell(a);
    if (it.copying) fail("memory is used while a copy by cp.async to it is under way");
    f(it, now, a, kind == Kind::SHARED);
  }
}

}  // namespace

void begin_launch() {
  State& s = state();
  ++s.launch;
  s.released.clear();
  s.known.clear();
  s.fresh.clear();
}

void read(const void* at, size_t n) {
  each(at, n, [&](Cell& it, const Place& now, uintptr_t a, bool shared) {
    if (it.wrote && !ordered(it.write, now, shared)) report("reads", it.write, "wrote", now, a, shared);
    if (it.readers & 1) {
      const Place& last = it.reads[0];
      bool same_warp = last.block == now.block && last.thread / WARP == now.thread / WARP;
      int other = !same_warp ? 1 : last.thread != now.thread ? 2 : 0;
      if (other) it.reads[other] = last, it.readers |= 1 << other;
    }
    it.reads[0] = now;
    it.readers |= 1;
  });
}

void write(const void* at, size_t n) {
  each(at, n, [&](Cell& it, const Place& now, uintptr_t a, bool shared) {
    if (it.wrote && !ordered(it.write, now, shared)) report("writes", it.write, "wrote", now, a, shared);
    for (int r = 0; r < 3; ++r)
      if (it.readers >> r & 1 && !ordered(it.reads[r], now, shared)) report("writes", it.reads[r], "read", now, a, shared);
    it.write = now;
    it.wrote = true;
    it.readers = 0;
  });
}

void copy_begins(const void* to, size_t n) {
  write(to, n);
  each(to, n, [](Cell& it, const Place&, uintptr_t, bool) { it.copying = true; });
}

void copy_ends(const void* to, size_t n) {
  for (size_t i = 0; i < n; i += CELL) cell((uintptr_t)to + i).copying = false;
  write(to, n);
}

// Others of the block may still be at work on what the running phase is for.
void release(const void* at) {
  State& s = state();
  Place now = place();
  Known known = s.known[now.block];
  known[now.block] = now.phase;
  s.released[at] = known;
}

void acquire(const void* at) {
  State& s = state();
  auto found = s.released.find(at);
  if (found == s.released.end()) return;
  Place now = place();
  s.fresh[now.block].push_back({now.thread, found->second});
}

void barrier(uint64_t block) {
  State& s = state();
  for (const Fresh& fresh : s.fresh[block]) join(s.known[block], fresh.known);
  s.fresh[block].clear();
}

}  // namespace races
}  // namespace emulator

// ---- what g++ calls -----------------------------------------------------------------------------------------------------

#define READS(n)                                                                         \
  EMULATOR_API void __tsan_read##n(void* at) { emulator::races::read(at, n); }           \
  EMULATOR_API void __tsan_unaligned_read##n(void* at) { emulator::races::read(at, n); } \
  EMULATOR_API void __tsan_write##n(void* at) { emulator::races::write(at, n); }         \
  EMULATOR_API void __tsan_unaligned_write##n(void* at) { emulator::races::write(at, n); }
READS(1)
READS(2)
READS(4)
READS(8)
READS(16)
EMULATOR_API void __tsan_read_range(void* at, size_t n) { emulator::races::read(at, n); }
EMULATOR_API void __tsan_write_range(void* at, size_t n) { emulator::races::write(at, n); }
EMULATOR_API void __tsan_func_entry(void*) {}
EMULATOR_API void __tsan_func_exit(void*) {}
EMULATOR_API void __tsan_init() {}
#endif
