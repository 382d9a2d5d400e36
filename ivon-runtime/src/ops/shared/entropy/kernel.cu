// Cross-entropy fused with softmax, a block a row of logits: the first `classes` of `length` numbers; the others have no gradient. The rows are
// read once forward and once backward; neither the probabilities nor an f32 copy of the logits is ever written.

constexpr uint32_t IGNORE = 0xffffffffu;

// lse = ln of the sum of e^z, and the row's loss lse - (1 - s) z_t - s mean(z). A row without a target has a loss of 0; one whose target does not
// exist has none that is a number, so that the step is refused.
extern "C" __global__ void __launch_bounds__(256) entropy_forward(
    const real* __restrict__ logits, const uint32_t* __restrict__ targets, float* __restrict__ lse, float* __restrict__ losses,
    uint64_t length, uint64_t classes, float smoothing) {
  __shared__ float shared[WARP];
  uint64_t row = blockIdx.x;
  uint32_t target = targets[row];
  if (target >= classes) {
    if (threadIdx.x == 0) lse[row] = 0.0f, losses[row] = target == IGNORE ? 0.0f : INFINITY - INFINITY;
    return;
  }
  const real* z = logits + row * length;
  float max = -INFINITY, sum = 0.0f, total = 0.0f;
  for_row(z, classes, threadIdx.x, BLOCK, [&](uint64_t, auto& z) {
    constexpr int N = sizeof(z) / sizeof(float);
    float top = max;
#pragma unroll
    for (int i = 0; i < N; ++i) {
      top = larger(top, z[i]);
      total += z[i];
    }
    if (top != -INFINITY) {
      sum *= expf(max - top);
#pragma unroll
      for (int i = 0; i < N; ++i) sum += expf(z[i] - top);
    }
    max = top;
  });
  float top = block_max<BLOCK>(max, shared);
  sum = block_sum<BLOCK>(max != -INFINITY ? sum * expf(max - top) : 0.0f, shared);
  if (smoothing > 0.0f) total = block_sum<BLOCK>(total, shared);
  if (threadIdx.x) return;
  float log = top + logf(sum), at_target = to_float(z[target]);
  lse[row] = log;
  losses[row] = smoothing > 0.0f ? log - (1.0f - smoothing) * at_target - smoothing * (total / (float)classes) : log - at_target;
}

// The mean of the rows' losses over those that count, `of_none` where none does, and their number. One block, in a fixed order.
extern "C" __global__ void __launch_bounds__(256) entropy_mean(
    const float* __restrict__ losses, const uint32_t* __restrict__ targets, float* __restrict__ loss, float* __restrict__ counted,
    uint64_t rows, float of_none) {
  __shared__ double sums[BLOCK];
  __shared__ uint32_t counts[BLOCK];
  double sum = 0.0;
  uint32_t count = 0;
  for (uint64_t row = threadIdx.x; row < rows; row += BLOCK) {
    sum += losses[row];
    count += targets[row] != IGNORE;
  }
  sums[threadIdx.x] = sum;
  counts[threadIdx.x] = count;
  for (int half = BLOCK / 2; half > 0; half /= 2) {
    __syncthreads();
    if (threadIdx.x < half) {
      sums[threadIdx.x] += sums[threadIdx.x + half];
      counts[threadIdx.x] += counts[threadIdx.x + half];
    }
  }
  if (threadIdx.x) return;
  *loss = counts[0] ? (float)(sums[0] / counts[0]) : of_none;
  *counted = (float)counts[0];
}

// d_z = d_loss / counted · (softmax(z) - s / classes - (1 - s) onehot(t)), or += it; without `logits`, in place.
// `d_loss` is `real` or f32.
extern "C" __global__ void __launch_bounds__(256) entropy_backward(
    const real* logits, real* d_logits, const uint32_t* __restrict__ targets, const float* __restrict__ lse,
    const void* d_loss, uint32_t d_loss_is_real, const float* __restrict__ counted, uint64_t length, uint64_t classes,
    float smoothing, uint32_t add) {
  uint64_t row = blockIdx.x;
  uint32_t target = targets[row];
  const real* z = (logits ? logits : d_logits) + row * length;
  real* d_z = d_logits + row * length;
  float d = d_loss_is_real ? to_float(*(const real*)d_loss) : *(const float*)d_loss;
  float scale = d / *counted, log = lse[row];
  float everywhere = scale * smoothing / (float)classes, at_target = scale * (1.0f - smoothing);
  bool counts = target < classes;
  map_row(z, d_z, length, add, threadIdx.x, BLOCK, [&](uint64_t i, float z) {
    return counts && i < classes ? expf(z - log) * scale - everywhere - (i == target ? at_target : 0.0f) : 0.0f;
  });
}
