// Streams, events and graphs. What is put on a stream happens in its order, and in the order of the events that streams wait for, but not
// before it must: a result is there when somebody has waited for it, page-locked and pageable memory is read when the copy is done, and two
// streams overtake each other wherever nothing keeps them from it. A graph launched is one piece of work.
//
// A stream is used by the thread that made it, as the runtime does.
#pragma once
#include <cstdint>
#include "driver.h"

namespace emulator {

// When work is done: as it is asked for, only when somebody waits for it, or some of it now and then, by a seed.
struct Pace {
  enum Kind { EAGER, LATE, SHUFFLED } kind = LATE;
  uint64_t seed = 0;
  // "eager", "late" or a number
  static Pace parse(const char* text);
};

// Of the streams of this thread.
void set_pace(Pace pace);

// Does what all streams of this thread hold.
void drain();

// What goes before a call that "is potentially unsafe" during a capture (cuThreadExchangeStreamCaptureMode): it neither is captured nor may happen
// meanwhile. CAPTURE_UNSUPPORTED, and the captures of this thread are invalid, where there is one.
int check_not_capturing();

// The same for a stream that cannot capture this call.
int refuse_capture(void* stream, Result code);

// Whether work that is still to be done uses this memory of the CPU.
bool is_in_use(const void* host, size_t bytes);

// ---- of driver.cpp ------------------------------------------------------------------------------------------------------

// Whether calls may go on: the driver was initialised, a living context is current, and nothing has failed that lasts.
int ready();

// A kernel has failed: every call fails from now on, until the context is destroyed.
void break_context(int code);

// The CPU may have to wait for all that was asked for: counted, for steps that are not to.
void stall();

}  // namespace emulator
