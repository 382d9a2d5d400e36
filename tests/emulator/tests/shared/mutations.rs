//! Bugs of the kinds that are made in kernels, each seeded into a real one.

use ivon_emulator::Mutation;

const fn bug(name: &'static str, test: &'static str, from: &'static str, to: &'static str) -> Mutation {
    Mutation { name, from, to, test, sanitize: false }
}

/// One that only sanitizers see.
const fn hidden(name: &'static str, test: &'static str, from: &'static str, to: &'static str) -> Mutation {
    Mutation { name, from, to, test, sanitize: true }
}

pub const MUTATIONS: &[Mutation] = &[
    bug(
        "no barrier before shared memory is read",
        "layer_norm",
        "if (lane == 0) shared[warp] = x;\n  __syncthreads();\n  return warp_sum",
        "if (lane == 0) shared[warp] = x;\n  return warp_sum",
    ),
    bug(
        "no barrier before shared memory is used again",
        "layer_norm",
        "__syncthreads();  // the last use of `shared` is over",
        "",
    ),
    bug(
        "a barrier that half of the block reaches",
        "layer_norm",
        "__syncthreads();  // the last use of `shared` is over",
        "if (threadIdx.x < 128) __syncthreads();",
    ),
    hidden(
        "a write beyond shared memory",
        "layer_norm",
        "if (lane == 0) shared[warp] = x;",
        "if (lane == 0) shared[warp + 30] = x;",
    ),
    hidden(
        "a read beyond the last row",
        "batch_norms",
        "row = begin + threadIdx.y; row < end;",
        "row = begin + threadIdx.y; row <= end;",
    ),
    bug(
        "warps that add to the same sums at once",
        "layer_norm",
        "at[V * N * WARP] = turn ? at[V * N * WARP] + biases[j] : biases[j];\n      }\n    __syncthreads();",
        "at[V * N * WARP] = turn ? at[V * N * WARP] + biases[j] : biases[j];\n      }",
    ),
    bug(
        "a slice of groups that is left out",
        "batch_norms",
        "y < blockDim.y && y < groups; ++y) {",
        "y + 1 < blockDim.y && y < groups; ++y) {",
    ),
    bug("rows that are joined as if there were four", "batch_norms", "mean /= count;", "mean /= (float)AT_ONCE;"),
    bug(
        "half of a sum over lanes",
        "layer_norm",
        "lanes = WARP / 2; lanes > 0; lanes /= 2) x += ",
        "lanes = WARP / 4; lanes > 0; lanes /= 2) x += ",
    ),
    bug(
        "a mask without half of the lanes",
        "layer_norm",
        "x += __shfl_xor_sync(ALL_LANES, x, lanes)",
        "x += __shfl_xor_sync(0xffffu, x, lanes)",
    ),
    bug(
        "a thread that leaves before a barrier",
        "cross_entropy_plain_smoothed_and_in_place",
        "float max = -INFINITY, sum = 0.0f, total = 0.0f;",
        "float max = -INFINITY, sum = 0.0f, total = 0.0f;\n  if (threadIdx.x >= classes) return;",
    ),
    bug(
        "a sum over what is no logit",
        "cross_entropy_of_products_whose_rows_are_not_aligned",
        "for_row(z, classes, threadIdx.x",
        "for_row(z, length, threadIdx.x",
    ),
    bug(
        "shared memory that one warp does not write",
        "embedding_sums_repeated_ids_in_their_order",
        "if (lane == 0) counts[warp]",
        "if (lane == 0 && warp < 3) counts[warp]",
    ),
    bug(
        "an earlier occurrence that is overlooked",
        "embedding_sums_repeated_ids_in_their_order",
        "if (__syncthreads_or(earlier)) return;",
        "__syncthreads_or(earlier);",
    ),
    hidden(
        "rows that are taken for aligned",
        "cross_entropy_plain_smoothed_and_in_place",
        "uint64_t head = (16 - (uint64_t)row % 16) % 16 / sizeof(T);",
        "uint64_t head = 0;",
    ),
    bug(
        "no rescaling of what was summed under a smaller maximum",
        "softmax_and_its_logarithm",
        "s.sum = s.sum * expf(s.max - x) + 1.0f;",
        "s.sum = s.sum + 1.0f;",
    ),
    bug("no wait for a copy", "attention", "cp_async_wait<1>();", ""),
    bug("a wait that leaves the last copy under way", "attention", "cp_async_wait<0>();", "cp_async_wait<1>();"),
    bug(
        "a buffer that is filled while it is read",
        "attention",
        "__syncthreads();  // the tile is there, and the other buffer may be filled again",
        "",
    ),
    bug(
        "a wrong lane address of a fragment",
        "attention",
        "column + threadIdx.x % WARP / 16 * 8;",
        "column + threadIdx.x % WARP / 8 % 2 * 8;",
    ),
    bug("rows of shared memory that are not aligned", "attention", "STRIDE = SIZE + 8;", "STRIDE = SIZE + 4;"),
    bug("a causal mask that hides the query itself", "attention", "if (n * 8 + i > last)", "if (n * 8 + i >= last)"),
    bug(
        "accumulators that are not rescaled",
        "attention_whose_scores_grow_along_the_keys",
        "sums[m][n][2 * half] *= shrink, sums[m][n][2 * half + 1] *= shrink;",
        ";",
    ),
    bug(
        "a block that does not wait for its turn",
        "attention_sums_in_a_fixed_order_of_blocks",
        "while (load_acquire(turns + tile) != turn) other_blocks();",
        "",
    ),
    bug("a turn that never comes", "attention", "turns + tile - 1, turn_at(tile - 1) + 1", "turns + tile - 1, turn_at(tile - 1)"),
    bug(
        "work in the order of blocks rather than of tickets",
        "attention",
        "*ticket = atomicAdd(turns, 1u)",
        "*ticket = blockIdx.x",
    ),
    bug("p that is read before it is there", "attention", "__syncthreads();  // p is there", ""),
    bug("turns that are not set back", "attention", "turns[i] = 0;", ";"),
    bug(
        "keys beyond the last in the gradients of queries",
        "attention_whose_scores_are_far_below_zero",
        "own >= length ? TILE",
        "own >= length ? 0",
    ),
    bug("a bit of a Philox constant", "dropout_drops_the_same_elements", "0xBB67AE85u", "0xBB67AE84u"),
    hidden("a tail without a guard", "dropout_drops_the_same_elements", "if (i < elements) put", "put"),
    bug(
        "no barrier between the halves of a transposition",
        "transposes",
        "__syncthreads();\n  for (int k = threadIdx.y; k < WARP; k += 8) {\n    uint64_t i = i0 + threadIdx.x",
        "for (int k = threadIdx.y; k < WARP; k += 8) {\n    uint64_t i = i0 + threadIdx.x",
    ),
    bug(
        "a tap in the wrong row",
        "convolutions_by_our_kernels",
        "i * stride + tap / kernel * dilation",
        "i * stride + tap % kernel * dilation",
    ),
    bug("a window that is forgotten", "pooling", "(at - s.kernel) / s.stride + 1;", "at / s.stride;"),
    bug("the last of equal maxima", "pooling", "if (one[i] > largest[i] ||", "if (one[i] >= largest[i] ||"),
];
