#!/usr/bin/env bash
# Checks the crates for other systems. A target that is not installed is skipped, and said so: `rustup target add TARGET` installs one.
set -euo pipefail
cd "$(dirname "$0")/.."

installed="$(rustup target list --installed)"
check() {
  local target="$1"
  shift
  if grep -qx "$target" <<< "$installed"; then
    echo "$target: cargo check $*"
    cargo check --target "$target" --locked "$@"
  else
    echo "$target: not installed, skipped"
  fi
}

for target in aarch64-unknown-linux-gnu x86_64-pc-windows-gnu aarch64-apple-darwin; do
  check "$target" -p ivon-runtime
done
# One thread on the CPU, without files and GPUs.
check wasm32-unknown-unknown -p ivon-runtime --no-default-features
