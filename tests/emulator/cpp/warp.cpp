// Operations of the lanes of a warp: shuffles, votes, matrix fragments (as in the PTX ISA, "Matrix fragments for
// mma.m16n8k16 with floating point type", .bf16), and the copies of cp.async, which are each thread's own.
#include <cstring>
#include "scheduler.h"

using emulator::Copy;
using emulator::Fiber;
using emulator::WARP;
using emulator::collective;
using emulator::current;
using emulator::fail;

void emulator_sync_warp(uint32_t mask) { emulator::sync_warp(mask); }

// ---- shuffles and votes -------------------------------------------------------------------------------------------------

namespace {

struct Request {
  unsigned char value[16];
  int operation, argument, width;
};

// The lane that `lane` reads; itself where the other one lies outside of its part of the warp.
int source(int lane, const Request& r) {
  int part = lane / r.width * r.width, other = lane;
  switch (r.operation) {
    case emulator::SHUFFLE_XOR: other = lane ^ r.argument; return other / r.width > lane / r.width ? lane : other;
    case emulator::SHUFFLE_DOWN: other = lane + r.argument; return other >= part + r.width ? lane : other;
    case emulator::SHUFFLE_UP: other = lane - r.argument; return other < part ? lane : other;
    default: return part + (r.argument & (r.width - 1));
  }
}

void exchange(Fiber* lanes, uint32_t mask) {
  for (int l = 0; l < WARP; ++l) {
    if (!(mask >> l & 1)) continue;
    Request request;
    memcpy(&request, lanes[l].in, sizeof request);
    int from = source(l, request);
    if (!(mask >> from & 1)) fail("a shuffle reads a lane outside of its mask");
    memcpy(lanes[l].out, lanes[from].in, sizeof request.value);
  }
}

}  // namespace

void emulator_shuffle(int operation, uint32_t mask, void* value, size_t size, int argument, int width) {
  Request request{{}, operation, argument, width};
  if (size > sizeof request.value) fail("a shuffle of more than 16 bytes");
  memcpy(request.value, value, size);
  memcpy(current()->in, &request, sizeof request);
  Fiber* me = current();
  collective(operation, mask, exchange);
  memcpy(value, me->out, size);
}

uint32_t emulator_ballot(uint32_t mask, int vote) {
  Fiber* me = current();
  me->in[0] = vote != 0;
  collective(emulator::BALLOT, mask, [](Fiber* lanes, uint32_t mask) {
    uint32_t votes = 0;
    for (int l = 0; l < WARP; ++l)
      if (mask >> l & 1) votes |= (uint32_t)lanes[l].in[0] << l;
    for (int l = 0; l < WARP; ++l)
      if (mask >> l & 1) memcpy(lanes[l].out, &votes, sizeof votes);
  });
  uint32_t votes;
  memcpy(&votes, me->out, sizeof votes);
  return votes;
}

// ---- matrix fragments ---------------------------------------------------------------------------------------------------

namespace {

constexpr int FROM_B = 16, FROM_C = 32;  // where they lie in what a lane brings

float half_of(const unsigned char* registers, int r, int h) {
  uint16_t bits;
  memcpy(&bits, registers + r * 4 + h * 2, sizeof bits);
  return __uint_as_float((uint32_t)bits << 16);
}

// D [16, 8] = A [16, 16] B [16, 8] + C. The order and the rounding of a tensor core's sum are not specified: double here.
void multiply(Fiber* lanes, uint32_t) {
  double a[16][16], b[16][8];
  for (int l = 0; l < WARP; ++l) {
    int group = l / 4, pair = l % 4 * 2;
    for (int h = 0; h < 2; ++h) {
      for (int r = 0; r < 4; ++r) a[group + r % 2 * 8][pair + h + r / 2 * 8] = half_of(lanes[l].in, r, h);
      for (int r = 0; r < 2; ++r) b[pair + h + r * 8][group] = half_of(lanes[l].in + FROM_B, r, h);
    }
  }
  for (int l = 0; l < WARP; ++l) {
    float c[4], d[4];
    memcpy(c, lanes[l].in + FROM_C, sizeof c);
    for (int i = 0; i < 4; ++i) {
      int row = l / 4 + i / 2 * 8, column = l % 4 * 2 + i % 2;
      double sum = c[i];
      for (int k = 0; k < 16; ++k) sum += a[row][k] * b[k][column];
      d[i] = (float)sum;
    }
    memcpy(lanes[l].out, d, sizeof d);
  }
}

// Lane 8 m + i brings the address of row i of matrix m; a lane takes two neighbours of a row (or, transposed, of a column).
template <int MATRICES, bool TRANSPOSED> void distribute(Fiber* lanes, uint32_t) {
  for (int m = 0; m < MATRICES; ++m) {
    uint16_t matrix[8][8];
    for (int i = 0; i < 8; ++i) {
      const void* row;
      memcpy(&row, lanes[m * 8 + i].in, sizeof row);
      memcpy(matrix[i], row, sizeof matrix[i]);
    }
    for (int l = 0; l < WARP; ++l)
      for (int h = 0; h < 2; ++h) {
        int i = l / 4, j = l % 4 * 2 + h;
        memcpy(lanes[l].out + m * 4 + h * 2, TRANSPOSED ? &matrix[j][i] : &matrix[i][j], 2);
      }
  }
}

}  // namespace

void emulator_mma_bf16(float* d, const uint32_t* a, const uint32_t* b, const float* c) {
  Fiber* me = current();
  memcpy(me->in, a, 16);
  memcpy(me->in + FROM_B, b, 8);
  memcpy(me->in + FROM_C, c, 16);
  collective(emulator::MMA, 0xffffffffu, multiply);
  memcpy(d, me->out, 16);
}

void emulator_ldmatrix(uint32_t* to, const void* row, int matrices, int transposed) {
  if ((uintptr_t)row % 16) fail("ldmatrix: the address of a row is not a multiple of 16");
  Fiber* me = current();
  if ((int)me->thread.lane < matrices * 8) emulator::races::read(row, 16);
  memcpy(me->in, &row, sizeof row);
  if (matrices == 2) {
    if (transposed) collective(emulator::LDMATRIX_2T, 0xffffffffu, distribute<2, true>);
    else collective(emulator::LDMATRIX_2, 0xffffffffu, distribute<2, false>);
  } else {
    if (transposed) collective(emulator::LDMATRIX_4T, 0xffffffffu, distribute<4, true>);
    else collective(emulator::LDMATRIX_4, 0xffffffffu, distribute<4, false>);
  }
  memcpy(to, me->out, matrices * 4);
}

// ---- between blocks -----------------------------------------------------------------------------------------------------

uint32_t emulator_load_acquire(const uint32_t* from) {
  emulator::races::acquire(from);
  return *from;
}

void emulator_store_release(uint32_t* to, uint32_t x) {
  emulator::races::release(to);
  *to = x;
}

// ---- cp.async -----------------------------------------------------------------------------------------------------------

void emulator_cp_async(void* to, const void* from, int bytes) {
  if (((uintptr_t)to | (uintptr_t)from) % 16) fail("cp.async: an address is not a multiple of 16");
  Copy copy{to, {}};
  if (bytes) {
    emulator::races::read(from, bytes);
    memcpy(copy.data, from, bytes);  // the rest is zeros
  }
  emulator::races::copy_begins(to, sizeof copy.data);
  if (emulator::copies_are_eager()) memcpy(to, copy.data, sizeof copy.data);
  current()->open.push_back(copy);
}

void emulator_cp_async_commit() {
  Fiber* me = current();
  me->groups.push_back(std::move(me->open));
  me->open.clear();
}

void emulator_cp_async_wait(int left) {
  Fiber* me = current();
  while ((int)me->groups.size() > left) {
    for (const Copy& copy : me->groups.front()) {
      if (!emulator::copies_are_eager()) memcpy(copy.to, copy.data, sizeof copy.data);
      emulator::races::copy_ends(copy.to, sizeof copy.data);
    }
    me->groups.erase(me->groups.begin());
  }
}
