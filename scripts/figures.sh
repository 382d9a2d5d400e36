#!/usr/bin/env bash
# Draws every figure of README.md and docs/ again: `scripts/figures.sh`, or one with `scripts/figures.sh NAME`.
#
#   graph         docs/images/gpt2.svg: `ivon inspect --graph`
#   first-run     docs/images/train-gpt2.svg: the loss of `ivon train gpt2`, as README.md has it
#   generated     docs/images/generated.png: generated images
#   experiments   docs/experiments/*.svg: every experiment, hours in all
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --release --package ivon-cli
target=${CARGO_TARGET_DIR:-target}
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

graph() { "$target/release/ivon" inspect gpt2 --preset small --graph docs/images/gpt2.svg; }

first-run() {
  "$target/release/ivon" train gpt2 --out "$scratch/run"
  cp "$scratch/run/loss.svg" docs/images/train-gpt2.svg
}

generated() { cargo run --release --example generated_images; }

experiments() {
  for page in docs/experiments/*.md; do
    name=$(basename "$page" .md)
    [ "$name" = README ] || cargo run --release --example "$name"
  done
}

for name in "${@:-graph first-run generated experiments}"; do
  # An argument is one name. Without arguments the word holds all names.
  for figure in $name; do
    case $figure in
      graph | first-run | generated | experiments) "$figure" ;;
      *)
        sed -n '2,8s/^# \{0,1\}//p' "$0" >&2
        exit 2
        ;;
    esac
  done
done
