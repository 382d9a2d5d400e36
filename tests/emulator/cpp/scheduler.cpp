#include "scheduler.h"
#include <sys/mman.h>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#if !defined(__x86_64__)
#error "the emulator switches fibers in x86-64 assembly"
#endif
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

emulator::Thread* current_thread = nullptr;

namespace emulator {

#if defined(__SANITIZE_ADDRESS__)
#define NO_ASAN __attribute__((no_sanitize_address, noinline))
constexpr size_t STACK = 512 << 10;
void leave(void** fake, const void* bottom, size_t size) { __sanitizer_start_switch_fiber(fake, bottom, size); }
void arrive(void* fake, const void** bottom, size_t* size) { __sanitizer_finish_switch_fiber(fake, bottom, size); }
void poison(char* p, size_t n) { __asan_poison_memory_region(p, n); }
void unpoison(char* p, size_t n) { __asan_unpoison_memory_region(p, n); }
#else
#define NO_ASAN __attribute__((noinline))
constexpr size_t STACK = 128 << 10;
void leave(void**, const void*, size_t) {}
void arrive(void*, const void**, size_t*) {}
void poison(char*, size_t) {}
void unpoison(char*, size_t) {}
#endif

// Saves the registers that a callee must keep and the stack pointer, and continues on another stack.
extern "C" void emulator_switch(void** save, void* load);
asm(R"(
.globl emulator_switch
.hidden emulator_switch
emulator_switch:
  pushq %rbp; pushq %rbx; pushq %r12; pushq %r13; pushq %r14; pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15; popq %r14; popq %r13; popq %r12; popq %rbx; popq %rbp
  ret
)");

constexpr unsigned MOST_THREADS = 1024;
constexpr unsigned MOST_BLOCKS = 4;  // that run side by side, where the order is shuffled

// A block that runs, in a place where others ran before it.
struct Block {
  std::vector<Fiber> fibers;
  std::vector<unsigned> order;
  uint3 index{};
  uint64_t number = 0;                           // along the grid
  uint32_t phase = 0, warp_phase[MOST_THREADS / WARP] = {};  // barriers, and syncwarps of each warp, so far
  unsigned alive = 0, at_barrier = 0;
  int verdict[4] = {};  // what a barrier of each kind returns
  char* dynamic_shared = nullptr;
  std::vector<char> static_shared;  // while another block runs
};

struct Scheduler {
  std::mutex running;
  Block blocks[MOST_BLOCKS];
  Block* block = nullptr;
  Fiber* current = nullptr;
  const Launch* launch = nullptr;
  unsigned threads = 0;
  Copies copies = Copies::LATE;
  void* stack_pointer = nullptr;
  void* fake_stack = nullptr;
  const void* stack_bottom = nullptr;
  size_t stack_size = 0;
};

// Settings for the launches of this thread: tests that run at the same time have their own.
static thread_local Order next_order;
static thread_local Copies next_copies = Copies::LATE;

static Scheduler& scheduler() {
  static Scheduler s;
  return s;
}

Fiber* current() { return scheduler().current; }
bool copies_are_eager() { return scheduler().copies == Copies::EAGER; }
void set_order(Order order) { next_order = order; }
void set_copies(Copies copies) { next_copies = copies; }

Order Order::parse(const char* text) {
  if (!strcmp(text, "forward")) return {FORWARD, 0};
  if (!strcmp(text, "reverse")) return {REVERSE, 0};
  if (!strcmp(text, "lockstep")) return {LOCKSTEP, 0};
  return {SHUFFLED, strtoull(text, nullptr, 10)};
}

void fail(const std::string& what) {
  Scheduler& s = scheduler();
  const char* name = s.launch ? s.launch->name.c_str() : "";
  fprintf(stderr, "emulator: kernel %s block (%u, %u, %u): %s\n", name, s.block->index.x, s.block->index.y, s.block->index.z,
          what.c_str());
  for (unsigned i = 0; i < s.threads; i += WARP) {
    fprintf(stderr, "  warp %2u: ", i / WARP);
    for (unsigned j = i; j < std::min(i + WARP, s.threads); ++j) fputc("RBWO-"[s.block->fibers[j].state], stderr);
    fputc('\n', stderr);
  }
  fprintf(stderr, "  (R can run, B waits at a barrier, W in a warp collective, O for other blocks, - has left)\n");
  fflush(stderr);
  abort();
}

// ---- switching ----------------------------------------------------------------------------------------------------------

static void to_scheduler(Fiber* me) {
  Scheduler& s = scheduler();
  leave(&me->fake_stack, s.stack_bottom, s.stack_size);
  emulator_switch(&me->stack_pointer, s.stack_pointer);
  arrive(me->fake_stack, &s.stack_bottom, &s.stack_size);
}

static void to_fiber(Fiber* fiber) {
  Scheduler& s = scheduler();
  s.current = fiber;
  current_thread = &fiber->thread;
  leave(&s.fake_stack, fiber->stack, STACK);
  emulator_switch(&s.stack_pointer, fiber->stack_pointer);
  arrive(s.fake_stack, nullptr, nullptr);
}

// The life of a fiber: one thread of one block after the other.
static void live() {
  arrive(nullptr, &scheduler().stack_bottom, &scheduler().stack_size);
  for (;;) {
    Fiber* me = scheduler().current;
    scheduler().launch->body();
    if (!me->open.empty() || !me->groups.empty()) fail("a thread left with copies by cp.async that it did not wait for");
    me->state = DONE;
    --scheduler().block->alive;
    to_scheduler(me);
  }
}

static void make(Fiber& fiber) {
  int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
  void* stack = mmap(nullptr, STACK, PROT_READ | PROT_WRITE, flags, -1, 0);  // kept for the life of the process
  if (stack == MAP_FAILED) fail("no memory for the stacks of its threads");
  fiber.stack = (char*)stack;
  void** top = (void**)(fiber.stack + STACK) - 2;  // so that `live` finds the stack as the ABI wants it
  top[0] = (void*)&live;
  top[1] = nullptr;
  fiber.stack_pointer = memset(top - 6, 0, 6 * sizeof(void*));
}

// ---- a block ------------------------------------------------------------------------------------------------------------

// 0xff: not a number as f32 and bf16, -1 as an integer.
NO_ASAN static void spoil(volatile char* begin, volatile char* end) {
  for (; begin < end; ++begin) *begin = (char)0xff;
}

static void open_barrier(Block& block, unsigned threads) {
  int any = 0, all = 1, count = 0;
  for (unsigned i = 0; i < threads; ++i) {
    Fiber& fiber = block.fibers[i];
    if (fiber.operation != block.fibers[0].operation) fail("threads met at different kinds of barrier");
    bool vote = fiber.vote != 0;
    any |= vote, all &= vote, count += vote;
    fiber.state = READY;
  }
  block.verdict[0] = 0, block.verdict[1] = any, block.verdict[2] = all, block.verdict[3] = count;
  block.at_barrier = 0;
  ++block.phase;
  races::barrier(block.number);
}

// Lets the fibers order[from .. to] that are ready run, each as far as it can; whether one was.
static bool turn(Block& block, unsigned from, unsigned to) {
  bool ran = false;
  for (unsigned i = from; i < to; ++i) {
    Fiber& fiber = block.fibers[block.order[i]];
    if (fiber.state != READY) continue;
    to_fiber(&fiber);
    ran |= fiber.state != WAITING;
  }
  return ran;
}

// Lets a block run up to its next barrier, to its end, or as far as it can before another block has done something; whether any of its threads
// did more than wait.
static bool advance(Scheduler& s, Block& block, bool lockstep) {
  s.block = &block;
  bool waits = false, moved = false;
  for (unsigned i = 0; i < s.threads; ++i)
    if (block.fibers[i].state == WAITING) block.fibers[i].state = READY;
  while (block.alive) {
    bool ran = false;
    if (lockstep) {
      ran = turn(block, 0, s.threads);
    } else {
      // A warp runs as far as it can before the next one starts: lock-step would hide that warps overtake each other.
      for (unsigned from = 0; from < s.threads; from += WARP)
        while (turn(block, from, std::min(from + WARP, s.threads))) ran = true;
    }
    moved |= ran;
    if (block.at_barrier && block.at_barrier == s.threads) {
      open_barrier(block, s.threads);
      return true;
    }
    if (ran || !block.alive) continue;
    for (unsigned i = 0; i < s.threads; ++i) waits |= block.fibers[i].state == WAITING;
    if (waits) return moved;
    fail(block.at_barrier ? "not every thread of the block reached the barrier" : "some lanes of a warp collective's mask never arrived");
  }
  return true;
}

// Threads of one warp stay together in the order; a last warp that is not full stays last.
static void arrange(Scheduler& s, Block& block, Order order) {
  block.order.resize(s.threads);
  for (unsigned i = 0; i < s.threads; ++i) block.order[i] = i;
  if (order.kind == Order::REVERSE) {
    std::reverse(block.order.begin(), block.order.end());
    unsigned warps = (s.threads + WARP - 1) / WARP;
    bool ragged = s.threads % WARP;
    auto place = [&](unsigned i) { return ragged ? i / WARP : warps - i / WARP; };
    std::stable_sort(block.order.begin(), block.order.end(), [&](unsigned a, unsigned b) { return place(a) < place(b); });
  }
}

static unsigned random(uint64_t& seed, unsigned n) {
  seed = seed * 6364136223846793005ull + 1442695040888963407ull;
  return (unsigned)((seed >> 33) % n);
}

// Permutes the lanes of every warp, and the warps that are full, anew for every block.
static void shuffle(Scheduler& s, Block& block, uint64_t& seed) {
  for (unsigned from = 0; from < s.threads; from += WARP) {
    unsigned n = std::min((unsigned)WARP, s.threads - from);
    for (unsigned i = n - 1; i > 0; --i) std::swap(block.order[from + i], block.order[from + random(seed, i + 1)]);
  }
  for (unsigned w = s.threads / WARP; w-- > 1;) {
    unsigned v = random(seed, w + 1);
    if (v != w) std::swap_ranges(&block.order[w * WARP], &block.order[w * WARP] + WARP, &block.order[v * WARP]);
  }
}

NO_ASAN static void copy(volatile char* to, const volatile char* from, size_t n) {
  for (size_t i = 0; i < n; ++i) to[i] = from[i];
}

// Runs all blocks of the grid, so many of them side by side: which of these goes on after a barrier is drawn by lot. Blocks start in their order, in
// reverse with the threads.
static void run_blocks(Scheduler& s, Order order, unsigned side_by_side) {
  const Launch& launch = *s.launch;
  const dim3 grid = launch.grid;
  size_t size = launch.shared_end - launch.shared_begin;
  uint64_t seed = order.seed * 2 + 1, count = (uint64_t)grid.x * grid.y * grid.z, next = 0;
  std::vector<Block*> running;
  unsigned idle = 0;  // blocks that only waited, one after the other
  auto start = [&](Block& block) {
    uint64_t i = order.kind == Order::REVERSE ? count - 1 - next : next;
    ++next;
    block.number = i;
    block.phase = 0;
    std::fill(std::begin(block.warp_phase), std::end(block.warp_phase), 0);
    block.index = {(unsigned)(i % grid.x), (unsigned)(i / grid.x % grid.y), (unsigned)(i / grid.x / grid.y)};
    block.alive = s.threads;
    block.at_barrier = 0;
    for (unsigned t = 0; t < s.threads; ++t) block.fibers[t].thread.block = block.index, block.fibers[t].state = READY;
    if (order.kind == Order::SHUFFLED) shuffle(s, block, seed);
    block.static_shared.assign(side_by_side > 1 ? size : 0, (char)0xff);
    spoil(block.dynamic_shared, block.dynamic_shared + launch.dynamic_shared);
    running.push_back(&block);
  };
  for (unsigned b = 0; b < side_by_side && next < count; ++b) start(s.blocks[b]);
  if (side_by_side == 1) spoil(launch.shared_begin, launch.shared_end);
  while (!running.empty()) {
    unsigned which = idle ? idle % running.size() : random(seed, running.size());
    Block& block = *running[which];
    if (side_by_side > 1) copy(launch.shared_begin, block.static_shared.data(), size);
    bool moved = advance(s, block, order.kind == Order::LOCKSTEP);
    if (side_by_side > 1) copy(block.static_shared.data(), launch.shared_begin, size);
    idle = moved ? 0 : idle + 1;
    if (idle > running.size()) fail("every block that runs waits for another one");
    if (block.alive) continue;
    running.erase(running.begin() + which);
    if (next == count) continue;
    start(block);
    if (side_by_side == 1) spoil(launch.shared_begin, launch.shared_end);
  }
}

void run(const Launch& launch) {
  Scheduler& s = scheduler();
  std::lock_guard<std::mutex> guard(s.running);
  s.launch = &launch;
  s.block = &s.blocks[0];
  s.threads = 0;
  unsigned threads = launch.block.x * launch.block.y * launch.block.z;
  if (!threads || threads > MOST_THREADS) fail("a block has from 1 to 1024 threads");
  Order order = next_order;
  s.copies = next_copies;
  unsigned side_by_side = order.kind == Order::SHUFFLED ? MOST_BLOCKS : 1;
  size_t used = (launch.dynamic_shared + 7) / 8 * 8, padded = (launch.dynamic_shared + 127) / 128 * 128;
  for (unsigned b = 0; b < side_by_side; ++b) {
    Block& block = s.blocks[b];
    if (block.fibers.empty()) {
      block.fibers = std::vector<Fiber>(MOST_THREADS);
      for (Fiber& fiber : block.fibers) make(fiber);
    }
    block.dynamic_shared = padded ? (char*)aligned_alloc(128, padded) : nullptr;
    if (padded) poison(block.dynamic_shared + used, padded - used);
    for (unsigned i = 0; i < threads; ++i) {
      Fiber& fiber = block.fibers[i];
      fiber.warp = i / WARP;
      uint3 thread = {i % launch.block.x, i / launch.block.x % launch.block.y, i / launch.block.x / launch.block.y};
      fiber.thread = {thread, {}, launch.block, launch.grid, i % WARP, block.dynamic_shared};
    }
  }
  s.threads = threads;
  races::begin_launch();
  for (unsigned b = 0; b < side_by_side; ++b) arrange(s, s.blocks[b], order);
  run_blocks(s, order, side_by_side);
  for (unsigned b = 0; b < side_by_side; ++b) {
    if (padded) unpoison(s.blocks[b].dynamic_shared, padded);
    free(s.blocks[b].dynamic_shared);
  }
  s.launch = nullptr;
}

// ---- meeting ------------------------------------------------------------------------------------------------------------

void collective(int operation, uint32_t mask, void (*f)(Fiber*, uint32_t)) {
  Scheduler& s = scheduler();
  Fiber* me = s.current;
  if (!(mask >> me->thread.lane & 1)) fail("a lane takes part in a warp collective whose mask does not name it");
  me->operation = operation;
  me->mask = mask;
  me->state = AT_COLLECTIVE;
  Fiber* lanes = &s.block->fibers[me->warp * WARP];
  unsigned n = std::min((unsigned)WARP, s.threads - me->warp * WARP);
  if (n < WARP && mask >> n) fail("the mask of a warp collective names lanes beyond the block");
  for (unsigned l = 0; l < n; ++l) {
    if (!(mask >> l & 1)) continue;
    if (lanes[l].state == DONE) fail("a lane of a warp collective's mask has left");
    if (lanes[l].state != AT_COLLECTIVE) return to_scheduler(me);
    if (lanes[l].mask != mask || lanes[l].operation != operation) fail("lanes met with different masks or operations");
  }
  f(lanes, mask);
  for (unsigned l = 0; l < n; ++l)
    if (mask >> l & 1) lanes[l].state = READY;
}

void sync_warp(uint32_t mask) {
  collective(SYNC_WARP, mask, [](Fiber* lanes, uint32_t mask) {
    if (mask == 0xffffffffu) ++scheduler().block->warp_phase[lanes->warp];  // of fewer lanes: nothing is said about the others
  });
}

// ---- whose memory it is -------------------------------------------------------------------------------------------------

static bool within(const void* at, const void* begin, size_t n) { return (uintptr_t)at - (uintptr_t)begin < n; }

Kind kind_of(const void* at) {
  Scheduler& s = scheduler();
  if (!s.launch) return Kind::OWN;  // the driver asks a module something
  Fiber* me = s.current;
  bool own = within(at, me->stack, STACK) || within(at, me, sizeof *me) || within(at, &current_thread, sizeof current_thread);
  if (own) return Kind::OWN;
  const Launch& launch = *s.launch;
  bool dynamic = within(at, s.block->dynamic_shared, launch.dynamic_shared);
  bool shared = dynamic || within(at, launch.shared_begin, launch.shared_end - launch.shared_begin);
  return shared ? Kind::SHARED : Kind::GLOBAL;
}

std::string where_is(const void* at) {
  Scheduler& s = scheduler();
  auto from = [&](const char* begin) { return std::to_string((const char*)at - begin); };
  switch (kind_of(at)) {
    case Kind::OWN: return "its own";
    case Kind::GLOBAL: return "on the device";
    case Kind::SHARED: break;
  }
  if (within(at, s.block->dynamic_shared, s.launch->dynamic_shared)) return "byte " + from(s.block->dynamic_shared) + " of the dynamic part";
  return "byte " + from(s.launch->shared_begin) + " of the static part";
}

Place place() {
  Scheduler& s = scheduler();
  Block& block = *s.block;
  unsigned warp = s.current->warp;
  uint32_t thread = warp * WARP + s.current->thread.lane;
  return {block.number, thread, block.phase, block.warp_phase[warp]};
}

}  // namespace emulator

int emulator_barrier(int kind, int vote) {
  emulator::Scheduler& s = emulator::scheduler();
  emulator::Fiber* me = s.current;
  me->operation = kind;
  me->vote = vote;
  me->state = emulator::AT_BARRIER;
  ++s.block->at_barrier;
  emulator::to_scheduler(me);
  return s.block->verdict[kind];
}

void emulator_other_blocks() {
  emulator::Fiber* me = emulator::current();
  me->state = emulator::WAITING;
  emulator::to_scheduler(me);
}
