// A stand-in for libcudnn.so.9: convolutions, channels last, as graphs of one operation, in plain loops that sum in f32.
//
// Attributes are kept as bytes and looked at when a descriptor is finalized. What this stand-in does not know it refuses. It offers engines
// as the real one does, some of which must not be chosen: one does not take the shape, one adds noise, one rounds f32 as TF32 does, one rounds sums.
#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <vector>
#include "device.h"
#include "driver.h"

namespace {

enum Status { SUCCESS = 0, NOT_INITIALIZED = 1001, BAD_PARAM = 2000, NOT_SUPPORTED = 3000, EXECUTION_FAILED = 5000 };
// cudnnBackendDescriptorType_t
enum Kind {
  WINDOW = 1, ENGINE = 2, CONFIGURATION = 3, HEURISTICS = 4, PLAN = 5, FORWARD = 10, WEIGHT = 11, INPUT = 12, GRAPH = 15, GIVEN = 16, TENSOR = 17
};
// cudnnBackendAttributeType_t, and how many bytes an element takes.
enum Type { HANDLE = 0, DATA_TYPE = 1, INT64 = 3, FLOAT = 4, VOID_PTR = 6, MODE = 7, HEUR_MODE = 8, NOTE = 11, DESCRIPTOR = 15 };
size_t bytes_of(int type) {
  switch (type) {
    case HANDLE: case INT64: case VOID_PTR: case DESCRIPTOR: return 8;
    case DATA_TYPE: case FLOAT: case MODE: case HEUR_MODE: case NOTE: return 4;
    default: return 0;
  }
}
// cudnnDataType_t
enum { F32 = 0, BF16 = 9 };
// cudnnBackendNumericalNote_t
enum { TENSOR_CORE = 0, DOWN_CONVERT_INPUTS = 1, REDUCED_PRECISION_REDUCTION = 2, NONDETERMINISTIC = 4 };

// The attributes that this stand-in knows, with their types.
const std::map<int, int> KNOWN = {
    {100, DATA_TYPE}, {101, MODE}, {102, INT64}, {103, INT64}, {104, INT64}, {105, INT64}, {106, INT64},  // the window
    {200, HEUR_MODE}, {201, DESCRIPTOR}, {202, DESCRIPTOR},                                              // heuristics
    {300, DESCRIPTOR},                                                                                   // the engine of a configuration
    {400, HANDLE}, {401, DESCRIPTOR}, {402, INT64},                                                      // a plan: handle, configuration, workspace
    {700, FLOAT}, {701, FLOAT}, {702, DESCRIPTOR}, {703, DESCRIPTOR}, {704, DESCRIPTOR}, {705, DESCRIPTOR},
    {706, FLOAT}, {707, FLOAT}, {708, DESCRIPTOR}, {709, DESCRIPTOR}, {710, DESCRIPTOR}, {711, DESCRIPTOR},
    {712, FLOAT}, {713, FLOAT}, {714, DESCRIPTOR}, {715, DESCRIPTOR}, {716, DESCRIPTOR}, {717, DESCRIPTOR},
    {800, HANDLE}, {801, DESCRIPTOR},                                                                    // a graph
    {900, INT64}, {901, DATA_TYPE}, {902, INT64}, {903, INT64}, {906, INT64},                            // a tensor
    {1000, INT64}, {1001, VOID_PTR}, {1003, VOID_PTR},                                                   // what is given
    {1303, NOTE},
};

// Hundreds of attributes' numbers, and the kinds of descriptors that have them.
bool belongs(int attribute, int kind) {
  switch (attribute / 100) {
    case 1: return kind == WINDOW;
    case 2: return kind == HEURISTICS;
    case 3: return kind == CONFIGURATION;
    case 4: return kind == PLAN;
    case 7: return kind == (attribute < 706 ? FORWARD : attribute < 712 ? INPUT : WEIGHT);
    case 8: return kind == GRAPH;
    case 9: return kind == TENSOR;
    case 10: return kind == GIVEN;
    default: return kind == ENGINE;
  }
}

thread_local std::string last_error;
int refuse(int status, const std::string& why) { return last_error = why, status; }

struct Tensor {
  int64_t name = 0, dims[4] = {};  // B, C, H, W
  int type = F32;
};

struct Convolution {
  int product = 0;
  Tensor x, weight, y;
  int64_t stride[2] = {1, 1}, padding[2] = {0, 0}, dilation[2] = {1, 1};  // of rows, of columns
};

struct Descriptor {
  int kind;
  bool finalized = false;
  std::map<int, std::vector<char>> values;
  // Results of finalizing.
  Tensor tensor;
  Convolution convolution;
  int engine = 0;

  template <class T> std::vector<T> all(int attribute) const {
    auto found = values.find(attribute);
    if (found == values.end()) return {};
    std::vector<T> list(found->second.size() / sizeof(T));
    memcpy(list.data(), found->second.data(), list.size() * sizeof(T));
    return list;
  }
  template <class T> T one(int attribute, T otherwise = {}) const {
    auto list = all<T>(attribute);
    return list.size() == 1 ? list[0] : otherwise;
  }
  const Descriptor* child(int attribute, int kind) const {
    auto* found = one<Descriptor*>(attribute);
    return found && found->finalized && found->kind == kind ? found : nullptr;
  }
};

struct Handle {
  void* stream = nullptr;
};

int finalize_tensor(Descriptor& d) {
  auto dims = d.all<int64_t>(902), strides = d.all<int64_t>(903);
  int type = d.one<int>(901, -1);
  if (dims.size() != 4 || strides.size() != 4 || (type != F32 && type != BF16)) return refuse(BAD_PARAM, "a tensor of four dimensions, f32 or bf16");
  int64_t c = dims[1], h = dims[2], w = dims[3];
  if (strides != std::vector<int64_t>{h * w * c, 1, w * c, c}) return refuse(NOT_SUPPORTED, "channels last, packed");
  if (d.one<int64_t>(900) != 16) return refuse(NOT_SUPPORTED, "aligned to 16 bytes");
  d.tensor.name = d.one<int64_t>(906), d.tensor.type = type;
  std::copy(dims.begin(), dims.end(), d.tensor.dims);
  return SUCCESS;
}

int finalize_window(Descriptor& d) {
  auto strides = d.all<int64_t>(103), before = d.all<int64_t>(105), after = d.all<int64_t>(104), dilations = d.all<int64_t>(102);
  bool two = strides.size() == 2 && before.size() == 2 && after == before && dilations.size() == 2 && d.one<int64_t>(106) == 2;
  if (!two || d.one<int>(100, -1) != F32 || d.one<int>(101) != 1) return refuse(NOT_SUPPORTED, "a cross-correlation in two dimensions, summed in f32");
  for (int i = 0; i < 2; ++i) d.convolution.stride[i] = strides[i], d.convolution.padding[i] = before[i], d.convolution.dilation[i] = dilations[i];
  return SUCCESS;
}

int finalize_operation(Descriptor& d) {
  // alpha, beta, window, and then x, weight and y of each product.
  static const std::map<int, std::vector<int>> NAMES = {
      {FORWARD, {700, 701, 702, 704, 703, 705}}, {INPUT, {706, 707, 708, 710, 709, 711}}, {WEIGHT, {712, 713, 714, 716, 715, 717}}};
  const auto& names = NAMES.at(d.kind);
  auto *window = d.child(names[2], WINDOW), *x = d.child(names[3], TENSOR), *weight = d.child(names[4], TENSOR), *y = d.child(names[5], TENSOR);
  if (!window || !x || !weight || !y) return refuse(BAD_PARAM, "a window and three tensors, all of them finalized");
  if (d.one<float>(names[0]) != 1.0f || d.one<float>(names[1], -1.0f) != 0.0f) return refuse(NOT_SUPPORTED, "alpha 1 and beta 0");
  Convolution c = window->convolution;
  c.product = d.kind, c.x = x->tensor, c.weight = weight->tensor, c.y = y->tensor;
  auto size = [&](int i) {
    return (c.x.dims[2 + i] + 2 * c.padding[i] - c.dilation[i] * (c.weight.dims[2 + i] - 1) - 1) / c.stride[i] + 1;
  };
  int64_t inputs = c.weight.dims[1], groups = inputs ? c.x.dims[1] / inputs : 0;
  bool fit = c.x.dims[0] == c.y.dims[0] && c.weight.dims[0] == c.y.dims[1] && groups && c.x.dims[1] == groups * inputs &&
             c.y.dims[1] % groups == 0 && c.y.dims[2] == size(0) && c.y.dims[3] == size(1) && c.x.type == c.y.type && c.x.type == c.weight.type;
  if (!fit) return refuse(BAD_PARAM, "tensors that fit each other");
  d.convolution = c;
  return SUCCESS;
}

// Engines in the order in which they are offered.
enum Engine { REFUSES, NOISY, ROUNDS, ROUNDS_SUMS, WORKS_ELSEWHERE, FALLBACK };
constexpr size_t WORKSPACE = 1000;

std::vector<int> notes(int engine) {
  switch (engine) {
    case NOISY: return {NONDETERMINISTIC};
    case ROUNDS: return {TENSOR_CORE, DOWN_CONVERT_INPUTS, NONDETERMINISTIC};
    case ROUNDS_SUMS: return {TENSOR_CORE, REDUCED_PRECISION_REDUCTION};
    case WORKS_ELSEWHERE: return {77};  // a note of later versions
    default: return {};
  }
}

int finalize(Descriptor& d) {
  if ((d.kind == GRAPH && emulator::refuses(emulator::DESCRIPTIONS)) || (d.kind == PLAN && emulator::refuses(emulator::PLANS)))
    return refuse(NOT_SUPPORTED, "a test asks for this");
  switch (d.kind) {
    case TENSOR: return finalize_tensor(d);
    case WINDOW: return finalize_window(d);
    case FORWARD: case INPUT: case WEIGHT: return finalize_operation(d);
    case GRAPH: {
      auto* operation = d.one<Descriptor*>(801);
      if (!operation || !operation->finalized || !d.one<void*>(800)) return refuse(BAD_PARAM, "a handle and one operation");
      return d.convolution = operation->convolution, SUCCESS;
    }
    case HEURISTICS: {
      auto* graph = d.child(201, GRAPH);
      if (!graph) return refuse(BAD_PARAM, "a graph");
      return d.convolution = graph->convolution, SUCCESS;
    }
    case PLAN: {
      auto* configuration = d.child(401, CONFIGURATION);
      if (!configuration || !d.one<void*>(400)) return refuse(BAD_PARAM, "a handle and a configuration");
      if (configuration->engine == REFUSES) return refuse(NOT_SUPPORTED, "this engine does not take this shape");
      return d.convolution = configuration->convolution, d.engine = configuration->engine, SUCCESS;
    }
    case GIVEN:
      if (d.all<int64_t>(1000).size() != d.all<void*>(1001).size()) return refuse(BAD_PARAM, "a pointer for every name");
      return SUCCESS;
    default: return refuse(NOT_SUPPORTED, "a descriptor that this stand-in does not know");
  }
}

float get(const void* p, int type, int64_t i) {
  return type == F32 ? ((const float*)p)[i] : __uint_as_float((uint32_t)((const uint16_t*)p)[i] << 16);
}
void put(void* p, int type, int64_t i, float x) {
  if (type == F32) return void(((float*)p)[i] = x);
  uint32_t bits = __float_as_uint(x);
  ((uint16_t*)p)[i] = (bits & 0x7fffffff) > 0x7f800000 ? 0x7fff : (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

int run(const Convolution& c, int engine, void* x, void* weight, void* y, void* workspace) {
  int64_t batch = c.x.dims[0], inputs = c.x.dims[1], height = c.x.dims[2], width = c.x.dims[3];
  int64_t outputs = c.y.dims[1], each = c.weight.dims[1], of_group = outputs / (inputs / each);
  int64_t high = c.weight.dims[2], wide = c.weight.dims[3];
  // Nothing that was there before may matter.
  if (workspace) memset(workspace, 0xff, WORKSPACE);
  Tensor to = c.product == FORWARD ? c.y : c.product == INPUT ? c.x : c.weight;
  std::vector<float> sums(to.dims[0] * to.dims[1] * to.dims[2] * to.dims[3], 0.0f);
  for (int64_t b = 0; b < batch; ++b)
    for (int64_t i = 0; i < c.y.dims[2]; ++i)
      for (int64_t j = 0; j < c.y.dims[3]; ++j)
        for (int64_t u = 0; u < high; ++u)
          for (int64_t v = 0; v < wide; ++v) {
            int64_t row = i * c.stride[0] + u * c.dilation[0] - c.padding[0], column = j * c.stride[1] + v * c.dilation[1] - c.padding[1];
            if (row < 0 || row >= height || column < 0 || column >= width) continue;
            for (int64_t o = 0; o < outputs; ++o)
              for (int64_t k = 0; k < each; ++k) {
                int64_t at_x = ((b * height + row) * width + column) * inputs + o / of_group * each + k;
                int64_t at_weight = ((o * high + u) * wide + v) * each + k, at_y = ((b * c.y.dims[2] + i) * c.y.dims[3] + j) * outputs + o;
                switch (c.product) {
                  case FORWARD: sums[at_y] += get(x, c.x.type, at_x) * get(weight, c.weight.type, at_weight); break;
                  case INPUT: sums[at_x] += get(y, c.y.type, at_y) * get(weight, c.weight.type, at_weight); break;
                  default: sums[at_weight] += get(y, c.y.type, at_y) * get(x, c.x.type, at_x);
                }
              }
          }
  void* out = c.product == FORWARD ? y : c.product == INPUT ? x : weight;
  for (size_t i = 0; i < sums.size(); ++i) put(out, to.type, i, sums[i] + (engine == NOISY || engine == ROUNDS || engine == ROUNDS_SUMS ? 0.25f : 0.0f));
  return 0;
}

}  // namespace

EMULATOR_API size_t cudnnGetVersion() { return 91900; }
EMULATOR_API void cudnnGetLastErrorString(char* to, size_t n) {
  strncpy(to, last_error.c_str(), n);
  if (n) to[n - 1] = 0;
}
EMULATOR_API int cudnnCreate(void** handle) {
  if (emulator::refuses(emulator::CUDNN)) return refuse(NOT_INITIALIZED, "a test asks for this");
  return *handle = new Handle, SUCCESS;
}
EMULATOR_API int cudnnDestroy(void* handle) { return delete static_cast<Handle*>(handle), SUCCESS; }
EMULATOR_API int cudnnSetStream(void* handle, void* stream) { return static_cast<Handle*>(handle)->stream = stream, SUCCESS; }

EMULATOR_API int cudnnBackendCreateDescriptor(int kind, Descriptor** made) { return *made = new Descriptor{kind}, SUCCESS; }
EMULATOR_API int cudnnBackendDestroyDescriptor(Descriptor* d) { return delete d, SUCCESS; }

EMULATOR_API int cudnnBackendSetAttribute(Descriptor* d, int attribute, int type, int64_t count, const void* from) {
  auto known = KNOWN.find(attribute);
  if (d->finalized || known == KNOWN.end() || known->second != type || !belongs(attribute, d->kind))
    return refuse(BAD_PARAM, "an attribute of another type or descriptor, or too late");
  if (count < 1 || !from) return refuse(BAD_PARAM, "an attribute without values");
  const char* bytes = static_cast<const char*>(from);
  d->values[attribute].assign(bytes, bytes + count * bytes_of(type));
  return SUCCESS;
}

EMULATOR_API int cudnnBackendFinalize(Descriptor* d) {
  int status = d->finalized ? refuse(BAD_PARAM, "finalized twice") : finalize(*d);
  d->finalized = status == SUCCESS;
  return status;
}

EMULATOR_API int cudnnBackendGetAttribute(Descriptor* d, int attribute, int type, int64_t asked, int64_t* count, void* to) {
  auto known = KNOWN.find(attribute);
  if (!d->finalized || known == KNOWN.end() || known->second != type || !belongs(attribute, d->kind))
    return refuse(BAD_PARAM, "an attribute of another type or descriptor, or too early");
  auto** descriptors = static_cast<Descriptor**>(to);
  // The caller has made the descriptors that are filled.
  auto fill = [&](int64_t i, int kind, int engine) {
    if (i >= asked || descriptors[i]->kind != kind) return false;
    descriptors[i]->convolution = d->convolution, descriptors[i]->engine = engine;
    return descriptors[i]->finalized = true;
  };
  switch (attribute) {
    case 202: {
      std::vector<int> engines = {FALLBACK};
      if (emulator::refuses(emulator::CONFIGURATIONS)) engines = {};
      else if (d->one<int>(200) == 3) engines = {REFUSES, NOISY, ROUNDS, ROUNDS_SUMS, WORKS_ELSEWHERE};
      *count = 0;
      for (int engine : engines) *count += fill(*count, CONFIGURATION, engine);
      return SUCCESS;
    }
    case 300: return *count = fill(0, ENGINE, d->engine), SUCCESS;
    case 402: return *count = 1, *static_cast<int64_t*>(to) = d->engine == WORKS_ELSEWHERE ? WORKSPACE : 0, SUCCESS;
    case 1303: {
      auto all = notes(d->engine);
      *count = all.size();
      std::copy_n(all.begin(), std::min<size_t>(all.size(), asked), static_cast<int*>(to));
      return SUCCESS;
    }
    default: return refuse(NOT_SUPPORTED, "an attribute that is not for reading");
  }
}

EMULATOR_API int cudnnBackendExecute(Handle* handle, Descriptor* plan, Descriptor* given) {
  if (!handle || plan->one<Handle*>(400) != handle) return refuse(BAD_PARAM, "the handle that the plan was made for");
  if (!plan->finalized || plan->kind != PLAN || !given->finalized || given->kind != GIVEN) return refuse(BAD_PARAM, "a plan and what it is given");
  const Convolution& c = plan->convolution;
  std::map<int64_t, void*> pointers;
  auto names = given->all<int64_t>(1000);
  auto all = given->all<void*>(1001);
  for (size_t i = 0; i < names.size(); ++i) pointers[names[i]] = all[i];
  void *x = pointers[c.x.name], *weight = pointers[c.weight.name], *y = pointers[c.y.name], *workspace = given->one<void*>(1003);
  for (void* p : {x, weight, y})
    if (!p || (uintptr_t)p % 16) return refuse(BAD_PARAM, "three addresses that are multiples of 16");
  if (plan->engine == WORKS_ELSEWHERE && !workspace) return refuse(BAD_PARAM, "a workspace");
  if ((uintptr_t)workspace % 256) return refuse(BAD_PARAM, "a workspace that is aligned to 256 bytes");
  int engine = plan->engine;
  Convolution copy = c;
  if (engine != WORKS_ELSEWHERE) workspace = nullptr;
  auto work = [=] { return run(copy, engine, x, weight, y, workspace); };
  return emulator::submit(handle->stream, work) ? EXECUTION_FAILED : SUCCESS;
}
