//! Bugs of the kinds that are made in kernels, each seeded into a real one.

use ivon_emulator::{Mutation, Watch};

const fn bug(name: &'static str, test: &'static str, from: &'static str, to: &'static str) -> Mutation {
    Mutation { name, from, to, test, watch: Watch::Nothing }
}

/// One that only sanitizers see.
const fn hidden(name: &'static str, test: &'static str, from: &'static str, to: &'static str) -> Mutation {
    Mutation { name, from, to, test, watch: Watch::Sanitizers }
}

/// One that may be seen in no order of threads, but is a race.
const fn race(name: &'static str, test: &'static str, from: &'static str, to: &'static str) -> Mutation {
    Mutation { name, from, to, test, watch: Watch::Races }
}

pub const MUTATIONS: &[Mutation] = &[
    bug(
        "no barrier before shared memory is read",
        "rows::layer_norm",
        "if (lane == 0) shared[warp] = x;\n  __syncthreads();\n  return warp_sum",
        "if (lane == 0) shared[warp] = x;\n  return warp_sum",
    ),
    bug(
        "no barrier before shared memory is used again",
        "rows::layer_norm",
        "__syncthreads();  // the last use of `shared` is over",
        "",
    ),
    bug(
        "a barrier that half of the block reaches",
        "rows::layer_norm",
        "__syncthreads();  // the last use of `shared` is over",
        "if (threadIdx.x < 128) __syncthreads();",
    ),
    hidden(
        "a write beyond shared memory",
        "rows::layer_norm",
        "if (lane == 0) shared[warp] = x;",
        "if (lane == 0) shared[warp + 30] = x;",
    ),
    hidden(
        "a read beyond the last row",
        "pictures::batch_norms",
        "row = begin + threadIdx.y; row < end;",
        "row = begin + threadIdx.y; row <= end;",
    ),
    bug(
        "warps that add to the same sums at once",
        "rows::layer_norm",
        "at[V * N * WARP] = turn ? at[V * N * WARP] + biases[j] : biases[j];\n      }\n    __syncthreads();",
        "at[V * N * WARP] = turn ? at[V * N * WARP] + biases[j] : biases[j];\n      }",
    ),
    bug(
        "a slice of groups that is left out",
        "pictures::batch_norms",
        "y < blockDim.y && y < groups; ++y) {",
        "y + 1 < blockDim.y && y < groups; ++y) {",
    ),
    bug(
        "rows that are joined as if there were four",
        "pictures::batch_norms",
        "share = 1.0f / count",
        "share = 1.0f / (float)AT_ONCE",
    ),
    bug(
        "half of a sum over lanes",
        "rows::layer_norm",
        "lanes = WARP / 2; lanes > 0; lanes /= 2) x += ",
        "lanes = WARP / 4; lanes > 0; lanes /= 2) x += ",
    ),
    bug(
        "a mask without half of the lanes",
        "rows::layer_norm",
        "x += __shfl_xor_sync(ALL_LANES, x, lanes)",
        "x += __shfl_xor_sync(0xffffu, x, lanes)",
    ),
    bug(
        "a thread that leaves before a barrier",
        "losses::cross_entropy_plain_smoothed_and_in_place",
        "float max = -INFINITY, sum = 0.0f, total = 0.0f;",
        "float max = -INFINITY, sum = 0.0f, total = 0.0f;\n  if (threadIdx.x >= classes) return;",
    ),
    bug(
        "a sum over what is no logit",
        "losses::cross_entropy_of_products_whose_rows_are_not_aligned",
        "for_row(z, classes, threadIdx.x",
        "for_row(z, length, threadIdx.x",
    ),
    bug(
        "shared memory that one warp does not write",
        "moves::embedding_sums_repeated_ids_in_their_order",
        "if (lane == 0) long_ones[warp]",
        "if (lane == 0 && warp < 3) long_ones[warp]",
    ),
    bug(
        "an earlier occurrence that is overlooked",
        "moves::embedding_sums_repeated_ids_in_their_order",
        "(at == 0 || id_at(at - 1) != id)",
        "true",
    ),
    bug(
        "a warp's sum that is forgotten",
        "moves::embedding_sums_repeated_ids_in_their_order",
        "int other = 1; other < BLOCK",
        "int other = 2; other < BLOCK",
    ),
    bug(
        "keys that are merged into the wrong places",
        "moves::embedding_sums_repeated_ids_in_their_order",
        "i % length + (low - begin)",
        "i % length + low",
    ),
    race(
        "a sort whose pairs overtake each other",
        "moves::embedding_sums_repeated_ids_in_their_order",
        "__syncthreads();\n      for (uint32_t pair",
        "for (uint32_t pair",
    ),
    hidden(
        "rows that are taken for aligned",
        "losses::cross_entropy_plain_smoothed_and_in_place",
        "uint64_t head = (16 - (uint64_t)row % 16) % 16 / sizeof(T);",
        "uint64_t head = 0;",
    ),
    bug(
        "no rescaling of what was summed under a smaller maximum",
        "rows::softmax_and_its_logarithm",
        "s.sum = s.sum * expf(s.max - x) + 1.0f;",
        "s.sum = s.sum + 1.0f;",
    ),
    bug("no wait for a copy", "attention::attention", "cp_async_wait<1>();", ""),
    bug("a wait that leaves the last copy under way", "attention::attention", "cp_async_wait<0>();", "cp_async_wait<1>();"),
    bug(
        "a buffer that is filled while it is read",
        "attention::attention",
        "__syncthreads();  // the tile is there, and the other buffer may be filled again",
        "",
    ),
    bug(
        "a wrong lane address of a fragment",
        "attention::attention",
        "column + threadIdx.x % WARP / 16 * 8;",
        "column + threadIdx.x % WARP / 8 % 2 * 8;",
    ),
    bug("rows of shared memory that are not aligned", "attention::attention", "STRIDE = SIZE + 8;", "STRIDE = SIZE + 4;"),
    bug("a causal mask that hides the query itself", "attention::attention", "if (n * 8 + i > last)", "if (n * 8 + i >= last)"),
    bug(
        "accumulators that are not rescaled",
        "attention::attention_whose_scores_grow_along_the_keys",
        "sums[m][n][2 * half] *= shrink, sums[m][n][2 * half + 1] *= shrink;",
        ";",
    ),
    bug(
        "a block that does not wait for its turn",
        "attention::attention_sums_in_a_fixed_order_of_blocks",
        "while (load_acquire(turns + tile) != turn) other_blocks();",
        "",
    ),
    bug(
        "a turn that never comes",
        "attention::attention",
        "turns + tile - 1, turn_at(tile - 1) + 1",
        "turns + tile - 1, turn_at(tile - 1)",
    ),
    bug(
        "work in the order of blocks rather than of tickets",
        "attention::attention",
        "*ticket = atomicAdd(turns, 1u)",
        "*ticket = blockIdx.x",
    ),
    race(
        "a turn that is seen, but not what was written before it",
        "attention::attention",
        "while (load_acquire(turns + tile) != turn) other_blocks();",
        "while (*(volatile uint32_t*)(turns + tile) != turn) other_blocks();",
    ),
    race(
        "sums that are given on before all have written theirs",
        "attention::attention",
        "__syncthreads();  // keys and values were used, and the sums of the last tile are written",
        "",
    ),
    race(
        "rows written over what other lanes may still read",
        "attention::attention",
        "__syncwarp();  // every lane has read what lay there",
        "",
    ),
    bug("p that is read before it is there", "attention::attention", "__syncthreads();  // p is there", ""),
    bug("turns that are not set back", "attention::attention", "turns[i] = 0;", ";"),
    bug(
        "keys beyond the last in the gradients of queries",
        "attention::attention_whose_scores_are_far_below_zero",
        "own >= length ? TILE",
        "own >= length ? 0",
    ),
    bug("a bit of a Philox constant", "moves::dropout_drops_the_same_elements", "0xBB67AE85u", "0xBB67AE84u"),
    hidden("a tail without a guard", "moves::dropout_drops_the_same_elements", "if (i < elements) put", "put"),
    bug(
        "no barrier between the halves of a transposition",
        "moves::transposes",
        "__syncthreads();\n  for (int k = threadIdx.y; k < WARP; k += 8) {\n    uint64_t i = i0 + threadIdx.x",
        "for (int k = threadIdx.y; k < WARP; k += 8) {\n    uint64_t i = i0 + threadIdx.x",
    ),
    bug(
        "a tap in the wrong row",
        "pictures::convolutions_by_our_kernels",
        "i * stride + tap / kernel * dilation",
        "i * stride + tap % kernel * dilation",
    ),
    bug("a window that is forgotten", "pictures::pooling", "(at - s.kernel) / s.stride + 1;", "at / s.stride;"),
    bug("the last of equal maxima", "pictures::pooling", "if (one[i] > largest[i] ||", "if (one[i] >= largest[i] ||"),
];
