# Finds CUDA, and checks that a model runs at all.
# shellcheck shell=bash

devices() {
  bounded "$ivon" devices
  outcome $? "ivon devices"
  ! command -v nvidia-smi > /dev/null ||
    note GPU "\"$(quoted "$(nvidia-smi --query-gpu=name,driver_version,memory.total,power.limit,clocks.max.sm --format=csv,noheader | head -n 1)")\""
  first_steps gpt2_f32 gpt2 --preset nano --seq 128 --batch 4 --dtype f32
  first_steps gpt2_bf16 gpt2 --preset nano --seq 128 --batch 4 --dtype bf16
  first_steps resnet20_bf16 resnet20 --batch 16 --dtype bf16
  # Libraries load slowly from the disk: PyTorch is asked last.
  note python "\"$(quoted "$(of_python version; of_python GPU; of_python problem; of_python "no GPU"; of_python uncompiled)")\""
}

# A few steps: kernel by kernel, captured, as graphs.
first_steps() { # name, arguments of bench
  local name=$1 start=$SECONDS status
  shift
  [ -z "$rehearse" ] || [ "$1" != gpt2 ] || set -- gpt2 --preset tiny --seq 16 --batch 2 "${@: -2}"
  [ -z "$rehearse" ] || [ "$1" != resnet20 ] || set -- resnet20 --batch 2 "${@: -2}"
  time_for 10 "first steps of $*" || return
  within 60 "$ivon" bench "$@" --device cuda:0 --steps 3 --json > "$work/first.json" 2> "$work/errors"
  status=$?
  [ $status != 124 ] || status="124, it hangs"
  outcome "$status" "first steps of $*" "$work/errors" || return
  told "$name" "$work/errors"
  note "first_$name" "{\"process_seconds\": $((SECONDS - start)), \"seconds_per_step\": $(field seconds_per_step < "$work/first.json"), \"graphs\": $(field graphs < "$work/first.json")}"
}
