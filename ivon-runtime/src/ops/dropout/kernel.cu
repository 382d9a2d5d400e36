// y = mask · x · scale, or += it: element j of x is kept if word j of the stream is not below the threshold. The upper half of the
// counter, step and pass, is read from memory: a captured step is replayed with others. A thread a Philox block of four words.
extern "C" __global__ void __launch_bounds__(256) dropout(
    const real* __restrict__ x, real* y, uint64_t elements, uint32_t key_low, uint32_t key_high,
    const uint32_t* __restrict__ counters, uint32_t threshold, float scale, uint32_t add) {
  uint64_t block = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x;
  if (block / 16 * 64 >= elements) return;
  Words words = philox(key_low, key_high, block, counters[0], counters[1]);
#pragma unroll
  for (int w = 0; w < 4; ++w) {
    uint64_t i = element_of(block, w);
    if (i >= elements) break;
    float one = to_float(x[i]);
    put(&y[i], words.at[w] >= threshold ? one * scale : one - one, add);
  }
}
