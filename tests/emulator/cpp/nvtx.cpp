// A stand-in for the library of ranges: it writes down what was pushed and popped by each thread.

#include <string>

#define EMULATOR_API extern "C" __attribute__((visibility("default")))

static thread_local std::string ranges;

EMULATOR_API int nvtxRangePushA(const char* name) { return ranges += name, ranges += '(', 0; }
EMULATOR_API int nvtxRangePop() { return ranges += ')', 0; }

// The ranges of this thread so far: "forward(linear())".
EMULATOR_API const char* emulator_ranges() { return ranges.c_str(); }
