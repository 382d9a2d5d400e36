# Kernels under NVIDIA's compute-sanitizer, which makes them ten to a hundred times slower: the most error-prone ones first.
# shellcheck shell=bash

# Our kernels that share memory between threads, or wait for other blocks.
delicate=(attention::attention attention::attention_sums_in_a_fixed_order_of_blocks attention::attention_of_new_positions_to_those_in_a_cache
  rows::layer_norm rows::softmax_and_its_logarithm pictures::batch_norms losses::cross_entropy_plain_smoothed_and_in_place
  moves::embedding_sums_repeated_ids_in_their_order)

sanitizer() {
  local tool packages
  packages=$("$python" -c 'import site; print(site.getsitepackages()[0])' 2> /dev/null)
  for tool in "$(command -v compute-sanitizer)" /usr/local/cuda/bin/compute-sanitizer "$packages"/nvidia/*/bin/compute-sanitizer; do
    [ ! -x "$tool" ] || break
  done
  [ -x "$tool" ] || { skip "compute-sanitizer is not installed (pip install nvidia-cuda-sanitizer-api)"; return; }
  sanitized memcheck 60 ops "${delicate[@]}"
  sanitized racecheck 60 ops "${delicate[@]}"
  sanitized memcheck 40 update_in_graph it_is_the_update_beside_the_graph
  sanitized synccheck 30 ops attention::attention rows::layer_norm pictures::batch_norms
  local others
  mapfile -t others < <(tests_of "$kit/test-ops" --skip of_more_ | grep -v -x -F -f <(printf '%s\n' "${delicate[@]}"))
  sanitized memcheck 90 ops "${others[@]}"
}

# Runs tests under a tool; if the time is over, reports those that were completed.
sanitized() { # kind, seconds, program, tests
  local kind=$1 seconds=$2 program=$kit/test-$3 what="$1 of $3"
  shift 3
  [ -x "$program" ] || { skip "$program is not there: run prepare"; return; }
  time_for 15 "$what: $*" || return
  # A refused request of a library is not an error of a kernel.
  IVON_TEST_GPU=1 within "$seconds" "$tool" --tool "$kind" --report-api-errors no --launch-timeout 60 --error-exitcode 86 \
    "$program" --exact "$@" --test-threads=1 > "$work/log" 2>&1
  local status=$? passed
  passed=$(grep -c '^test .* ok$' "$work/log")
  note "${what// /_}_$1" "{\"passed\": $passed, \"of\": $#, \"status\": $status}"
  case $status in
    0) [ "$passed" = $# ] || fail "$what: $passed of $# tests are there: $*" ;;
    124 | 137) skip "$what: $passed of $# before its time was over" ;;
    *) outcome $status "$what" "$work/log" ;;
  esac
}
