# Comparison with other programs: Hugging Face, torchvision, ivon-opt.
# shellcheck shell=bash

conformance() {
  has_peer conformance_models.py || return
  local cases=("gpt2 --preset nano" "resnet50" "gpt2 --preset small --tolerance 2e-3" "gpt2 --preset tiny") case status
  [ -z "$rehearse" ] || cases=("gpt2 --preset tiny")
  for case in "${cases[@]}"; do
    time_for 15 "$case" || continue
    # shellcheck disable=SC2086
    within 60 "$python" "$peers/conformance_models.py" $case --binary "$ivon" --extra '--device cuda:0' > "$work/log" 2>&1
    status=$?
    outcome $status "conformance of $case" "$work/log"
    [ $status -gt 1 ] || note "$(tr -cs 'a-z0-9\n' '_' <<< "${case%% --tol*}")" "$(grep '^{' "$work/log" | tail -n 1)"
  done
  trace_of_updates
}

# The inputs and outputs of every update, replayed by the authors' package.
trace_of_updates() {
  [ -f "$peers/conformance_ivon.py" ] || { skip "conformance_ivon.py is not in $peers"; return; }
  has_ivon_opt "updates against ivon-opt" || return
  bounded "$ivon" train gpt2 --preset tiny --batch 4 --seq 32 --steps 6 --warmup 2 --tokenizer bytes --eval-tokens 1024 \
    --device cuda:0 --dtype f32 --trace "$work/trace.safetensors" --trace-steps 6 --out "$work/traced" > "$work/log" 2>&1
  outcome $? "a trace" "$work/log" || return
  with_python bounded "$python" "$peers/conformance_ivon.py" "$work/trace.safetensors" > "$work/log" 2>&1
  local status=$?
  outcome $status "updates against ivon-opt" "$work/log"
  [ $status -gt 1 ] || note updates_against_ivon_opt "$(grep '^{' "$work/log" | tail -n 1)"
}
