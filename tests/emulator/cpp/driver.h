// What other stand-ins for libraries need of the driver: putting work on a stream.
#pragma once
#include <functional>

namespace emulator {

// Work on a stream; its result is a CUresult.
using Work = std::function<int()>;

// Does the work, or records it where the stream is being captured.
__attribute__((visibility("default"))) int submit(void* stream, Work work);

}  // namespace emulator
