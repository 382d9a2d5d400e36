// Multiply-adds that stay in registers: what a card computes at most in f32.

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
