# Builds target/gpu-check, the directory that is copied to the machine with the GPU.
# shellcheck shell=bash

prepare() {
  set -e
  rm -rf "$kit"
  mkdir -p "$kit"
  build_programs
  copy_peers
  train_reference
  local mib
  mib=$(du -sm "$kit" | cut -f1)
  (cd "$kit" && du -sh -- *)
  echo "target/gpu-check: $mib MiB; needs x86-64 Linux with glibc $(needed_glibc) or later"
  [ "$mib" -lt 60 ] || { echo "more than the 60 MiB that are meant to be carried" >&2; return 1; }
}

build_programs() {
  local build=(--release --locked --message-format=json-render-diagnostics) built name
  {
    cargo build "${build[@]}" -p ivon-cli --bin ivon
    cargo test "${build[@]}" --no-run -p ivon-emulator --test ops --test models --test training --test update_in_graph --test profile
  } | grep -o '"executable":"[^"]*"' | cut -d'"' -f4 | while read -r built; do
    name=$(basename "$built")
    [ "$name" = ivon ] || name=test-${name%-*}
    strip -o "$kit/$name" "$built"
  done
}

copy_peers() {
  local folder
  for folder in "${PEERS:-}" "$root/shared/peers" "$root/../shared/peers" none; do
    [ -f "$folder/torch_gpt2.py" ] && mkdir -p "$kit/peers" && cp "$folder"/*.py "$kit/peers" && break
  done
  [ -d "$kit/peers" ] || echo "PEERS names no folder of peers' scripts: there will be no comparison with PyTorch" >&2
  # The only package of the peers that a machine with PyTorch lacks; it is pure Python.
  "$python" -m pip install --quiet --no-deps --no-compile --target "$kit/python" ivon-opt ||
    echo "ivon-opt could not be fetched: its memory will not be measured" >&2
}

# The reference run on the CPU. It takes minutes, so it is done before the machine with the GPU is used.
train_reference() {
  mkdir -p "$kit/reference"
  training_flags > "$kit/reference/flags"
  # shellcheck disable=SC2046
  "$ivon" train gpt2 $(training_flags) --device cpu --dtype f32 --out "$kit/reference/run" > "$kit/reference/result.json"
  rm -rf "$kit/reference/run/checkpoints"
}

# The newest version of glibc that a program needs.
needed_glibc() { objdump -T "$kit"/ivon "$kit"/test-* | grep -o 'GLIBC_[0-9.]*' | cut -d_ -f2 | sort -V | tail -n 1; }
