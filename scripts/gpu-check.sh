#!/usr/bin/env bash
# Everything that waits for a real NVIDIA card, in one command.
#
#   scripts/gpu-check.sh prepare         on a machine with Rust: builds what is needed into target/gpu-check (under 60 MiB), to be carried along
#   scripts/gpu-check.sh run [PART ..]   on the machine with the card: all parts, or those named, in this order:
#
#     devices      what CUDA is found
#     kernels      every op in f32 and bf16 against the processor, the same bits three times
#     models       whole training steps of annotated models and of every optimizer against the processor; graphs, resume, evaluation
#     conformance  GPT-2 and ResNet-50 against Hugging Face and torchvision (needs Python with PyTorch, and PEERS)
#     training     200 steps of GPT-2 nano: f32 and bf16 on the card beside f32 on the processor
#     memory       what is planned against what the card says is in use
#     sanitizer    the kernel tests under compute-sanitizer, where it is installed
#     bench        our steps beside PyTorch's compiled ones, in turn (needs PyTorch, and PEERS)
#
# PYTHON (default python3) is the Python with PyTorch, PEERS the folder of the peers' scripts (default ../shared/peers).
# Results: results/<card>.json, and results/<card>.md with a table for docs/performance.md. A part that cannot run says why and does not fail;
# the exit status is 1 if a part failed.
set -uo pipefail
cd "$(dirname "$0")/.."
root=$PWD
kit=$root/target/gpu-check
python=${PYTHON:-python3}
peers=${PEERS:-$root/../shared/peers}

prepare() {
  set -e
  mkdir -p "$kit"
  cargo build --release --locked -p models --bin ivon
  cp target/release/ivon "$kit/ivon"
  cargo test --release --locked --no-run -p ivon-emulator --test ops --test models --test training --message-format=json |
    grep -o '"executable":"[^"]*"' | cut -d'"' -f4 | while read -r test; do
      name=$(basename "$test")
      cp "$test" "$kit/test-${name%-*}"
    done
  strip "$kit"/ivon "$kit"/test-*
  [ ! -d "$peers" ] || { mkdir -p "$kit/peers" && cp -f "$peers"/*.py "$kit/peers/"; }
  du -sh "$kit"
}

say() { printf '\n== %s\n' "$*"; }
skipped=()
skip() { skipped+=("$1: $2"); echo "SKIPPED $1: $2"; }
failed=()
fail() { failed+=("$1"); echo "FAILED $1: $2"; }

# A field of the JSON object that a command prints last.
field() { tail -n 1 | grep -o "\"$1\":[^,}]*" | head -n 1 | cut -d: -f2- | tr -d '" '; }
# Whether |a / b - 1| <= limit.
near() { awk -v a="$1" -v b="$2" -v limit="$3" 'BEGIN { d = a / b - 1; exit !(d <= limit && d >= -limit) }'; }

ivon=$kit/ivon
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Kernels compiled here stay here.
export IVON_KERNEL_CACHE=${IVON_KERNEL_CACHE:-$work/kernels}
measured=()
note() { measured+=("\"$1\": $2"); echo "$1: $2"; }

has_torch() { "$python" -c 'import torch, sys; sys.exit(not torch.cuda.is_available())' 2> /dev/null; }
[ -d "$kit/peers" ] && peers=$kit/peers

devices() {
  "$ivon" devices || fail devices "ivon devices"
  command -v nvidia-smi > /dev/null && nvidia-smi --query-gpu=name,driver_version,memory.total,power.limit --format=csv,noheader
}

run_test() { # part, test executable
  [ -x "$kit/test-$2" ] || { skip "$1" "target/gpu-check/test-$2 is not there: run prepare"; return; }
  IVON_TEST_CARD=1 "$kit/test-$2" --skip under_sanitizers --test-threads=4 2>&1 | tail -n 40
  [ "${PIPESTATUS[0]}" = 0 ] || fail "$1" "test-$2"
}

kernels() { run_test kernels ops; }
models() { run_test models models; run_test models training; }

conformance() {
  has_torch || { skip conformance "$python has no PyTorch that sees a card"; return; }
  [ -f "$peers/conformance_models.py" ] || { skip conformance "$peers/conformance_models.py is not there"; return; }
  for case in "gpt2 --preset tiny" "gpt2 --preset nano" "gpt2 --preset small --tolerance 2e-3" "resnet50"; do
    # shellcheck disable=SC2086
    "$python" "$peers/conformance_models.py" $case --binary "$ivon" --extra '--device cuda:0' || fail conformance "$case"
  done
}

# Losses of the steps of a run, from its metrics.
losses() { grep -o '"loss":[^,}]*' "$1/metrics.jsonl" | cut -d: -f2; }

training() {
  local flags="train gpt2 --preset nano --tokenizer bytes --steps 200 --warmup 20 --batch 8 --seq 128 --eval-tokens 4096 --eval-samples 2 --seed 1 --json"
  declare -A final
  for run in "cpu f32" "cuda:0 f32" "cuda:0 bf16"; do
    read -r device dtype <<< "$run"
    # shellcheck disable=SC2086
    (cd "$work" && "$ivon" $flags --device "$device" --dtype "$dtype" --out "$work/$device-$dtype" > "$work/$device-$dtype.json") ||
      { fail training "$run"; return; }
    final[$run]=$(field validation_loss < "$work/$device-$dtype.json")
    note "nano_200_steps_validation_loss_${device%:*}_$dtype" "${final[$run]}"
  done
  near "${final[cuda:0 f32]}" "${final[cpu f32]}" 0.01 || fail training "f32 on the card is not within 1 % of the processor"
  near "${final[cuda:0 bf16]}" "${final[cpu f32]}" 0.02 || fail training "bf16 on the card is not within 2 % of f32"
  paste <(losses "$work/cpu-f32" | head -n 20) <(losses "$work/cuda:0-f32" | head -n 20) |
    awk '{ d = $2 / $1 - 1; if (d > 1e-3 || d < -1e-3) { print "step " NR ": " $2 " on the card, " $1 " on the processor"; bad = 1 } } END { exit bad }' ||
    fail training "losses of the first 20 steps differ by more than 1e-3"
}

memory() {
  local before after peak
  command -v nvidia-smi > /dev/null || { skip memory "there is no nvidia-smi"; return; }
  before=$(nvidia-smi --query-gpu=memory.used --format=csv,noheader,nounits | head -n 1)
  "$ivon" bench gpt2 --preset small --batch 8 --seq 1024 --dtype bf16 --device cuda:0 --steps 3 --json > "$work/memory.json" ||
    { fail memory "bench"; return; }
  peak=$(field peak_bytes < "$work/memory.json")
  note small_8x1024_bf16_bytes_in_use "$peak"
  note small_8x1024_bf16_bytes_of_state "$(field state_bytes < "$work/memory.json")"
  note small_8x1024_bf16_bytes_of_activations "$(field arena_bytes < "$work/memory.json")"
  note card_mib_in_use_before "$before"
  # A batch that no card holds is refused with the sum, and not by a failing allocation.
  "$ivon" bench gpt2 --preset small --batch 100000 --seq 1024 --dtype bf16 --device cuda:0 --steps 1 > "$work/refused" 2>&1 &&
    fail memory "a batch of 100,000 was not refused"
  grep -q 'largest batch that fits' "$work/refused" || fail memory "the refusal does not name the largest batch: $(tail -n 1 "$work/refused")"
}

sanitizer() {
  local tool
  tool=$(command -v compute-sanitizer || ls "$($python -c 'import site; print(site.getsitepackages()[0])' 2> /dev/null)"/nvidia/*/bin/compute-sanitizer 2> /dev/null | head -n 1)
  [ -n "$tool" ] || { skip sanitizer "compute-sanitizer is not installed (pip install nvidia-cuda-sanitizer-api)"; return; }
  for kind in memcheck racecheck; do
    IVON_TEST_CARD=1 timeout 150 "$tool" --tool "$kind" --error-exitcode 1 "$kit/test-ops" --skip under_sanitizers --test-threads=1 2>&1 | tail -n 5
    case ${PIPESTATUS[0]} in
      0) ;;
      124) skip "sanitizer $kind" "not done after 150 s" ;;
      *) fail sanitizer "$kind" ;;
    esac
  done
}

ours() { # name, arguments of bench
  local name=$1
  shift
  "$ivon" bench "$@" --device cuda:0 --json > "$work/ours.json" || { fail bench "$name"; return; }
  note "$name" "$(tail -n 1 "$work/ours.json")"
}

theirs() { # name, script, arguments
  local name=$1 script=$2
  shift 2
  [ -f "$peers/$script" ] || { skip "bench $name" "$peers/$script is not there"; return; }
  "$python" "$peers/$script" "$@" --device cuda --dtype bf16 --compile > "$work/theirs.json" || { fail bench "$name"; return; }
  note "$name" "$(tail -n 1 "$work/theirs.json")"
}

bench() {
  for optimizer in ivon adamw; do
    for batch in 8 16 32; do
      ours "gpt2_small_1024_bf16_b${batch}_$optimizer" gpt2 --preset small --seq 1024 --batch "$batch" --dtype bf16 --optimizer "$optimizer" --steps 20 --warmup 5
    done
  done
  if has_torch; then
    for batch in 8 16 32; do
      theirs "torch_gpt2_small_1024_bf16_b${batch}_adamw" torch_gpt2.py --preset small --seq 1024 --batch "$batch" --optimizer adamw --steps 20 --warmup 5
    done
  else
    skip "bench of PyTorch" "$python has no PyTorch that sees a card"
  fi
  for optimizer in ivon sgd; do
    ours "resnet50_224_bf16_b128_$optimizer" resnet50 --batch 128 --size 224 --dtype bf16 --optimizer "$optimizer" --steps 20 --warmup 5
  done
  has_torch && theirs torch_resnet50_224_bf16_b128_sgd torch_resnet50.py --batch 128 --size 224 --optimizer sgd --steps 20 --warmup 5
}

report() {
  mkdir -p results
  local card
  card=$(nvidia-smi --query-gpu=name --format=csv,noheader 2> /dev/null | head -n 1 | tr ' /' '--')
  card=${card:-unknown}
  local quoted
  quoted=$(printf '"%s",' "${failed[@]+"${failed[@]}"}")
  local left_out
  left_out=$(printf '"%s",' "${skipped[@]+"${skipped[@]}"}")
  {
    echo "{"
    echo "\"card\": \"$card\","
    echo "\"failed\": [$(sed 's/^"",$//; s/,$//' <<< "$quoted")],"
    echo "\"skipped\": [$(sed 's/^"",$//; s/,$//' <<< "$left_out")],"
    (IFS=,; echo "\"measured\": {${measured[*]+"${measured[*]}"}}")
    echo "}"
  } > "results/$card.json"
  {
    echo "| on one $card | seconds a step | a second | bytes |"
    echo "|---|---|---|---|"
    for entry in "${measured[@]+"${measured[@]}"}"; do
      grep -q seconds_per_step <<< "$entry" || continue
      local name=${entry%%\":*}
      echo "| ${name#\"} | $(field seconds_per_step <<< "$entry") | $(field tokens_per_s <<< "$entry")$(field images_per_s <<< "$entry") | $(field peak_bytes <<< "$entry") |"
    done
  } > "results/$card.md"
  cat "results/$card.md"
  say "results/$card.json; failed: ${failed[*]:-nothing}; skipped: ${#skipped[@]}"
}

case ${1:-} in
  prepare) prepare ;;
  run)
    shift
    [ -x "$ivon" ] || { echo "target/gpu-check/ivon is not there: run scripts/gpu-check.sh prepare on a machine with Rust"; exit 2; }
    all=(devices kernels models conformance training memory sanitizer bench)
    parts=("${@:-${all[@]}}")
    [ $# -gt 0 ] || parts=("${all[@]}")
    for part in "${parts[@]}"; do
      [[ " ${all[*]} " == *" $part "* ]] || { echo "there is no part $part; there are ${all[*]}"; exit 2; }
      say "$part"
      "$part"
    done
    report
    [ ${#failed[@]} = 0 ]
    ;;
  *) sed -n '2,22p' "$0"; exit 2 ;;
esac
