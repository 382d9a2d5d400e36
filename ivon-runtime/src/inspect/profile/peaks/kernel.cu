// The peak rates of a GPU.

// Numbers between -1 and 1 that look random: with zeros a GPU multiplies faster than with anything one would multiply.
extern "C" __global__ void scramble(real* x, uint64_t elements) {
  uint64_t stride = (uint64_t)gridDim.x * blockDim.x;
  for (uint64_t i = (uint64_t)blockIdx.x * blockDim.x + threadIdx.x; i < elements; i += stride) {
    uint32_t bits = (uint32_t)i * 0x9E3779B9u;
    bits = (bits ^ bits >> 15) * 0x85EBCA6Bu;
    bits ^= bits >> 13;
    x[i] = from_float<real>((float)(bits >> 8) * 0x1p-23f - 1.0f);
  }
}

// Multiply-adds that stay in registers, in f32.
// Eight chains a thread that do not wait for each other, 64 steps a round.
extern "C" __global__ void multiply_add(float* sums, float a, uint32_t rounds) {
  uint32_t thread = blockIdx.x * blockDim.x + threadIdx.x;
  float chains[8];
#pragma unroll
  for (int i = 0; i < 8; i++) chains[i] = (float)(thread + i);
  for (uint32_t round = 0; round < rounds; round++) {
#pragma unroll
    for (int step = 0; step < 64; step++) {
#pragma unroll
      for (int i = 0; i < 8; i++) chains[i] = fmaf(chains[i], a, 0.001f);
    }
  }
  float sum = 0;
#pragma unroll
  for (int i = 0; i < 8; i++) sum += chains[i];
  sums[thread] = sum;
}
