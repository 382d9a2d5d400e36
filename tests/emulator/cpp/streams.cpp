#include "streams.h"
#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <set>
#include <thread>
#include <vector>
#include "device.h"

using namespace emulator;

namespace {

using Graph = std::vector<Work>;

struct Stream;

// The work that a stream held when an event was recorded.
struct Moment {
  Stream* stream = nullptr;
  bool done = false, captured = false;
  std::chrono::steady_clock::time_point time;
};

struct Item {
  Work work;
  std::shared_ptr<Moment> wait;  // instead of work
  const char* host = nullptr;
  size_t bytes = 0;
};

struct Capture {
  Graph graph;
  std::thread::id thread;
  bool relaxed = false, valid = true;
};

struct Stream {
  std::deque<Item> items;
  std::unique_ptr<Capture> capture;
};

struct Event {
  bool timed = true;
  std::shared_ptr<Moment> moment;  // nothing before it is recorded
};

// The streams of a thread, and how they go.
struct Own {
  Stream legacy;  // the default stream
  std::set<Stream*> streams{&legacy};
  Pace pace;
  uint64_t state = 0;

  uint64_t random(uint64_t below) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    return (state >> 33) % below;
  }
};

// Never destroyed: what is dropped at the end of a thread may still come here.
thread_local Own& own = *new Own;

bool is_default(void* stream) { return (uintptr_t)stream <= 2; }
Stream& stream_of(void* stream) { return is_default(stream) ? own.legacy : *static_cast<Stream*>(stream); }
Event& event_of(void* event) { return *static_cast<Event*>(event); }

// Does the next piece of work, and first what it waits for if `force`d to; whether there was one that could be done.
bool advance(Stream& s, bool force) {
  if (s.items.empty() || ready()) return false;
  if (auto moment = s.items.front().wait) {
    while (force && !moment->done && advance(*moment->stream, true)) {}
    if (!moment->done) return false;
    s.items.pop_front();
    return true;
  }
  Item item = std::move(s.items.front());
  s.items.pop_front();
  if (int failed = item.work()) break_context(failed);
  return true;
}

void finish(Stream& s) {
  while (advance(s, true)) {}
}

// Some of the work is done whenever more is asked for.
void go_on(Stream& s) {
  if (own.pace.kind == Pace::EAGER) finish(s);
  if (own.pace.kind != Pace::SHUFFLED) return;
  for (Stream* any : own.streams)
    for (uint64_t n = own.random(4); n && advance(*any, false); --n) {}
}

int put(Stream& s, Item item) {
  s.items.push_back(std::move(item));
  go_on(s);
  return ready();
}

}  // namespace

Pace Pace::parse(const char* text) {
  if (!strcmp(text, "eager")) return {EAGER, 0};
  if (!strcmp(text, "late")) return {LATE, 0};
  return {SHUFFLED, strtoull(text, nullptr, 10)};
}

void emulator::set_pace(Pace pace) {
  drain();
  own.pace = pace;
  own.state = pace.seed;
}

void emulator::drain() {
  for (Stream* s : own.streams) finish(*s);
}

int emulator::check_not_capturing() {
  int code = SUCCESS;
  for (Stream* s : own.streams)
    if (s->capture && !s->capture->relaxed) s->capture->valid = false, code = CAPTURE_UNSUPPORTED;
  return code;
}

int emulator::refuse_capture(void* stream, Result code) {
  Stream& s = stream_of(stream);
  if (!s.capture) return SUCCESS;
  s.capture->valid = false;
  return code;
}

bool emulator::is_in_use(const void* host, size_t bytes) {
  auto begin = static_cast<const char*>(host), end = begin + bytes;
  auto uses = [=](const Item& item) { return item.bytes && item.host < end && begin < item.host + item.bytes; };
  auto any = [=](Stream* s) { return std::any_of(s->items.begin(), s->items.end(), uses); };
  return std::any_of(own.streams.begin(), own.streams.end(), any);
}

int emulator::submit(void* stream, Work work, const void* host, size_t bytes) {
  if (int code = ready()) return code;
  Stream& s = stream_of(stream);
  if (!s.capture) return put(s, {std::move(work), nullptr, static_cast<const char*>(host), bytes});
  if (!s.capture->valid) return CAPTURE_INVALIDATED;
  s.capture->graph.push_back(std::move(work));
  return SUCCESS;
}

// ---- streams ------------------------------------------------------------------------------------------------------------

EMULATOR_API int cuStreamCreate(void** stream, unsigned) {
  if (int code = ready()) return code;
  auto* made = new Stream;
  own.streams.insert(made);
  return *stream = made, SUCCESS;
}
// "The device may still be doing work": that is done. Events still name the stream, so it is kept.
EMULATOR_API int cuStreamDestroy_v2(void* stream) {
  auto* gone = static_cast<Stream*>(stream);
  finish(*gone);
  gone->items.clear();
  own.streams.erase(gone);
  return ready();
}
EMULATOR_API int cuStreamSynchronize(void* stream) {
  if (int code = ready()) return code;
  if (int code = check_not_capturing()) return code;
  stall();
  finish(stream_of(stream));
  return ready();
}
EMULATOR_API int cuStreamWaitEvent(void* stream, void* event, unsigned) {
  if (int code = ready()) return code;
  Stream& s = stream_of(stream);
  auto moment = event_of(event).moment;
  if (s.capture) {
    if (!s.capture->valid) return CAPTURE_INVALIDATED;
    if (moment && moment->captured) return SUCCESS;  // of the only stream that is captured
    s.capture->valid = false;
    return CAPTURE_ISOLATION;
  }
  if (!moment || moment->done) return SUCCESS;
  // The other stream would take part in the capture, which the runtime does not do.
  if (moment->captured) return CAPTURED_EVENT;
  return put(s, {nullptr, moment});
}

// ---- events -------------------------------------------------------------------------------------------------------------

EMULATOR_API int cuEventCreate(void** event, unsigned flags) {
  if (int code = ready()) return code;
  return *event = new Event{!(flags & 2), nullptr}, SUCCESS;  // CU_EVENT_DISABLE_TIMING
}
EMULATOR_API int cuEventDestroy_v2(void* event) { return delete static_cast<Event*>(event), SUCCESS; }
EMULATOR_API int cuEventRecord(void* event, void* stream) {
  if (int code = ready()) return code;
  auto moment = std::make_shared<Moment>();
  Stream& s = stream_of(stream);
  moment->stream = &s;
  moment->captured = s.capture != nullptr;
  event_of(event).moment = moment;
  return submit(stream, [moment] {
    moment->done = true;
    moment->time = std::chrono::steady_clock::now();
    return SUCCESS;
  });
}
EMULATOR_API int cuEventSynchronize(void* event) {
  if (int code = ready()) return code;
  if (int code = check_not_capturing()) return code;
  auto moment = event_of(event).moment;
  if (moment && moment->captured) return CAPTURED_EVENT;
  while (moment && !moment->done && advance(*moment->stream, true)) {}
  return ready();
}
EMULATOR_API int cuEventElapsedTime_v2(float* ms, void* from, void* to) {
  if (int code = ready()) return code;
  for (Event* event : {&event_of(from), &event_of(to)}) {
    if (!event->timed || !event->moment) return INVALID_HANDLE;
    if (!event->moment->done) return NOT_READY;
  }
  std::chrono::duration<float, std::milli> time = event_of(to).moment->time - event_of(from).moment->time;
  return *ms = time.count(), SUCCESS;
}

// ---- graphs -------------------------------------------------------------------------------------------------------------

EMULATOR_API int cuStreamBeginCapture_v2(void* stream, int mode) {
  if (int code = ready()) return code;
  if (is_default(stream)) return CAPTURE_UNSUPPORTED;
  Stream& s = stream_of(stream);
  if (s.capture) return ILLEGAL_STATE;
  s.capture.reset(new Capture{{}, std::this_thread::get_id(), mode == 2});
  return SUCCESS;
}
EMULATOR_API int cuStreamEndCapture(void* stream, void** graph) {
  Stream& s = stream_of(stream);
  *graph = nullptr;
  if (!s.capture) return ILLEGAL_STATE;
  if (!s.capture->relaxed && s.capture->thread != std::this_thread::get_id()) return CAPTURE_WRONG_THREAD;
  auto capture = std::move(s.capture);
  if (int code = ready()) return code;
  if (!capture->valid) return CAPTURE_INVALIDATED;
  return *graph = new Graph(std::move(capture->graph)), SUCCESS;
}
// An executable graph is kept as long as a launch of it is still to be done.
using Executable = std::shared_ptr<const Graph>;
EMULATOR_API int cuGraphInstantiateWithFlags(void** executable, void* graph, unsigned long long) {
  if (int code = ready()) return code;
  return *executable = new Executable(new Graph(*static_cast<Graph*>(graph))), SUCCESS;
}
EMULATOR_API int cuGraphLaunch(void* executable, void* stream) {
  // Its nodes would become a part of the other graph, which the runtime does not do.
  if (int code = refuse_capture(stream, CAPTURE_UNSUPPORTED)) return code;
  Executable graph = *static_cast<Executable*>(executable);
  return submit(stream, [graph] {
    for (const Work& work : *graph)
      if (int failed = work()) return failed;
    return (int)SUCCESS;
  });
}
EMULATOR_API int cuGraphDestroy(void* graph) { return delete static_cast<Graph*>(graph), SUCCESS; }
EMULATOR_API int cuGraphExecDestroy(void* executable) { return delete static_cast<Executable*>(executable), SUCCESS; }
