# Our steps and PyTorch's compiled ones, alternately: rounds of processes, and their medians.
# shellcheck shell=bash

bench() {
  rm -f "$results/$GPU-runs.jsonl" "$results/$GPU.md"
  mkdir -p "$work/runs"
  local preset=small length=1024 batches=(32 64 16) classes=resnet50 images=(128 256) pixels=(--size 224) times=(--steps 40 --warmup 10)
  [ -z "$rehearse" ] || preset=tiny length=32 batches=(2) classes=resnet20 images=(2) pixels=() times=(--steps 2 --warmup 1)
  local text=gpt2_${preset} round batch usual=(gpt2 --preset "$preset" --seq "$length" --batch "${batches[0]}")
  # The most important rounds come first; a later round costs the peer little, since its kernels are compiled.
  round_of_text "${batches[0]}" 1
  round_of_pictures "${pictures[0]}" 1
  round_of_text "${batches[0]}" 2
  in_ways_of_text 1
  in_ways_of_pictures 1
  for round in 3 4; do
    ours "${text}_b${batches[0]}_ivon" "$round" "${usual[@]}" --optimizer ivon
    ours "${text}_b${batches[0]}_adamw" "$round" "${usual[@]}" --optimizer adamw
    compared_with_adamw "${batches[0]}"
    in_ways_of_text "$round"
    [ "$round" = 4 ] || round_of_pictures "${pictures[0]}" 2
  done
  in_ways_of_pictures 2
  for batch in "${batches[@]:1}"; do round_of_text "$batch" 1; done
  for batch in "${pictures[@]:1}"; do round_of_pictures "$batch" 1; done
  has_ivon_opt "torch_gpt2 with ivon-opt" &&
    theirs "torch_${text}_b16_ivon" 1 torch_gpt2.py --preset "$preset" --seq "$length" --batch "$([ -n "$rehearse" ] && echo 2 || echo 16)" --optimizer ivon
}

round_of_text() { # batch, round
  local size=(--preset "$preset" --seq "$length" --batch "$1")
  ours "${text}_b$1_ivon" "$2" gpt2 "${size[@]}" --optimizer ivon
  theirs "torch_${text}_b$1_adamw" "$2" torch_gpt2.py "${size[@]}" --optimizer adamw
  ours "${text}_b$1_adamw" "$2" gpt2 "${size[@]}" --optimizer adamw
  compared_with_adamw "$1"
  ratio "torch_over_ivon_${text}_b$1" "torch_${text}_b$1_adamw" "${text}_b$1_ivon"
}

round_of_pictures() { # batch, round
  local of_theirs=(--size 224)
  [ -z "$rehearse" ] || of_theirs=(--size 64)
  ours "${classes}_b$1_ivon" "$2" "$classes" "${pixels[@]}" --batch "$1" --optimizer ivon
  theirs "torch_resnet50_b$1_sgd" "$2" torch_resnet50.py "${of_theirs[@]}" --batch "$1" --optimizer sgd
  ours "${classes}_b$1_sgd" "$2" "$classes" "${pixels[@]}" --batch "$1" --optimizer sgd
  ratio "torch_over_ivon_${classes}_b$1" "torch_resnet50_b$1_sgd" "${classes}_b$1_ivon"
}

compared_with_adamw() { ratio "ivon_over_adamw_b$1" "${text}_b$1_ivon" "${text}_b$1_adamw"; } # batch

# Alternatives to the usual way, which was chosen by estimate: a ratio below 1 means that the alternative is quicker.
ways_of_text=(gelu_apart:IVON_GELU_EPILOGUE=off sums_apart:IVON_SUMS_EPILOGUE=off tuned:IVON_TUNE=on)
ways_of_pictures=(tuned:IVON_TUNE=on cudnn_all:IVON_CUDNN=all cudnn_windows:IVON_CUDNN=windows)

in_ways_of_text() { # round
  local name=${text}_b${batches[0]}_ivon way
  for way in "${ways_of_text[@]}"; do
    with "${way#*:}" ours "${name}_${way%:*}" "$1" "${usual[@]}" --optimizer ivon
    ratio "text_${way%:*}_over_usual" "${name}_${way%:*}" "$name"
  done
}

in_ways_of_pictures() { # round
  local name=${classes}_b${pictures[0]}_ivon way
  for way in "${ways_of_pictures[@]}"; do
    with "${way#*:}" ours "${name}_${way%:*}" "$1" "$classes" "${pixels[@]}" --batch "${pictures[0]}" --optimizer ivon
    ratio "pictures_${way%:*}_over_usual" "${name}_${way%:*}" "$name"
  done
}

# Runs a command with an additional environment variable.
with() { # VARIABLE=value, command
  local -x "${1?}"
  shift
  "$@"
}

ours() { # name, round, arguments of bench
  local name=$1 round=$2
  shift 2
  time_for 10 "$name, round $round" || return
  watch_gpu
  within 90 "$ivon" bench "$@" "${times[@]}" --dtype bf16 --device cuda:0 --json > "$work/run.json" 2> "$work/errors"
  local status=$?
  watched
  outcome "$status" "$name" "$work/errors" && told "$name" "$work/errors" && keep "$name" "$round"
}

theirs() { # name, round, script, arguments
  local name=$1 round=$2 script=$3 lacking
  shift 3
  has_peer "$script" || return
  # The first process of a size compiles for a minute; a size that failed before would fail again.
  if [ "$round" = 1 ]; then time_for 45 "$name" || return; else [ -f "$work/runs/$name.1.json" ] && time_for 25 "$name, round $round" || return; fi
  if [ -n "$rehearse" ]; then
    run_theirs "$@" --device cpu
    return
  fi
  lacking=$(of_python uncompiled)
  if [ -z "$lacking" ]; then
    run_theirs "$@" --device cuda --dtype bf16 --compile && return
    ! grep -q OutOfMemory "$work/errors" || return
  fi
  name=${name}_uncompiled
  [ -z "$lacking" ] || skip "$name: $lacking"
  run_theirs "$@" --device cuda --dtype bf16
}

run_theirs() { # arguments, for the script, name and round of `theirs`
  watch_gpu
  with_python within 150 "$python" "$peers/$script" "$@" "${times[@]}" > "$work/run.json" 2> "$work/errors"
  local status=$?
  watched
  outcome "$status" "$name" "$work/errors" && keep "$name" "$round"
}

# ---- rounds -----------------------------------------------------------------------------------------------------------------

# Records the driver's figures of the GPU during a run, for ours and theirs alike.
watch_gpu() {
  watch_job=''
  : > "$work/watched"
  command -v nvidia-smi > /dev/null || return 0
  nvidia-smi --query-gpu=memory.used,power.draw,clocks.sm --format=csv,noheader,nounits -i 0 -lms 300 > "$work/watched" 2> /dev/null &
  watch_job=$!
}
# The most memory that was in use, the most power, and the clock at that power, as fields of JSON: `of_gpu`.
watched() {
  if [ -n "$watch_job" ]; then
    kill "$watch_job" 2> /dev/null
    wait "$watch_job" 2> /dev/null
  fi
  of_gpu=$(awk -F', *' 'BEGIN { mib = watts = mhz = "null" } $1 + 0 > mib + 0 { mib = $1 + 0 } $2 + 0 > watts + 0 { watts = $2 + 0; mhz = $3 + 0 }
    END { printf "\"gpu_mib\": %s, \"gpu_watts\": %s, \"gpu_mhz\": %s", mib, watts, mhz }' "$work/watched")
}

# Stores a run as a round of this name, and notes the median of its rounds.
keep() { # name, round
  local file=$work/runs/$1.$2.json
  tail -n 1 "$work/run.json" | sed "s/}\$/, $of_gpu}/" > "$file"
  printf '{"name":"%s","round":%s,"result":%s}\n' "$1" "$2" "$(cat "$file")" >> "$results/$GPU-runs.jsonl"
  local seconds all=("$work/runs/$1".*.json) per examples
  seconds=$(cat "${all[@]}" | each seconds_per_step | median)
  per=$(grep -o '"\(tokens\|images\)_per_s"' "$file" | head -n 1 | tr -d '"')
  examples=$(awk -v rate="$(field "$per" < "$file")" -v s="$(field seconds_per_step < "$file")" -v median="$seconds" 'BEGIN { printf "%.1f", rate * s / median }')
  note "$1" "{\"seconds_per_step\": $seconds, \"rounds\": [$(cat "${all[@]}" | each seconds_per_step | paste -sd,)], \"$per\": $examples, \"peak_bytes\": $(field peak_bytes < "$file"), $of_gpu}"
  tables
}

# Prints the field of every line.
each() { while read -r line; do field "$1" <<< "$line"; done; } # field

# The ratio of the times of a step of two runs, round by round: `ratio NAME OF TO`.
ratio() {
  local round all=()
  for round in 1 2 3 4; do
    [ -f "$work/runs/$2.$round.json" ] && [ -f "$work/runs/$3.$round.json" ] || continue
    all+=("$(awk -v a="$(field seconds_per_step < "$work/runs/$2.$round.json")" -v b="$(field seconds_per_step < "$work/runs/$3.$round.json")" 'BEGIN { printf "%.4f", a / b }')")
  done
  [ ${#all[@]} -gt 0 ] || return
  note "$1" "{\"median\": $(printf '%s\n' "${all[@]}" | median), \"rounds\": [$(joined "${all[@]}")]}"
  tables
}

# ---- tables -----------------------------------------------------------------------------------------------------------------

tables() {
  local name field numbers rounds
  {
    echo "| on one $GPU, bf16 | ms a step | examples a second | GiB by own count | GiB in use on the GPU | W at most | MHz then |"
    echo "|---|---|---|---|---|---|---|"
    for name in "${names[@]}"; do
      [[ ${measured[$name]} == *seconds_per_step* ]] || continue
      numbers=$(for field in seconds_per_step "[ti][a-z]*_per_s" peak_bytes gpu_mib gpu_watts gpu_mhz; do field "$field" <<< "${measured[$name]}"; done)
      # shellcheck disable=SC2086
      awk -v name="$name" 'BEGIN { printf "| %s | %.2f | %.0f | %.1f | %.1f | %.0f | %s |\n", name, 1e3 * ARGV[1], ARGV[2], ARGV[3] / 2 ^ 30, ARGV[4] / 1024, ARGV[5], ARGV[6] }' $numbers
    done
    echo
    echo "| how much longer | median | rounds |"
    echo "|---|---|---|"
    for name in "${names[@]}"; do
      [[ ${measured[$name]} == *median* ]] || continue
      rounds=${measured[$name]#*[}
      echo "| $name | $(field median <<< "${measured[$name]}") | ${rounds%]*} |"
    done
  } > "$results/$GPU.md"
}
