# The tests of the emulator on the real GPU.
# shellcheck shell=bash

kernels() { run_tests ops 80; }
models() { run_tests models 40; run_tests training 30; run_tests update_in_graph 20; run_tests profile 20; }

# Runs all tests of a program in one process. A kernel that fails makes the GPU unusable for later tests, and one that hangs uses up their
# time: a test that has not passed is run again in a process of its own.
run_tests() { # program, seconds
  local program=$kit/test-$1 skips=() all name
  # These tests would take minutes on the emulator.
  [ -z "$rehearse" ] || skips=(--skip of_more_)
  [ -x "$program" ] || { skip "target/gpu-check/test-$1 is not there: run prepare"; return; }
  mapfile -t all < <(tests_of "$program" "${skips[@]+"${skips[@]}"}")
  IVON_TEST_GPU=1 within "$2" "$program" "${skips[@]+"${skips[@]}"}" --test-threads=4 > "$work/log" 2> "$work/errors"
  local status=$? alone=()
  for name in "${all[@]}"; do
    grep -q "^test $name \.\.\. ok" "$work/log" || alone+=("$name")
  done
  note "test_$1" "{\"passed\": $((${#all[@]} - ${#alone[@]})), \"of\": ${#all[@]}}"
  [ ${#alone[@]} -gt 0 ] || { outcome "$status" "test-$1" "$work/log"; return; }
  logged "test-$1, status $status" "$work/log"
  local bad=0
  for name in "${alone[@]}"; do run_alone "$program" "$name" || bad=1; done
  [ "$bad" = 1 ] || fail "test-$1 (status $status): ${alone[*]} failed beside others, and each passes alone"
}

run_alone() { # program, test
  time_for 5 "$2 of $(basename "$1")" || return
  IVON_TEST_GPU=1 within 20 "$1" --exact "$2" > "$work/alone" 2>&1
  local status=$?
  [ $status != 0 ] || { echo "$2 passes alone"; return 0; }
  logged "$2, alone, status $status" "$work/alone"
  case $status in
    124 | 137) fail "$2 of $(basename "$1") hangs" ;;
    *) fail "$2 of $(basename "$1"): $(what_it_said "$work/alone")" ;;
  esac
  return 1
}

# The tests that run by default.
tests_of() { # program, what to skip
  comm -23 <("$@" --list 2> /dev/null | sort) <("$@" --list --ignored 2> /dev/null | sort) | sed -n 's/: test$//p'
}

# The panic's message, or the last lines of output without a panic.
what_it_said() { # log
  local words
  words=$(grep -A 2 'panicked at' "$1" | head -n 3 | cut -c1-300)
  [ -n "$words" ] || words=$(grep -v '^ *$' "$1" | tail -n 3 | cut -c1-300)
  echo "$words"
}
