// A stand-in for libcuda.so: one device, whose memory is the process's and whose kernels the emulator runs. What the documentation forbids is refused with the
// error that it names. Failures can be asked for, so that what the runtime does about them is tested.
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <vector>
#include "modules.h"
#include "scheduler.h"
#include "streams.h"
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

using namespace emulator;

namespace {

struct Function {
  Kernel kernel;
  int static_shared = 0;  // of its module: at least its own
  int most_dynamic_shared = 0;
};

struct Loaded {
  std::shared_ptr<Module> module;
  std::map<std::string, Function> functions;
};

// Failures that a test has asked for: counted down, -1 for never.
struct Failures {
  std::atomic<long> allocations{-1}, launches{-1}, faults{-1};
  std::atomic<bool> lost{false};
  std::atomic<int> refusals{0};
};

struct Driver {
  std::mutex mutex;
  std::map<uint64_t, size_t> blocks;      // address, bytes asked for
  std::map<const char*, size_t> pinned;   // page-locked memory
  // `freed` was given back on a stream that has not come so far: who allocates gets it, but cuMemGetInfo does not count it as free.
  size_t used = 0, freed = 0, memory = size_t(4) << 30;
  Failures failures;
  std::atomic<bool> initialized{false};
  std::atomic<int> retained{0}, broken{SUCCESS};  // of the only context, the primary one
  int most_shared = 227 << 10;                    // bytes of a block that asks for them
  int context = 0;
};

Driver& driver() {
  static Driver d;
  return d;
}

thread_local void* current_context = nullptr;

// Counts of the calls of this thread.
thread_local struct {
  uint64_t allocations = 0, launches = 0, stalls = 0;
} counts;

int initialized() { return driver().initialized ? SUCCESS : NOT_INITIALIZED; }

size_t padded(size_t n) { return (n + 255) / 256 * 256; }

// True if the bytes lie in one allocation.
bool owned(uint64_t address, size_t n) {
  std::lock_guard<std::mutex> guard(driver().mutex);
  auto after = driver().blocks.upper_bound(address);
  if (after == driver().blocks.begin()) return false;
  --after;
  return address + n <= after->first + after->second;
}

bool is_pinned(const void* p, size_t n) {
  std::lock_guard<std::mutex> guard(driver().mutex);
  auto after = driver().pinned.upper_bound(static_cast<const char*>(p));
  if (after == driver().pinned.begin()) return false;
  --after;
  return static_cast<const char*>(p) + n <= after->first + after->second;
}

int allocate(uint64_t* address, size_t n) {
  if (!n) return INVALID_VALUE;
  Driver& d = driver();
  std::lock_guard<std::mutex> guard(d.mutex);
  if (d.failures.allocations == 0 || d.used + padded(n) > d.memory) return OUT_OF_MEMORY;
  if (d.failures.allocations > 0) --d.failures.allocations;
  char* block = (char*)aligned_alloc(256, padded(n));
  if (!block) return OUT_OF_MEMORY;
  memset(block, 0xff, n);  // not a number
#if defined(__SANITIZE_ADDRESS__)
  __asan_poison_memory_region(block + n, padded(n) - n);
#endif
  d.blocks[(uint64_t)block] = n;
  d.used += padded(n);
  ++counts.allocations;
  *address = (uint64_t)block;
  return SUCCESS;
}

void release(uint64_t address, size_t n) {
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region((void*)address, padded(n));
#endif
  free((void*)address);
}

// Removes the block at an address from the list; returns its size, or 0 if no block begins there.
size_t forget(uint64_t address) {
  Driver& d = driver();
  std::lock_guard<std::mutex> guard(d.mutex);
  auto block = d.blocks.find(address);
  if (block == d.blocks.end()) return 0;
  size_t n = block->second;
  d.used -= padded(n);
  d.blocks.erase(block);
  return n;
}

// A copy between the CPU's memory and the device's. Memory that is not page-locked may be read "synchronously" or later; callers may rely
// on neither.
int transfer(void* to, const void* from, size_t n, void* stream, const void* host) {
  if (!is_pinned(host, n)) {
    if (int code = refuse_capture(stream, CAPTURE_UNSUPPORTED)) return code;
    stall();
  }
  auto copy = [=] { return memmove(to, from, n), SUCCESS; };
  return submit(stream, copy, host, n);
}

}  // namespace

int emulator::ready() {
  Driver& d = driver();
  if (d.failures.lost) return LAUNCH_FAILED;
  if (!d.initialized) return NOT_INITIALIZED;
  if (!current_context) return INVALID_CONTEXT;
  if (!d.retained) return CONTEXT_IS_DESTROYED;
  return d.broken;
}

void emulator::break_context(int code) { driver().broken = code; }

void emulator::stall() { ++counts.stalls; }

bool emulator::refuses(Refusal refusal) { return driver().failures.refusals & refusal; }

// ---- what tests ask for -------------------------------------------------------------------------------------------------

EMULATOR_API void emulator_set_order(const char* order) { emulator::set_order(emulator::Order::parse(order)); }
EMULATOR_API void emulator_set_eager_copies(int eager) {
  emulator::set_copies(eager ? emulator::Copies::EAGER : emulator::Copies::LATE);
}
EMULATOR_API void emulator_set_pace(const char* pace) { emulator::set_pace(Pace::parse(pace)); }
EMULATOR_API void emulator_fail_allocation_after(long n) { driver().failures.allocations = n; }
EMULATOR_API void emulator_fail_launch_after(long n) { driver().failures.launches = n; }
EMULATOR_API void emulator_fault_after(long n) { driver().failures.faults = n; }
EMULATOR_API void emulator_lose_device(int lost) { driver().failures.lost = lost; }
EMULATOR_API void emulator_refuse(int refusals) { driver().failures.refusals = refusals; }
EMULATOR_API void emulator_set_memory(size_t bytes) { driver().memory = bytes; }
EMULATOR_API void emulator_set_shared_memory(int bytes) { driver().most_shared = bytes; }
EMULATOR_API size_t emulator_used_memory() { return driver().used; }
EMULATOR_API uint64_t emulator_allocations() { return counts.allocations; }
EMULATOR_API uint64_t emulator_launches() { return counts.launches; }
EMULATOR_API uint64_t emulator_stalls() { return counts.stalls; }

// ---- device and context -------------------------------------------------------------------------------------------------

// Without a device that may be seen the driver does not start.
EMULATOR_API int cuInit(unsigned) {
  const char* visible = getenv("CUDA_VISIBLE_DEVICES");
  if (visible && (!*visible || *visible == '-')) return NO_DEVICE;
  return driver().initialized = true, SUCCESS;
}
EMULATOR_API int cuDriverGetVersion(int* version) { return *version = 13000, SUCCESS; }
EMULATOR_API int cuDeviceGetCount(int* n) { return *n = 1, initialized(); }
EMULATOR_API int cuDeviceGet(int* device, int ordinal) {
  if (int code = initialized()) return code;
  return *device = 0, ordinal == 0 ? SUCCESS : INVALID_DEVICE;
}
EMULATOR_API int cuDeviceGetName(char* name, int n, int) { return snprintf(name, n, "emulated device"), initialized(); }
EMULATOR_API int cuDeviceTotalMem_v2(size_t* n, int) { return *n = driver().memory, initialized(); }
EMULATOR_API int cuDeviceGetAttribute(int* value, int attribute, int) {
  switch (attribute) {
    case 1: *value = 1024; break;                    // threads a block
    case 8: *value = 48 << 10; break;                // shared memory a block
    case 10: *value = 32; break;                     // threads a warp
    case 13: case 36: *value = 1000000; break;       // clocks, kHz
    case 16: *value = 4; break;                      // multiprocessors
    case 37: *value = 1024; break;                   // bus width, bits
    case 38: *value = 4 << 20; break;                // second-level cache
    case 39: *value = 2048; break;                   // threads a multiprocessor
    case 75: *value = 9; break;                      // compute capability
    case 76: *value = 0; break;
    case 81: case 97: *value = driver().most_shared; break;  // shared memory a multiprocessor, a block that asks for it
    case 115: *value = 1; break;                     // memory pools
    default: *value = 0;
  }
  return initialized();
}
EMULATOR_API int cuDevicePrimaryCtxRetain(void** context, int) {
  if (int code = initialized()) return code;
  if (driver().failures.lost) return LAUNCH_FAILED;
  ++driver().retained;
  return *context = &driver().context, SUCCESS;
}
// The last one destroys the context, with everything in it, a lasting error too. It stays current where it is, but is of no use any more.
EMULATOR_API int cuDevicePrimaryCtxRelease_v2(int) {
  Driver& d = driver();
  if (!d.retained) return INVALID_CONTEXT;
  if (--d.retained) return SUCCESS;
  std::lock_guard<std::mutex> guard(d.mutex);
  for (auto& block : d.blocks) release(block.first, block.second);
  d.blocks.clear();
  d.used = d.freed = 0;
  d.broken = SUCCESS;
  return SUCCESS;
}
EMULATOR_API int cuCtxSetCurrent(void* context) { return current_context = context, initialized(); }
EMULATOR_API int cuCtxGetCurrent(void** context) { return *context = current_context, initialized(); }
EMULATOR_API int cuCtxSynchronize() {
  if (int code = ready()) return code;
  if (int code = check_not_capturing()) return code;
  return stall(), drain(), ready();
}
EMULATOR_API int cuGetErrorName(int code, const char** name) {
  return *name = code ? "an error of the emulated driver" : "CUDA_SUCCESS", SUCCESS;
}
EMULATOR_API int cuGetErrorString(int code, const char** text) { return cuGetErrorName(code, text); }

// ---- memory -------------------------------------------------------------------------------------------------------------

EMULATOR_API int cuMemGetInfo_v2(size_t* left, size_t* total) {
  stall();
  Driver& d = driver();
  std::lock_guard<std::mutex> guard(d.mutex);
  size_t taken = d.used + d.freed;
  *total = d.memory;
  *left = taken < d.memory ? d.memory - taken : 0;
  return ready();
}
EMULATOR_API int cuMemAlloc_v2(uint64_t* address, size_t n) {
  if (int code = ready()) return code;
  if (int code = check_not_capturing()) return code;
  return allocate(address, n);
}
// A capture would make a node of it, whose memory only the graph may use: nothing of ours wants that.
EMULATOR_API int cuMemAllocAsync(uint64_t* address, size_t n, void* stream) {
  if (int code = ready()) return code;
  if (int code = refuse_capture(stream, CAPTURE_UNSUPPORTED)) return code;
  if (emulator::refuses(emulator::STREAM_ORDERED)) return NOT_SUPPORTED;
  return allocate(address, n);
}
EMULATOR_API int cuMemFree_v2(uint64_t address) {
  if (int code = ready()) return code;
  if (int code = check_not_capturing()) return code;
  drain();
  size_t n = forget(address);
  return n ? (release(address, n), SUCCESS) : INVALID_VALUE;
}
// In the order of the stream. "During stream capture" it "must be passed the address of a graph allocation".
EMULATOR_API int cuMemFreeAsync(uint64_t address, void* stream) {
  if (int code = refuse_capture(stream, INVALID_VALUE)) return code;
  size_t n = forget(address);
  if (!n) return INVALID_VALUE;
  auto give_back = [=] {
    std::lock_guard<std::mutex> guard(driver().mutex);
    driver().freed -= std::min(driver().freed, padded(n));
    return release(address, n), SUCCESS;
  };
  {
    std::lock_guard<std::mutex> guard(driver().mutex);
    driver().freed += padded(n);
  }
  int code = submit(stream, give_back);
  if (code) give_back();
  return code;
}
EMULATOR_API int cuMemHostAlloc(void** p, size_t n, unsigned) {
  if (int code = ready()) return code;
  if (int code = check_not_capturing()) return code;
  if (!n) return INVALID_VALUE;
  *p = aligned_alloc(256, padded(n));
  if (!*p) return OUT_OF_MEMORY;
  std::lock_guard<std::mutex> guard(driver().mutex);
  driver().pinned[static_cast<char*>(*p)] = n;
  return SUCCESS;
}
EMULATOR_API int cuMemFreeHost(void* p) {
  if (int code = check_not_capturing()) return code;
  std::unique_lock<std::mutex> guard(driver().mutex);
  auto pinned = driver().pinned.find(static_cast<char*>(p));
  if (pinned == driver().pinned.end()) return INVALID_VALUE;
  size_t n = pinned->second;
  driver().pinned.erase(pinned);
  guard.unlock();
  if (ready() == SUCCESS && is_in_use(p, n)) fail("page-locked memory is freed, and a copy is still to use it");
  return free(p), ready();
}
EMULATOR_API int cuMemsetD8Async(uint64_t to, unsigned char value, size_t n, void* stream) {
  if (!owned(to, n)) return INVALID_VALUE;
  return submit(stream, [=] { return memset((void*)to, value, n), SUCCESS; });
}
// "The destination pointer must be aligned" to what is written.
EMULATOR_API int cuMemsetD16Async(uint64_t to, unsigned short value, size_t n, void* stream) {
  if (to % 2 || !owned(to, 2 * n)) return INVALID_VALUE;
  return submit(stream, [=] { return std::fill_n((unsigned short*)to, n, value), SUCCESS; });
}
EMULATOR_API int cuMemsetD32Async(uint64_t to, unsigned value, size_t n, void* stream) {
  if (to % 4 || !owned(to, 4 * n)) return INVALID_VALUE;
  return submit(stream, [=] { return std::fill_n((unsigned*)to, n, value), SUCCESS; });
}
EMULATOR_API int cuMemcpyHtoDAsync_v2(uint64_t to, const void* from, size_t n, void* stream) {
  return owned(to, n) ? transfer((void*)to, from, n, stream, from) : INVALID_VALUE;
}
EMULATOR_API int cuMemcpyDtoHAsync_v2(void* to, uint64_t from, size_t n, void* stream) {
  return owned(from, n) ? transfer(to, (void*)from, n, stream, to) : INVALID_VALUE;
}
EMULATOR_API int cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t n, void* stream) {
  if (!owned(to, n) || !owned(from, n)) return INVALID_VALUE;
  return submit(stream, [=] { return memmove((void*)to, (void*)from, n), SUCCESS; });
}

// A kernel may get one address for two pointers only if neither says __restrict__ or both are const: memory behind a __restrict__ pointer
// may be read through a cache that does not see writes.
static void refuse_aliases(const Kernel& kernel, void** arguments) {
  auto& all = kernel.parameters;
  auto address = [&](size_t i) { return *static_cast<uint64_t*>(arguments[i]); };
  for (size_t i = 0; i < all.size(); ++i)
    for (size_t j = 0; j < i; ++j) {
      if (!all[i].pointer || !all[j].pointer || !address(i) || address(i) != address(j)) continue;
      if ((all[i].constant && all[j].constant) || !(all[i].restricted || all[j].restricted)) continue;
      fprintf(stderr, "emulator: kernel %s: arguments %zu and %zu are the same memory, and one says __restrict__\n", kernel.name.c_str(), j, i);
      abort();
    }
}

// ---- kernels ------------------------------------------------------------------------------------------------------------

EMULATOR_API int cuModuleLoadData(void** module, const void* image) {
  if (int code = ready()) return code;
  if (int code = check_not_capturing()) return code;
  std::string source, log;
  if (!emulator::source_of(static_cast<const char*>(image), source)) return INVALID_IMAGE;
  auto loaded = emulator::load(source, log);
  if (!loaded) {
    fprintf(stderr, "emulator: %s\n", log.c_str());
    return INVALID_IMAGE;
  }
  auto* result = new Loaded{loaded, {}};
  for (auto& [name, kernel] : loaded->kernels) {
    int fixed = kernel.shared_end - kernel.shared_begin - 1;  // a byte of it makes the section exist
    result->functions[name] = Function{kernel, fixed, std::max(0, (48 << 10) - fixed)};
  }
  *module = result;
  return SUCCESS;
}
// Kernels that are still to run have what they need of it.
EMULATOR_API int cuModuleUnload(void* module) {
  if (int code = check_not_capturing()) return code;
  return delete static_cast<Loaded*>(module), ready();
}
EMULATOR_API int cuModuleGetFunction(void** function, void* module, const char* name) {
  if (int code = ready()) return code;
  auto& functions = static_cast<Loaded*>(module)->functions;
  auto found = functions.find(name);
  if (found == functions.end()) return NOT_FOUND;
  *function = &found->second;
  return SUCCESS;
}
EMULATOR_API int cuFuncSetAttribute(void* function, int attribute, int value) {
  if (int code = ready()) return code;
  Function& f = *static_cast<Function*>(function);
  if (attribute != 8 || value < 0 || value + f.static_shared > driver().most_shared) return INVALID_VALUE;
  return f.most_dynamic_shared = value, SUCCESS;
}

EMULATOR_API int cuFuncGetParamInfo(void* function, size_t i, size_t* offset, size_t* size) {
  if (int code = ready()) return code;
  auto& sizes = static_cast<Function*>(function)->kernel.sizes;
  if (i >= sizes.size()) return INVALID_VALUE;
  *offset = 0;
  for (size_t j = 0; j <= i; ++j) *offset = (*offset + (j ? sizes[j - 1] : 0) + sizes[j] - 1) / sizes[j] * sizes[j];
  return *size = sizes[i], SUCCESS;
}

EMULATOR_API int cuLaunchKernel(
    void* function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned dynamic, void* stream,
    void** arguments, void**) {
  Function& f = *static_cast<Function*>(function);
  bool grid = gx && gx <= 0x7fffffff && gy && gy <= 65535 && gz && gz <= 65535;
  bool block = bx && by && bz && bz <= 64 && bx * by * bz <= f.kernel.most_threads;
  if (!grid || !block || (int)dynamic > f.most_dynamic_shared) return INVALID_VALUE;
  if (int code = ready()) return code;
  Driver& d = driver();
  {
    std::lock_guard<std::mutex> guard(d.mutex);
    if (d.failures.launches == 0) return LAUNCH_OUT_OF_RESOURCES;
    if (d.failures.launches > 0) --d.failures.launches;
    ++counts.launches;
  }
  // Arguments are copied when a kernel is launched or captured, as the driver does it.
  std::vector<std::vector<char>> copies;
  for (size_t i = 0; i < f.kernel.sizes.size(); ++i) {
    const char* argument = static_cast<const char*>(arguments[i]);
    if (!argument) return INVALID_VALUE;
    copies.emplace_back(argument, argument + f.kernel.sizes[i]);
  }
  refuse_aliases(f.kernel, arguments);
  Kernel kernel = f.kernel;
  return submit(stream, [=]() mutable -> int {
    auto& faults = driver().failures.faults;
    if (faults >= 0 && faults-- == 0) return ILLEGAL_ADDRESS;
    std::vector<void*> pointers;
    for (auto& copy : copies) pointers.push_back(copy.data());
    emulator::Launch launch{kernel.name, dim3(gx, gy, gz), dim3(bx, by, bz), dynamic, {}, kernel.shared_begin, kernel.shared_end};
    launch.body = [&] { kernel.call(pointers.data()); };
    emulator::run(launch);
    return SUCCESS;
  });
}

