// Tensors of ids and places alone: a thread an element.

// y [rows, width], of the id of the row, or its number where there are no ids. Kind 0: 1 where the column is the id; 1: where it is below the id; 2: the
// column; 3: 1 where the id lies in start..end, or, with `outside`, where it does not.
extern "C" __global__ void __launch_bounds__(256) pattern(
    const uint32_t* __restrict__ ids, real* y, uint64_t elements, uint64_t width, uint32_t kind, uint64_t start, uint64_t end, uint32_t outside) {
  uint64_t i = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= elements) return;
  uint64_t row = i / width, column = i % width, id = ids ? ids[row] : row;
  float value = (float)column;
  if (kind == 0) value = column == id ? 1.0f : 0.0f;
  if (kind == 1) value = column < id ? 1.0f : 0.0f;
  if (kind == 3) value = (start <= id && id < end) != (outside != 0) ? 1.0f : 0.0f;
  put(&y[i], value, false);
}

// y = 1 where a compares with b as the comparison says: >, >=, <, <=, == and != in this order.
extern "C" __global__ void __launch_bounds__(256) compare_ids(
    const uint32_t* __restrict__ a, const uint32_t* __restrict__ b, real* y, uint64_t elements, uint32_t comparison) {
  uint64_t i = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (i >= elements) return;
  uint32_t l = a[i], r = b[i];
  bool holds = l != r;
  if (comparison == 0) holds = l > r;
  if (comparison == 1) holds = l >= r;
  if (comparison == 2) holds = l < r;
  if (comparison == 3) holds = l <= r;
  if (comparison == 4) holds = l == r;
  put(&y[i], holds ? 1.0f : 0.0f, false);
}
