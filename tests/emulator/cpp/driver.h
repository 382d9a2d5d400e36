// Shared by the stand-ins: the driver's error codes, and submitting work to a stream.
#pragma once
#include <cstddef>
#include <functional>

namespace emulator {

// CUresult, as cuda.h has it.
enum Result {
  SUCCESS = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, NOT_INITIALIZED = 3, NO_DEVICE = 100, INVALID_DEVICE = 101, INVALID_IMAGE = 200,
  INVALID_CONTEXT = 201, INVALID_HANDLE = 400, ILLEGAL_STATE = 401, NOT_FOUND = 500, NOT_READY = 600, ILLEGAL_ADDRESS = 700,
  LAUNCH_OUT_OF_RESOURCES = 701, CONTEXT_IS_DESTROYED = 709, LAUNCH_FAILED = 719, NOT_SUPPORTED = 801, CAPTURE_UNSUPPORTED = 900,
  CAPTURE_INVALIDATED = 901, CAPTURE_ISOLATION = 905, CAPTURED_EVENT = 907, CAPTURE_WRONG_THREAD = 908
};

// Work on a stream; its result is a CUresult.
using Work = std::function<int()>;

// Puts work on a stream, or into the graph that is captured from it. It reads and writes `bytes` of the CPU's memory at `host`, if
// any. When it is done says the pace: see streams.h.
__attribute__((visibility("default"))) int submit(void* stream, Work work, const void* host = nullptr, size_t bytes = 0);

// The features that the stand-ins for libraries can be asked to refuse, one bit each.
enum Refusal {
  EPILOGUES = 1,       // cuBLASLt knows no way to do anything along with a product
  CUDNN = 2,           // cuDNN does not start
  DESCRIPTIONS = 4,    // cuDNN takes no graph
  CONFIGURATIONS = 8,  // its heuristics name no engine
  PLANS = 16,          // no engine takes the shape
  STREAM_ORDERED = 32, // streams allocate no memory
};
__attribute__((visibility("default"))) bool refuses(Refusal refusal);

}  // namespace emulator
