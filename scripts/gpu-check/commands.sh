# Runs commands within their time, and reads their output.
# shellcheck shell=bash

# Makes a directory for temporary files, and one for results if the one given cannot be written.
begin() {
  work=$(mktemp -d)
  trap 'rm -rf "$work"; kill $(jobs -p) 2> /dev/null' EXIT
  if ! mkdir -p "$results" 2> /dev/null || [ ! -w "$results" ]; then
    echo "$results cannot be written: results go to ${TMPDIR:-/tmp}/gpu-check" >&2
    results=${TMPDIR:-/tmp}/gpu-check
    mkdir -p "$results" || exit 2
  fi
  # Kernels are compiled once for all parts: ours, and PyTorch's.
  export IVON_KERNEL_CACHE=${IVON_KERNEL_CACHE:-$work/kernels}
  export TORCHINDUCTOR_CACHE_DIR=${TORCHINDUCTOR_CACHE_DIR:-$work/inductor}
  # PyTorch's own libraries come first, so that both compute with the same.
  export IVON_CUDA_LIBRARIES=${IVON_CUDA_LIBRARIES:-$("$python" -c '
import glob, importlib.util, os
torch = importlib.util.find_spec("torch")
packages = torch and os.path.dirname(os.path.dirname(torch.origin))
print(":".join(sorted(glob.glob(f"{packages}/nvidia/*/lib"))))' 2> /dev/null)}
  look_at_python
}

# True if a GPU can be used; sets its name, and reads the findings of earlier calls.
open_gpu() {
  timeout --kill-after=5 60 "$ivon" devices --json > "$work/devices.json" 2>&1
  if ! grep -q '"cuda_usable":true' "$work/devices.json"; then
    timeout --kill-after=5 60 "$ivon" devices
    echo "SKIPPED: there is no GPU that can be used: see above"
    return 1
  fi
  GPU=$(grep -o '"name":"[^"]*"' "$work/devices.json" | head -n 1 | cut -d'"' -f4 | tr -c 'A-Za-z0-9._\n' '-')
  recall
}

# Seconds left for the part.
left() { echo $((until - SECONDS)); }
# True if the part has this many seconds left: `time_for SECONDS WHAT`. Otherwise WHAT is listed at the end of the part.
time_for() { [ "$(left)" -ge "$1" ] || { unbegun+=("$2"); return 1; }; }
# Runs a command for at most this many seconds, if the part has them; status 124 if the time is over.
within() { # seconds, command
  local seconds=$1 most
  shift
  [ -z "$rehearse" ] || seconds=$((10 * seconds))
  most=$(left)
  [ "$seconds" -le "$most" ] || seconds=$most
  [ "$seconds" -gt 0 ] || return 124
  timeout --kill-after=5 "$seconds" "$@"
}
bounded() { within "$(left)" "$@"; }

# Reports a command that failed: `outcome STATUS WHAT [FILE WITH ITS MESSAGES]`. A peer's failure is skipped, not failed.
outcome() {
  [ "$1" != 0 ] || return 0
  local words
  words="$2: status $1; $(grep -v '^ *$' "${3:-/dev/null}" | tail -n 3 | cut -c1-300)"
  [ -z "${3:-}" ] || logged "$2, status $1" "$3"
  case $1 in
    124 | 137) skip "$2: cut after its time was over" ;;
    *) if [[ $2 == torch* ]]; then skip "$words"; else fail "$words"; fi ;;
  esac
  return 1
}

# Notes the messages of a command that succeeded, for example that a library refused something.
told() { # what, file
  [ ! -s "$2" ] || { note "told_${1// /_}" "\"$(quoted "$(tail -n 3 "$2" | cut -c1-400)")\""; logged "$1 went well" "$2"; }
}

# A field of the last JSON object in a command's output.
field() { tail -n 1 | grep -o "\"$1\": *[^,}]*" | head -n 1 | cut -d: -f2- | tr -d '" '; }
# True if |a / b - 1| <= limit; false if one is not a number.
near() { awk -v a="${1:-x}" -v b="${2:-x}" -v limit="$3" 'BEGIN { if (a !~ /^-?[0-9]/ || b + 0 == 0) exit 1; d = a / b - 1; exit !(d <= limit && d >= -limit) }'; }
# The median of numbers, one per line.
median() { sort -g | awk '{ x[NR] = $1 } END { if (NR) printf "%.9g", (x[int((NR + 1) / 2)] + x[int(NR / 2) + 1]) / 2 }'; }

# ---- Python and the peers' scripts ------------------------------------------------------------------------------------------

# Importing PyTorch takes half a minute on a fresh machine: it is loaded from the disk in the background.
look_at_python() {
  {
    timeout --kill-after=5 120 "$python" scripts/gpu-check/python.py "$kit/python" > "$work/python.new" 2> "$work/python.errors" ||
      echo "problem $python ended with $?: $(tail -n 1 "$work/python.errors" | cut -c1-200)" >> "$work/python.new"
    mv "$work/python.new" "$work/python"
  } &
}

# Waits for that and prints the findings of a kind: version, GPU, no GPU, problem, uncompiled, ivon.
of_python() {
  while [ ! -f "$work/python" ]; do sleep 0.2; done
  sed -n "s/^$1 //p" "$work/python"
}

# True if a peer's script can run here, on the GPU.
has_peer() { # script
  [ -f "$peers/$1" ] || { skip "$1 is not in $peers"; return 1; }
  local problem
  problem=$(of_python problem; [ -n "$rehearse" ] || of_python "no GPU")
  [ -z "$problem" ] || { skip "$1: ${problem//$'\n'/; }"; return 1; }
}

# True if the authors' package of IVON is installed.
has_ivon_opt() {
  [ -n "$(of_python ivon)" ] || { skip "$1: ivon-opt is neither in target/gpu-check/python nor in $python"; return 1; }
}

# Runs Python with the packages of the kit.
with_python() { PYTHONPATH=$kit/python${PYTHONPATH:+:$PYTHONPATH} "$@"; }
