// A stand-in for libcublasLt.so: the matrix product and the epilogues that the runtime asks for, in plain loops that sum in f32.
//
// D = epilogue(alpha · op(A) op(B) + beta · C), column-major unless a layout says otherwise. A bias has one element for each row of D.
// This stand-in refuses everything it does not implement, so that no untested behaviour counts as tested. Sizes of attributes, defaults and
// combinations of types are those of the real library (from experiments with versions 12.8.4 and 13.1.0, their headers and their manual).
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <map>
#include <utility>
#include <vector>
#include "device.h"
#include "driver.h"

namespace {

enum Status { SUCCESS = 0, NOT_INITIALIZED = 1, INVALID_VALUE = 7, NOT_SUPPORTED = 15 };
enum Type { F32 = 0, BF16 = 14, COMPUTE_F32 = 68 };
enum Epilogue {
  DEFAULT = 1, RELU = 2, BIAS = 4, RELU_BIAS = 6, GELU = 32, GELU_BIAS = 36, GELU_AUX = 160, GELU_AUX_BIAS = 164, DGELU = 192,
  DGELU_BGRAD = 208, BGRAD_A = 256, BGRAD_B = 512
};
// cublasLtMatmulDescAttributes_t
enum {
  COMPUTE_TYPE = 0, SCALE_TYPE = 1, POINTER_MODE = 2, TRANSPOSE_A = 3, TRANSPOSE_B = 4, EPILOGUE = 7, BIAS_POINTER = 8, AUX_POINTER = 11,
  AUX_LD = 12, AUX_TYPE = 22, BIAS_TYPE = 26
};
// cublasLtMatrixLayoutAttribute_t
enum { TYPE = 0, ORDER = 1, ROWS = 2, COLUMNS = 3, LD = 4, BATCH = 5, STRIDE = 6 };
// cublasLtMatmulPreferenceAttributes_t. ALIGNMENT is that of A; those of B, C and D follow. 256 where nothing is said.
enum { WORKSPACE = 1, REDUCTIONS = 3, ALIGNMENT = 5 };
// cublasLtReductionScheme_t: partial sums are added up in the output's type, in place or beside it.
enum { IN_OUTPUT_TYPE = 1 | 4, ALL_REDUCTIONS = 7 };

// The kind of a handle of the library: its attributes, and the number of bytes of each.
struct Kind {
  std::map<int, size_t> attributes;
};
const Kind LIBRARY{};
const Kind OPERATION{{{0, 4}, {1, 4}, {2, 4}, {3, 4}, {4, 4}, {5, 4}, {6, 4}, {7, 4}, {8, 8}, {10, 8}, {11, 8}, {12, 8}, {13, 8}, {22, 4}, {26, 4}}};
const Kind LAYOUT{{{0, 4}, {1, 4}, {2, 8}, {3, 8}, {4, 8}, {5, 4}, {6, 8}}};
const Kind PREFERENCE{{{0, 4}, {1, 8}, {3, 4}, {5, 4}, {6, 4}, {7, 4}, {8, 4}, {9, 4}, {12, 8}}};

// Attributes by number, as 64-bit values.
struct Attributes {
  const Kind* kind;
  std::map<int, int64_t> values;

  int set(int attribute, const void* from, size_t n) {
    auto known = kind->attributes.find(attribute);
    if (known == kind->attributes.end() || known->second != n || !from) return INVALID_VALUE;
    int64_t value = 0;
    memcpy(&value, from, n);
    if (n == 4) value = (int32_t)value;
    values[attribute] = value;
    return SUCCESS;
  }
  int64_t get(int attribute, int64_t otherwise = 0) const {
    auto found = values.find(attribute);
    return found == values.end() ? otherwise : found->second;
  }
};

float from_bf16(uint16_t bits) { return __uint_as_float((uint32_t)bits << 16); }

uint16_t to_bf16(float x) {
  uint32_t bits = __float_as_uint(x);
  if ((bits & 0x7fffffff) > 0x7f800000) return 0x7fff;
  return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

// A matrix in memory: element (i, j) of batch b.
struct Matrix {
  char* data;
  Type type;
  int64_t rows, columns, ld, stride, batch;
  bool row_major, transposed;

  Matrix(const void* p, const Attributes& layout, bool transposed = false)
      : data((char*)p), type((Type)layout.get(TYPE)), rows(layout.get(ROWS)), columns(layout.get(COLUMNS)), ld(layout.get(LD)),
        stride(layout.get(STRIDE)), batch(layout.get(BATCH, 1)), row_major(layout.get(ORDER) == 1), transposed(transposed) {}

  bool fits() const {
    return rows > 0 && columns > 0 && batch > 0 && ld >= (row_major ? columns : rows) &&
           (batch == 1 || stride >= ld * (row_major ? rows : columns));
  }
  int64_t outer() const { return transposed ? columns : rows; }
  int64_t inner() const { return transposed ? rows : columns; }
  int64_t at(int64_t b, int64_t i, int64_t j) const { return b * stride + (row_major ? i * ld + j : j * ld + i); }
  float get(int64_t b, int64_t i, int64_t j) const {
    int64_t k = transposed ? at(b, j, i) : at(b, i, j);
    return type == F32 ? ((const float*)data)[k] : from_bf16(((const uint16_t*)data)[k]);
  }
  void set(int64_t b, int64_t i, int64_t j, float x) const {
    int64_t k = at(b, i, j);
    if (type == F32) ((float*)data)[k] = x;
    else ((uint16_t*)data)[k] = to_bf16(x);
  }
  std::vector<float> whole(int64_t b) const {  // [outer, inner]
    std::vector<float> all(outer() * inner());
    for (int64_t i = 0; i < outer(); ++i)
      for (int64_t j = 0; j < inner(); ++j) all[i * inner() + j] = get(b, i, j);
    return all;
  }
};

float load(const void* p, Type type, int64_t i) { return type == F32 ? ((const float*)p)[i] : from_bf16(((const uint16_t*)p)[i]); }
void store(void* p, Type type, int64_t i, float x) {
  if (type == F32) ((float*)p)[i] = x;
  else ((uint16_t*)p)[i] = to_bf16(x);
}

// sqrt(2 / pi) (x + 0.044715 x³), and GELU in the form with tanh, which is cuBLASLt's.
float inner_of_gelu(float x) { return 0.7978845608f * (x + 0.044715f * x * x * x); }
float gelu(float x) { return 0.5f * x * (1.0f + tanhf(inner_of_gelu(x))); }
float gelu_slope(float x) {
  float t = tanhf(inner_of_gelu(x));
  return 0.5f * (1.0f + t) + 0.5f * x * (1.0f - t * t) * 0.7978845608f * (1.0f + 3.0f * 0.044715f * x * x);
}

struct Product {
  Attributes what;
  Matrix a, b, c, d;
  const void *alpha, *beta;
  float host_alpha = 0, host_beta = 0;
  bool on_device;
  bool rough = false;  // each half of the depth is rounded to the output's type

  int run() const {
    float scale = on_device ? *(const float*)alpha : host_alpha, keep = on_device ? *(const float*)beta : host_beta;
    int64_t m = d.rows, n = d.columns, depth = a.inner();
    auto epilogue = what.get(EPILOGUE, DEFAULT);
    void* bias = (void*)what.get(BIAS_POINTER);
    bool adds_bias = epilogue == BIAS || epilogue == RELU_BIAS || epilogue == GELU_BIAS || epilogue == GELU_AUX_BIAS;
    Matrix aux = d;
    aux.data = (char*)what.get(AUX_POINTER);
    aux.ld = what.get(AUX_LD, d.ld);
    for (int64_t batch = 0; batch < d.batch; ++batch) {
      std::vector<float> left = a.whole(batch), right = b.whole(batch), sums(m * n, 0.0f);
      for (int64_t i = 0; i < m; ++i)
        for (int64_t k = 0; k < depth; ++k) {
          float x = left[i * depth + k];
          for (int64_t j = 0; j < n; ++j) sums[i * n + j] += x * right[k * n + j];
          if (rough && k == depth / 2)
            for (int64_t j = 0; j < n; ++j) sums[i * n + j] = from_bf16(to_bf16(sums[i * n + j]));
        }
      for (int64_t i = 0; i < m; ++i) {
        float total = 0;
        for (int64_t j = 0; j < n; ++j) {
          float x = scale * sums[i * n + j];
          if (keep != 0.0f) x += keep * c.get(batch, i, j);
          if (adds_bias) x += load(bias, d.type, i);
          if (epilogue == GELU_AUX || epilogue == GELU_AUX_BIAS) aux.set(batch, i, j, x);
          if (epilogue & 32) x = gelu(x);
          if (epilogue & 2) x = x > 0 ? x : 0;
          if (epilogue & 64) x *= gelu_slope(aux.get(batch, i, j));
          total += x;
          d.set(batch, i, j, x);
        }
        if (epilogue == DGELU_BGRAD) store(bias, d.type, i, total);
      }
      if (epilogue == BGRAD_A)
        for (int64_t i = 0; i < m; ++i) {
          float total = 0;
          for (int64_t k = 0; k < depth; ++k) total += left[i * depth + k];
          store(bias, d.type, i, total);
        }
      if (epilogue == BGRAD_B)
        for (int64_t j = 0; j < n; ++j) {
          float total = 0;
          for (int64_t k = 0; k < depth; ++k) total += right[k * n + j];
          store(bias, d.type, j, total);
        }
    }
    return 0;
  }
};

bool known(int64_t epilogue) {
  switch (epilogue) {
    case DEFAULT: case RELU: case BIAS: case RELU_BIAS: case GELU: case GELU_BIAS: case GELU_AUX: case GELU_AUX_BIAS: case DGELU:
    case DGELU_BGRAD: case BGRAD_A: case BGRAD_B: return true;
    default: return false;
  }
}

const Attributes& of(const void* p) { return *static_cast<const Attributes*>(p); }

bool has_vector(int64_t epilogue) { return epilogue & (BIAS | 16 | BGRAD_A | BGRAD_B); }
bool has_matrix(int64_t epilogue) { return epilogue & 128; }

int check(const Product& p) {
  bool fit = p.a.fits() && p.b.fits() && p.c.fits() && p.d.fits() && p.a.outer() == p.d.rows && p.b.inner() == p.d.columns &&
             p.a.inner() == p.b.outer() && p.c.rows == p.d.rows && p.c.columns == p.d.columns && p.a.batch == p.d.batch &&
             p.b.batch == p.d.batch && p.c.batch == p.d.batch;
  if (!fit) return INVALID_VALUE;
  if (p.d.batch >= 1 << 16) return NOT_SUPPORTED;
  // The manual's table for CUBLAS_COMPUTE_32F, as far as it concerns us.
  bool types = p.what.get(COMPUTE_TYPE) == COMPUTE_F32 && p.what.get(SCALE_TYPE) == F32 && (p.a.type == F32 || p.a.type == BF16) && p.a.type == p.b.type && p.c.type == p.d.type &&
               (p.d.type == p.a.type || p.d.type == F32);
  if (!types) return NOT_SUPPORTED;
  auto epilogue = p.what.get(EPILOGUE, DEFAULT);
  if (!known(epilogue) || (epilogue != DEFAULT && emulator::refuses(emulator::EPILOGUES))) return NOT_SUPPORTED;
  // "Bias vector elements are the same type as the elements of output matrix", and so is what GELU is of.
  if (has_vector(epilogue) && (p.what.get(BIAS_TYPE, -1) != -1 && p.what.get(BIAS_TYPE) != p.d.type)) return NOT_SUPPORTED;
  if (has_vector(epilogue) && (p.what.get(BIAS_POINTER) == 0 || p.d.batch > 1)) return INVALID_VALUE;
  // The saved input of GELU: "must be divisible by 8 and be no less than the number of rows in the output matrix", and loaded 16 bytes at
  // a time.
  if (has_matrix(epilogue)) {
    int64_t ld = p.what.get(AUX_LD), at = p.what.get(AUX_POINTER);
    if (ld % 8 || ld < p.d.rows || at == 0 || at % 16 || p.d.batch > 1) return INVALID_VALUE;
    if (p.what.get(AUX_TYPE, -1) != -1 && p.what.get(AUX_TYPE) != p.d.type) return NOT_SUPPORTED;
  }
  // Sums of an operand: known to work where A lies as it is and B transposed, as gradients of weights are computed everywhere.
  if (epilogue & (BGRAD_A | BGRAD_B) && (p.a.transposed || !p.b.transposed)) return NOT_SUPPORTED;
  // With a vector or a saved input the real library asks for column-major D.
  if (epilogue != DEFAULT && p.d.row_major) return NOT_SUPPORTED;
  return SUCCESS;
}

Product product(
    const void* what, const void* alpha, const void* a, const void* a_layout, const void* b, const void* b_layout, const void* beta,
    const void* c, const void* c_layout, const void* d, const void* d_layout) {
  const Attributes& desc = of(what);
  Matrix left(a, of(a_layout), desc.get(TRANSPOSE_A) != 0), right(b, of(b_layout), desc.get(TRANSPOSE_B) != 0);
  Product p{desc, left, right, Matrix(c, of(c_layout)), Matrix(d, of(d_layout)), alpha, beta, 0, 0, desc.get(POINTER_MODE) == 1};
  if (!p.on_device && alpha) p.host_alpha = *(const float*)alpha;
  if (!p.on_device && beta) p.host_beta = *(const float*)beta;
  return p;
}

// Everything that a way to compute is chosen for, but addresses.
uint64_t problem(std::initializer_list<const void*> descriptors) {
  uint64_t hash = 0xcbf29ce484222325u;
  for (const void* descriptor : descriptors)
    for (auto [attribute, value] : of(descriptor).values) {
      bool address = of(descriptor).kind == &OPERATION && (attribute == BIAS_POINTER || attribute == AUX_POINTER);
      if (!address) hash = ((hash ^ (uint64_t)attribute) * 0x100000001b3u ^ (uint64_t)value) * 0x100000001b3u;
    }
  return hash;
}

// The alignment of an address.
uint32_t alignment_of(uint64_t address) { return address ? (uint32_t)std::min<uint64_t>(address & -address, 256) : 256; }

// cublasLtMatmulAlgo_t: the problem that it solves, and what it relies on.
struct Algorithm {
  uint64_t problem;
  uint32_t number, workspace, alignment[4], vector, matrix;
  uint64_t spare[3];
};
enum { ROUGH = 1, IN_WORKSPACE, PLAIN };

// cublasLtMatmulHeuristicResult_t
struct Heuristic {
  Algorithm algorithm;
  size_t workspace;
  int state;
  float waves;
  int reserved[4];
};
static_assert(sizeof(Algorithm) == 64 && sizeof(Heuristic) == 96, "as in cublasLt.h");

int make(const Kind& kind, void** p) { return *p = new Attributes{&kind, {}}, SUCCESS; }
int destroy(void* p) { return delete static_cast<Attributes*>(p), SUCCESS; }
int set(void* p, int attribute, const void* from, size_t n) {
  return p ? static_cast<Attributes*>(p)->set(attribute, from, n) : INVALID_VALUE;
}
bool are(std::initializer_list<std::pair<const void*, const Kind*>> all) {
  return std::all_of(all.begin(), all.end(), [](auto& one) { return one.first && of(one.first).kind == one.second; });
}

}  // namespace

EMULATOR_API size_t cublasLtGetVersion() { return 130000; }
EMULATOR_API size_t cublasLtGetCudartVersion() { return 13000; }
EMULATOR_API const char* cublasLtGetStatusString(int) { return "an error of the emulated cuBLASLt"; }
EMULATOR_API const char* cublasLtGetStatusName(int) { return "an error of the emulated cuBLASLt"; }
EMULATOR_API int cublasLtCreate(void** handle) { return make(LIBRARY, handle); }
EMULATOR_API int cublasLtDestroy(void* handle) { return destroy(handle); }
EMULATOR_API int cublasLtMatmulDescCreate(void** desc, int compute, int scale) {
  make(OPERATION, desc);
  auto& values = static_cast<Attributes*>(*desc)->values;
  values[COMPUTE_TYPE] = compute, values[SCALE_TYPE] = scale;
  return SUCCESS;
}
EMULATOR_API int cublasLtMatmulDescDestroy(void* desc) { return destroy(desc); }
EMULATOR_API int cublasLtMatmulDescSetAttribute(void* desc, int a, const void* from, size_t n) { return set(desc, a, from, n); }
EMULATOR_API int cublasLtMatmulPreferenceCreate(void** preference) { return make(PREFERENCE, preference); }
EMULATOR_API int cublasLtMatmulPreferenceDestroy(void* preference) { return destroy(preference); }
EMULATOR_API int cublasLtMatmulPreferenceSetAttribute(void* p, int a, const void* from, size_t n) { return set(p, a, from, n); }
EMULATOR_API int cublasLtMatrixLayoutCreate(void** layout, int type, uint64_t rows, uint64_t columns, int64_t ld) {
  make(LAYOUT, layout);
  auto& values = static_cast<Attributes*>(*layout)->values;
  values[TYPE] = type, values[ROWS] = (int64_t)rows, values[COLUMNS] = (int64_t)columns, values[LD] = ld;
  return SUCCESS;
}
EMULATOR_API int cublasLtMatrixLayoutDestroy(void* layout) { return destroy(layout); }
EMULATOR_API int cublasLtMatrixLayoutSetAttribute(void* layout, int a, const void* from, size_t n) { return set(layout, a, from, n); }

EMULATOR_API int cublasLtMatmulAlgoGetHeuristic(
    void* handle, void* what, void* a, void* b, void* c, void* d, void* preference, int asked, Heuristic* results, int* found) {
  *found = 0;
  if (!are({{handle, &LIBRARY}, {what, &OPERATION}, {a, &LAYOUT}, {b, &LAYOUT}, {c, &LAYOUT}, {d, &LAYOUT}, {preference, &PREFERENCE}}))
    return INVALID_VALUE;
  Product p = product(what, nullptr, nullptr, a, nullptr, b, nullptr, nullptr, c, nullptr, d);
  int checked = check(p);
  if (checked) return checked;
  std::vector<Algorithm> all;
  if (p.d.type == BF16 && of(preference).get(REDUCTIONS, ALL_REDUCTIONS) & IN_OUTPUT_TYPE) all.push_back({0, ROUGH, 0});
  if (of(preference).get(WORKSPACE) >= 4096) all.push_back({0, IN_WORKSPACE, 4096});
  all.push_back({0, PLAIN, 0});
  for (Algorithm& one : all) {
    if (*found == asked) break;
    one.problem = problem({what, a, b, c, d});
    for (int operand = 0; operand < 4; ++operand) one.alignment[operand] = (uint32_t)of(preference).get(ALIGNMENT + operand, 256);
    auto epilogue = p.what.get(EPILOGUE, DEFAULT);
    one.vector = has_vector(epilogue) ? alignment_of(p.what.get(BIAS_POINTER)) : 1;
    one.matrix = has_matrix(epilogue) ? alignment_of(p.what.get(AUX_POINTER)) : 1;
    results[(*found)++] = {one, one.workspace, SUCCESS, 1.0f, {}};
  }
  return SUCCESS;
}

EMULATOR_API int cublasLtMatmul(
    void* handle, void* what, const void* alpha, const void* a, void* a_layout, const void* b, void* b_layout, const void* beta, const void* c,
    void* c_layout, void* d, void* d_layout, const Algorithm* algorithm, void* workspace, size_t bytes, void* stream) {
  if (!are({{handle, &LIBRARY}, {what, &OPERATION}, {a_layout, &LAYOUT}, {b_layout, &LAYOUT}, {c_layout, &LAYOUT}, {d_layout, &LAYOUT}}))
    return INVALID_VALUE;
  if (!alpha || !beta || !a || !b || !d || !algorithm) return INVALID_VALUE;
  // A way that was found for something else, or for operands that are aligned to more.
  if (algorithm->problem != problem({what, a_layout, b_layout, c_layout, d_layout})) return INVALID_VALUE;
  const void* operands[] = {a, b, c, d};
  for (int operand = 0; operand < 4; ++operand)
    if ((uintptr_t)operands[operand] % algorithm->alignment[operand]) return INVALID_VALUE;
  if (of(what).get(BIAS_POINTER) % algorithm->vector || of(what).get(AUX_POINTER) % algorithm->matrix) return INVALID_VALUE;
  if (bytes < algorithm->workspace || (algorithm->workspace && (!workspace || (uintptr_t)workspace % 256))) return INVALID_VALUE;
  Product p = product(what, alpha, a, a_layout, b, b_layout, beta, c, c_layout, d, d_layout);
  int checked = check(p);
  if (checked) return checked;
  p.rough = algorithm->number == ROUGH;
  size_t used = algorithm->workspace;
  auto work = [=] {
    // Nothing that was there before may matter.
    if (used) memset(workspace, 0xff, used);
    return p.run();
  };
  return emulator::submit(stream, work) ? INVALID_VALUE : SUCCESS;
}
