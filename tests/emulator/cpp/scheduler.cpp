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

struct Scheduler {
  std::mutex running;
  std::vector<Fiber> fibers;
  std::vector<unsigned> order;
  Fiber* current = nullptr;
  const Launch* launch = nullptr;
  uint3 block{};
  unsigned threads = 0, alive = 0, at_barrier = 0;
  int verdict[4] = {};  // what a barrier of each kind returns
  Copies copies = Copies::LATE;
  void* stack_pointer = nullptr;
  void* fake_stack = nullptr;
  const void* stack_bottom = nullptr;
  size_t stack_size = 0;
};

// Of the launches of this thread: tests that run at the same time each have their own.
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
  fprintf(stderr, "emulator: kernel %s block (%u, %u, %u): %s\n", name, s.block.x, s.block.y, s.block.z, what.c_str());
  for (unsigned i = 0; i < s.threads; i += WARP) {
    fprintf(stderr, "  warp %2u: ", i / WARP);
    for (unsigned j = i; j < std::min(i + WARP, s.threads); ++j) fputc("RBW-"[s.fibers[j].state], stderr);
    fputc('\n', stderr);
  }
  fprintf(stderr, "  (R can run, B waits at a barrier, W in a warp collective, - has left)\n");
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
    --scheduler().alive;
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

static void open_barrier(Scheduler& s) {
  int any = 0, all = 1, count = 0;
  for (unsigned i = 0; i < s.threads; ++i) {
    Fiber& fiber = s.fibers[i];
    if (fiber.operation != s.fibers[0].operation) fail("threads met at different kinds of barrier");
    bool vote = fiber.vote != 0;
    any |= vote, all &= vote, count += vote;
    fiber.state = READY;
  }
  s.verdict[0] = 0, s.verdict[1] = any, s.verdict[2] = all, s.verdict[3] = count;
  s.at_barrier = 0;
}

// Lets the fibers order[from .. to] that are ready run, each as far as it can; whether one was.
static bool turn(Scheduler& s, unsigned from, unsigned to) {
  bool ran = false;
  for (unsigned i = from; i < to; ++i) {
    Fiber& fiber = s.fibers[s.order[i]];
    if (fiber.state != READY) continue;
    ran = true;
    to_fiber(&fiber);
  }
  return ran;
}

static void run_block(Scheduler& s, bool lockstep) {
  s.alive = s.threads;
  s.at_barrier = 0;
  for (unsigned i = 0; i < s.threads; ++i) s.fibers[i].state = READY;
  while (s.alive) {
    bool ran = false;
    if (lockstep) {
      ran = turn(s, 0, s.threads);
    } else {
      // A warp runs as far as it can before the next one starts: lock-step would hide that warps overtake each other.
      for (unsigned from = 0; from < s.threads; from += WARP)
        while (turn(s, from, std::min(from + WARP, s.threads))) ran = true;
    }
    if (s.at_barrier && s.at_barrier == s.threads) {
      open_barrier(s);
    } else if (!ran && s.alive) {
      fail(s.at_barrier ? "not every thread of the block reached the barrier" : "some lanes of a warp collective's mask never arrived");
    }
  }
}

// Threads of one warp stay together in the order; a last warp that is not full stays last.
static void arrange(Scheduler& s, Order order) {
  for (unsigned i = 0; i < s.threads; ++i) s.order[i] = i;
  if (order.kind == Order::REVERSE) {
    std::reverse(s.order.begin(), s.order.end());
    unsigned warps = (s.threads + WARP - 1) / WARP;
    bool ragged = s.threads % WARP;
    auto place = [&](unsigned i) { return ragged ? i / WARP : warps - i / WARP; };
    std::stable_sort(s.order.begin(), s.order.end(), [&](unsigned a, unsigned b) { return place(a) < place(b); });
  }
}

// Permutes the lanes of every warp, and the warps that are full, anew for every block.
static void shuffle(Scheduler& s, uint64_t& seed) {
  auto random = [&](unsigned n) {
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    return (unsigned)((seed >> 33) % n);
  };
  for (unsigned from = 0; from < s.threads; from += WARP) {
    unsigned n = std::min((unsigned)WARP, s.threads - from);
    for (unsigned i = n - 1; i > 0; --i) std::swap(s.order[from + i], s.order[from + random(i + 1)]);
  }
  for (unsigned w = s.threads / WARP; w-- > 1;) {
    unsigned v = random(w + 1);
    if (v != w) std::swap_ranges(&s.order[w * WARP], &s.order[w * WARP] + WARP, &s.order[v * WARP]);
  }
}

void run(const Launch& launch) {
  Scheduler& s = scheduler();
  std::lock_guard<std::mutex> guard(s.running);
  s.launch = &launch;
  s.threads = 0;
  unsigned threads = launch.block.x * launch.block.y * launch.block.z;
  if (!threads || threads > MOST_THREADS) fail("a block has from 1 to 1024 threads");
  if (s.fibers.empty()) {
    s.fibers = std::vector<Fiber>(MOST_THREADS);
    for (Fiber& fiber : s.fibers) make(fiber);
  }
  size_t padded = (launch.dynamic_shared + 127) / 128 * 128;
  char* dynamic = padded ? (char*)aligned_alloc(128, padded) : nullptr;
  s.threads = threads;
  s.order.resize(threads);
  for (unsigned i = 0; i < threads; ++i) {
    Fiber& fiber = s.fibers[i];
    fiber.warp = i / WARP;
    uint3 thread = {i % launch.block.x, i / launch.block.x % launch.block.y, i / launch.block.x / launch.block.y};
    fiber.thread = {thread, {}, launch.block, launch.grid, i % WARP, dynamic};
  }
  Order order = next_order;
  s.copies = next_copies;
  uint64_t seed = order.seed * 2 + 1;
  arrange(s, order);
  size_t used = (launch.dynamic_shared + 7) / 8 * 8;
  if (dynamic) poison(dynamic + used, padded - used);
  for (unsigned z = 0; z < launch.grid.z; ++z)
    for (unsigned y = 0; y < launch.grid.y; ++y)
      for (unsigned x = 0; x < launch.grid.x; ++x) {
        s.block = {x, y, z};
        for (unsigned i = 0; i < threads; ++i) s.fibers[i].thread.block = s.block;
        if (order.kind == Order::SHUFFLED) shuffle(s, seed);
        spoil(launch.shared_begin, launch.shared_end);
        spoil(dynamic, dynamic + launch.dynamic_shared);
        run_block(s, order.kind == Order::LOCKSTEP);
      }
  if (dynamic) unpoison(dynamic, padded);
  free(dynamic);
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
  Fiber* lanes = &s.fibers[me->warp * WARP];
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

}  // namespace emulator

int emulator_barrier(int kind, int vote) {
  emulator::Scheduler& s = emulator::scheduler();
  emulator::Fiber* me = s.current;
  me->operation = kind;
  me->vote = vote;
  me->state = emulator::AT_BARRIER;
  ++s.at_barrier;
  emulator::to_scheduler(me);
  return s.verdict[kind];
}
