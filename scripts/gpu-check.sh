#!/usr/bin/env bash
# Everything that waits for a real NVIDIA card, in one command.
#
#   scripts/gpu-check.sh prepare         on a machine with Rust: builds what is needed into target/gpu-check (under 60 MiB), to be carried along
#   scripts/gpu-check.sh run [PART ..]   on the machine with the card: all parts, or those named, in this order:
#
#     devices      what CUDA is found
#     kernels      every op in f32 and bf16 against the processor, the same bits three times
#     models       whole training steps of annotated models and of every optimizer against the processor; graphs, resume, evaluation
#     memory       what is planned against what the card says is in use; a batch that is too large
#     training     200 steps of GPT-2 nano: f32 and bf16 on the card beside f32 on the processor
#     bench        our steps beside PyTorch's compiled ones, in turn (theirs need PyTorch, and the peers' scripts)
#     profile      where the time of a step goes, kernel by kernel
#     conformance  GPT-2 and ResNet-50 against Hugging Face and torchvision, and updates against ivon-opt (needs PyTorch, and the peers' scripts)
#     sanitizer    the kernel tests under compute-sanitizer, where it is installed
#
# Environment:
#   PYTHON    the Python with PyTorch (python3)
#   PEERS     the folder of the peers' scripts, for `prepare`, which copies them (shared/peers or ../shared/peers), and for `run` (those copies)
#   RESULTS   where results go (results): <card>.json, one line a part, and <card>.md, tables for docs/performance.md. Parts that are already
#             in there and are not run again stay, so that parts can be run in several calls.
#   BUDGET    seconds for everything (570); a part also has a budget of its own. What does not fit is cut and named.
#   REHEARSE  1: small models, and the peers on the processor, to try the script itself. On a machine without a card, with the emulator:
#             REHEARSE=1 IVON_CUDA_LIBRARIES=<folder of the emulator's libcuda.so> scripts/gpu-check.sh run
#
# A part that cannot run says why and does not fail. The exit status is 1 if a part failed, 3 if there is no card.
set -uo pipefail
cd "$(dirname "$0")/.."
root=$PWD
kit=$root/target/gpu-check
python=${PYTHON:-python3}
results=${RESULTS:-$root/results}
rehearse=${REHEARSE:-}
deadline=$((SECONDS + ${BUDGET:-570}))
parts=(devices kernels models memory training bench profile conformance sanitizer)
# Seconds that a part may take.
declare -A budget=(
  [devices]=20 [kernels]=90 [models]=90 [memory]=40 [training]=90 [bench]=330 [profile]=60 [conformance]=150 [sanitizer]=150
)

# ---- on the machine with Rust -----------------------------------------------------------------------------------------------

prepare() {
  set -e
  rm -rf "$kit"
  mkdir -p "$kit"
  local build=(--release --locked --message-format=json-render-diagnostics)
  {
    cargo build "${build[@]}" -p models --bin ivon
    cargo test "${build[@]}" --no-run -p ivon-emulator --test ops --test models --test training --test update_in_graph
  } | grep -o '"executable":"[^"]*"' | cut -d'"' -f4 | while read -r built; do
    name=$(basename "$built")
    [ "$name" = ivon ] || name=test-${name%-*}
    strip -o "$kit/$name" "$built"
  done
  local peers
  for peers in "${PEERS:-}" "$root/shared/peers" "$root/../shared/peers" none; do
    [ -f "$peers/torch_gpt2.py" ] && mkdir -p "$kit/peers" && cp "$peers"/*.py "$kit/peers" && break
  done
  [ -d "$kit/peers" ] || echo "PEERS names no folder of peers' scripts: there will be no comparison with PyTorch" >&2
  # The one package of the peers' that a machine with PyTorch lacks: pure Python.
  "$python" -m pip install --quiet --no-deps --no-compile --target "$kit/python" ivon-opt ||
    echo "ivon-opt could not be fetched: its memory will not be measured" >&2
  local mib
  mib=$(du -sm "$kit" | cut -f1)
  (cd "$kit" && du -sh -- *)
  echo "target/gpu-check: $mib MiB"
  [ "$mib" -lt 60 ] || { echo "more than the 60 MiB that are meant to be carried" >&2; return 1; }
}

# ---- what parts are made of -------------------------------------------------------------------------------------------------

ivon=$kit/ivon
# Of the part that runs.
part= skipped=() failed=() measured=()
# Of all.
declare -A lines
any_failed=

quoted() { printf '%s' "$1" | tr -d '\\"' | tr '\n\t' '  '; }
skip() { skipped+=("\"$(quoted "$*")\""); echo "SKIPPED $part: $*"; }
fail() { failed+=("\"$(quoted "$*")\""); any_failed=1; echo "FAILED $part: $*"; }
note() { measured+=("\"$1\": ${2:-null}"); echo "$1: ${2:-unknown}"; }
joined() { local IFS=,; echo "$*"; }

# Seconds that are left for the part.
left() { local now=$((until < deadline ? until : deadline)); echo $((now - SECONDS)); }
# Runs a command for as long as there is time; 124 where there was none.
bounded() {
  local seconds
  seconds=$(left)
  [ "$seconds" -gt 0 ] || return 124
  timeout --kill-after=5 "$seconds" "$@"
}
# What to say of a command that failed: `outcome STATUS WHAT [FILE WITH ITS MESSAGES]`. A peer's failure is not ours.
outcome() {
  local words
  words="$2: status $1; $(tail -n 3 "${3:-/dev/null}" | cut -c1-300)"
  case $1 in
    0) return 0 ;;
    124 | 137) skip "$2: cut after its time was over" ;;
    *) [[ $2 == torch* ]] && skip "$words" || fail "$words" ;;
  esac
  return 1
}

# A field of the JSON object that a command prints last.
field() { tail -n 1 | grep -o "\"$1\":[^,}]*" | head -n 1 | cut -d: -f2- | tr -d '" '; }
# Whether |a / b - 1| <= limit; not, where one is no number.
near() { awk -v a="$1" -v b="$2" -v limit="$3" 'BEGIN { if (b + 0 == 0) exit 1; d = a / b - 1; exit !(d <= limit && d >= -limit) }'; }

# Why PyTorch's part cannot run; looked at once, because importing takes a while.
peer_problem=unknown
has_peer() { # script
  [ -f "$peers/$1" ] || { skip "$1 is not in $peers"; return 1; }
  if [ "$peer_problem" = unknown ]; then
    peer_problem=
    "$python" -c 'import torch, transformers, torchvision, safetensors' 2> /dev/null || peer_problem="$python has no PyTorch with transformers and torchvision"
    [ -n "$rehearse" ] || "$python" -c 'import torch, sys; sys.exit(not torch.cuda.is_available())' 2> /dev/null || peer_problem=${peer_problem:-"PyTorch of $python sees no card"}
  fi
  [ -z "$peer_problem" ] || { skip "$1: $peer_problem"; return 1; }
}

run_test() { # test executable
  [ -x "$kit/test-$1" ] || { skip "target/gpu-check/test-$1 is not there: run prepare"; return; }
  IVON_TEST_CARD=1 bounded "$kit/test-$1" --skip under_sanitizers --test-threads=4 > "$work/log" 2>&1
  local status=$?
  grep -v ' \.\.\. ok$' "$work/log" | tail -n 60
  outcome $status "test-$1"
}

# ---- parts ------------------------------------------------------------------------------------------------------------------

devices() {
  bounded "$ivon" devices | tee "$work/devices"
  outcome "${PIPESTATUS[0]}" "ivon devices"
  command -v nvidia-smi > /dev/null && nvidia-smi --query-gpu=name,driver_version,memory.total,power.limit --format=csv,noheader
  "$python" -c 'import sys, torch; print("Python", sys.version.split()[0], "PyTorch", torch.__version__, "sees a card:", torch.cuda.is_available())' 2> /dev/null ||
    skip "$python has no PyTorch"
}

kernels() { run_test ops; }
models() { run_test models; run_test training; run_test update_in_graph; }

memory() {
  local before after state arena
  local size=(--preset small --seq 1024)
  [ -z "$rehearse" ] || size=(--preset tiny --seq 32)
  used() { nvidia-smi --query-gpu=memory.used --format=csv,noheader,nounits 2> /dev/null | head -n 1; }
  before=$(used)
  bounded "$ivon" bench gpt2 "${size[@]}" --batch 8 --dtype bf16 --device cuda:0 --steps 3 --json > "$work/memory.json" 2> "$work/errors"
  outcome $? "bench" "$work/errors" || return
  after=$(field peak_bytes < "$work/memory.json")
  state=$(field state_bytes < "$work/memory.json")
  arena=$(field arena_bytes < "$work/memory.json")
  note bytes_in_use "$after"
  note bytes_of_state "$state"
  note bytes_of_activations "$arena"
  if [ -n "$before" ]; then
    # The driver's own part and cuBLASLt's workspace come on top of what is planned.
    local own=$((after - before * 1024 * 1024)) most=$(((state + arena) * 105 / 100 + (3 << 29)))
    note bytes_beside_the_plan $((own - state - arena))
    [ "$own" -le "$most" ] || fail "$own bytes are in use where $state of state and $arena of activations were planned"
  else
    skip "there is no nvidia-smi: what was in use before is not known"
  fi
  # A batch that no card holds is refused with the sum, and not by a failing allocation.
  bounded "$ivon" bench gpt2 "${size[@]}" --batch 100000 --dtype bf16 --device cuda:0 --steps 1 > "$work/refused" 2>&1 &&
    fail "a batch of 100,000 was not refused"
  grep -q 'largest batch that fits' "$work/refused" || fail "the refusal does not name the largest batch: $(tail -n 1 "$work/refused")"
}

# Losses of the steps of a run, from its metrics.
losses() { grep -o '"loss":[^,}]*' "$1/metrics.jsonl" | cut -d: -f2; }

training() {
  local flags=(--preset nano --steps 200 --warmup 20 --batch 8 --seq 128)
  [ -z "$rehearse" ] || flags=(--preset tiny --steps 8 --warmup 2 --batch 2 --seq 16)
  for _ in 1 2 3 4 5 6 7 8; do cat docs/*.md; done > "$work/text"
  declare -A final
  for run in "cpu f32" "cuda:0 f32" "cuda:0 bf16"; do
    read -r device dtype <<< "$run"
    bounded "$ivon" train gpt2 "${flags[@]}" --data "$work/text" --tokenizer bytes --eval-tokens 4096 --eval-samples 2 --seed 1 --json \
      --device "$device" --dtype "$dtype" --out "$work/$device-$dtype" > "$work/run.json" 2> "$work/errors"
    outcome $? "200 steps on $run" "$work/errors" || return
    final[$run]=$(field validation_loss < "$work/run.json")
    note "validation_loss_${device%:*}_$dtype" "${final[$run]:-null}"
  done
  near "${final[cuda:0 f32]}" "${final[cpu f32]}" 0.01 || fail "f32 on the card is not within 1 % of the processor"
  near "${final[cuda:0 bf16]}" "${final[cpu f32]}" 0.02 || fail "bf16 on the card is not within 2 % of f32"
  paste <(losses "$work/cpu-f32" | head -n 20) <(losses "$work/cuda:0-f32" | head -n 20) |
    awk '{ d = $2 / $1 - 1; if (d > 1e-3 || d < -1e-3) { print "step " NR ": " $2 " on the card, " $1 " on the processor"; bad = 1 } } END { exit bad || !NR }' ||
    fail "losses of the first 20 steps differ by more than 1e-3"
}

ours() { # name, arguments of bench
  local name=$1
  shift
  bounded "$ivon" bench "$@" --dtype bf16 --device cuda:0 --json > "$work/ours.json" 2> "$work/errors"
  outcome $? "$name" "$work/errors" && note "$name" "$(tail -n 1 "$work/ours.json")" && cp "$work/ours.json" "$work/$name.json"
}

# How much longer a step of one took than that of another: `ratio NAME OF TO`.
ratio() {
  [ -f "$work/$2.json" ] && [ -f "$work/$3.json" ] || return
  note "$1" "$(awk -v a="$(field seconds_per_step < "$work/$2.json")" -v b="$(field seconds_per_step < "$work/$3.json")" 'BEGIN { printf "%.4f", a / b }')"
}

theirs() { # name, script, arguments
  local name=$1 script=$2 flags=(--device cuda --dtype bf16 --compile)
  shift 2
  [ -z "$rehearse" ] || flags=(--device cpu)
  has_peer "$script" || return
  bounded "$python" "$peers/$script" "$@" "${flags[@]}" > "$work/theirs.json" 2> "$work/errors"
  outcome $? "$name" "$work/errors" && note "$name" "$(tail -n 1 "$work/theirs.json")"
}

bench() {
  local preset=small length=1024 batches=(32 16 8) pictures=(resnet50 --batch 128 --size 224) theirs_pictures=(--batch 128 --size 224)
  local times=(--steps 20 --warmup 6)
  [ -z "$rehearse" ] || preset=tiny length=32 batches=(2) pictures=(resnet20 --batch 2) theirs_pictures=(--batch 2 --size 64) times=(--steps 2 --warmup 1)
  # What matters most first, ours and theirs in turn.
  for batch in "${batches[@]}"; do
    local size=(--preset "$preset" --seq "$length" --batch "$batch" "${times[@]}")
    ours "gpt2_${preset}_b${batch}_ivon" gpt2 "${size[@]}" --optimizer ivon
    theirs "torch_gpt2_${preset}_b${batch}_adamw" torch_gpt2.py "${size[@]}" --optimizer adamw
    ours "gpt2_${preset}_b${batch}_adamw" gpt2 "${size[@]}" --optimizer adamw
    ratio "ivon_over_adamw_b${batch}" "gpt2_${preset}_b${batch}_ivon" "gpt2_${preset}_b${batch}_adamw"
    [ "$batch" != "${batches[0]}" ] || pictures_too
  done
  if [ -d "$kit/python" ]; then
    PYTHONPATH=$kit/python theirs "torch_gpt2_${preset}_b${batch}_ivon" torch_gpt2.py "${size[@]}" --optimizer ivon
  else
    skip "torch_gpt2 with ivon-opt: it is not in target/gpu-check/python"
  fi
}

pictures_too() {
  local name=${pictures[0]}
  ours "${name}_ivon" "${pictures[@]}" "${times[@]}" --optimizer ivon
  theirs "torch_resnet50_sgd" torch_resnet50.py "${theirs_pictures[@]}" "${times[@]}" --optimizer sgd
  ours "${name}_sgd" "${pictures[@]}" "${times[@]}" --optimizer sgd
}

profile() {
  "$ivon" bench gpt2 --help | grep -q -- --profile || { skip "ivon bench has no --profile"; return; }
  local text=(--preset small --seq 1024 --batch 16) pictures=(resnet50 --batch 128 --size 224)
  [ -z "$rehearse" ] || text=(--preset tiny --seq 32 --batch 2) pictures=(resnet20 --batch 2)
  local model
  for model in "gpt2 ${text[*]}" "${pictures[*]}"; do
    # shellcheck disable=SC2086
    bounded "$ivon" bench $model --dtype bf16 --device cuda:0 --steps 3 --profile 2> "$work/errors" | tee "$work/profile"
    outcome "${PIPESTATUS[0]}" "profile of $model" "$work/errors" || continue
    cp "$work/profile" "$results/$card-profile-${model%% *}.txt"
    [[ $model != gpt2* ]] || shares_of_peaks
  done
  flash_attention
}

# The field of a line of the profile: `of_profile PHASE OP FIELD`, counted from the number of calls.
of_profile() { awk -v phase="$1" -v op="  $2 " -v field="$3" '/^[a-z]/ { now = $1 } now == phase && index($0, op) == 1 { print $(field + 1); exit }' "$work/profile"; }

# What the targets ask of a profile of GPT-2: the share of the update in the copy bandwidth, and attention's milliseconds in all layers.
shares_of_peaks() {
  local bandwidth copies
  bandwidth=$(awk '/^update/ { now = 1 } now && /^  ivon / { print $7; exit }' "$work/profile")
  copies=$(grep -o 'large copies [0-9.]*' "$work/profile" | cut -d' ' -f3)
  note update_gb_per_s "$bandwidth"
  note copy_gb_per_s "$copies"
  note attention_forward_ms "$(of_profile forward causal_attention 2)"
  note attention_backward_ms "$(of_profile backward causal_attention 2)"
}

# PyTorch's on the same sizes: twelve layers of 16 × 1024 tokens, 12 heads of 64.
flash_attention() {
  local problem
  problem=$("$python" -c 'import torch, sys; sys.exit(not torch.cuda.is_available())' 2>&1) || { skip "torch_attention: $python sees no card ${problem##*$'\n'}"; return; }
  bounded "$python" - > "$work/theirs.json" 2> "$work/errors" <<'PYTHON'
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
layers, shape = 12, (16, 12, 1024, 64)
q, k, v, d = (torch.randn(shape, device="cuda", dtype=torch.bfloat16, requires_grad=i < 3) for i in range(4))
def quickest(work, runs=20):
    best = float("inf")
    for _ in range(runs):
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        for _ in range(layers):
            work()
        end.record()
        torch.cuda.synchronize()
        best = min(best, start.elapsed_time(end))
    return best
with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
    attend = lambda: torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True)
    forward = quickest(attend)
    y = attend()
    backward = quickest(lambda: torch.autograd.grad(y, (q, k, v), d, retain_graph=True))
print(f'{{"forward_ms": {forward:.4f}, "backward_ms": {backward:.4f}}}')
PYTHON
  outcome $? "torch_attention" "$work/errors" && note torch_flash_attention "$(tail -n 1 "$work/theirs.json")"
}

conformance() {
  has_peer conformance_models.py || return
  local cases=("gpt2 --preset tiny" "gpt2 --preset nano" "gpt2 --preset small --tolerance 2e-3" "resnet50")
  [ -z "$rehearse" ] || cases=("gpt2 --preset tiny")
  for case in "${cases[@]}"; do
    # shellcheck disable=SC2086
    bounded "$python" "$peers/conformance_models.py" $case --binary "$ivon" --extra '--device cuda:0' > "$work/log" 2>&1
    local status=$?
    tail -n 3 "$work/log"
    outcome $status "$case" "$work/log"
  done
  trace_of_updates
}

# What enters and leaves every update, replayed by the authors' package.
trace_of_updates() {
  [ -f "$peers/conformance_ivon.py" ] || { skip "conformance_ivon.py is not in $peers"; return; }
  [ -d "$kit/python" ] || { skip "ivon-opt is not in target/gpu-check/python"; return; }
  cat docs/*.md > "$work/text"
  bounded "$ivon" train gpt2 --preset tiny --batch 4 --seq 32 --steps 6 --warmup 2 --data "$work/text" --tokenizer bytes --eval-tokens 1024 \
    --device cuda:0 --dtype f32 --trace "$work/trace.safetensors" --trace-steps 6 --out "$work/traced" > "$work/log" 2>&1
  outcome $? "a trace" "$work/log" || return
  PYTHONPATH=$kit/python bounded "$python" "$peers/conformance_ivon.py" "$work/trace.safetensors" > "$work/log" 2>&1
  local status=$?
  tail -n 3 "$work/log"
  outcome $status "updates against ivon-opt" "$work/log"
}

sanitizer() {
  local tool packages
  packages=$("$python" -c 'import site; print(site.getsitepackages()[0])' 2> /dev/null)
  tool=$(command -v compute-sanitizer || ls /usr/local/cuda/bin/compute-sanitizer "$packages"/nvidia/*/bin/compute-sanitizer 2> /dev/null | head -n 1)
  [ -n "$tool" ] || { skip "compute-sanitizer is not installed (pip install nvidia-cuda-sanitizer-api)"; return; }
  [ -x "$kit/test-ops" ] || { skip "target/gpu-check/test-ops is not there: run prepare"; return; }
  for kind in memcheck racecheck; do
    IVON_TEST_CARD=1 bounded "$tool" --tool "$kind" --error-exitcode 1 "$kit/test-ops" --skip under_sanitizers --test-threads=1 > "$work/log" 2>&1
    local status=$?
    tail -n 5 "$work/log"
    outcome $status "$kind" "$work/log"
  done
}

# ---- results ----------------------------------------------------------------------------------------------------------------

# Reads what earlier calls have left.
recall() {
  local name rest
  while read -r name rest; do
    name=${name//[\":]/}
    [[ " ${parts[*]} " != *" $name "* ]] || lines[$name]=${rest%,}
  done < <(grep '^"' "$results/$card.json" 2> /dev/null)
}

# Writes what is there so far, so that nothing is lost where somebody cuts the whole.
report() {
  local all=() name
  for name in "${parts[@]}"; do
    [ -z "${lines[$name]:-}" ] || all+=("\"$name\": ${lines[$name]}")
  done
  {
    printf '{"card": "%s", "parts": {\n' "$card"
    local i
    for i in "${!all[@]}"; do printf '%s%s\n' "${all[$i]}" "$([ $((i + 1)) = ${#all[@]} ] || echo ,)"; done
    echo '}}'
  } > "$results/$card.json"
  {
    echo "| on one $card, bf16 | seconds a step | examples a second | GiB |"
    echo "|---|---|---|---|"
    sed 's/.*"measured": {//; s/,"\([a-z0-9_]*\)": {/\n"\1": {/g' <<< "${lines[bench]:-}" | while read -r entry; do
      name=${entry%%\":*}
      [[ $entry == *seconds_per_step* ]] || continue
      rate=$(field tokens_per_s <<< "$entry")$(field images_per_s <<< "$entry")
      echo "| ${name#\"} | $(field seconds_per_step <<< "$entry") | $rate | $(field peak_bytes <<< "$entry" | awk '{ printf "%.1f", $1 / 2 ^ 30 }') |"
    done
  } > "$results/$card.md"
}

run_part() {
  part=$1 skipped=() failed=() measured=()
  until=$((SECONDS + budget[$part]))
  local start=$SECONDS
  printf '\n== %s\n' "$part"
  if [ $((deadline - SECONDS)) -lt 5 ]; then
    skip "no time is left"
    [ -z "${lines[$part]:-}" ] || return
  else
    "$part"
  fi
  lines[$part]="{\"seconds\": $((SECONDS - start)), \"failed\": [$(joined "${failed[@]+"${failed[@]}"}")], \"skipped\": [$(joined "${skipped[@]+"${skipped[@]}"}")], \"measured\": {$(joined "${measured[@]+"${measured[@]}"}")}}"
  echo "-- $part: $((SECONDS - start)) s, ${#failed[@]} failed, ${#skipped[@]} skipped"
  report
}

case ${1:-} in
  prepare) prepare ;;
  run)
    shift
    [ -x "$ivon" ] || { echo "target/gpu-check/ivon is not there: run scripts/gpu-check.sh prepare on a machine with Rust"; exit 2; }
    chosen=("${@:-${parts[@]}}")
    [ $# -gt 0 ] || chosen=("${parts[@]}")
    for name in "${chosen[@]}"; do
      [[ " ${parts[*]} " == *" $name "* ]] || { echo "there is no part $name; there are ${parts[*]}"; exit 2; }
    done
    peers=${PEERS:-$kit/peers}
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    # Kernels compiled here stay here.
    export IVON_KERNEL_CACHE=${IVON_KERNEL_CACHE:-$work/kernels}
    # PyTorch's own libraries first, so that both compute with the same.
    export IVON_CUDA_LIBRARIES=${IVON_CUDA_LIBRARIES:-$("$python" -c '
import glob, importlib.util, os
torch = importlib.util.find_spec("torch")
packages = torch and os.path.dirname(os.path.dirname(torch.origin))
print(":".join(sorted(glob.glob(f"{packages}/nvidia/*/lib"))))' 2> /dev/null)}
    mkdir -p "$results"
    "$ivon" devices --json > "$work/devices.json" 2>&1
    if ! grep -q '"cuda_usable":true' "$work/devices.json"; then
      "$ivon" devices
      for part in "${chosen[@]}"; do skip "there is no card that can be used: see above"; done
      exit 3
    fi
    card=$(grep -o '"name":"[^"]*"' "$work/devices.json" | head -n 1 | cut -d'"' -f4 | tr ' /' '--')
    recall
    for name in "${chosen[@]}"; do run_part "$name"; done
    cat "$results/$card.md"
    printf '\nresults in %s\n' "$results/$card.json"
    [ -z "$any_failed" ]
    ;;
  *) sed -n '2,/^set/p' "$0" | sed '$d'; exit 2 ;;
esac
