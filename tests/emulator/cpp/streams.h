// Streams, events and graphs. Work on a stream is done in its order, and in the order of the events that streams wait for, but as late as
// possible: a result exists once it has been waited for, page-locked and pageable memory is read when the copy is done, and two streams
// overtake each other wherever nothing orders them. A launched graph is one piece of work.
//
// A stream is used by the thread that made it, as the runtime does.
#pragma once
#include <cstdint>
#include "driver.h"

namespace emulator {

// When work is done: as it is submitted, only when it is waited for, or some of it now and then, by a seed.
struct Pace {
  enum Kind { EAGER, LATE, SHUFFLED } kind = LATE;
  uint64_t seed = 0;
  // "eager", "late" or a number
  static Pace parse(const char* text);
};

// Sets the pace of this thread's streams.
void set_pace(Pace pace);

// Does all pending work of this thread's streams.
void drain();

// Called before a function that "is potentially unsafe" during a capture (cuThreadExchangeStreamCaptureMode) and must not be called in
// one. If this thread is capturing, returns CAPTURE_UNSUPPORTED and invalidates its captures.
int check_not_capturing();

// The same for a stream that cannot capture this call.
int refuse_capture(void* stream, Result code);

// True if pending work uses this memory of the CPU.
bool is_in_use(const void* host, size_t bytes);

// ---- of driver.cpp ------------------------------------------------------------------------------------------------------

// SUCCESS if calls may go on: the driver was initialised, a living context is current, and no lasting failure has occurred.
int ready();

// A kernel has failed: every call fails from now on, until the context is destroyed.
void break_context(int code);

// Counts a call in which the CPU may have to wait for all submitted work; steps are tested to make none.
void stall();

}  // namespace emulator
