# 200 steps of GPT-2 nano on the GPU, and the same on the CPU.
# shellcheck shell=bash

# The flags of all runs, as words. The runs train on the text that is built into the command.
training_flags() {
  local size="--preset nano --steps 200 --warmup 20 --batch 8 --seq 128"
  [ -z "$rehearse" ] || size="--preset tiny --steps 8 --warmup 2 --batch 2 --seq 16"
  echo "$size --tokenizer bytes --eval-tokens 4096 --eval-samples 2 --seed 1 --json"
}

training() {
  local reference=$kit/reference expected difference
  if [ "$(cat "$reference/flags" 2> /dev/null)" != "$(training_flags)" ] || ! grep -q '"validation_loss"' "$reference/result.json"; then
    reference=$work/reference
    train cpu f32 "$reference" || return
  fi
  expected=$(field validation_loss < "$reference/result.json")
  note validation_loss_cpu_f32 "$expected"
  if train cuda:0 f32 "$work/f32"; then
    difference=$(paste <(losses "$reference" | head -n 20) <(losses "$work/f32" | head -n 20) | largest_difference)
    note largest_difference_of_20_losses "$difference"
    awk -v d="$difference" 'BEGIN { exit !(d <= 1e-3) }' || fail "losses of the first 20 steps differ by up to $difference, more than 1e-3"
    ends_near 0.01 f32
  fi
  train cuda:0 bf16 "$work/bf16" && ends_near 0.02 bf16
}

train() { # device, type, folder
  mkdir -p "$3"
  # shellcheck disable=SC2046
  bounded "$ivon" train gpt2 $(training_flags) --device "$1" --dtype "$2" --out "$3/run" > "$3/result.json" 2> "$work/errors"
  outcome $? "training on $1 in $2" "$work/errors" || return
  note "seconds_${1%:*}_$2" "$(field seconds < "$3/result.json")"
}

# Fails unless a run on the GPU ends near the validation loss of the CPU: `ends_near LIMIT TYPE`.
ends_near() {
  local found
  found=$(field validation_loss < "$work/$2/result.json")
  note "validation_loss_cuda_$2" "$found"
  near "$found" "$expected" "$1" || fail "$2 on the GPU ends at a validation loss of $found, not within $1 of the CPU's $expected"
}

# Losses of the steps of a run, from its metrics.
losses() { grep -o '"loss":[^,}]*' "$1/run/metrics.jsonl" | cut -d: -f2; }
# The largest relative difference of pairs, one per line, relative to the first of each; 1e9 if a number is missing.
largest_difference() { awk '{ d = $1 $2 ~ /n/ || NF < 2 ? 1e9 : $2 / $1 - 1; if (d < 0) d = -d } d > most { most = d } END { print NR ? most + 0 : 1e9 }'; }
