#!/usr/bin/env bash
# Runs every check that needs a real NVIDIA GPU, in one command.
#
#   scripts/gpu-check.sh prepare         on a machine with Rust: builds target/gpu-check (under 60 MiB), to be copied along
#   scripts/gpu-check.sh run [PART ..]   on the machine with the GPU: all parts, or those named, in this order:
#
#     devices      which CUDA is found; the first steps of three small models
#     kernels      every op in f32 and bf16 against the CPU, the same bits three times
#     models       whole training steps of annotated models and of every optimizer against the CPU; graphs, resume, evaluation
#     memory       the plan against the use that the GPU reports; a batch that is too large
#     training     200 steps of GPT-2 nano: f32 and bf16 on the GPU beside f32 on the CPU
#     bench        our steps and PyTorch's compiled ones, alternately (theirs need PyTorch, and the peers' scripts)
#     profile      where the time of a step goes, kernel by kernel: ours, and PyTorch's
#     conformance  GPT-2 and ResNet-50 against Hugging Face and torchvision, and updates against ivon-opt (needs PyTorch, and the peers'
#                  scripts)
#     sanitizer    kernels under compute-sanitizer, where it is installed
#
#   A call takes ten minutes at most and stops what takes longer. All parts should fit into two calls:
#     scripts/gpu-check.sh run devices kernels models memory training conformance sanitizer
#     scripts/gpu-check.sh run bench profile
#
# Environment:
#   PYTHON    the Python with PyTorch (python3)
#   PEERS     the directory of the peers' scripts, for `prepare`, which copies them (shared/peers or ../shared/peers), and for `run` (those
#             copies)
#   RESULTS   the directory of the results (results):
#               <GPU>.json         one line a part: seconds, failures, skipped checks with the reason, measurements. Written after every
#                                   measurement.
#                                   Parts that are in the file and are not run again stay, so that parts can be run in several calls
#               <GPU>.md           the tables of `bench` for docs/performance.md
#               <GPU>-runs.jsonl   every run of `bench` in full, with its profile
#               <GPU>-profile-*    the profiles as tables
#               <GPU>-log.txt      the output of failing commands
#   BUDGET    seconds for everything (570); a part also has a budget of its own
#   REHEARSE  1: small models, the peers on the CPU, and the time of BUDGET, to try the script itself. On a machine without a GPU, with the
#             emulator:
#             REHEARSE=1 IVON_CUDA_LIBRARIES=<directory of the emulator's libcuda.so> scripts/gpu-check.sh run
#
# A part that cannot run prints the reason and does not fail. The exit status is 1 if a part failed, 2 if nothing could be tried, 3 without
# a GPU.
set -uo pipefail
export LC_ALL=C
cd "$(dirname "$0")/.." || exit 2
root=$PWD
kit=$root/target/gpu-check
ivon=$kit/ivon
python=${PYTHON:-python3}
peers=${PEERS:-$kit/peers}
results=${RESULTS:-$root/results}
rehearse=${REHEARSE:-}
deadline=$((SECONDS + ${BUDGET:-570}))
parts=(devices kernels models memory training bench profile conformance sanitizer)
# Seconds that a part may take.
declare -A budget=(
  [devices]=90 [kernels]=120 [models]=90 [memory]=45 [training]=75 [bench]=450 [profile]=100 [conformance]=150 [sanitizer]=150
)

. scripts/gpu-check/commands.sh
. scripts/gpu-check/results.sh
. scripts/gpu-check/prepare.sh
. scripts/gpu-check/parts/devices.sh
. scripts/gpu-check/parts/tests.sh
. scripts/gpu-check/parts/memory.sh
. scripts/gpu-check/parts/training.sh
. scripts/gpu-check/parts/bench.sh
. scripts/gpu-check/parts/profile.sh
. scripts/gpu-check/parts/conformance.sh
. scripts/gpu-check/parts/sanitizer.sh

run() { # parts
  local name
  for name in "$@"; do
    [[ " ${parts[*]} " == *" $name "* ]] || { echo "there is no part $name; there are ${parts[*]}"; exit 2; }
  done
  [ -x "$ivon" ] || chmod +x "$kit"/ivon "$kit"/test-* 2> /dev/null # not everything that carries files keeps that
  "$ivon" --version || { echo "target/gpu-check/ivon does not run here: scripts/gpu-check.sh prepare makes it, on a machine with Rust"; exit 2; }
  begin
  open_gpu || exit 3
  for name in "$@"; do run_part "$name"; done
  summary "$@"
}

case ${1:-} in
  prepare)
    prepare
    exit # here and not at the end of the file, which somebody may be editing meanwhile
    ;;
  run)
    shift
    [ $# -gt 0 ] || set -- "${parts[@]}"
    run "$@"
    exit
    ;;
  *) sed -n '2,/^set/p' "$0" | sed '$d'; exit 2 ;;
esac
