# The memory plan against the use that the GPU reports.
# shellcheck shell=bash

memory() {
  local before after state arena size=(--preset small --seq 1024) many=20000
  [ -z "$rehearse" ] || size=(--preset tiny --seq 32) many=100000
  of_python version > /dev/null # which has the GPU open while it looks
  before=$(used_memory)
  bounded "$ivon" bench gpt2 "${size[@]}" --batch 8 --dtype bf16 --device cuda:0 --steps 3 --json > "$work/memory.json" 2> "$work/errors"
  outcome $? "bench" "$work/errors" || return
  told bench "$work/errors"
  after=$(field peak_bytes < "$work/memory.json")
  state=$(field state_bytes < "$work/memory.json")
  arena=$(field arena_bytes < "$work/memory.json")
  note bytes_in_use "$after"
  note bytes_of_state "$state"
  note bytes_of_activations "$arena"
  if [ -n "$before" ]; then
    # The driver's own part and the libraries' workspaces are added to the plan.
    local own=$((after - before * 1024 * 1024)) most=$(((state + arena) * 105 / 100 + (3 << 29)))
    note bytes_beside_the_plan $((own - state - arena))
    [ "$own" -le "$most" ] || fail "$own bytes are in use where $state of state and $arena of activations were planned"
  else
    skip "there is no nvidia-smi: what was in use before is not known"
  fi
  # A batch that is too large for any GPU is refused with the computed size, before an allocation fails.
  bounded "$ivon" bench gpt2 "${size[@]}" --batch "$many" --dtype bf16 --device cuda:0 --steps 1 > "$work/refused" 2>&1 &&
    fail "a batch of $many was not refused"
  grep -q 'largest batch that fits' "$work/refused" || fail "the refusal does not name the largest batch: $(tail -n 1 "$work/refused")"
  note refusal "\"$(quoted "$(grep 'largest batch' "$work/refused")")\""
}

# MiB of the GPU in use by all processes; empty if unknown.
used_memory() { nvidia-smi --query-gpu=memory.used --format=csv,noheader,nounits 2> /dev/null | head -n 1 | tr -cd 0-9; }
