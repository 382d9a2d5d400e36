// A stand-in for libcublasLt.so: the matrix product and the epilogues that the runtime asks for, in plain loops that sum in f32.
//
// D = epilogue(alpha · op(A) op(B) + beta · C), column-major unless a layout says otherwise. A bias has one element for each row of D.
// What this stand-in does not know it refuses, so that nothing is taken for tested that is not.
#include <cmath>
#include <cstdint>
#include <cstring>
#include <map>
#include <vector>
#include "device.h"
#include "driver.h"

namespace {

enum Status { SUCCESS = 0, INVALID_VALUE = 7, NOT_SUPPORTED = 15 };
enum Type { F32 = 0, BF16 = 14 };
enum Epilogue {
  DEFAULT = 1, RELU = 2, BIAS = 4, RELU_BIAS = 6, GELU = 32, GELU_BIAS = 36, GELU_AUX = 160, GELU_AUX_BIAS = 164, DGELU = 192,
  DGELU_BGRAD = 208, BGRAD_A = 256, BGRAD_B = 512
};
// cublasLtMatmulDescAttributes_t
enum { POINTER_MODE = 2, TRANSPOSE_A = 3, TRANSPOSE_B = 4, EPILOGUE = 7, BIAS_POINTER = 8, AUX_POINTER = 11, AUX_LD = 12 };
// cublasLtMatrixLayoutAttribute_t
enum { TYPE = 0, ORDER = 1, ROWS = 2, COLUMNS = 3, LD = 4, BATCH = 5, STRIDE = 6 };
// cublasLtMatmulPreferenceAttributes_t: what A, B, C and D are aligned to, that of A first; 256 where nothing is said.
enum { ALIGNMENT = 5 };

// Attributes by number, as 64-bit values.
struct Attributes {
  std::map<int, int64_t> values;

  int set(int attribute, const void* from, size_t n) {
    if (n != 4 && n != 8) return INVALID_VALUE;
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

  bool fits() const { return (type == F32 || type == BF16) && ld >= (row_major ? columns : rows); }
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

int check(const Product& p) {
  bool fit = p.a.fits() && p.b.fits() && p.c.fits() && p.d.fits() && p.a.outer() == p.d.rows && p.b.inner() == p.d.columns &&
             p.a.inner() == p.b.outer() && p.c.rows == p.d.rows && p.c.columns == p.d.columns;
  if (!fit) return INVALID_VALUE;
  auto epilogue = p.what.get(EPILOGUE, DEFAULT);
  if (!known(epilogue)) return NOT_SUPPORTED;
  // What GELU is of: "must be divisible by 8 and be no less than the number of rows in the output matrix", and loaded 16 bytes at a time.
  if (epilogue & 128) {
    int64_t ld = p.what.get(AUX_LD), at = p.what.get(AUX_POINTER);
    if (ld % 8 || ld < p.d.rows || at == 0 || at % 16 || p.d.batch > 1) return INVALID_VALUE;
  }
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

// cublasLtMatmulHeuristicResult_t. An algorithm is its number, and what it relies on A, B, C and D to be aligned to.
struct Heuristic {
  uint64_t algorithm[8];
  size_t workspace;
  int state;
  float waves;
  int reserved[4];
};

int make(void** p) { return *p = new Attributes, SUCCESS; }
int destroy(void* p) { return delete static_cast<Attributes*>(p), SUCCESS; }
int set(void* p, int attribute, const void* from, size_t n) { return static_cast<Attributes*>(p)->set(attribute, from, n); }

}  // namespace

EMULATOR_API size_t cublasLtGetVersion() { return 130000; }
EMULATOR_API size_t cublasLtGetCudartVersion() { return 13000; }
EMULATOR_API const char* cublasLtGetStatusString(int) { return "an error of the emulated cuBLASLt"; }
EMULATOR_API const char* cublasLtGetStatusName(int) { return "an error of the emulated cuBLASLt"; }
EMULATOR_API int cublasLtCreate(void** handle) { return make(handle); }
EMULATOR_API int cublasLtDestroy(void* handle) { return destroy(handle); }
EMULATOR_API int cublasLtMatmulDescCreate(void** desc, int, int) { return make(desc); }
EMULATOR_API int cublasLtMatmulDescDestroy(void* desc) { return destroy(desc); }
EMULATOR_API int cublasLtMatmulDescSetAttribute(void* desc, int a, const void* from, size_t n) { return set(desc, a, from, n); }
EMULATOR_API int cublasLtMatmulPreferenceCreate(void** preference) { return make(preference); }
EMULATOR_API int cublasLtMatmulPreferenceDestroy(void* preference) { return destroy(preference); }
EMULATOR_API int cublasLtMatmulPreferenceSetAttribute(void* p, int a, const void* from, size_t n) { return set(p, a, from, n); }
EMULATOR_API int cublasLtMatrixLayoutCreate(void** layout, int type, uint64_t rows, uint64_t columns, int64_t ld) {
  make(layout);
  auto& values = static_cast<Attributes*>(*layout)->values;
  values[TYPE] = type, values[ROWS] = (int64_t)rows, values[COLUMNS] = (int64_t)columns, values[LD] = ld;
  return SUCCESS;
}
EMULATOR_API int cublasLtMatrixLayoutDestroy(void* layout) { return destroy(layout); }
EMULATOR_API int cublasLtMatrixLayoutSetAttribute(void* layout, int a, const void* from, size_t n) { return set(layout, a, from, n); }

EMULATOR_API int cublasLtMatmulAlgoGetHeuristic(
    void*, void* what, void* a, void* b, void* c, void* d, void* preference, int asked, Heuristic* results, int* found) {
  *found = 0;
  int checked = check(product(what, nullptr, nullptr, a, nullptr, b, nullptr, nullptr, c, nullptr, d));
  if (checked) return checked;
  *found = asked < 2 ? asked : 2;
  for (int i = 0; i < *found; ++i) {
    results[i] = {{uint64_t(i + 1)}, 0, SUCCESS, 1.0f, {}};
    for (int operand = 0; operand < 4; ++operand) results[i].algorithm[1 + operand] = of(preference).get(ALIGNMENT + operand, 256);
  }
  return SUCCESS;
}

EMULATOR_API int cublasLtMatmul(
    void*, void* what, const void* alpha, const void* a, void* a_layout, const void* b, void* b_layout, const void* beta, const void* c,
    void* c_layout, void* d, void* d_layout, const void* algorithm, void*, size_t, void* stream) {
  const void* operands[] = {a, b, c, d};
  for (int operand = 0; algorithm && operand < 4; ++operand) {
    uint64_t alignment = static_cast<const uint64_t*>(algorithm)[1 + operand];
    if (alignment && (uintptr_t)operands[operand] % alignment) return INVALID_VALUE;
  }
  Product p = product(what, alpha, a, a_layout, b, b_layout, beta, c, c_layout, d, d_layout);
  int checked = check(p);
  if (checked) return checked;
  return emulator::submit(stream, [p] { return p.run(); }) ? INVALID_VALUE : SUCCESS;
}
