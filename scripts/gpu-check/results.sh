# Findings: a line of JSON for each part. All are written again after every finding, so that nothing is lost if the script is interrupted.
# shellcheck shell=bash

# Findings of the running part, as JSON.
part=
skipped=() failed=() names=() unbegun=()
declare -A measured
# Findings of all parts.
declare -A lines
any_failed=

# Text for a JSON string: keeps the ASCII characters that need no quoting.
quoted() { printf '%s' "$1" | tr '\n\t' '  ' | tr -cd '\40-\176' | tr -d '\\"'; }
joined() { local IFS=,; echo "$*"; }

skip() { skipped+=("\"$(quoted "$*")\""); echo "SKIPPED $part: $*"; save; }
fail() { failed+=("\"$(quoted "$*")\""); any_failed=1; echo "FAILED $part: $*"; save; }
note() { # name, number or JSON: the last one of a name counts
  local value=${2:-null}
  [[ $value =~ ^-?(nan|inf) ]] && value=null
  [[ -v measured[$1] ]] || names+=("$1")
  measured[$1]=$value
  echo "$1: ${value:0:400}"
  save
}

# Puts the findings of the part into its line, and writes all lines.
save() {
  local name all=()
  for name in "${names[@]+"${names[@]}"}"; do all+=("\"$name\": ${measured[$name]}"); done
  lines[$part]="{\"seconds\": $((SECONDS - part_start)), \"failed\": [$(joined "${failed[@]+"${failed[@]}"}")], \"skipped\": [$(joined "${skipped[@]+"${skipped[@]}"}")], \"measured\": {$(joined "${all[@]+"${all[@]}"}")}}"
  all=()
  for name in "${parts[@]}"; do
    [ -z "${lines[$name]:-}" ] || all+=("\"$name\": ${lines[$name]}")
  done
  {
    printf '{"gpu": "%s", "parts": {\n' "$GPU"
    local i
    for i in "${!all[@]}"; do printf '%s%s\n' "${all[$i]}" "$([ $((i + 1)) = ${#all[@]} ] || echo ,)"; done
    echo '}}'
  } > "$results/$GPU.json.new" && mv "$results/$GPU.json.new" "$results/$GPU.json"
}

# Reads the results of earlier calls.
recall() {
  local name rest
  while read -r name rest; do
    name=${name//[\":]/}
    [[ " ${parts[*]} " != *" $name "* ]] || lines[$name]=${rest%,}
  done < <(grep '^"' "$results/$GPU.json" 2> /dev/null)
}

# Keeps the output of a command for debugging: `logged WHAT FILE`.
logged() {
  { printf '==== %s: %s\n' "$part" "$1"; tail -c 30000 "$2"; printf '\n'; } >> "$results/$GPU-log.txt"
}

run_part() { # name
  part=$1 skipped=() failed=() names=() measured=() unbegun=()
  part_start=$SECONDS
  until=$((SECONDS + ${budget[$part]}))
  [ "$until" -le "$deadline" ] && [ -z "$rehearse" ] || until=$deadline
  printf '\n== %s\n' "$part"
  if [ "$(left)" -lt 5 ]; then
    echo "SKIPPED $part: no time is left"
    [ -n "${lines[$part]:-}" ] || skip "no time is left"
    return
  fi
  "$part"
  [ ${#unbegun[@]} = 0 ] || skip "no time was left for $(printf '%s; ' "${unbegun[@]}")"
  save
  echo "-- $part: $((SECONDS - part_start)) s, ${#failed[@]} failed, ${#skipped[@]} skipped"
}

# Prints the summary: failures again, the tables, where the other results are. Fails if a part failed.
summary() { # parts that ran
  printf '\n== after %s s\n' "$SECONDS"
  [[ " $* " != *" bench "* ]] || cat "$results/$GPU.md" 2> /dev/null
  local name text
  for name in "${parts[@]}"; do
    [ -n "${lines[$name]:-}" ] || continue
    text=${lines[$name]#*'"failed": ['}
    text=${text%%]*}
    [ -z "$text" ] || echo "FAILED $name: ${text:0:600}"
  done
  printf 'results in %s\n' "$results/$GPU.json"
  [ -z "$any_failed" ]
}
