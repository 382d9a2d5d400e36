#!/usr/bin/env bash
# Runs Miri, which finds undefined behaviour, over the tests of memory ownership (tensors, buffers, pools, plans, contexts).
#
# Miri is a component of some nightly toolchains (`rustup component add --toolchain nightly miri`). Where no toolchain has it, the script says so
# and succeeds; the same tests run without it in `cargo test`.
set -euo pipefail
cd "$(dirname "$0")/.."

toolchain=""
for name in "" $(rustup toolchain list 2> /dev/null | cut -d ' ' -f 1); do
  if cargo ${name:+"+$name"} miri --version > /dev/null 2>&1; then
    toolchain=${name:+"+$name"}
    found=yes
    break
  fi
done
if [ -z "${found:-}" ]; then
  echo "SKIPPED: no toolchain has Miri (\`rustup component add --toolchain nightly miri\`): memory is not checked for undefined behaviour"
  exit 0
fi

# Its own target directory, because another compiler builds it. Without isolation, tests may read the clock and the memory of the machine.
# Tests leak tensors on purpose.
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-target}/miri"
export MIRIFLAGS="-Zmiri-disable-isolation -Zmiri-strict-provenance -Zmiri-ignore-leaks ${MIRIFLAGS:-}"
miri() { timeout 600 cargo ${toolchain:+"$toolchain"} miri "$@"; }
if ! miri setup > /dev/null; then
  echo "SKIPPED: Miri cannot build the standard library: memory is not checked for undefined behaviour"
  exit 0
fi
status=0
miri test --locked -p ivon-runtime --test ownership || status=$?
if [ "$status" = 124 ]; then
  echo "STOPPED: Miri found nothing in 10 minutes and was not done"
  exit 0
fi
exit "$status"
