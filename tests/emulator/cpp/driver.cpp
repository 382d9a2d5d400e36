// A stand-in for libcuda.so: one device, whose memory is the process's and whose kernels the emulator runs. Streams work in order and
// at once; capture records, a graph replays. Failures can be asked for, so that what the runtime does about them is tested.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <vector>
#include "driver.h"
#include "modules.h"
#include "scheduler.h"
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

using emulator::Work;

namespace {

enum Result {
  SUCCESS = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, INVALID_DEVICE = 101, INVALID_IMAGE = 200, DEVICE_LOST = 719,
  INVALID_HANDLE = 400, NOT_FOUND = 500, LAUNCH_OUT_OF_RESOURCES = 701, CAPTURE_UNSUPPORTED = 900,
  CAPTURE_INVALIDATED = 901, NOT_SUPPORTED = 801
};

using Graph = std::vector<Work>;

struct Stream {
  std::unique_ptr<Graph> capture;
};

struct Event {
  std::chrono::steady_clock::time_point time;
};

struct Function {
  emulator::Kernel kernel;
  int most_dynamic_shared = 48 << 10;
};

struct Loaded {
  std::shared_ptr<emulator::Module> module;
  std::map<std::string, Function> functions;
};

// What a test asked to go wrong: counted down, -1 for never.
struct Failures {
  long allocations = -1, launches = -1;
  bool lost = false;
};

struct Driver {
  std::mutex mutex;
  std::map<uint64_t, size_t> blocks;  // address, bytes asked for
  size_t used = 0, memory = size_t(4) << 30, peak = 0;
  uint64_t allocations = 0, launches = 0;
  Failures failures;
  int context = 0;
  char pool = 0;
};

Driver& driver() {
  static Driver d;
  return d;
}

Stream default_stream;
thread_local void* current_context = nullptr;

bool is_default(void* stream) { return (uintptr_t)stream <= 2; }
Stream& stream_of(void* stream) { return is_default(stream) ? default_stream : *static_cast<Stream*>(stream); }

int status() { return driver().failures.lost ? DEVICE_LOST : SUCCESS; }

size_t padded(size_t n) { return (n + 255) / 256 * 256; }

// Whether the bytes lie in one allocation.
bool owned(uint64_t address, size_t n) {
  std::lock_guard<std::mutex> guard(driver().mutex);
  auto after = driver().blocks.upper_bound(address);
  if (after == driver().blocks.begin()) return false;
  --after;
  return address + n <= after->first + after->second;
}

int allocate(uint64_t* address, size_t n) {
  if (status()) return status();
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
  d.peak = std::max(d.peak, d.used);
  ++d.allocations;
  *address = (uint64_t)block;
  return SUCCESS;
}

int release(uint64_t address) {
  Driver& d = driver();
  std::lock_guard<std::mutex> guard(d.mutex);
  auto block = d.blocks.find(address);
  if (block == d.blocks.end()) return INVALID_VALUE;
#if defined(__SANITIZE_ADDRESS__)
  __asan_unpoison_memory_region((void*)address, padded(block->second));
#endif
  d.used -= padded(block->second);
  d.blocks.erase(block);
  free((void*)address);
  return SUCCESS;
}

int transfer(void* to, const void* from, size_t n, void* stream) {
  return emulator::submit(stream, [=] {
    memmove(to, from, n);
    return SUCCESS;
  });
}

}  // namespace

int emulator::submit(void* stream, Work work) {
  if (status()) return status();
  Stream& s = stream_of(stream);
  if (!s.capture) return work();
  s.capture->push_back(std::move(work));
  return SUCCESS;
}

// ---- what tests ask for -------------------------------------------------------------------------------------------------

EMULATOR_API void emulator_set_order(const char* order) { emulator::set_order(emulator::Order::parse(order)); }
EMULATOR_API void emulator_set_eager_copies(int eager) {
  emulator::set_copies(eager ? emulator::Copies::EAGER : emulator::Copies::LATE);
}
EMULATOR_API void emulator_fail_allocation_after(long n) { driver().failures.allocations = n; }
EMULATOR_API void emulator_fail_launch_after(long n) { driver().failures.launches = n; }
EMULATOR_API void emulator_lose_device(int lost) { driver().failures.lost = lost; }
EMULATOR_API void emulator_set_memory(size_t bytes) { driver().memory = bytes; }
EMULATOR_API size_t emulator_used_memory() { return driver().used; }
EMULATOR_API size_t emulator_peak_memory() { return driver().peak; }
EMULATOR_API uint64_t emulator_allocations() { return driver().allocations; }
EMULATOR_API uint64_t emulator_launches() { return driver().launches; }

// ---- device and context -------------------------------------------------------------------------------------------------

EMULATOR_API int cuInit(unsigned) { return SUCCESS; }
EMULATOR_API int cuDriverGetVersion(int* version) { return *version = 13000, SUCCESS; }
EMULATOR_API int cuDeviceGetCount(int* n) { return *n = 1, SUCCESS; }
EMULATOR_API int cuDeviceGet(int* device, int ordinal) { return *device = 0, ordinal == 0 ? SUCCESS : INVALID_DEVICE; }
EMULATOR_API int cuDeviceGetName(char* name, int n, int) { return snprintf(name, n, "emulated device"), SUCCESS; }
EMULATOR_API int cuDeviceTotalMem_v2(size_t* n, int) { return *n = driver().memory, SUCCESS; }
EMULATOR_API int cuDeviceGetUuid(char* id, int) { return memset(id, 7, 16), SUCCESS; }
EMULATOR_API int cuDeviceGetUuid_v2(char* id, int) { return memset(id, 7, 16), SUCCESS; }
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
    case 81: case 97: *value = 227 << 10; break;     // shared memory a multiprocessor, a block that asks for it
    case 115: *value = 1; break;                     // memory pools
    default: *value = 0;
  }
  return SUCCESS;
}
EMULATOR_API int cuDevicePrimaryCtxRetain(void** context, int) { return *context = &driver().context, status(); }
EMULATOR_API int cuDevicePrimaryCtxRelease_v2(int) { return SUCCESS; }
EMULATOR_API int cuDevicePrimaryCtxSetFlags_v2(int, unsigned) { return SUCCESS; }
EMULATOR_API int cuCtxSetCurrent(void* context) { return current_context = context, SUCCESS; }
EMULATOR_API int cuCtxGetCurrent(void** context) { return *context = current_context, SUCCESS; }
EMULATOR_API int cuCtxGetDevice(int* device) { return *device = 0, SUCCESS; }
EMULATOR_API int cuCtxSynchronize() { return status(); }
EMULATOR_API int cuCtxGetStreamPriorityRange(int* least, int* greatest) { return *least = *greatest = 0, SUCCESS; }
EMULATOR_API int cuCtxSetLimit(int, size_t) { return SUCCESS; }
EMULATOR_API int cuGetErrorName(int code, const char** name) {
  switch (code) {
    case SUCCESS: *name = "CUDA_SUCCESS"; break;
    case INVALID_VALUE: *name = "CUDA_ERROR_INVALID_VALUE"; break;
    case OUT_OF_MEMORY: *name = "CUDA_ERROR_OUT_OF_MEMORY"; break;
    case INVALID_DEVICE: *name = "CUDA_ERROR_INVALID_DEVICE"; break;
    case INVALID_IMAGE: *name = "CUDA_ERROR_INVALID_IMAGE"; break;
    case NOT_FOUND: *name = "CUDA_ERROR_NOT_FOUND"; break;
    case DEVICE_LOST: *name = "CUDA_ERROR_LAUNCH_FAILED"; break;
    case LAUNCH_OUT_OF_RESOURCES: *name = "CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES"; break;
    case CAPTURE_UNSUPPORTED: *name = "CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED"; break;
    case CAPTURE_INVALIDATED: *name = "CUDA_ERROR_STREAM_CAPTURE_INVALIDATED"; break;
    default: *name = "CUDA_ERROR_UNKNOWN";
  }
  return SUCCESS;
}
EMULATOR_API int cuGetErrorString(int code, const char** text) { return cuGetErrorName(code, text); }

// ---- streams and events -------------------------------------------------------------------------------------------------

EMULATOR_API int cuStreamCreate(void** stream, unsigned) { return *stream = new Stream, status(); }
EMULATOR_API int cuStreamCreateWithPriority(void** stream, unsigned flags, int) { return cuStreamCreate(stream, flags); }
EMULATOR_API int cuStreamDestroy_v2(void* stream) { return delete static_cast<Stream*>(stream), SUCCESS; }
EMULATOR_API int cuStreamSynchronize(void* stream) { return stream_of(stream).capture ? CAPTURE_UNSUPPORTED : status(); }
EMULATOR_API int cuStreamQuery(void* stream) { return stream_of(stream).capture ? CAPTURE_UNSUPPORTED : status(); }
EMULATOR_API int cuStreamWaitEvent(void*, void*, unsigned) { return status(); }
EMULATOR_API int cuLaunchHostFunc(void* stream, void (*f)(void*), void* data) {
  return emulator::submit(stream, [=] { return f(data), SUCCESS; });
}
EMULATOR_API int cuEventCreate(void** event, unsigned) { return *event = new Event, status(); }
EMULATOR_API int cuEventDestroy_v2(void* event) { return delete static_cast<Event*>(event), SUCCESS; }
EMULATOR_API int cuEventRecord(void* event, void* stream) {
  return emulator::submit(stream, [=] {
    static_cast<Event*>(event)->time = std::chrono::steady_clock::now();
    return SUCCESS;
  });
}
EMULATOR_API int cuEventQuery(void*) { return status(); }
EMULATOR_API int cuEventSynchronize(void*) { return status(); }
EMULATOR_API int cuEventElapsedTime(float* ms, void* from, void* to) {
  std::chrono::duration<float, std::milli> time = static_cast<Event*>(to)->time - static_cast<Event*>(from)->time;
  return *ms = time.count(), status();
}
EMULATOR_API int cuEventElapsedTime_v2(float* ms, void* from, void* to) { return cuEventElapsedTime(ms, from, to); }

// ---- memory -------------------------------------------------------------------------------------------------------------

EMULATOR_API int cuMemGetInfo_v2(size_t* left, size_t* total) {
  *total = driver().memory;
  *left = driver().memory - driver().used;
  return status();
}
EMULATOR_API int cuMemAlloc_v2(uint64_t* address, size_t n) { return allocate(address, n); }
EMULATOR_API int cuMemAllocAsync(uint64_t* address, size_t n, void* stream) {
  return stream_of(stream).capture ? CAPTURE_UNSUPPORTED : allocate(address, n);
}
EMULATOR_API int cuMemFree_v2(uint64_t address) { return release(address); }
EMULATOR_API int cuMemFreeAsync(uint64_t address, void*) { return release(address); }
EMULATOR_API int cuMemHostAlloc(void** p, size_t n, unsigned) {
  *p = aligned_alloc(256, padded(n ? n : 1));
  return *p ? status() : OUT_OF_MEMORY;
}
EMULATOR_API int cuMemFreeHost(void* p) { return free(p), SUCCESS; }
EMULATOR_API int cuMemHostGetFlags(unsigned* flags, void*) { return *flags = 0, SUCCESS; }
EMULATOR_API int cuDeviceGetDefaultMemPool(void** pool, int) { return *pool = &driver().pool, SUCCESS; }
EMULATOR_API int cuDeviceGetMemPool(void** pool, int) { return *pool = &driver().pool, SUCCESS; }
EMULATOR_API int cuMemPoolSetAttribute(void*, int, void*) { return SUCCESS; }
EMULATOR_API int cuMemPoolGetAttribute(void*, int, uint64_t* value) { return *value = driver().used, SUCCESS; }
EMULATOR_API int cuMemPoolTrimTo(void*, size_t) { return SUCCESS; }
EMULATOR_API int cuMemsetD8Async(uint64_t to, unsigned char value, size_t n, void* stream) {
  if (!owned(to, n)) return INVALID_VALUE;
  return emulator::submit(stream, [=] { return memset((void*)to, value, n), SUCCESS; });
}
EMULATOR_API int cuMemsetD8_v2(uint64_t to, unsigned char value, size_t n) { return cuMemsetD8Async(to, value, n, nullptr); }
EMULATOR_API int cuMemsetD16Async(uint64_t to, unsigned short value, size_t n, void* stream) {
  if (!owned(to, 2 * n)) return INVALID_VALUE;
  return emulator::submit(stream, [=] { return std::fill_n((unsigned short*)to, n, value), SUCCESS; });
}
EMULATOR_API int cuMemsetD32Async(uint64_t to, unsigned value, size_t n, void* stream) {
  if (!owned(to, 4 * n)) return INVALID_VALUE;
  return emulator::submit(stream, [=] { return std::fill_n((unsigned*)to, n, value), SUCCESS; });
}
EMULATOR_API int cuMemcpyHtoDAsync_v2(uint64_t to, const void* from, size_t n, void* stream) {
  return owned(to, n) ? transfer((void*)to, from, n, stream) : INVALID_VALUE;
}
EMULATOR_API int cuMemcpyDtoHAsync_v2(void* to, uint64_t from, size_t n, void* stream) {
  return owned(from, n) ? transfer(to, (void*)from, n, stream) : INVALID_VALUE;
}
EMULATOR_API int cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t n, void* stream) {
  return owned(to, n) && owned(from, n) ? transfer((void*)to, (void*)from, n, stream) : INVALID_VALUE;
}
EMULATOR_API int cuMemcpyHtoD_v2(uint64_t to, const void* from, size_t n) { return cuMemcpyHtoDAsync_v2(to, from, n, nullptr); }
EMULATOR_API int cuMemcpyDtoH_v2(void* to, uint64_t from, size_t n) { return cuMemcpyDtoHAsync_v2(to, from, n, nullptr); }
EMULATOR_API int cuMemcpyDtoD_v2(uint64_t to, uint64_t from, size_t n) { return cuMemcpyDtoDAsync_v2(to, from, n, nullptr); }

// ---- kernels ------------------------------------------------------------------------------------------------------------

EMULATOR_API int cuModuleLoadData(void** module, const void* image) {
  if (status()) return status();
  std::string source, log;
  if (!emulator::source_of(static_cast<const char*>(image), source)) return INVALID_IMAGE;
  auto loaded = emulator::load(source, log);
  if (!loaded) {
    fprintf(stderr, "emulator: %s\n", log.c_str());
    return INVALID_IMAGE;
  }
  auto* result = new Loaded{loaded, {}};
  for (auto& kernel : loaded->kernels) result->functions[kernel.first] = Function{kernel.second};
  *module = result;
  return SUCCESS;
}
EMULATOR_API int cuModuleLoadDataEx(void** module, const void* image, unsigned, void*, void*) { return cuModuleLoadData(module, image); }
EMULATOR_API int cuModuleUnload(void* module) { return delete static_cast<Loaded*>(module), SUCCESS; }
EMULATOR_API int cuModuleGetFunction(void** function, void* module, const char* name) {
  auto& functions = static_cast<Loaded*>(module)->functions;
  auto found = functions.find(name);
  if (found == functions.end()) return NOT_FOUND;
  *function = &found->second;
  return SUCCESS;
}
EMULATOR_API int cuFuncSetAttribute(void* function, int attribute, int value) {
  if (attribute == 8) static_cast<Function*>(function)->most_dynamic_shared = value;
  return SUCCESS;
}
EMULATOR_API int cuFuncGetAttribute(int* value, int, void*) { return *value = 0, SUCCESS; }
EMULATOR_API int cuFuncSetCacheConfig(void*, int) { return SUCCESS; }
EMULATOR_API int cuOccupancyMaxActiveBlocksPerMultiprocessor(int* n, void*, int, size_t) { return *n = 2, SUCCESS; }
EMULATOR_API int cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(int* n, void*, int, size_t, unsigned) { return *n = 2, SUCCESS; }

EMULATOR_API int cuLaunchKernel(
    void* function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned dynamic, void* stream,
    void** arguments, void**) {
  Function& f = *static_cast<Function*>(function);
  bool grid = gx && gx <= 0x7fffffff && gy && gy <= 65535 && gz && gz <= 65535;
  bool block = bx && by && bz && bz <= 64 && bx * by * bz <= 1024;
  if (!grid || !block || (int)dynamic > f.most_dynamic_shared) return INVALID_VALUE;
  Driver& d = driver();
  {
    std::lock_guard<std::mutex> guard(d.mutex);
    if (d.failures.launches == 0) return LAUNCH_OUT_OF_RESOURCES;
    if (d.failures.launches > 0) --d.failures.launches;
    ++d.launches;
  }
  // Arguments are copied when a kernel is launched or captured, as the driver does it.
  std::vector<std::vector<char>> copies;
  for (size_t i = 0; i < f.kernel.sizes.size(); ++i) {
    const char* argument = static_cast<const char*>(arguments[i]);
    if (!argument) return INVALID_VALUE;
    copies.emplace_back(argument, argument + f.kernel.sizes[i]);
  }
  emulator::Kernel kernel = f.kernel;
  return emulator::submit(stream, [=]() mutable {
    std::vector<void*> pointers;
    for (auto& copy : copies) pointers.push_back(copy.data());
    emulator::Launch launch{kernel.name, dim3(gx, gy, gz), dim3(bx, by, bz), dynamic, {}, kernel.shared_begin, kernel.shared_end};
    launch.body = [&] { kernel.call(pointers.data()); };
    emulator::run(launch);
    return SUCCESS;
  });
}

// ---- graphs -------------------------------------------------------------------------------------------------------------

EMULATOR_API int cuStreamBeginCapture_v2(void* stream, int) {
  if (is_default(stream)) return CAPTURE_UNSUPPORTED;
  Stream& s = stream_of(stream);
  if (s.capture) return CAPTURE_INVALIDATED;
  s.capture.reset(new Graph);
  return status();
}
EMULATOR_API int cuStreamEndCapture(void* stream, void** graph) {
  Stream& s = stream_of(stream);
  if (!s.capture) return CAPTURE_INVALIDATED;
  *graph = s.capture.release();
  return status();
}
EMULATOR_API int cuStreamIsCapturing(void* stream, int* capturing) { return *capturing = stream_of(stream).capture != nullptr, SUCCESS; }
EMULATOR_API int cuStreamGetCaptureInfo_v2(void* stream, int* capturing, uint64_t* id, void**, const void***, size_t*) {
  if (id) *id = 1;
  return cuStreamIsCapturing(stream, capturing);
}
EMULATOR_API int cuGraphInstantiateWithFlags(void** executable, void* graph, unsigned long long) {
  return *executable = new Graph(*static_cast<Graph*>(graph)), status();
}
EMULATOR_API int cuGraphLaunch(void* executable, void*) {
  if (status()) return status();
  for (Work& work : *static_cast<Graph*>(executable))
    if (int failed = work()) return failed;
  return SUCCESS;
}
EMULATOR_API int cuGraphUpload(void*, void*) { return status(); }
EMULATOR_API int cuGraphGetNodes(void* graph, void**, size_t* n) { return *n = static_cast<Graph*>(graph)->size(), SUCCESS; }
EMULATOR_API int cuGraphDestroy(void* graph) { return delete static_cast<Graph*>(graph), SUCCESS; }
EMULATOR_API int cuGraphExecDestroy(void* executable) { return delete static_cast<Graph*>(executable), SUCCESS; }
