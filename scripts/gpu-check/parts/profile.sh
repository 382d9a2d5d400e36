# The time of a step, kernel by kernel.
# shellcheck shell=bash

profile() {
  # The sizes are those of the first round of `bench`, so that PyTorch has them compiled.
  local batch=32 text=(--preset small --seq 1024) images=(resnet50 --batch 128 --size 224)
  [ -z "$rehearse" ] || batch=2 text=(--preset tiny --seq 32) images=(resnet20 --batch 2)
  profile_of gpt2 "${text[@]}" --batch "$batch" && shares_of_peaks
  flash_attention
  profile_of "${pictures[@]}"
  profile_of_peer gpt2 torch_gpt2.py "${text[@]}" --batch "$batch" --optimizer adamw
}

profile_of() { # arguments of bench, the model first
  local name=$1
  within 40 "$ivon" bench "$@" --dtype bf16 --device cuda:0 --steps 3 --profile > "$work/profile" 2> "$work/errors"
  outcome $? "profile of $name" "$work/errors" || return
  cp "$work/profile" "$results/$GPU-profile-$name.txt"
  head -n 25 "$work/profile"
  # The time of a step beyond its kernels is the time that the GPU waits for the CPU.
  note "${name}_step_ms" "$(awk '/ s a step/ { print 1e3 * $1; exit }' "$work/profile")"
  note "${name}_kernels_ms" "$(awk '/^a recorded step/ { all = 1e3 * $4 } /^other/ { other = $2 } END { print all - other }' "$work/profile")"
}

# The field of a line of the profile: `of_profile PHASE OP FIELD`, counted from the number of calls.
of_profile() { awk -v phase="$1" -v op="  $2 " -v field="$3" '/^[a-z]/ { now = $1 } now == phase && index($0, op) == 1 { print $(field + 1); exit }' "$work/profile"; }

# The values that have targets for GPT-2: the share of the update in the copy bandwidth, and attention's milliseconds in all layers.
shares_of_peaks() {
  local update copy
  update=$(awk '/^update/ { now = 1 } now && /^  ivon / { print $7; exit }' "$work/profile")
  copy=$(grep -o 'large copies [0-9.]*' "$work/profile" | cut -d' ' -f3)
  note update_gb_per_s "$update"
  note copy_gb_per_s "$copy"
  note update_over_copy "$(awk -v a="$update" -v b="$copy" 'BEGIN { if (b > 0) printf "%.3f", a / b }')"
  note attention_forward_ms "$(of_profile forward causal_attention 2)"
  note attention_backward_ms "$(of_profile backward causal_attention 2)"
}

# PyTorch's attention at the same sizes.
flash_attention() {
  has_peer torch_gpt2.py || return
  local sizes=(--device cuda --layers 12 --batch "$batch" --heads 12 --length 1024 --size 64)
  [ -z "$rehearse" ] || sizes=(--device cpu --layers 2 --batch 2 --heads 4 --length 32 --size 16)
  within 40 "$python" scripts/gpu-check/flash_attention.py "${sizes[@]}" > "$work/flash.json" 2> "$work/errors"
  outcome $? "torch_attention" "$work/errors" && note torch_attention_ms "$(tail -n 1 "$work/flash.json")"
}

# The kernels of PyTorch's steps, for comparison with ours.
profile_of_peer() { # name, script, arguments
  local name=$1 script=$2 flags=(--device cuda --dtype bf16)
  shift 2
  has_peer "$script" || return
  [ -n "$(of_python uncompiled)" ] || flags+=(--compile)
  [ -z "$rehearse" ] || flags=(--device cpu)
  time_for 20 "torch_profile of $name" || return
  with_python bounded "$python" scripts/gpu-check/torch_profile.py "$peers/$script" "$@" "${flags[@]}" --steps 5 --warmup 5 > "$work/profile" 2> "$work/errors"
  outcome $? "torch_profile of $name" "$work/errors" && cp "$work/profile" "$results/$GPU-profile-torch-$name.txt"
}
