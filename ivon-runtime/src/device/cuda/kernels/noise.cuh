// Philox4x32-10 and normals made from it, in the layout of `noise/mod.rs`: element 64 g + 16 w + l belongs to word w of block 16
// g + l.

struct Words {
  uint32_t at[4];
};

__device__ __forceinline__ Words philox(uint32_t key_low, uint32_t key_high, uint64_t block, uint32_t step, uint32_t sample) {
  uint32_t c0 = (uint32_t)block, c1 = (uint32_t)(block >> 32), c2 = step, c3 = sample;
#pragma unroll
  for (int round = 0; round < 10; ++round) {
    uint32_t high0 = __umulhi(0xD2511F53u, c0), low0 = 0xD2511F53u * c0;
    uint32_t high1 = __umulhi(0xCD9E8D57u, c2), low1 = 0xCD9E8D57u * c2;
    c0 = high1 ^ c1 ^ key_low;
    c1 = low1;
    c2 = high0 ^ c3 ^ key_high;
    c3 = low0;
    key_low += 0x9E3779B9u;
    key_high += 0xBB67AE85u;
  }
  return {{c0, c1, c2, c3}};
}

// The element of word `w` of block `block`.
__device__ __forceinline__ uint64_t element_of(uint64_t block, int w) { return block / 16 * 64 + w * 16 + block % 16; }

// Box-Muller as in `noise/normal.rs`: r cos φ and r sin φ with r = sqrt(-2 ln((u + ½) / 2³²)) and φ = π/2 (q + s / 2³²), where q
// is the top two bits of v and s the rest as a signed number. The polynomials are the same, so CPU and GPU agree up to the last
// bits.
__device__ __forceinline__ void box_muller(uint32_t u, uint32_t v, float& first, float& second) {
  bool near = u >= 0xB504F400u;
  float whole = (float)(near ? ~u : u) + 0.5f;
  uint32_t shifted = __float_as_uint(whole) - (0x3f3504f3u + (32u << 23));
  float m = __uint_as_float((shifted & 0x007fffffu) + 0x3f3504f3u) - 1.0f;
  float e = (float)((int)shifted >> 23);
  if (near) m = whole * (-1.0f / 4294967296.0f), e = 0.0f;
  float x = (float)(int)(v << 2) * (1.57079637f / 4294967296.0f);
  // -2 ln(1 + m) (Moshier's polynomial for logf)
  float l = -2.0f * 7.0376836e-2f;
  l = l * m + 2.0f * 1.151461e-1f;
  l = l * m - 2.0f * 1.1676998e-1f;
  l = l * m + 2.0f * 1.2420141e-1f;
  l = l * m - 2.0f * 1.4249323e-1f;
  l = l * m + 2.0f * 1.6668057e-1f;
  l = l * m - 2.0f * 2.0000714e-1f;
  l = l * m + 2.0f * 2.4999994e-1f;
  l = l * m - 2.0f * 3.333333e-1f;
  float m2 = m * m;
  float log = (l * m * m2 + e * (2.0f * 2.1219444e-4f) + m2) - (m + m) - e * (2.0f * 0.6933594f);
  float z = x * x;
  float s = ((-1.9515296e-4f * z + 8.332161e-3f) * z - 1.6666655e-1f) * z * x + x;
  float c = ((2.4433157e-5f * z - 1.3887316e-3f) * z + 4.1666646e-2f) * z * z - 0.5f * z + 1.0f;
  bool odd = v & (1u << 30);
  float sin = odd ? c : s, cos = odd ? s : c;
  uint32_t sign = 1u << 31;
  sin = __uint_as_float(__float_as_uint(sin) ^ (v & sign));
  cos = __uint_as_float(__float_as_uint(cos) ^ ((v ^ (v << 1)) & sign));
  float r = sqrtf(log);
  first = r * cos;
  second = r * sin;
}

// The normals of the four elements of a block.
__device__ __forceinline__ void normals(const Words& words, float (&to)[4]) {
  box_muller(words.at[0], words.at[1], to[0], to[1]);
  box_muller(words.at[2], words.at[3], to[2], to[3]);
}
