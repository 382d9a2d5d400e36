#!/usr/bin/env bash
# Checks and lints ivon-runtime without its features and with each one alone. The default, all of them, is checked with the workspace.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo clippy -p ivon-runtime --no-default-features --all-targets --locked -- -D warnings
for feature in cuda run theory expand; do
  cargo clippy -p ivon-runtime --no-default-features --features "$feature" --locked -- -D warnings
done
# The compiler without text, alone: the other crates of this workspace ask for it.
cargo clippy -p ivon-compiler --locked -- -D warnings
